// Matrix products with 16-bit operands and 32-bit sums. Operands are packed into tiles of 1 KB, 16 rows of 16 words; a
// word holds two numbers whose products meet in one sum. Blocks of sums have 32 rows and 32 columns.
#pragma once

#include "engine/program.h"
#include "isa/amx.h"
#include "isa/simd.h"

namespace inr {
namespace INR_ISA {

constexpr int64_t kTileWords = 256;  // 32-bit words of a tile
constexpr int64_t kBlockSums = kBf16Rows * kBf16Rows;

INR_INLINE int64_t blocks(int64_t n) { return (n + kBf16Rows - 1) / kBf16Rows; }
#ifdef INR_TILES
static_assert(kLanes == 16, "tiles are packed by vectors of 16 numbers");

// Numbers whose upper halves are they, rounded to nearest.
INR_INLINE U rounded(V v) { return reinterpret_cast<U>(v) + 0x8000u; }

// Those upper halves, `low` in the lower half of each word.
INR_INLINE V pair(U low, U high) { return reinterpret_cast<V>((low >> 16) | (high & 0xffff0000u)); }
INR_INLINE V pair(V low, V high) { return pair(rounded(low), rounded(high)); }

INR_INLINE V lower(I words) { return as_float(words << 16); }
INR_INLINE V upper(I words) { return as_float(words & static_cast<int32_t>(0xffff0000u)); }

// The four vectors of rows q and q + 16 of a block, on their way to both forms.
struct Quad {
    V one[2], other[2];  // by 16 columns
};

// Packs rows q and q + 16 of a block in either form, or both.
// `features`, for products over features: word (q, t) of a tile holds features q and q + 16 of sample t. As a right
// operand it has tiles [samples / 16][features / 32], those of the next 16 samples at `next`.
// `samples`, for products over samples: word p of a row holds samples p and 16 + p of 32. As a left operand it has
// tiles [features / 16][samples / 32], those of the next 16 features at `below`; as a right operand each of them
// transposed.
INR_INLINE void pack_quad(const Quad& v, int64_t q, float* features, int64_t next, float* samples, int64_t below) {
    const U one[2] = {rounded(v.one[0]), rounded(v.one[1])}, other[2] = {rounded(v.other[0]), rounded(v.other[1])};
    if (features != nullptr) {
        store(features + q * 16, pair(one[0], other[0]));
        store(features + next + q * 16, pair(one[1], other[1]));
    }
    if (samples != nullptr) {
        store(samples + q * 16, pair(one[0], one[1]));
        store(samples + below + q * 16, pair(other[0], other[1]));
    }
}

INR_INLINE void transpose_tile(const float* from, float* to) {
    V square[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) square[i] = load(from + i * 16);
    transpose_square(square);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) store(to + i * 16, square[i]);
}

// Both halves of the rows of a block, as `pack_quad` leaves them, to where a right operand over samples has them.
INR_INLINE void transpose_samples(const float* words, uint32_t* to, int64_t steps) {
    float* turned = reinterpret_cast<float*>(to);
    transpose_tile(words, turned);
    transpose_tile(words + kTileWords, turned + steps * kTileWords);
}

// Both forms of x (rows, size) as right operands; what is beyond the rows is zero. `samples` may be null.
static void pack_value(const float* x, int64_t rows, int64_t size, uint32_t* features, uint32_t* samples) {
    const int64_t deep = blocks(rows), next = deep * kTileWords, steps = size / kBf16Rows;
    alignas(64) float words[2 * kTileWords];
    for (int64_t row = 0; row < rows; row += kBf16Rows)
        for (int64_t column = 0; column < size; column += kBf16Rows) {
            const float* from = x + row * size + column;
            const auto value = [&](int64_t i, int64_t j) { return row + i < rows ? load(from + i * size + j) : V{}; };
            float* to = reinterpret_cast<float*>(features + (column / 16 * deep + row / kBf16Rows) * kTileWords);
            for (int64_t q = 0; q < 16; ++q)
                pack_quad({{value(q, 0), value(q, 16)}, {value(q + 16, 0), value(q + 16, 16)}}, q, to, next,
                          samples == nullptr ? nullptr : words, kTileWords);
            if (samples == nullptr) continue;
            transpose_samples(words, samples + (row / 16 * steps + column / kBf16Rows) * kTileWords, steps);
        }
}

// Sums 0 and 1 of a block stand beside each other, 2 and 3 below: products of left tiles 0, 1 with right tiles 0, 1.
INR_INLINE void multiply_tiles(const uint32_t* left, const uint32_t* right, int64_t steps) {
    const uint32_t *a1 = left + steps * kTileWords, *b1 = right + steps * kTileWords;
    for (int64_t step = 0; step < steps; ++step) {
        INR_TILE_LOAD(4, left + step * kTileWords, 64);
        INR_TILE_LOAD(6, right + step * kTileWords, 64);
        INR_TILE_PRODUCT(0, 4, 6);
        INR_TILE_LOAD(7, b1 + step * kTileWords, 64);
        INR_TILE_PRODUCT(1, 4, 7);
        INR_TILE_LOAD(5, a1 + step * kTileWords, 64);
        INR_TILE_PRODUCT(2, 5, 6);
        INR_TILE_PRODUCT(3, 5, 7);
    }
}

// Left operand (rows, 32 steps) times right operand (32 steps, columns), block by block: `finish(row, column, block)`
// takes 32 x 32 sums. `starts` are tiles that sums begin with, one for 16 rows, or null for zero.
template <typename Finish>
static void product_bf16(const uint32_t* left, const uint32_t* right, int64_t steps, int64_t rows, int64_t columns,
                         const float* starts, Finish finish) {
    alignas(64) float block[kBlockSums];
    constexpr int64_t kStride = kBf16Rows * sizeof(float);
    for (int64_t column = 0; column < columns; column += kBf16Rows)
        for (int64_t row = 0; row < rows; row += kBf16Rows) {
            INR_FENCE;
            if (starts != nullptr) {
                const float* start = starts + row * 16;
                INR_TILE_LOAD(0, start, 64);
                INR_TILE_LOAD(1, start, 64);
                INR_TILE_LOAD(2, start + kTileWords, 64);
                INR_TILE_LOAD(3, start + kTileWords, 64);
            } else {
                INR_TILE_ZERO(0);
                INR_TILE_ZERO(1);
                INR_TILE_ZERO(2);
                INR_TILE_ZERO(3);
            }
            multiply_tiles(left + row / 16 * steps * kTileWords, right + column / 16 * steps * kTileWords, steps);
            INR_TILE_STORE(0, block, kStride);
            INR_TILE_STORE(1, block + 16, kStride);
            INR_TILE_STORE(2, block + 16 * kBf16Rows, kStride);
            INR_TILE_STORE(3, block + 16 * kBf16Rows + 16, kStride);
            INR_FENCE;
            finish(row, column, block);
        }
}

// w += left operand (rows, 32 steps) times right operand (32 steps, columns). w stands in squares of 16 rows and
// columns, one after the other along the columns.
static void outer_bf16(const uint32_t* left, const uint32_t* right, int64_t steps, float* w, int64_t rows,
                       int64_t columns) {
    const int64_t below = round_up(columns, kBf16Rows) * 16;  // the squares of the next 16 rows
    for (int64_t row = 0; row < rows; row += kBf16Rows)
        for (int64_t column = 0; column < columns; column += kBf16Rows) {
            float* square = w + row / 16 * below + column * 16;
            INR_FENCE;
            INR_TILE_LOAD(0, square, 64);
            INR_TILE_LOAD(1, square + kTileWords, 64);
            INR_TILE_LOAD(2, square + below, 64);
            INR_TILE_LOAD(3, square + below + kTileWords, 64);
            multiply_tiles(left + row / 16 * steps * kTileWords, right + column / 16 * steps * kTileWords, steps);
            INR_TILE_STORE(0, square, 64);
            INR_TILE_STORE(1, square + kTileWords, 64);
            INR_TILE_STORE(2, square + below, 64);
            INR_TILE_STORE(3, square + below + kTileWords, 64);
            INR_FENCE;
        }
}
#endif

}  // namespace INR_ISA
}  // namespace inr
