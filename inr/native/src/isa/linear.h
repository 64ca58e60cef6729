// Linear operations, with the elementwise operation that follows on the way forward, or comes before on the way back.
#pragma once

#include "isa/elementwise.h"
#include "isa/gemm.h"
#ifdef INR_TILES
#include "isa/gemm_bf16.h"
#endif

namespace inr {
namespace INR_ISA {

static int64_t matrix_depth(const Op& op) { return op.ints[2] ? 2 * op.ints[1] : op.ints[1]; }

#ifdef INR_TILES

// What an operation of 16-bit products reads and writes of a tile.
struct Bf16Tile {
    const Tile& tile;
    int64_t size, steps;  // samples, and blocks of 32 of them

    explicit Bf16Tile(const Tile& t) : tile(t), size(t.size()), steps(t.size() / kBf16Rows) {}
    uint32_t* place(int64_t at) const { return at < 0 ? nullptr : reinterpret_cast<uint32_t*>(tile.memory + at); }
    const Bf16Places& value(int number) const { return tile.program.bf16_values[static_cast<size_t>(number)]; }
    const Bf16Places& gradient(int number) const { return tile.program.bf16_gradients[static_cast<size_t>(number)]; }
    // Where a block begins in either form.
    uint32_t* features(int64_t at, int64_t deep, int64_t row, int64_t column) const {
        return place(at) + (column / 16 * deep + row / kBf16Rows) * kTileWords;
    }
    uint32_t* samples(int64_t at, int64_t row, int64_t column) const {
        return place(at) + (row / 16 * steps + column / kBf16Rows) * kTileWords;
    }
};

// Calls `use(row of the block, place in a (rows, size) array)` for the rows that a block has.
template <typename Use>
INR_INLINE void each_row(int64_t row, int64_t column, int64_t rows, int64_t size, Use use) {
    const int64_t count = rows - row < kBf16Rows ? rows - row : kBf16Rows;
    for (int64_t i = 0; i < count; ++i) {
        use(i * kBf16Rows, (row + i) * size + column);
        use(i * kBf16Rows + 16, (row + i) * size + column + 16);
    }
}

// Products of 32-bit numbers with a matrix of few columns, in the same blocks, times `scale`: `packed` as other such
// products read it. Depth 0 stands for any.
template <int Depth, typename Finish>
static void product_narrow_of(const float* packed, const float* x, int64_t depth, int64_t rows, int64_t size,
                              const float* bias, float scale, Finish finish) {
    if constexpr (Depth > 0) depth = Depth;
    alignas(64) float block[kBlockSums];
    for (int64_t column = 0; column < size; column += kBf16Rows)
        for (int64_t row = 0; row < rows; row += kBf16Rows) {
            const int64_t count = rows - row < kBf16Rows ? rows - row : kBf16Rows;
            if (count < kBf16Rows) std::memset(block, 0, sizeof(block));
            for (int64_t i = 0; i < count; ++i) {
                const float* w = packed + (row + i) / kRows * kRows * depth + (row + i) % kRows;
                V one = bias == nullptr ? V{} : splat(bias[row + i]), other = one;
                for (int64_t k = 0; k < depth; ++k) {
                    one += w[k * kRows] * load(x + k * size + column);
                    other += w[k * kRows] * load(x + k * size + column + 16);
                }
                store(block + i * kBf16Rows, scale * one);
                store(block + i * kBf16Rows + 16, scale * other);
            }
            finish(row, column, block);
        }
}

template <typename Finish>
static void product_narrow(const float* packed, const float* x, int64_t depth, int64_t rows, int64_t size,
                           const float* bias, float scale, Finish finish) {
    switch (depth) {
        case 1: return product_narrow_of<1>(packed, x, depth, rows, size, bias, scale, finish);
        case 2: return product_narrow_of<2>(packed, x, depth, rows, size, bias, scale, finish);
        case 3: return product_narrow_of<3>(packed, x, depth, rows, size, bias, scale, finish);
        default: return product_narrow_of<0>(packed, x, depth, rows, size, bias, scale, finish);
    }
}

// Writes rows q and q + 16 of a block to y (rows, size), if there are such rows.
INR_INLINE void store_quad(const Quad& v, int64_t q, float* y, int64_t row, int64_t column, int64_t rows,
                           int64_t size) {
    for (int64_t j = 0; j < 2; ++j) {
        float* place = y + (row + q) * size + column + j * 16;
        if (row + q < rows) store(place, v.one[j]);
        if (row + q + 16 < rows) store(place + 16 * size, v.other[j]);
    }
}

// Values of an elementwise operation from the sums of the product before it, in all forms in which they are read.
template <typename Function>
static void blocks_forward(const Function& f, const Op& op, const Op& function, const Bf16Tile& tile) {
    const int64_t size = tile.size, rows = op.width, deep = blocks(rows), depth = matrix_depth(op);
    const Bf16Places& to = tile.value(function.output);
    float *y = tile.tile.out(function), *slopes = tile.tile.aux(function);
    const int64_t next = deep * kTileWords;
    alignas(64) float words[2 * kTileWords];
    const auto finish = [&](int64_t row, int64_t column, const float* block) {
        const auto place = [&](int64_t at) {
            return at < 0 ? nullptr : reinterpret_cast<float*>(tile.features(at, deep, row, column));
        };
        float *features = place(to.features), *slope = function.bf16_slopes ? place(function.aux) : nullptr;
        float* samples = to.samples < 0 ? nullptr : words;
        for (int64_t q = 0; q < 16; ++q) {
            Quad value, d;
            for (int64_t j = 0; j < 2; ++j) {
                const float* from = block + q * kBf16Rows + j * 16;
                const Pair one = f(load(from)), other = f(load(from + 16 * kBf16Rows));
                value.one[j] = one.value;
                value.other[j] = other.value;
                d.one[j] = one.slope;
                d.other[j] = other.slope;
            }
            pack_quad(value, q, features, next, samples, kTileWords);
            if (slope != nullptr) pack_quad(d, q, slope, next, nullptr, 0);
            if (!to.only) store_quad(value, q, y, row, column, rows, size);
            if (slopes != nullptr && slope == nullptr) store_quad(d, q, slopes, row, column, rows, size);
        }
        if (samples != nullptr) transpose_samples(words, tile.samples(to.samples, row, column), tile.steps);
    };
    const Tile& whole = tile.tile;
    if (op.bf16)
        return product_bf16(reinterpret_cast<const uint32_t*>(whole.packed + op.packed),
                            tile.place(tile.value(op.inputs[0]).features), blocks(depth), rows, size,
                            whole.packed + op.packed_bias, finish);
    const float* bias = op.params[1] < 0 ? nullptr : whole.params + op.params[1];
    product_narrow(whole.packed + op.packed, whole.in(op, 0), depth, rows, size, bias, coarse_scale(function), finish);
}

static void bf16_forward(const Op& op, const Tile& whole) {
    const Bf16Tile tile(whole);
    const int64_t depth = matrix_depth(op);
    const Bf16Places& x = tile.value(op.inputs[0]);
    if (op.packs_input) pack_value(whole.in(op, 0), depth, tile.size, tile.place(x.features), tile.place(x.samples));
    if (op.function >= 0) {
        const Op& function = whole.program.ops[static_cast<size_t>(op.function)];
        with_coarse_formula(function, [&](auto f) { blocks_forward(f, op, function, tile); });
        return;
    }
    float* y = whole.out(op);
    product_bf16(reinterpret_cast<const uint32_t*>(whole.packed + op.packed), tile.place(x.features), blocks(depth),
                 op.width, tile.size, whole.packed + op.packed_bias,
                 [&](int64_t row, int64_t column, const float* block) {
                     each_row(row, column, op.width, tile.size,
                              [&](int64_t from, int64_t at) { store(y + at, load(block + from)); });
                 });
}

// The gradient of an elementwise operation's input, from the product that makes the gradient of its output: for a
// linear operation of 16-bit products in the forms in which it reads it, with the sums that move its bias.
static void blocks_backward(const Op& op, const Op& function, const Bf16Tile& tile) {
    const Tile& whole = tile.tile;
    const Op& before = whole.program.ops[static_cast<size_t>(function.inputs[0]) - 1];
    const int64_t rows = before.width, deep = blocks(rows), size = tile.size;
    const Bf16Places& to = tile.gradient(before.output);
    float* dx = whole.d_in(function, 0);
    float* totals = before.bf16 && before.bias_gradient >= 0 ? whole.scratch() : nullptr;  // of the samples, 16 parts
    if (totals != nullptr) std::memset(totals, 0, static_cast<size_t>(deep * kBf16Rows * 16) * sizeof(float));
    const int64_t next = deep * kTileWords, below = tile.steps * kTileWords;
    const auto finish = [&](int64_t row, int64_t column, const float* block) {
        const float* slopes = reinterpret_cast<const float*>(tile.features(function.aux, deep, row, column));
        float *features = nullptr, *samples = nullptr, *total = totals == nullptr ? nullptr : totals + row * 16;
        if (to.only) samples = reinterpret_cast<float*>(tile.samples(to.samples, row, column));
        if (to.features >= 0) features = reinterpret_cast<float*>(tile.features(to.features, deep, row, column));
        for (int64_t q = 0; q < 16; ++q) {
            Quad d;
            for (int64_t j = 0; j < 2; ++j) {
                const I words = as_int(load(slopes + j * next + q * 16));
                const float* from = block + q * kBf16Rows + j * 16;
                d.one[j] = load(from) * lower(words);
                d.other[j] = load(from + 16 * kBf16Rows) * upper(words);
            }
            pack_quad(d, q, features, next, samples, below);
            if (!to.only) store_quad(d, q, dx, row, column, rows, size);
            if (total == nullptr) continue;
            store(total + q * 16, load(total + q * 16) + (d.one[0] + d.one[1]));
            store(total + q * 16 + 256, load(total + q * 16 + 256) + (d.other[0] + d.other[1]));
        }
    };
    const float* matrix = whole.packed + op.packed_transposed;
    if (op.bf16)
        product_bf16(reinterpret_cast<const uint32_t*>(matrix), tile.place(tile.gradient(op.output).features),
                     blocks(op.width), rows, size, nullptr, finish);
    else
        product_narrow(matrix, whole.d_out(op), op.width, rows, size, nullptr, 1.0f, finish);
    if (totals != nullptr) row_sums(totals, nullptr, whole.gradients + before.bias_gradient, rows, 16, 1);
}

// The gradient of the sums, which nobody has packed, in both forms, and its sums for the bias.
static void pack_gradient(const Op& op, const Bf16Tile& tile) {
    const Tile& whole = tile.tile;
    const Op* function = op.packs_slopes ? &whole.program.ops[static_cast<size_t>(op.function)] : nullptr;
    const float* y = function != nullptr && function->from_output ? whole.out(*function) : nullptr;
    const float* slopes = function != nullptr && y == nullptr ? whole.aux(*function) : nullptr;
    const float* d = whole.d_out(op);
    const int64_t rows = op.width, size = tile.size, deep = blocks(rows), next = deep * kTileWords;
    const Bf16Places& to = tile.gradient(op.output);
    float* bias = op.bias_gradient < 0 ? nullptr : whole.gradients + op.bias_gradient;
    const auto value = [&](int64_t row, int64_t column) {
        const int64_t at = row * size + column;
        if (row >= rows) return V{};
        if (slopes != nullptr) return load(d + at) * load(slopes + at);
        return y == nullptr ? load(d + at) : load(d + at) * slope_of_output(*function, load(y + at));
    };
    alignas(64) float totals[kBf16Rows * 16];
    for (int64_t row = 0; row < rows; row += kBf16Rows) {
        std::memset(totals, 0, sizeof(totals));
        for (int64_t column = 0; column < size; column += kBf16Rows) {
            float *features = nullptr, *samples = reinterpret_cast<float*>(tile.samples(to.samples, row, column));
            if (to.features >= 0) features = reinterpret_cast<float*>(tile.features(to.features, deep, row, column));
            for (int64_t q = 0; q < 16; ++q) {
                Quad v;
                for (int64_t j = 0; j < 2; ++j) {
                    v.one[j] = value(row + q, column + j * 16);
                    v.other[j] = value(row + q + 16, column + j * 16);
                }
                pack_quad(v, q, features, next, samples, tile.steps * kTileWords);
                store(totals + q * 16, load(totals + q * 16) + (v.one[0] + v.one[1]));
                store(totals + q * 16 + 256, load(totals + q * 16 + 256) + (v.other[0] + v.other[1]));
            }
        }
        const int64_t count = rows - row < kBf16Rows ? rows - row : kBf16Rows;
        if (bias != nullptr) row_sums(totals, nullptr, bias + row, count, 16, 1);
    }
}

static void bf16_backward(const Op& op, const Tile& whole) {
    const Bf16Tile tile(whole);
    const int64_t depth = matrix_depth(op), size = tile.size;
    const Bf16Places& d = tile.gradient(op.output);
    if (op.packs_gradient) pack_gradient(op, tile);
    outer_bf16(tile.place(d.samples), tile.place(tile.value(op.inputs[0]).samples), tile.steps,
               whole.gradients + op.gradient, op.width, depth);
    float* dx = whole.d_in(op, 0);
    if (dx == nullptr) return;
    const Op* function = op.undone < 0 ? nullptr : &whole.program.ops[static_cast<size_t>(op.undone)];
    if (function != nullptr && function->bf16_slopes) return blocks_backward(op, *function, tile);
    const float* slopes = function == nullptr ? nullptr : whole.aux(*function);
    const bool add = op.writes[0] == Write::kAdd;
    product_bf16(reinterpret_cast<const uint32_t*>(whole.packed + op.packed_transposed), tile.place(d.features),
                 blocks(op.width), depth, size, nullptr, [&](int64_t row, int64_t column, const float* block) {
                     each_row(row, column, depth, size, [&](int64_t from, int64_t at) {
                         const V v = load(block + from);
                         store(dx + at, slopes != nullptr ? v * load(slopes + at) : add ? load(dx + at) + v : v);
                     });
                 });
}

#endif

template <>
void forward_of<Kind::kLinear>(const Op& op, const Tile& tile) {
#ifdef INR_TILES
    if (op.bf16) return bf16_forward(op, tile);
#endif
    const int64_t depth = matrix_depth(op), n = tile.size();
    const float *packed = tile.packed + op.packed, *x = tile.in(op, 0);
    const float* bias = op.params[1] < 0 ? nullptr : tile.params + op.params[1];
    if (op.function < 0) return product<End::kSet>(packed, x, tile.out(op), op.width, depth, n, bias, nullptr);
    const Op& function = tile.program.ops[static_cast<size_t>(op.function)];
#ifdef INR_TILES
    if (op.blocks) {
        with_coarse_formula(function, [&](auto f) { blocks_forward(f, op, function, Bf16Tile(tile)); });
        return;
    }
#endif
    with_formula(function, [&](auto f) {
        product_function(f, packed, x, tile.out(function), tile.aux(function), op.width, depth, n, bias);
    });
}

template <>
void backward_of<Kind::kLinear>(const Op& op, const Tile& tile) {
#ifdef INR_TILES
    if (op.bf16) return bf16_backward(op, tile);
#endif
    const int64_t depth = matrix_depth(op), stride = round_up(depth, 16), n = tile.size();
    const float* d = tile.d_out(op);
    float* bias = op.bias_gradient < 0 ? nullptr : tile.gradients + op.bias_gradient;
    outer(d, tile.in(op, 0), tile.gradients + op.gradient, bias, op.width, depth, n, stride, tile.scratch());
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    const float* packed = tile.packed + op.packed_transposed;
    if (op.undone >= 0) {
        const Op& function = tile.program.ops[static_cast<size_t>(op.undone)];
#ifdef INR_TILES
        if (function.bf16_slopes) return blocks_backward(op, function, Bf16Tile(tile));
#endif
        const float* slopes = tile.aux(function);
        return product<End::kScale>(packed, d, dx, depth, op.width, n, nullptr, slopes);
    }
    if (op.writes[0] == Write::kAdd) return product<End::kAdd>(packed, d, dx, depth, op.width, n, nullptr, nullptr);
    product<End::kSet>(packed, d, dx, depth, op.width, n, nullptr, nullptr);
}

}  // namespace INR_ISA
}  // namespace inr
