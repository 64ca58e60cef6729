// What happens to parameters after all tiles: gradients of the workers are summed in a fixed order, Adam moves the
// parameters, and matrices are brought into the order in which products read them.
#pragma once

#include "isa/isa.h"
#ifdef INR_TILES
#include "isa/elementwise.h"
#include "isa/gemm_bf16.h"
#endif
#include "isa/simd.h"

namespace inr {
namespace INR_ISA {

static void reduce_row(const float* const* workers, int n_workers, int64_t from, float* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        float total = workers[0][from + i];
        for (int w = 1; w < n_workers; ++w) total += workers[w][from + i];
        to[i] = total;
    }
}

// Where an entry of a block's gradient stands, after its beginning.
INR_INLINE int64_t entry_place(const ParamBlock& block, int64_t row, int64_t column) {
    if (!block.tiled) return row * block.stride + column;
    return row / 16 * 16 * block.stride + column / 16 * 256 + row % 16 * 16 + column % 16;
}

static void reduce(const Program& program, const float* const* workers, int n_workers, float* gradients, int part,
                   int parts) {
    for (const ParamBlock& block : program.blocks) {
        if (block.gradient < 0) continue;
        const int64_t first = block.rows * part / parts, last = block.rows * (part + 1) / parts;
        for (int64_t row = first; row < last; ++row) {
            float* to = gradients + block.offset + row * block.columns;
            if (!block.complex) {
                const int64_t run = block.tiled ? 16 : block.columns;
                for (int64_t i = 0; i < block.columns; i += run)
                    reduce_row(workers, n_workers, block.gradient + entry_place(block, row, i), to + i,
                               block.columns - i < run ? block.columns - i : run);
                continue;
            }
            // [Wr -Wi; Wi Wr]: every number stands twice, that of Wi once with the other sign.
            const int64_t half = block.rows / 2, twin = row < half ? row + half : row - half;
            const float sign = row < half ? 1.0f : -1.0f;
            for (int64_t i = 0; i < block.columns; ++i) {
                const int64_t one = block.gradient + entry_place(block, row, i);
                const int64_t other = block.gradient + entry_place(block, twin, block.columns + i);
                float total = 0;
                for (int w = 0; w < n_workers; ++w) total += workers[w][one] + sign * workers[w][other];
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

#ifdef INR_TILES

// Rows panel * 32 ... of the matrix or its transpose as a left operand of 16-bit products: word p of a row holds
// columns p and 16 + p of 32. Times `scale`.
static void pack_bf16(const Op& op, const float* w, uint32_t* to, bool turned, int64_t panel, int64_t rows,
                      int64_t inner, float scale) {
    const int64_t steps = blocks(inner), d_in = op.ints[1];
    const bool complex = op.ints[2] != 0;
    alignas(64) float block[kBlockSums];
    for (int64_t step = 0; step < steps; ++step) {
        // Of the matrix itself: from this row and column on.
        const int64_t row = (turned ? step : panel) * kBf16Rows, column = (turned ? panel : step) * kBf16Rows;
        const int64_t n_rows = turned ? inner : rows, n_columns = turned ? rows : inner;
        const int64_t high = n_rows - row < kBf16Rows ? n_rows - row : kBf16Rows;
        const int64_t wide = n_columns - column < kBf16Rows ? n_columns - column : kBf16Rows;
        const float* from = w + row * d_in + column;
        int64_t stride = d_in;
        if (complex || high < kBf16Rows || wide < kBf16Rows) {
            std::memset(block, 0, sizeof(block));
            for (int64_t i = 0; i < high; ++i)
                for (int64_t j = 0; j < wide; ++j) block[i * kBf16Rows + j] = entry(w, op, row + i, column + j);
            from = block;
            stride = kBf16Rows;
        }
        for (int64_t half = 0; half < 2; ++half) {
            V words[16];
#pragma GCC unroll 16
            for (int64_t i = 0; i < 16; ++i) {
                const float* one = from + (turned ? i * stride + half * 16 : (half * 16 + i) * stride);
                words[i] = pair(scale * load_any(one), scale * load_any(one + (turned ? 16 * stride : 16)));
            }
            if (turned) transpose_square(words);
            float* tile = reinterpret_cast<float*>(to + (half * steps + step) * kTileWords);
#pragma GCC unroll 16
            for (int64_t i = 0; i < 16; ++i) store(tile + i * 16, words[i]);
        }
    }
}

// Tiles that the sums of a block of 32 rows begin with.
static void pack_bias(const Op& op, const float* params, float* to, int64_t panel, float scale) {
    for (int64_t i = 0; i < kBf16Rows; ++i) {
        const int64_t row = panel * kBf16Rows + i;
        const float value = op.params[1] < 0 || row >= op.width ? 0.0f : scale * params[op.params[1] + row];
        store(to + i * 16, splat(value));
    }
}

#endif

static void pack(const Program& program, const float* params, float* packed, int part, int parts) {
    for (const Op& op : program.ops) {
        if (op.packed < 0) continue;
        const float* w = params + op.params[0];
        for (int turned = 0; turned < 2; ++turned) {
            const int64_t place = turned ? op.packed_transposed : op.packed;
            if (place < 0) continue;
            const int64_t rows = turned ? op.in_widths[0] : op.width, inner = turned ? op.width : op.in_widths[0];
            const int64_t unit = op.bf16 ? kBf16Rows : kRows, panels = (rows + unit - 1) / unit;
            for (int64_t panel = panels * part / parts; panel < panels * (part + 1) / parts; ++panel) {
#ifdef INR_TILES
                if (op.bf16) {
                    const int64_t words = round_up(inner, kBf16Rows) * kBf16Rows / 2;
                    // Sines take their angles in turns.
                    const float scale =
                        turned || op.function < 0 ? 1.0f : coarse_scale(program.ops[static_cast<size_t>(op.function)]);
                    pack_bf16(op, w, reinterpret_cast<uint32_t*>(packed + place) + panel * words, turned, panel, rows,
                              inner, scale);
                    if (!turned) pack_bias(op, params, packed + op.packed_bias + panel * kBf16Rows * 16, panel, scale);
                    continue;
                }
#endif
                pack_panel(op, w, packed + place + panel * kRows * inner, turned, panel, rows, inner);
            }
        }
    }
}

}  // namespace INR_ISA
}  // namespace inr
