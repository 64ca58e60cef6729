// The context model of latents on symbols side by side, in doubles that hold integers.
#pragma once

#include "isa/latent.h"
#include "isa/simd.h"

namespace inr {
namespace INR_ISA {

constexpr int kDoubles = kLanes / 2;
#if defined(__AVX512F__)
constexpr int kWide = 4;  // vectors of symbols at once
#else
constexpr int kWide = 2;
#endif
constexpr int64_t kChunk = kDoubles * kWide;

typedef double D __attribute__((vector_size(kDoubles * 8)));
typedef double UnalignedD __attribute__((vector_size(kDoubles * 8), aligned(8), may_alias));
typedef float Half __attribute__((vector_size(kDoubles * 4)));
typedef float UnalignedHalf __attribute__((vector_size(kDoubles * 4), aligned(4), may_alias));
typedef int32_t HalfI __attribute__((vector_size(kDoubles * 4)));
typedef int32_t UnalignedHalfI __attribute__((vector_size(kDoubles * 4), aligned(4), may_alias));

INR_INLINE D load_d(const double* p) { return *reinterpret_cast<const UnalignedD*>(p); }
INR_INLINE void store_d(double* p, D v) { *reinterpret_cast<UnalignedD*>(p) = v; }
INR_INLINE D splat_d(double x) { return x - D{}; }
INR_INLINE D widened(const float* p) {
    const Half half = *reinterpret_cast<const UnalignedHalf*>(p);
    return __builtin_convertvector(half, D);
}

// Of numbers below 2^51.
INR_INLINE D floor_d(D v) {
#if defined(__AVX512F__)
    return reinterpret_cast<D>(_mm512_roundscale_pd(reinterpret_cast<__m512d>(v), _MM_FROUND_FLOOR));
#elif defined(__AVX2__)
    return reinterpret_cast<D>(_mm256_floor_pd(reinterpret_cast<__m256d>(v)));
#else
    const double magic = 6755399441055744.0;  // 1.5 2^52
    const D near = (v + magic) - magic;
    return near > v ? near - 1.0 : near;
#endif
}

INR_INLINE D cut(D v, double low, double high) {
    const D least = splat_d(low), most = splat_d(high);
    v = v < least ? least : v;
    return v > most ? most : v;
}

// Integers times 2^-bits to the nearest ones, halves upwards; `unit` is 2^-bits.
INR_INLINE D rounded(D v, double unit) { return floor_d(v * unit + 0.5); }

// Sums of `Rows` rows of a panel; x is (depth, kChunk).
template <int Rows, int Vectors>
INR_INLINE void sums_of(const double* panel, const double* x, int64_t depth, const double* bias, D (*sums)[Vectors]) {
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) sums[i][j] = splat_d(bias[i]);
    for (int64_t k = 0; k < depth; ++k) {
        D columns[Vectors];
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j) columns[j] = load_d(x + k * kChunk + j * kDoubles);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) {
            const D w = splat_d(panel[k * kPanel + i]);
#pragma GCC unroll 4
            for (int j = 0; j < Vectors; ++j) sums[i][j] += w * columns[j];
        }
    }
}

constexpr double kLargest = 8388608.0;  // 2^23

template <int Vectors>
static void predict_chunk(const ContextNetwork& network, const float* const* sources, int64_t at, int32_t* mean,
                          int32_t* scale) {
    // the last hidden layer, and after it the inputs
    alignas(64) double both[2 * kMostContextInputs * kChunk], other[kMostContextInputs * kChunk];
    const int64_t n = network.inputs;
    double* const inputs = both + n * kChunk;
    for (int64_t i = 0; i < n; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < Vectors; ++j)
            store_d(inputs + i * kChunk + j * kDoubles, widened(sources[i] + at + j * kDoubles));
    const double* x = inputs;
    bool last_in_both = (network.hidden.size() & 1) != 0;
    for (const Panels<double>& layer : network.hidden) {
        double* const y = last_in_both ? both : other;
        last_in_both = !last_in_both;
        for (int64_t row = 0; row < n; row += kPanel) {
            D sums[kPanel][Vectors];
            sums_of<kPanel, Vectors>(layer.panel(row), x, n, layer.bias.data() + row, sums);
            const int64_t count = n - row < kPanel ? n - row : kPanel;
#pragma GCC unroll 4
            for (int i = 0; i < kPanel; ++i) {
                if (i >= count) break;
#pragma GCC unroll 4
                for (int j = 0; j < Vectors; ++j)
                    store_d(y + (row + i) * kChunk + j * kDoubles, cut(rounded(sums[i][j], 0x1p-16), 0.0, kLargest));
            }
        }
        x = y;
    }
    if (network.hidden.empty()) std::memcpy(both, inputs, static_cast<size_t>(n * kChunk) * sizeof(double));
    D sums[2][Vectors];
    sums_of<2, Vectors>(network.out.panel(0), both, 2 * n, network.out.bias.data(), sums);
#pragma GCC unroll 4
    for (int j = 0; j < Vectors; ++j) {
        const D middle = cut(rounded(sums[0][j], 0x1p-20), -64.0 * 256, 63.0 * 256);
        const D index = cut(rounded(sums[1][j], 0x1p-23) + 32.0, 0.0, 320.0);
        *reinterpret_cast<UnalignedHalfI*>(mean + at + j * kDoubles) = __builtin_convertvector(middle, HalfI);
        *reinterpret_cast<UnalignedHalfI*>(scale + at + j * kDoubles) = __builtin_convertvector(index, HalfI);
    }
}

static void predict(const ContextNetwork& network, const float* const* sources, int64_t n, int32_t* mean,
                    int32_t* scale) {
    int64_t at = 0;
    for (; n - at > kChunk - kDoubles; at += kChunk) predict_chunk<kWide>(network, sources, at, mean, scale);
    if (kWide > 2)
        for (; n - at > kDoubles; at += 2 * kDoubles) predict_chunk<2>(network, sources, at, mean, scale);
    for (; at < n; at += kDoubles) predict_chunk<1>(network, sources, at, mean, scale);
}

static void mix_parents(const double* weights, int64_t rows, int64_t parents, const float* const* sources, int64_t n,
                        float* const* to) {
    for (int64_t at = 0; at < n; at += kDoubles)
        for (int64_t row = 0; row < rows; ++row) {
            D total = {};
            for (int64_t k = 0; k < parents; ++k) total += weights[row * parents + k] * widened(sources[k] + at);
            total = cut(rounded(total, 0x1p-4), -kLargest, kLargest);
            *reinterpret_cast<UnalignedHalf*>(to[row] + at) = __builtin_convertvector(total, Half);
        }
}

}  // namespace INR_ISA
}  // namespace inr
