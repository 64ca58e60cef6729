// Sine and cosine, exponential, hyperbolic tangent and logistic function of vectors. The errors stated are against
// float64, over all arguments unless a range is given; the tests measure them.
#pragma once

#include "simd.h"

extern "C" double sin(double);
extern "C" double cos(double);

namespace inr {
namespace INR_ISA {

struct SineCosine {
    V sine, cosine;
};

constexpr float kLargestAngle = 32768.0f;

// Beyond the range of the fast reduction: the C library, lane by lane.
static __attribute__((noinline, cold)) void sine_cosine_large(const float* x, float* s, float* c) {
    for (int i = 0; i < kLanes; ++i) {
        s[i] = static_cast<float>(::sin(static_cast<double>(x[i])));
        c[i] = static_cast<float>(::cos(static_cast<double>(x[i])));
    }
}

// On [-pi/4, pi/4] after whole quarter turns are taken off; q is their number.
INR_INLINE SineCosine quadrant(V r, I q) {
    const V z = r * r;
    const V s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
    const V c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * (z * z) -
                0.5f * z + 1.0f;
    const I odd = (q & 1) != 0;
    const V sine = select(odd, c, s), cosine = select(odd, s, c);
    const I sign_s = (q & 2) << 30, sign_c = ((q + 1) & 2) << 30;
    return {as_float(as_int(sine) ^ sign_s), as_float(as_int(cosine) ^ sign_c)};
}

// sin x and cos x; absolute error below 1e-7.
INR_INLINE SineCosine sine_cosine(V x) {
    if (__builtin_expect(any(!(absolute(x) < kLargestAngle)), 0)) {
        alignas(64) float in[kLanes], s[kLanes], c[kLanes];
        store(in, x);
        sine_cosine_large(in, s, c);
        return {load(s), load(c)};
    }
    const V n = nearest(x * 0.636619772367581343f);
    // pi/2 in three parts, the first two short enough for exact products with n.
    V r = x - n * 1.5703125f;
    r = r - n * 4.837512969970703125e-4f;
    r = r - n * 7.549789948768648e-8f;
    return quadrant(r, truncate(n));
}

// sin(2 pi t) and cos(2 pi t) of t turns; absolute error below 2e-7 + 1e-7 for every rounding of t itself.
INR_INLINE SineCosine sine_cosine_turns(V t) {
    const V small = absolute(t) < 1048576.0f ? t : V{};  // whole turns from 2^23 on; no half of one is left at 2^20
    const V n = nearest(small * 4.0f);
    const V r = (small - n * 0.25f) * 6.28318530717958648f;
    return quadrant(r, truncate(n));
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
INR_INLINE V logistic(V x) { return 1.0f / (1.0f + exponential(-x)); }

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
