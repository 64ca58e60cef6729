// What one thread can do at best, measured with the same building blocks that networks are run with.
#pragma once

#include "isa/clock.h"
#include "isa/gemm.h"
#include "isa/math.h"
#ifdef INR_TILES
#include "isa/gemm_bf16.h"
#endif

namespace inr {
namespace INR_ISA {

// Rounds a second of `work`, which does `each` of something a call.
template <typename Work>
static double rate(double seconds, double each, Work work) {
    work();
    const double start = now();
    double done = 0, spent = 0;
    while (spent < seconds) {
        work();
        done += each;
        spent = now() - start;
    }
    return done / spent;
}

constexpr int64_t kProbe = 192;  // rows, depth and samples of a product that stays in the cache

// Independent chains long enough to hide the latency, which the compiler may not shorten.
static double multiply_add_rate(double seconds) {
    V sums[12];
    for (int i = 0; i < 12; ++i) sums[i] = splat(static_cast<float>(i));
    V a = splat(0.5f), b = splat(1e-3f);
    const double found = rate(seconds, 2.0 * 12 * 4096 * kLanes, [&] {
        V own[12];
        for (int i = 0; i < 12; ++i) own[i] = sums[i];
        for (int k = 0; k < 4096; ++k)
#pragma GCC unroll 12
            for (int i = 0; i < 12; ++i) own[i] = own[i] * a + b;
        for (int i = 0; i < 12; ++i) sums[i] = own[i];
    });
    V total = sums[0];
    for (int i = 1; i < 12; ++i) total += sums[i];
    volatile float kept = sum(total);
    (void)kept;
    return found;
}

static void ceilings(double seconds, double* results) {
    alignas(64) static thread_local float x[kProbe * kProbe], y[kProbe * kProbe], w[kProbe * kProbe];
    for (int64_t i = 0; i < kProbe * kProbe; ++i) {
        x[i] = 1e-3f * static_cast<float>(i % 7);
        w[i] = 1e-3f * static_cast<float>(i % 5);
    }
    const double operations = 2.0 * kProbe * kProbe * kProbe;
    results[0] = multiply_add_rate(seconds);
    results[1] =
        rate(seconds, operations, [&] { product<End::kSet>(w, x, y, kProbe, kProbe, kProbe, nullptr, nullptr); });
    results[2] = 0;
#ifdef INR_TILES
    const TileUse tiles;
    results[2] = rate(seconds, operations, [&] {
        product_bf16(reinterpret_cast<const uint32_t*>(w), reinterpret_cast<const uint32_t*>(x), kProbe / kBf16Rows,
                     kProbe, kProbe, nullptr, [&](int64_t row, int64_t column, const float* block) {
                         for (int64_t i = 0; i < kBf16Rows; ++i)
                             std::memcpy(y + (row + i) * kProbe + column, block + i * kBf16Rows, 128);
                     });
    });
#endif
    results[3] = rate(seconds, kProbe * kProbe, [&] {
        for (int64_t i = 0; i < kProbe * kProbe; i += kLanes) {
            const SineCosine s = sine_cosine_near(load(x + i), Turns(30.0));
            store(y + i, s.sine);
            store(w + i, s.cosine);
        }
    });
}

}  // namespace INR_ISA
}  // namespace inr
