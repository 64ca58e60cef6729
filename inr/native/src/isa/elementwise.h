// Elementwise functions, each with its derivative: the forward pass leaves the derivative in the operation's own
// memory, which may be the memory of its input, and the backward pass is one product.
#pragma once

#include "tile.h"

namespace inr {
namespace INR_ISA {

struct Pair {
    V value, slope;
};

constexpr float kSmallestWindow = 1e-20f;  // see inr.layers.activations.window

INR_INLINE V window(V exponent) {
    // What becomes zero must not pass through the denormal numbers, which take a hundred times as long.
    const V y = exponential(select(exponent < -50.0f, splat(-50.0f), exponent));
    return select(y < kSmallestWindow, V{}, y);  // NaN stays NaN
}

struct SineFunction {
    double radians;
    float omega;
    Turns factor;
    explicit SineFunction(const Op& op)
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

struct ReLUFunction {
    explicit ReLUFunction(const Op&) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V slope = as_float((x > 0.0f) & as_int(splat(1.0f)));
        return {select(x < 0.0f, V{}, x), slope};
    }
};

struct LeakyReLUFunction {
    float slope;
    explicit LeakyReLUFunction(const Op& op) : slope(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V d = select(x > 0.0f, splat(1.0f), splat(slope));
        return {x * d, d};
    }
};

struct GaussianFunction {
    float sigma;
    explicit GaussianFunction(const Op& op) : sigma(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V scaled = sigma * x;
        const V y = window(-(scaled * scaled));
        return {y, select(y == 0.0f, V{}, (-2.0f * sigma) * scaled * y)};
    }
};

struct FinerFunction {
    float omega;
    bool full;
    explicit FinerFunction(const Op& op) : omega(static_cast<float>(op.reals[0])), full(op.ints[0] != 0) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V scale = omega * (absolute(x) + 1.0f);
        const SineCosine s = sine_cosine(scale * x);
        const V inner = full ? scale + omega * absolute(x) : scale;
        return {s.sine, inner * s.cosine};
    }
};

struct GatedTanhFunction {
    float omega;
    explicit GatedTanhFunction(const Op& op) : omega(static_cast<float>(op.reals[0])) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V t = hyperbolic_tangent(omega * x), gate = logistic(x), total = x + t;
        const V slope = (1.0f + omega * (1.0f - t * t)) * gate + total * gate * (1.0f - gate);
        return {total * gate, slope};
    }
};

struct TanhFunction {
    explicit TanhFunction(const Op&) {}
    INR_INLINE_MEMBER Pair operator()(V x) const {
        const V t = hyperbolic_tangent(x);
        return {t, 1.0f - t * t};
    }
};

INR_INLINE void store_pair(const Pair& pair, float* out, float* slopes, int64_t i) {
    store(out + i, pair.value);
    if (slopes != nullptr) store(slopes + i, pair.slope);
}

// out = f(in) and, if wanted, slopes = f'(in); either may be where the input is. n is a multiple of kVectors * kLanes.
template <typename Function>
static void apply(const Function f, const float* in, float* out, float* slopes, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_pair(f(load(in + i)), out, slopes, i);
}

static void apply(const SineFunction f, const float* in, float* out, float* slopes, int64_t n) {
    constexpr int kGroup = kVectors;  // what a register block of a product has in a row
    for (int64_t i = 0; i < n; i += kGroup * kLanes) {
        V x[kGroup];
        I far{};
#pragma GCC unroll 4
        for (int k = 0; k < kGroup; ++k) {
            x[k] = load(in + i + k * kLanes);
            far |= f.far(x[k]);
        }
        if (__builtin_expect(any(far), 0)) {
            for (int k = 0; k < kGroup; ++k) store_pair(f.slow(x[k]), out, slopes, i + k * kLanes);
            continue;
        }
#pragma GCC unroll 4
        for (int k = 0; k < kGroup; ++k) store_pair(f(x[k]), out, slopes, i + k * kLanes);
    }
}

// Calls `use` with the function of an operation; false if it is no elementwise function.
template <typename Use>
static bool with_function(const Op& op, Use use) {
    switch (op.kind) {
        case Kind::kSine: use(SineFunction(op)); return true;
        case Kind::kReLU: use(ReLUFunction(op)); return true;
        case Kind::kLeakyReLU: use(LeakyReLUFunction(op)); return true;
        case Kind::kGaussian: use(GaussianFunction(op)); return true;
        case Kind::kFiner: use(FinerFunction(op)); return true;
        case Kind::kGatedTanh: use(GatedTanhFunction(op)); return true;
        case Kind::kTanh: use(TanhFunction(op)); return true;
        default: return false;
    }
}

