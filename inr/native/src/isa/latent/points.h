// Every entry of a pyramid by itself: soft rounding, noise, Adam; and what the rate needs of a Laplace distribution.
#pragma once

#include "isa/latent/products.h"
#include "isa/math.h"

namespace inr {
namespace INR_ISA {
namespace latent {

// The natural logarithm of normal numbers; absolute error below 1e-6 for results of up to 20.
INR_INLINE V logarithm(V x) {
    const I bits = as_int(x);
    const I exponent = ((bits - 0x3f3504f3) >> 23);  // so that the rest lies in [sqrt(1/2), sqrt(2))
    const V m = as_float(bits - (exponent << 23)) - 1.0f;
    V p = 7.0376836292e-2f * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const V s = m * m;
    return p * m * s - 0.5f * s + m + to_float(exponent) * 0.693147180559945f;
}

// A number of 32 bits for every counter: the finaliser of MurmurHash3 (Appleby 2011), twice with a key between.
INR_INLINE U hashed(U x, uint32_t key) {
    x ^= key;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x ^= x >> 16;
    x += key;
    x *= 0x9e3779b1u;
    x ^= x >> 15;
    x *= 0x85ebca6bu;
    return x ^ (x >> 16);
}

INR_INLINE V unit(U x) { return to_float(reinterpret_cast<I>(x >> 8)) * 5.9604645e-8f; }  // [0, 1), 24 bits

// Standard normal numbers of the entries from `first` on (Box, Muller 1958).
INR_INLINE V normal(const uint32_t* key, int64_t first) {
    U place{};
    for (int i = 0; i < kLanes; ++i) place[i] = static_cast<uint32_t>(first) + static_cast<uint32_t>(i);
    const V radius = unit(hashed(place, key[0])) + 2.9802322e-8f, turns = unit(hashed(place, key[1]));
    return square_root(-2.0f * logarithm(radius)) * sine_cosine_turns(turns - 0.5f).cosine;
}

struct Rounded {
    V value, slope;
};

// A smooth rounding that hardens as the temperature falls to 0.
INR_INLINE Rounded soft_round(V x, float sharpness, float half) {
    const V middle = floor(x) + 0.5f;
    const V t = hyperbolic_tangent((x - middle) * sharpness);
    return {middle + half * t, half * sharpness * (1.0f - t * t)};
}

static float tanh_of(float x) {
    alignas(64) float out[kLanes];
    store(out, hyperbolic_tangent(splat(x)));
    return out[0];
}

static void round_rows(const Work& w, int number, Rows rows) {
    const Grid& grid = w.shape->grids[static_cast<size_t>(number)];
    const Step& step = w.step;
    const float sharpness = 1.0f / step.temperature;
    const float half = 0.5f / tanh_of(0.5f * sharpness);
    for (int64_t y = rows.first; y < rows.last; ++y) {
        const int64_t first = grid.first + y * grid.width;
        float* to = w.planes + grid.plane + y * grid.stride;
        if (step.latents)
            std::memset(w.gradients + grid.plane + y * grid.stride - kMargin, 0,
                        static_cast<size_t>(grid.stride) * sizeof(float));
        for (int64_t x = 0; x < grid.width; x += kLanes) {
            const int64_t count = grid.width - x < kLanes ? grid.width - x : kLanes;
            alignas(64) float in[kLanes] = {}, slope[kLanes];
            std::memcpy(in, w.latents + first + x, static_cast<size_t>(count) * sizeof(float));
            V v = load(in) * step.gain;
            if (step.rounding == Rounding::kHard) {
                v = minimum(maximum(nearest(v), splat(-64.0f)), splat(63.0f));
            } else {
                const Rounded once = soft_round(v, sharpness, half);
                const V noisy = once.value + normal(step.key, first + x) * step.sigma;
                const Rounded twice = soft_round(noisy, sharpness, half);
                store(slope, once.slope * twice.slope * step.gain);
                std::memcpy(w.slopes + first + x, slope, static_cast<size_t>(count) * sizeof(float));
                v = twice.value;
            }
            store(in, v);
            std::memcpy(to + x, in, static_cast<size_t>(count) * sizeof(float));
        }
    }
}

// Moves latents against their gradients (Kingma, Ba 2015).
static void adam_rows(const Work& w, int number, Rows rows) {
    const Grid& grid = w.shape->grids[static_cast<size_t>(number)];
    const Adam& a = w.adam;
    const float rate = a.rate * a.correction;
    for (int64_t y = rows.first; y < rows.last; ++y) {
        const int64_t first = grid.first + y * grid.width;
        const float* from = w.gradients + grid.plane + y * grid.stride;
        int64_t x = 0;
        const auto move = [&](float* latent, const float* slope, float* mean, float* square, const float* gradient) {
            const V g = load_any(gradient) * load_any(slope) * a.scale;
            const V m = load_any(mean) + (g - load_any(mean)) * (1.0f - a.beta1);
            const V s = load_any(square) * a.beta2 + g * g * (1.0f - a.beta2);
            store_any(mean, m);
            store_any(square, s);
            store_any(latent, load_any(latent) - m / (square_root(s) + a.epsilon) * rate);
        };
        for (; x + kLanes <= grid.width; x += kLanes) {
            const int64_t i = first + x;
            move(w.latents + i, w.slopes + i, w.mean + i, w.square + i, from + x);
        }
        if (x < grid.width) {
            const int64_t i = first + x;
            const size_t bytes = static_cast<size_t>(grid.width - x) * sizeof(float);
            alignas(64) float part[4][kLanes] = {};
            const float* const sources[4] = {w.latents + i, w.slopes + i, w.mean + i, w.square + i};
            for (int k = 0; k < 4; ++k) std::memcpy(part[k], sources[k], bytes);
            move(part[0], part[1], part[2], part[3], from + x);
            std::memcpy(w.latents + i, part[0], bytes);
            std::memcpy(w.mean + i, part[2], bytes);
            std::memcpy(w.square + i, part[3], bytes);
        }
    }
}

static void noise(const uint32_t* key, int64_t first, int64_t count, float* out) {
    for (int64_t i = 0; i < count; i += kLanes) {
        alignas(64) float part[kLanes];
        store(part, normal(key, first + i));
        std::memcpy(out + i, part, static_cast<size_t>(count - i < kLanes ? count - i : kLanes) * sizeof(float));
    }
}

struct Rate {
    V bits, by_value, by_log_scale;  // derivatives of the bits; the one by the mean is minus the one by the value
};

// Of a symbol's Laplace distribution: the mass within half a unit, at least 2^-16.
INR_INLINE Rate laplace(V value, V mean, V log_scale) {
    const V bounded = minimum(maximum(log_scale - 4.0f, splat(-5.0f)), splat(5.0f));
    const V inverse = exponential(-bounded);
    const V o = value - mean, above = o + 0.5f, below = o - 0.5f;
    const V e1 = exponential(-absolute(above) * inverse), e2 = exponential(-absolute(below) * inverse);
    const V outside = 0.5f * absolute(e2 - e1);
    V mass = select(absolute(o) >= 0.5f, outside, 1.0f - 0.5f * (e1 + e2));
    const I counts = mass > 1.52587890625e-5f;
    mass = maximum(mass, splat(1.52587890625e-5f));
    const V half = 0.5f * inverse, f1 = e1 * half, f2 = e2 * half;  // densities at both ends
    const V factor = as_float(counts & as_int(-1.44269504088896341f / mass));
    const I inside = (log_scale > -1.0f) & (log_scale < 9.0f);
    Rate rate;
    rate.bits = logarithm(mass) * -1.44269504088896341f;
    rate.by_value = factor * (f1 - f2);
    rate.by_log_scale = as_float(inside & as_int(factor * (below * f2 - above * f1)));
    return rate;
}

}  // namespace latent
}  // namespace INR_ISA
}  // namespace inr
