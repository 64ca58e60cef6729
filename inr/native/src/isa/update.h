// What happens to parameters after all tiles: gradients of the workers are summed in a fixed order, Adam moves the
// parameters, and matrices are brought into the order in which products read them.
#pragma once

#include "../isa.h"
#include "simd.h"

namespace inr {
namespace INR_ISA {

static void reduce_row(const float* const* workers, int n_workers, int64_t from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        float total = workers[0][from + i];
        for (int w = 1; w < n_workers; ++w) total += workers[w][from + i];
        to[i] = total;
    }
}

static void reduce(const Program& program, const float* const* workers, int n_workers, float* gradients, int part,
                   int parts) {
    for (const ParamBlock& block : program.blocks) {
        if (block.gradient < 0) continue;
        const int64_t first = block.rows * part / parts, last = block.rows * (part + 1) / parts;
        for (int64_t row = first; row < last; ++row) {
            float* to = gradients + block.offset + row * block.columns;
            if (!block.complex) {
                reduce_row(workers, n_workers, block.gradient + row * block.stride, to, block.columns);
                continue;
            }
            // [Wr -Wi; Wi Wr]: every number stands twice, that of Wi once with the other sign.
            const int64_t half = block.rows / 2, top = row < half ? row : row - half;
            const int64_t one = block.gradient + row * block.stride;
            const int64_t other = block.gradient + (row < half ? row + half : top) * block.stride + block.columns;
            const float sign = row < half ? 1.0f : -1.0f;
            for (int64_t i = 0; i < block.columns; ++i) {
                float total = 0;
                for (int w = 0; w < n_workers; ++w) total += workers[w][one + i] + sign * workers[w][other + i];
                to[i] = total;
            }
        }
    }
}

// Kingma and Ba 2015, with decoupled weight decay (Loshchilov and Hutter 2019) if `decay` is not 0.
static void adam(const Adam& spec, float decay, float* params, const float* gradients, float* m, float* v, int64_t n) {
    const float step = spec.rate / spec.correction_1, keep = 1.0f - spec.rate * decay;
    const auto move = [&](V p, V g, V& first, V& second) {
        first = spec.beta_1 * first + spec.rest_1 * g;
        second = spec.beta_2 * second + spec.rest_2 * (g * g);
        const V scale = square_root(second) / spec.correction_2 + spec.epsilon;
        return keep * p - step * first / scale;
    };
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        V first = load_any(m + i), second = load_any(v + i);
        store_any(params + i, move(load_any(params + i), load_any(gradients + i), first, second));
        store_any(m + i, first);
        store_any(v + i, second);
    }
    if (i == n) return;
    alignas(64) float p[kLanes] = {}, g[kLanes] = {}, a[kLanes] = {}, b[kLanes] = {};
    const size_t bytes = static_cast<size_t>(n - i) * sizeof(float);
    std::memcpy(p, params + i, bytes);
    std::memcpy(g, gradients + i, bytes);
    std::memcpy(a, m + i, bytes);
    std::memcpy(b, v + i, bytes);
    V first = load(a), second = load(b);
    store(p, move(load(p), load(g), first, second));
    store(a, first);
    store(b, second);
    std::memcpy(params + i, p, bytes);
    std::memcpy(m + i, a, bytes);
    std::memcpy(v + i, b, bytes);
}

// Entry of the real matrix that an operation multiplies with.
INR_INLINE float entry(const float* w, const Op& op, int64_t row, int64_t column) {
    const int64_t d_in = op.ints[1];
    if (!op.ints[2]) return w[row * d_in + column];
    const int64_t half = op.width / 2;
    if (column < d_in) return w[row * d_in + column];
    return row < half ? -w[(row + half) * d_in + column - d_in] : w[(row - half) * d_in + column - d_in];
}

// Rows panel * kRows ... of the matrix or its transpose, as products of 32-bit operands read them.
static void pack_panel(const Op& op, const float* w, float* to, bool turned, int64_t panel, int64_t rows,
                       int64_t inner) {
    for (int64_t k = 0; k < inner; ++k)
        for (int64_t i = 0; i < kRows; ++i) {
            const int64_t row = panel * kRows + i;
            to[k * kRows + i] = row >= rows ? 0.0f : turned ? entry(w, op, k, row) : entry(w, op, row, k);
        }
}

INR_INLINE uint32_t rounded_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return (bits + 0x8000u) >> 16;
}

// A block of 16 rows as a left operand of 16-bit products.
static void pack_half(const Op& op, const float* w, uint32_t* to, bool turned, int64_t block, int64_t rows,
                      int64_t inner) {
    const int64_t words = (inner + 31) / 32 * 16;
    for (int64_t i = 0; i < kTile; ++i) {
        const int64_t row = block * kTile + i;
        for (int64_t p = 0; p < words; ++p) {
            uint32_t word = 0;
            for (int64_t k = 2 * p; k < 2 * p + 2; ++k) {
                const bool beyond = row >= rows || k >= inner;
                const float value = beyond ? 0.0f : turned ? entry(w, op, k, row) : entry(w, op, row, k);
                word |= rounded_half(value) << (k % 2 * 16);
            }
            to[(p / 16 * kTile + i) * kTile + p % 16] = word;
        }
    }
}

// Tiles that the sums of a block of 16 rows begin with.
static void pack_bias(const Op& op, const float* params, float* to, int64_t block) {
    for (int64_t i = 0; i < kTile; ++i) {
        const int64_t row = block * kTile + i;
        const float value = op.params[1] < 0 || row >= op.width ? 0.0f : params[op.params[1] + row];
        for (int64_t j = 0; j < kTile; ++j) to[i * kTile + j] = value;
    }
}

static void pack(const Program& program, const float* params, float* packed, int part, int parts) {
    for (const Op& op : program.ops) {
        if (op.packed < 0) continue;
        const float* w = params + op.params[0];
        for (int turned = 0; turned < 2; ++turned) {
            const int64_t place = turned ? op.packed_transposed : op.packed;
            if (place < 0) continue;
            const int64_t rows = turned ? op.in_widths[0] : op.width, inner = turned ? op.width : op.in_widths[0];
            const int64_t unit = op.half ? kTile : kRows, panels = (rows + unit - 1) / unit;
            for (int64_t panel = panels * part / parts; panel < panels * (part + 1) / parts; ++panel) {
                if (!op.half) {
                    pack_panel(op, w, packed + place + panel * kRows * inner, turned, panel, rows, inner);
                    continue;
                }
                const int64_t words = round_up(inner, 2 * kTile) / 2 * kTile;
                pack_half(op, w, reinterpret_cast<uint32_t*>(packed + place) + panel * words, turned, panel, rows,
                          inner);
                if (!turned) pack_bias(op, params, packed + op.packed_bias + panel * kTile * kTile, panel);
            }
        }
    }
}

}  // namespace INR_ISA
}  // namespace inr
