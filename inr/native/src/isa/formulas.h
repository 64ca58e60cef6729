// The formulas of the elementwise operations, value and slope together, in the vectors of the instruction set.
#pragma once

#include "isa/tile.h"

namespace inr {
namespace INR_ISA {

// Has one specialisation for each elementwise kind: made from an operation, it maps a vector to a `Pair`.
// A formula that holds for some arguments only has also `far(x)`, the lanes where it does not, and `slow(x)` for all.
template <Kind>
struct Formula;

struct Pair {
    V value, slope;
};

constexpr float kSmallestWindow = 1e-20f;  // see inr.layers.activations.window

INR_INLINE V window(V exponent) {
    // What becomes zero must not pass through the denormal numbers, which take a hundred times as long.
    const V y = exponential(select(exponent < -50.0f, splat(-50.0f), exponent));
    return select(y < kSmallestWindow, V{}, y);  // NaN stays NaN
}

template <>
struct Formula<Kind::kSine> {
    double radians;
    float omega;
    Turns factor;
    explicit Formula(const Op& op)
        : radians(op.reals[0]), omega(static_cast<float>(op.reals[0])), factor(op.reals[0]) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const SineCosine s = sine_cosine_near(x, factor);
        return {s.sine, omega * s.cosine};
    }
    // The fast reduction is right for all angles that a network has in practice: look once for several vectors.
    INR_INLINE_MEMBER I far(V x) const { return far_angles(x, factor); }
    Pair slow(V x) const {
        const SineCosine s = sine_cosine_any(x, radians, factor);
        return {s.sine, omega * s.cosine};
    }
};

template <>
struct Formula<Kind::kReLU> {
    explicit Formula(const Op&) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V slope = as_float((x > 0.0f) & as_int(splat(1.0f)));
        return {select(x < 0.0f, V{}, x), slope};
    }
};

template <>
struct Formula<Kind::kLeakyReLU> {
    float slope;
    explicit Formula(const Op& op) : slope(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V d = select(x > 0.0f, splat(1.0f), splat(slope));
        return {x * d, d};
    }
};

template <>
struct Formula<Kind::kGaussian> {
    float sigma;
    explicit Formula(const Op& op) : sigma(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V scaled = sigma * x;
        const V y = window(-(scaled * scaled));
        return {y, select(y == 0.0f, V{}, (-2.0f * sigma) * scaled * y)};
    }
};

template <>
struct Formula<Kind::kFiner> {
    float omega;
    bool full;
    explicit Formula(const Op& op) : omega(static_cast<float>(op.reals[0])), full(op.ints[0] != 0) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V scale = omega * (absolute(x) + 1.0f);
        const SineCosine s = sine_cosine(scale * x);
        const V inner = full ? scale + omega * absolute(x) : scale;
        return {s.sine, inner * s.cosine};
    }
};

template <>
struct Formula<Kind::kGatedTanh> {
    float omega;
    explicit Formula(const Op& op) : omega(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V t = hyperbolic_tangent(omega * x), gate = logistic(x), total = x + t;
        const V slope = (1.0f + omega * (1.0f - t * t)) * gate + total * gate * (1.0f - gate);
        return {total * gate, slope};
    }
};

template <>
struct Formula<Kind::kTanh> {
    explicit Formula(const Op&) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V t = hyperbolic_tangent(x);
        return {t, 1.0f - t * t};
    }
};

#if defined(__AVX512F__)
// The formula of the sums of products in a network that has 16-bit ones, of sums times `scale`.
template <Kind kind>
struct CoarseFormula : Formula<kind> {
    using Formula<kind>::Formula;
    static float scale(const Op&) { return 1.0f; }
};

// Of angles in turns, for omega > 0.
template <>
struct CoarseFormula<Kind::kSine> {
    CoarseSine function;
    explicit CoarseFormula(const Op& op) : function(op.reals[0]) {}
    static float scale(const Op& op) { return static_cast<float>(op.reals[0] * 0.15915494309189533577); }
    INR_INLINE_MEMBER Pair operator()(V turns) const {
        const SineCosine s = function(turns);
        return {s.sine, s.cosine};
    }
};
#endif

}  // namespace INR_ISA
}  // namespace inr
