// Matrix products with 16-bit operands and 32-bit sums. Operands are packed into tiles of 1 KB; a row of a left operand
// has 32 numbers, and a right operand has pairs of numbers that meet in one product.
#pragma once

#include "../program.h"
#include "amx.h"
#include "simd.h"

namespace inr {
namespace INR_ISA {

constexpr int64_t kTileWords = 256;  // 32-bit words of a tile
static_assert(kLanes == 16, "tiles are packed by vectors of 16 numbers");

// The upper halves of two vectors after rounding to nearest, `low` in the lower half of each word.
INR_INLINE I pair(V low, V high) {
    const U a = reinterpret_cast<U>(low) + 0x8000u, b = reinterpret_cast<U>(high) + 0x8000u;
    return reinterpret_cast<I>((a >> 16) | (b & 0xffff0000u));
}

// x (depth, size) as a right operand: tiles [size/16][depth/32], word (p, t) holds rows 2p and 2p + 1 of sample t.
static void pack_right(const float* x, uint32_t* to, int64_t depth, int64_t size) {
    const int64_t steps = (depth + 31) / 32;
    for (int64_t column = 0; column < size; column += 16) {
        uint32_t* tile = to + column / 16 * steps * kTileWords;
        for (int64_t p = 0; p < steps * 16; ++p) {
            const V low = 2 * p < depth ? load(x + 2 * p * size + column) : V{};
            const V high = 2 * p + 1 < depth ? load(x + (2 * p + 1) * size + column) : V{};
            store(reinterpret_cast<float*>(tile + p * 16), as_float(pair(low, high)));
        }
    }
}

// Rows of y (rows, size) as a left operand whose depth is the samples: tiles [rows/16][size/32], word p of a row holds
// samples p and 16 + p of 32.
static void pack_samples(const float* y, uint32_t* to, int64_t rows, int64_t size) {
    const int64_t steps = size / 32, blocks = (rows + 15) / 16;
    for (int64_t row = 0; row < blocks * 16; ++row)
        for (int64_t step = 0; step < steps; ++step) {
            const float* from = y + row * size + step * 32;
            const I words = row < rows ? pair(load(from), load(from + 16)) : I{};
            uint32_t* tile = to + (row / 16 * steps + step) * kTileWords;
            store(reinterpret_cast<float*>(tile + row % 16 * 16), as_float(words));
        }
}

// x (depth, size) as the right operand that meets the above: tiles [depth/16][size/32].
static void pack_transposed(const float* x, uint32_t* to, int64_t depth, int64_t size) {
    const int64_t steps = size / 32;
    for (int64_t row = 0; row < depth; row += 16)
        for (int64_t step = 0; step < steps; ++step) {
            V square[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i) {
                const float* from = x + (row + i) * size + step * 32;
                square[i] = row + i < depth ? as_float(pair(load(from), load(from + 16))) : V{};
            }
            transpose_square(square);
            float* tile = reinterpret_cast<float*>(to + (row / 16 * steps + step) * kTileWords);
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i) store(tile + i * 16, square[i]);
        }
}

// Where a block of sums goes: to memory with a stride, whole or in part.
struct Sums {
    float* place;
    int64_t stride;  // floats
    int64_t rows, columns;
    bool add;
};

// Adds a finished tile to what is there, or replaces it; `tile` has 16 rows of 16 sums.
static void finish_tile(const float* tile, const Sums& to) {
    for (int64_t i = 0; i < to.rows; ++i) {
        float* place = to.place + i * to.stride;
        if (to.columns == 16) {
            const V v = load(tile + i * 16);
            store(place, to.add ? load(place) + v : v);
            continue;
        }
        for (int64_t j = 0; j < to.columns; ++j) place[j] = to.add ? place[j] + tile[i * 16 + j] : tile[i * 16 + j];
    }
}

// Four tiles of sums at once: two blocks of 16 rows, two of 16 columns; the second of each may be missing.
static void product_tiles(const uint32_t* a0, const uint32_t* a1, const uint32_t* b0, const uint32_t* b1, int64_t steps,
                          const Sums* to, const float* const* starts) {
    alignas(64) float buffer[256];
    INR_FENCE;
    if (starts != nullptr) {
        INR_TILE_LOAD(0, starts[0], 64);
        INR_TILE_LOAD(1, starts[0], 64);
        INR_TILE_LOAD(2, starts[1], 64);
        INR_TILE_LOAD(3, starts[1], 64);
    } else {
        INR_TILE_ZERO(0);
        INR_TILE_ZERO(1);
        INR_TILE_ZERO(2);
        INR_TILE_ZERO(3);
    }
    for (int64_t step = 0; step < steps; ++step) {
        INR_TILE_LOAD(4, a0 + step * kTileWords, 64);
        INR_TILE_LOAD(6, b0 + step * kTileWords, 64);
        INR_TILE_PRODUCT(0, 4, 6);
        INR_TILE_LOAD(7, b1 + step * kTileWords, 64);
        INR_TILE_PRODUCT(1, 4, 7);
        INR_TILE_LOAD(5, a1 + step * kTileWords, 64);
        INR_TILE_PRODUCT(2, 5, 6);
        INR_TILE_PRODUCT(3, 5, 7);
    }
#define INR_FINISH(n)                                            \
    if (to[n].rows == 16 && to[n].columns == 16 && !to[n].add) { \
        INR_TILE_STORE(n, to[n].place, to[n].stride * 4);        \
    } else if (to[n].rows > 0 && to[n].columns > 0) {            \
        INR_TILE_STORE(n, buffer, 64);                           \
        INR_FENCE;                                               \
        finish_tile(buffer, to[n]);                              \
    }
    INR_FINISH(0)
    INR_FINISH(1)
    INR_FINISH(2)
    INR_FINISH(3)
#undef INR_FINISH
    INR_FENCE;
}

// y (rows, columns) = left operand times right operand, or added to y. `starts` are tiles that sums begin with, one for
// each block of rows, or null for zero.
static void product_bf16(const uint32_t* left, const uint32_t* right, int64_t steps, float* y, int64_t stride,
                         int64_t rows, int64_t columns, bool add, const float* starts) {
    const int64_t row_blocks = (rows + 15) / 16, column_blocks = (columns + 15) / 16, tile = steps * kTileWords;
    const auto part = [](int64_t whole, int64_t first) { return whole - first < 16 ? whole - first : 16; };
    for (int64_t c = 0; c < column_blocks; c += 2)
        for (int64_t r = 0; r < row_blocks; r += 2) {
            const int64_t r1 = r + 1 < row_blocks ? r + 1 : r, c1 = c + 1 < column_blocks ? c + 1 : c;
            Sums to[4];
            for (int i = 0; i < 4; ++i) {
                const int64_t row = (i < 2 ? r : r1) * 16, column = (i & 1 ? c1 : c) * 16;
                to[i] = {y + row * stride + column, stride, part(rows, row), part(columns, column), add};
                if ((i >= 2 && r1 == r) || ((i & 1) && c1 == c)) to[i].rows = 0;  // there is no second block
            }
            const float* begin[2] = {starts + r * 256, starts + r1 * 256};
            product_tiles(left + r * tile, left + r1 * tile, right + c * tile, right + c1 * tile, steps, to,
                          starts == nullptr ? nullptr : begin);
        }
}

// w (rows, stride) += dy (rows, size) times x (depth, size) transposed.
static void outer_bf16(const float* dy, const float* x, float* w, int64_t rows, int64_t depth, int64_t size,
                       int64_t stride, float* scratch) {
    uint32_t* left = reinterpret_cast<uint32_t*>(scratch);
    uint32_t* right = left + round_up(rows, 16) * size / 2;
    pack_samples(dy, left, rows, size);
    pack_transposed(x, right, depth, size);
    product_bf16(left, right, size / 32, w, stride, rows, stride, true, nullptr);
}

}  // namespace INR_ISA
}  // namespace inr
