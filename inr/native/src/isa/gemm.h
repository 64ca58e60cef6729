// Matrix products of small matrices with tiles: features are rows, samples are columns.
#pragma once

#include "engine/program.h"
#include "isa/elementwise.h"
#include "isa/simd.h"

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

// y = f(packed matrix times x + bias), and the slopes of f if they are wanted.
template <typename Function>
static void product_function(const Function& f, const float* packed, const float* x, float* y, float* slopes,
                             int64_t rows, int64_t depth, int64_t tile, const float* bias) {
    alignas(64) float sums[kRows * kColumns];
    for (int64_t column = 0; column < tile; column += kColumns)
        for (int64_t row = 0; row < rows; row += kRows) {
            const int64_t count = rows - row < kRows ? rows - row : kRows, at = row * tile + column;
            product_block<kVectors, End::kSet>(packed + row * depth, x + column, sums, depth, tile, kColumns, count,
                                               bias == nullptr ? nullptr : bias + row, nullptr);
            for (int64_t i = 0; i < count; ++i) {
                const int64_t to = at + i * tile;
                apply(f, sums + i * kColumns, y + to, slopes == nullptr ? nullptr : slopes + to, kColumns);
            }
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

constexpr int64_t kThin = 8;  // rows that need no blocks of registers

// w[i row_stride + k thin_stride] += sum over a tile of m[i] thin[k], for all rows of m and `Thin` rows of thin; with
// `Plain` also plain[i] += sum over m[i]. One pass over m.
template <int Thin, bool Plain>
static void thin_sums(const float* m, const float* thin, float* w, float* plain, int64_t rows, int64_t tile,
                      int64_t row_stride, int64_t thin_stride) {
    constexpr int kSums = Thin + (Plain ? 1 : 0);
    V totals[kSums][kLanes];
    alignas(64) float parts[kLanes];
    for (int64_t row = 0; row < rows; row += kLanes) {
        const int64_t count = rows - row < kLanes ? rows - row : kLanes;
        for (int64_t i = 0; i < kLanes; ++i) {
            const float* from = m + (row + (i < count ? i : 0)) * tile;
            V total[kSums];
#pragma GCC unroll 8
            for (int k = 0; k < kSums; ++k) total[k] = V{};
            for (int64_t t = 0; t < tile; t += kLanes) {
                const V v = load(from + t);
#pragma GCC unroll 8
                for (int k = 0; k < Thin; ++k) total[k] += v * load(thin + k * tile + t);
                if constexpr (Plain) total[Thin] += v;
            }
#pragma GCC unroll 8
            for (int k = 0; k < kSums; ++k) totals[k][i] = total[k];
        }
        for (int k = 0; k < kSums; ++k) {
            store(parts, sums(totals[k]));
            float* to = Plain && k == Thin ? plain + row : w + row * row_stride + k * thin_stride;
            const int64_t step = Plain && k == Thin ? 1 : row_stride;
            for (int64_t i = 0; i < count; ++i) to[i * step] += parts[i];
        }
    }
}

// The same for any number of thin rows, four at a time; `plain` may be null.
static void thin_outer(int64_t count, const float* m, const float* thin, float* w, float* plain, int64_t rows,
                       int64_t tile, int64_t row_stride, int64_t thin_stride) {
    for (int64_t k = 0; k < count; k += 4) {
        const float* from = thin + k * tile;
        float* to = w + k * thin_stride;
        const bool sum = plain != nullptr && k == 0;
        switch (count - k < 4 ? count - k : 4) {
            case 1:
                (sum ? thin_sums<1, true> : thin_sums<1, false>)(m, from, to, plain, rows, tile, row_stride,
                                                                 thin_stride);
                break;
            case 2:
                (sum ? thin_sums<2, true> : thin_sums<2, false>)(m, from, to, plain, rows, tile, row_stride,
                                                                 thin_stride);
                break;
            case 3:
                (sum ? thin_sums<3, true> : thin_sums<3, false>)(m, from, to, plain, rows, tile, row_stride,
                                                                 thin_stride);
                break;
            default:
                (sum ? thin_sums<4, true> : thin_sums<4, false>)(m, from, to, plain, rows, tile, row_stride,
                                                                 thin_stride);
        }
    }
}

// w (rows, stride) += dy (rows, tile) times the transpose of x (depth, tile), and bias += sums of dy if there is one;
// `scratch` takes tile * stride floats.
static void outer(const float* dy, const float* x, float* w, float* bias, int64_t rows, int64_t depth, int64_t tile,
                  int64_t stride, float* scratch) {
    if (depth <= kThin) return thin_outer(depth, dy, x, w, bias, rows, tile, stride, 1);
    if (bias != nullptr) row_sums(dy, nullptr, bias, rows, tile, 1);
    if (rows <= kThin) return thin_outer(rows, x, dy, w, nullptr, depth, tile, 1, stride);
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