#if defined(__AVX512F__)
// Of sums that are angles in turns, see `turns_of`.
struct CoarseSineFunction {
    CoarseSine function;
    explicit CoarseSineFunction(const Op& op) : function(op.reals[0]) {}
    INR_INLINE_MEMBER Pair operator()(V turns) const {
        const SineCosine s = function(turns);
        return {s.sine, s.cosine};
    }
};

// What sums are multiplied with before the function that `with_coarse_function` chooses.
INR_INLINE float turns_of(const Op& op) {
    return op.kind == Kind::kSine ? static_cast<float>(op.reals[0] * 0.15915494309189533577) : 1.0f;
}

// The function of the sums of products in a network that has 16-bit ones; a sine has omega > 0.
template <typename Use>
static bool with_coarse_function(const Op& op, Use use) {
    if (op.kind != Kind::kSine) return with_function(op, use);
    use(CoarseSineFunction(op));
    return true;
}
#endif

static bool elementwise_forward(const Op& op, const Tile& tile) {
    return with_function(op,
                         [&](auto f) { apply(f, tile.in(op, 0), tile.out(op), tile.aux(op), op.width * tile.size()); });
}

// Of an operation whose slopes are known from its output.
INR_INLINE V slope_of_output(const Op& op, V y) {
    return select(y > 0.0f, splat(1.0f), splat(op.kind == Kind::kReLU ? 0.0f : static_cast<float>(op.reals[0])));
}

static void elementwise_backward(const Op& op, const Tile& tile) {
    const float *d = tile.d_out(op), *slopes = tile.aux(op);
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    if (op.from_output) {
        const float* y = tile.out(op);
        for (int64_t i = 0; i < op.width * tile.size(); i += kLanes)
            put(dx + i, load(d + i) * slope_of_output(op, load(y + i)), op.writes[0]);
        return;
    }
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes)
        put(dx + i, load(d + i) * load(slopes + i), op.writes[0]);
}

// h = exp(i omega z - sigma^2 (|z|^2 + |v|^2 + ...)), of real z, v or of complex ones.
static void gabor_forward(const Op& op, const Tile& tile, bool complex) {
    const float omega = static_cast<float>(op.reals[0]);
    const float square = static_cast<float>(op.reals[1] * op.reals[1]);
    const int64_t half = op.width / 2 * tile.size();
    float* out = tile.out(op);
    for (int64_t i = 0; i < half; i += kLanes) {
        const V a = load(tile.in(op, 0) + i);
        V total = a * a, shift{};
        if (complex) {
            const V b = load(tile.in(op, 0) + half + i);
            total += b * b;
            shift = omega * b;
        }
        for (size_t k = 1; k < op.inputs.size(); ++k) {
            const V v = load(tile.in(op, k) + i);
            total += v * v;
            if (complex) {
                const V w = load(tile.in(op, k) + half + i);
                total += w * w;
            }
        }
        const V size = window(-shift - square * total);
        const SineCosine s = sine_cosine(omega * a);
        store(out + i, size * s.cosine);
        store(out + half + i, size * s.sine);
    }
}

static void gabor_backward(const Op& op, const Tile& tile, bool complex) {
    const float omega = static_cast<float>(op.reals[0]);
    const float twice = static_cast<float>(2 * op.reals[1] * op.reals[1]);
    const int64_t half = op.width / 2 * tile.size();
    const float *h = tile.out(op), *d = tile.d_out(op);
    for (int64_t i = 0; i < half; i += kLanes) {
        const V hr = load(h + i), hi = load(h + half + i), dr = load(d + i), di = load(d + half + i);
        const V along = dr * hr + di * hi, across = di * hr - dr * hi;
        for (size_t k = 0; k < op.inputs.size(); ++k) {
            float* dx = tile.d_in(op, k);
            if (dx == nullptr) continue;
            const float* x = tile.in(op, k);
            const V turn = k == 0 ? omega * across : V{};
            put(dx + i, turn - twice * load(x + i) * along, op.writes[k]);
            if (!complex) continue;
            const V decay = k == 0 ? omega + twice * load(x + half + i) : twice * load(x + half + i);
            put(dx + half + i, -(decay * along), op.writes[k]);
        }
    }
}

}  // namespace INR_ISA
}  // namespace inr
