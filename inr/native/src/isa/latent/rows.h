// Rows of feature maps and of pictures: filters, 1x1 layers and stencils.
#pragma once

#include "isa/latent/table.h"
#include "isa/simd.h"

namespace inr {
namespace INR_ISA {

#if defined(__AVX512F__)
constexpr int kAcross = 4;  // vectors of columns at once
#else
constexpr int kAcross = 2;
#endif
static_assert(kStrip % (kLanes * kAcross) == 0 && kSpare >= kStrip, "strips are whole blocks");

static void combine(const float* const* rows, const float* factors, int64_t count, float* to, int64_t n) {
    for (int64_t at = 0; at < n; at += kLanes) {
        V total{};
        for (int64_t k = 0; k < count; ++k) total += load_any(rows[k] + at) * factors[k];
        store_any(to + at, total);
    }
}

static void doubled(const float* x, const float* taps, float* to, int64_t n) {
    for (int64_t at = 0; 2 * at < n; at += kLanes) {
        const V here = load_any(x + at), left = load_any(x + at - 1), right = load_any(x + at + 1);
        const V even = here * taps[0] + left * taps[1] + right * taps[2] + load_any(x + at - 2) * taps[3];
        const V odd = here * taps[0] + right * taps[1] + left * taps[2] + load_any(x + at + 2) * taps[3];
        const Interleaved both = interleave(even, odd);
        store_any(to + 2 * at, both.lower);
        store_any(to + 2 * at + kLanes, both.upper);
    }
}

static void smoothed(const float* x, const float* taps, float* to, int64_t n) {
    for (int64_t at = 0; at < n; at += kLanes) {
        V total = load_any(x + at) * taps[0];
#pragma GCC unroll 4
        for (int k = 1; k < 4; ++k) total += (load_any(x + at - k) + load_any(x + at + k)) * taps[k];
        store_any(to + at, total);
    }
}

static void cubic(const float* x, const int32_t* sources, const float* factors, float* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const int32_t* s = sources + 4 * i;
        const float* f = factors + 4 * i;
        to[i] = x[s[0]] * f[0] + x[s[1]] * f[1] + x[s[2]] * f[2] + x[s[3]] * f[3];
    }
}

// Sums of a panel of `Height` rows over one block of columns, from the biases of the first `biased` rows on; row(k) is
// row k of what it is multiplied with.
template <int Height, typename Row>
INR_INLINE void block_sums(const float* panel, const Row& row, int64_t depth, const float* bias, int biased,
                           V (*sums)[kAcross]) {
#pragma GCC unroll 8
    for (int i = 0; i < Height; ++i) {
        const V start = i < biased ? splat(bias[i]) : V{};
#pragma GCC unroll 4
        for (int j = 0; j < kAcross; ++j) sums[i][j] = start;
    }
    for (int64_t k = 0; k < depth; ++k) {
        const float* const x = row(k);
        V columns[kAcross];
#pragma GCC unroll 4
        for (int j = 0; j < kAcross; ++j) columns[j] = load_any(x + j * kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < Height; ++i) {
            const V w = splat(panel[k * Height + i]);
#pragma GCC unroll 4
            for (int j = 0; j < kAcross; ++j) sums[i][j] += w * columns[j];
        }
    }
}

static void mix(const Mixer& mixer, const float* x, float* y, int64_t stride, int64_t n) {
    const Panels<float>&first = mixer.first, &second = mixer.second;
    const V zero = {};
    for (int64_t at = 0; at < n; at += kLanes * kAcross) {
        for (int64_t row = 0; row < first.rows; row += kPanel) {
            V hidden[kPanel][kAcross];
            const auto input = [&](int64_t k) { return x + k * stride + at; };
            block_sums<kPanel>(first.panel(row), input, first.depth, first.bias.data() + row, kPanel, hidden);
#pragma GCC unroll 4
            for (int i = 0; i < kPanel; ++i)
#pragma GCC unroll 4
                for (int j = 0; j < kAcross; ++j) hidden[i][j] = maximum(zero, hidden[i][j]);  // NaN stays
            const float* const weights = second.panel(row);
            const int64_t count = first.rows - row < kPanel ? first.rows - row : kPanel;
            for (int64_t out = 0; out < second.depth; ++out) {
                float* const to = y + out * stride + at;
                V total[kAcross];
#pragma GCC unroll 4
                for (int j = 0; j < kAcross; ++j)
                    total[j] = row == 0 ? splat(mixer.bias[static_cast<size_t>(out)]) : load_any(to + j * kLanes);
#pragma GCC unroll 4
                for (int i = 0; i < kPanel; ++i) {
                    if (i >= count) break;
                    const V w = splat(weights[out * kPanel + i]);
#pragma GCC unroll 4
                    for (int j = 0; j < kAcross; ++j) total[j] += w * hidden[i][j];
                }
#pragma GCC unroll 4
                for (int j = 0; j < kAcross; ++j) store_any(to + j * kLanes, total[j]);
            }
        }
    }
}

static void multiply(const Panels<float>& matrix, const float* const* x, float* y, int64_t stride, int64_t n,
                     bool rectified) {
    const V zero = {};
    for (int64_t at = 0; at < n; at += kLanes * kAcross)
        for (int64_t row = 0; row < matrix.rows; row += kPanel) {
            V sums[kPanel][kAcross];
            const auto input = [&](int64_t k) { return x[k] + at; };
            block_sums<kPanel>(matrix.panel(row), input, matrix.depth, matrix.bias.data() + row, kPanel, sums);
            const int64_t count = matrix.rows - row < kPanel ? matrix.rows - row : kPanel;
#pragma GCC unroll 4
            for (int i = 0; i < kPanel; ++i) {
                if (i >= count) break;
#pragma GCC unroll 4
                for (int j = 0; j < kAcross; ++j)
                    store_any(y + (row + i) * stride + at + j * kLanes,
                              rectified ? maximum(zero, sums[i][j]) : sums[i][j]);
            }
        }
}

}  // namespace INR_ISA
}  // namespace inr
