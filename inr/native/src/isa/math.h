// Sine and cosine, exponential, hyperbolic tangent and logistic function of vectors. The errors stated are against
// float64, over all arguments unless a range is given; the tests measure them.
#pragma once

#include "isa/simd.h"

extern "C" double sin(double);
extern "C" double cos(double);

namespace inr {
namespace INR_ISA {

struct SineCosine {
    V sine, cosine;
};

// Of the fast reduction: the product that is rounded to whole turns must still have digits behind the point. Without
// fused operations the parts of the period allow fewer.
constexpr float kLargestTurns = kFused ? 16384.0f : 4096.0f;

// A factor of an angle: in turns, as two floats whose sum has 48 digits, and its period, in parts short enough that a
// small number of them is exact.
struct Turns {
    float high, low, limit;
    float period[3];
    explicit Turns(double radians)
        : high(static_cast<float>(radians * 0.15915494309189533577)),
          low(static_cast<float>(radians * 0.15915494309189533577 - static_cast<double>(high))),
          limit(kLargestTurns / absolute_of(high)) {
        double rest = 6.28318530717958647693 / radians;
        for (int i = 0; i < 3; ++i) {
            period[i] = i < 2 ? shortened(static_cast<float>(rest)) : static_cast<float>(rest);
            rest -= static_cast<double>(period[i]);
        }
    }

private:
    static float absolute_of(float x) { return x < 0 ? -x : x; }
    static float shortened(float x) {  // to 11 digits
        uint32_t bits;
        std::memcpy(&bits, &x, sizeof(bits));
        bits &= 0xffffe000u;
        std::memcpy(&x, &bits, sizeof(x));
        return x;
    }
};

// Of r turns, |r| <= 1/2, by the half angle: s = sqrt2 sin(pi r), c = sqrt2 cos(pi r), so that no quadrant has to be
// told from another. Absolute error below 8e-7 (sine 5e-7).
INR_INLINE SineCosine sine_cosine_half(V r) {
    const V u = r * r;
    V s = 0.10920874774456024f * u - 0.8457654118537903f;
    s = s * u + 3.6062893867492676f;
    s = s * u - 7.308241367340088f;
    s = (s * u + 4.442883014678955f) * r;
    V c = 0.31069818139076233f * u - 1.8835630416870117f;
    c = c * u + 5.7394609451293945f;
    c = c * u - 6.978850841522217f;
    c = c * u + 1.4142135381698608f;
    return {s * c, 1.0f - s * s};
}

#if defined(__AVX512F__)
// sin(2 pi t) and its derivative by z, where t = omega z / 2 pi, in networks with 16-bit products: by the half angle as
// above, absolute errors below 1.4e-5 and, in parts of omega > 0, 2.7e-6.
struct CoarseSine {
    float omega, s[4], c[4];
    explicit CoarseSine(double omega_) : omega(static_cast<float>(omega_)) {
        constexpr double kSine[4] = {4.442867279052734, -7.307433605194092, 3.5947186946868896, -0.7842286229133606};
        constexpr double kCosine[4] = {1.4142041206359863, -6.977642059326172, 5.715238571166992, -1.7283488512039185};
        const double root = __builtin_sqrt(omega_);  // s^2 is then a part of the derivative
        for (int i = 0; i < 4; ++i) s[i] = static_cast<float>(kSine[i] * root);
        for (int i = 0; i < 4; ++i) c[i] = static_cast<float>(kCosine[i] / root);
    }
    INR_INLINE_MEMBER SineCosine operator()(V t) const {
        // From the nearest integer; an infinite number of turns is no number.
        const V r = t - reinterpret_cast<V>(_mm512_roundscale_ps(reinterpret_cast<__m512>(t), 8));
        const V u = r * r;
        const V a = (((s[3] * u + s[2]) * u + s[1]) * u + s[0]) * r;
        const V b = ((c[3] * u + c[2]) * u + c[1]) * u + c[0];
        return {a * b, omega - a * a};
    }
};
#endif

// sin and cos of `factor` x for |factor x| below kLargestTurns; beyond, the numbers mean nothing.
INR_INLINE SineCosine sine_cosine_near(V x, const Turns& factor) {
    const V n = nearest(x * factor.high);
    if constexpr (kFused) {
        return sine_cosine_half(multiply_add(x, splat(factor.high), -n) + x * factor.low);
    } else {
        const V r = ((x - n * factor.period[0]) - n * factor.period[1]) - n * factor.period[2];
        return sine_cosine_half(r * factor.high);
    }
}

// Lanes that need `sine_cosine_far`.
INR_INLINE I far_angles(V x, const Turns& factor) { return ~(absolute(x) < factor.limit); }

// Replaces the lanes of s and c whose x is not below `limit`: by the C library.
static __attribute__((noinline, cold)) void sine_cosine_far(const float* x, double radians, float limit, float* s,
                                                            float* c) {
    for (int i = 0; i < kLanes; ++i) {
        if (__builtin_fabsf(x[i]) < limit) continue;
        const double angle = radians * static_cast<double>(x[i]);
        s[i] = static_cast<float>(::sin(angle));
        c[i] = static_cast<float>(::cos(angle));
    }
}

// sin and cos of `radians` x, and what `factor` says of them, for all x.
INR_INLINE SineCosine sine_cosine_any(V x, double radians, const Turns& factor) {
    const SineCosine near = sine_cosine_near(x, factor);
    alignas(64) float in[kLanes], s[kLanes], c[kLanes];
    store(in, x);
    store(s, near.sine);
    store(c, near.cosine);
    sine_cosine_far(in, radians, factor.limit, s, c);
    return {load(s), load(c)};
}

// sin x and cos x; absolute errors below 5e-7 and 8e-7, twice that without fused operations.
INR_INLINE SineCosine sine_cosine(V x) {
    const Turns factor(1.0);
    if (__builtin_expect(any(far_angles(x, factor)), 0)) return sine_cosine_any(x, 1.0, factor);
    return sine_cosine_near(x, factor);
}

// sin(2 pi t) and cos(2 pi t) of t turns; absolute error below 8e-7.
INR_INLINE SineCosine sine_cosine_turns(V t) {
    const V part = select(absolute(t) < 1073741824.0f, t - to_float(truncate(t)), t - t);  // beyond, all are whole
    return sine_cosine_half(part - nearest(part));
}

// e^x; relative error below 2e-7 from -87 to 88; 0 below, infinite above 88.72.
INR_INLINE V exponential(V x) {
    const V clamped = minimum(maximum(x, splat(-104.0f)), splat(89.0f));
    const V n = nearest(clamped * 1.44269504088896341f);
    V r = clamped - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    V p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    // Two factors, since 2^n alone can lie outside the normal numbers.
    const I half = truncate(n) >> 1, rest = truncate(n) - half;
    const V y = p * as_float((half + 127) << 23) * as_float((rest + 127) << 23);
    const V bounded = select(x > 88.7228394f, splat(__builtin_inff()), select(x < -103.0f, V{}, y));
    return select(x == x, bounded, x);
}

// 1 / (1 + e^-x); absolute error below 1e-7.
INR_INLINE V logistic(V x) {
    return 1.0f / (1.0f + exponential(select(x > 80.0f, splat(-80.0f), -x)));  // no denormal number on the way
}

// tanh x; relative error below 4e-7.
INR_INLINE V hyperbolic_tangent(V x) {
    const V a = absolute(x);
    const V z = x * x;
    V p = -5.70498872745e-3f * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const V small = p * z * x + x;
    const V e = exponential(2.0f * minimum(a, splat(44.0f)));
    const V large = 1.0f - 2.0f / (e + 1.0f);
    const V signed_large = as_float(as_int(large) | (as_int(x) & INT32_MIN));
    return select(x == x, select(a < 0.625f, small, signed_large), x);
}

}  // namespace INR_ISA
}  // namespace inr
