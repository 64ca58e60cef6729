// Matrix products of small matrices with tiles: features are rows, samples are columns.
#pragma once

#include "../program.h"
#include "simd.h"

namespace inr {
namespace INR_ISA {

constexpr int kColumns = kLanes * kVectors;  // of a register block
static_assert(kBlock % kColumns == 0, "a tile is made of whole register blocks");

// y (rows, columns) of one register block = panel (depth, kRows) transposed times x (depth, kColumns), plus a start.
// Ends as `End` says; sums start from the bias, or from zero without one.
enum class End { kSet, kAdd, kScale };

template <int Vectors, End how>
static void product_block(const float* __restrict panel, const float* __restrict x, float* __restrict y, int64_t depth,
                          int64_t stride_x, int64_t stride_y, int64_t rows, const float* bias, const float* scale) {
    V sums[kRows][Vectors];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        const V start = bias != nullptr && i < rows ? splat(bias[i]) : V{};
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) sums[i][j] = start;
    }
    for (int64_t k = 0; k < depth; ++k) {
        V columns[Vectors];
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) columns[j] = load(x + k * stride_x + j * kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            const V w = splat(panel[k * kRows + i]);
#pragma GCC unroll 8
            for (int j = 0; j < Vectors; ++j) sums[i][j] += w * columns[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        if (i >= rows) break;
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) {
            const int64_t at = i * stride_y + j * kLanes;
            const V v = how == End::kAdd ? load(y + at) + sums[i][j] : sums[i][j];
            store(y + at, how == End::kScale ? v * load(scale + at) : v);
        }
    }
}

// y (rows, tile) = packed matrix (rows, depth) times x (depth, tile) + bias, or added to y, or times `scale`.
template <End how>
static void product(const float* packed, const float* x, float* y, int64_t rows, int64_t depth, int64_t tile,
                    const float* bias, const float* scale) {
    for (int64_t column = 0; column < tile; column += kColumns)
        for (int64_t row = 0; row < rows; row += kRows) {
            const int64_t count = rows - row < kRows ? rows - row : kRows;
            const int64_t at = row * tile + column;
            product_block<kVectors, how>(packed + row * depth, x + column, y + at, depth, tile, tile, count,
                                         bias == nullptr ? nullptr : bias + row,
                                         how == End::kScale ? scale + at : nullptr);
        }
}

// (kLanes columns of) x (depth, tile) -> its transpose (tile, stride), zeros in columns from `depth` on.
static void transpose(const float* x, float* y, int64_t depth, int64_t tile, int64_t stride) {
    for (int64_t row = 0; row < depth; row += kLanes)
        for (int64_t column = 0; column < tile; column += kLanes) {
            V square[kLanes];
#pragma GCC unroll 16
            for (int i = 0; i < kLanes; ++i) square[i] = row + i < depth ? load(x + (row + i) * tile + column) : V{};
            transpose_square(square);
#pragma GCC unroll 16
            for (int i = 0; i < kLanes; ++i) store(y + (column + i) * stride + row, square[i]);
        }
}

// w (kRows, Vectors * kLanes) += dy (kRows, tile) times xt (tile, ...).
template <int Vectors>
static void outer_block(const float* __restrict dy, const float* __restrict xt, float* __restrict w, int64_t tile,
                        int64_t stride, int64_t rows) {
    V sums[kRows][Vectors];
    const float* from[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        from[i] = dy + (i < rows ? i : 0) * tile;
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) sums[i][j] = V{};
    }
    for (int64_t t = 0; t < tile; ++t) {
        V columns[Vectors];
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) columns[j] = load(xt + t * stride + j * kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < kRows; ++i) {
            const V a = splat(from[i][t]);
#pragma GCC unroll 8
            for (int j = 0; j < Vectors; ++j) sums[i][j] += a * columns[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
        if (i >= rows) break;
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) {
            float* place = w + i * stride + j * kLanes;
            store(place, load(place) + sums[i][j]);
        }
    }
}

// Sums over a tile of the rows of dy (rows, tile), each multiplied with `x` if there is one, added to w with a stride.
static void row_sums(const float* dy, const float* x, float* w, int64_t rows, int64_t tile, int64_t stride) {
    for (int64_t row = 0; row < rows; row += kLanes) {
        V totals[kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) totals[i] = V{};
        for (int i = 0; i < kLanes && row + i < rows; ++i) {
            const float* from = dy + (row + i) * tile;
            V total{};
            for (int64_t t = 0; t < tile; t += kLanes)
                total += x == nullptr ? load(from + t) : load(from + t) * load(x + t);
            totals[i] = total;
        }
        alignas(64) float parts[kLanes];
        store(parts, sums(totals));
        for (int i = 0; i < kLanes && row + i < rows; ++i) w[(row + i) * stride] += parts[i];
    }
}

// The same for any depth; `scratch` takes tile * stride floats.
static void outer(const float* dy, const float* x, float* w, int64_t rows, int64_t depth, int64_t tile, int64_t stride,
                  float* scratch) {
    if (depth < 6) {
        for (int64_t k = 0; k < depth; ++k) row_sums(dy, x + k * tile, w + k, rows, tile, stride);
        return;
    }
    if (rows < 4) {
        for (int64_t row = 0; row < rows; ++row) row_sums(x, dy + row * tile, w + row * stride, depth, tile, 1);
        return;
    }
    transpose(x, scratch, depth, tile, stride);
    for (int64_t column = 0; column < stride; column += kColumns)
        for (int64_t row = 0; row < rows; row += kRows) {
            const int64_t count = rows - row < kRows ? rows - row : kRows;
            const float* from = dy + row * tile;
            float* to = w + row * stride + column;
            switch ((stride - column) / kLanes < kVectors ? (stride - column) / kLanes : kVectors) {
                case 1: outer_block<1>(from, scratch + column, to, tile, stride, count); break;
                case 2: outer_block<2>(from, scratch + column, to, tile, stride, count); break;
                case 3:
                    outer_block < kVectors<3 ? kVectors : 3>(from, scratch + column, to, tile, stride, count);
                    break;
                default: outer_block<kVectors>(from, scratch + column, to, tile, stride, count);
            }
        }
}

}  // namespace INR_ISA
}  // namespace inr
