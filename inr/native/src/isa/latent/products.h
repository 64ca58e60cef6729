// Products of small matrices with rows of numbers that lie anywhere: pixels or symbols are lanes, features are rows.
#pragma once

#include <algorithm>
#include <vector>

#include "isa/latent/rows.h"
#include "latent/work.h"

namespace inr {
namespace INR_ISA {
namespace training {

using namespace inr::training;

// A block of registers: up to kTallest rows of kAcross vectors.
constexpr int kTallest = 6;
constexpr int64_t kColumns = kLanes * kAcross;
// Columns that pass through all layers before the next ones: their activations stay in the first-level cache.
constexpr int64_t kChunk = 128;
static_assert(kChunk % kColumns == 0, "a chunk is made of whole register blocks");

// Rows of a panel: as few panels as there can be, of equal height.
inline int panel_of(int rows) {
    return rows == 0 ? 1 : (rows + (rows + kTallest - 1) / kTallest - 1) / ((rows + kTallest - 1) / kTallest);
}

// The matrix of entry(row, column), in panels: all of a column of a panel, then its next column. Numbers are added to
// `to`, which must not move.
template <typename Entry>
static Matrix packed(std::vector<float>& to, int rows, int depth, const Entry& entry) {
    const Matrix matrix{to.data() + to.size(), rows, depth, panel_of(rows)};
    for (int first = 0; first < rows; first += matrix.panel)
        for (int k = 0; k < depth; ++k)
            for (int i = 0; i < matrix.panel; ++i) to.push_back(first + i < rows ? entry(first + i, k) : 0.0f);
    return matrix;
}

enum class Finish {
    kSet,
    kPositive,  // max(0, y)
    kWhere,     // y where `other` is above 0, else 0
    kAdd        // y + other
};

template <int M, Finish how>
static void product_block(const float* __restrict w, const float* const* x, int64_t at, int depth, const float* bias,
                          float* const* y, const float* const* other, int rows) {
    V sums[M][kAcross];
    block_sums<M>(w, [&](int64_t k) { return x[k] + at; }, depth, bias, bias == nullptr ? 0 : rows, sums);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
        if (i >= rows) break;
#pragma GCC unroll 4
        for (int j = 0; j < kAcross; ++j) {
            V v = sums[i][j];
            const int64_t place = at + j * kLanes;
            if constexpr (how == Finish::kPositive) v = maximum(v, V{});
            if constexpr (how == Finish::kWhere) v = as_float((load_any(other[i] + place) > 0.0f) & as_int(v));
            if constexpr (how == Finish::kAdd) v += load_any(other[i] + place);
            store_any(y[i] + place, v);
        }
    }
}

// y[i] = matrix times x + bias, for so many columns rounded up to whole blocks.
template <Finish how>
static void product(const Matrix& m, const float* const* x, const float* bias, float* const* y,
                    const float* const* other, int64_t columns) {
    for (int row = 0; row < m.rows; row += m.panel) {
        const float* w = m.packed + static_cast<int64_t>(row) * m.depth;
        const float* b = bias == nullptr ? nullptr : bias + row;
        const float* const* o = other == nullptr ? nullptr : other + row;
        const int rows = m.rows - row < m.panel ? m.rows - row : m.panel;
        for (int64_t at = 0; at < columns; at += kColumns) switch (m.panel) {
                case 1: product_block<1, how>(w, x, at, m.depth, b, y + row, o, rows); break;
                case 2: product_block<2, how>(w, x, at, m.depth, b, y + row, o, rows); break;
                case 3: product_block<3, how>(w, x, at, m.depth, b, y + row, o, rows); break;
                case 4: product_block<4, how>(w, x, at, m.depth, b, y + row, o, rows); break;
                case 5: product_block<5, how>(w, x, at, m.depth, b, y + row, o, rows); break;
                default: product_block<6, how>(w, x, at, m.depth, b, y + row, o, rows);
            }
    }
}

// Sums over pixels of products of rows, one a lane until they are taken: w (rows, depth).
struct Outer {
    float* sums = nullptr;
    int rows = 0, depth = 0;
    bool flat = false;  // blocks of few rows and many columns
    int high() const;
    int wide() const;
    int64_t size() const {
        const int64_t blocks = ((rows + high() - 1) / high()) * ((depth + wide() - 1) / wide());
        return blocks * high() * wide() * kLanes;
    }
};

// Blocks of registers.
constexpr int kHigh = kLanes == 16 ? 5 : 3, kWide = 4, kFlatHigh = 3, kFlatWide = kLanes == 16 ? 8 : 4;

inline int Outer::high() const { return flat ? kFlatHigh : kHigh; }
inline int Outer::wide() const { return flat ? kFlatWide : kWide; }

inline Outer outer_of(float*& memory, int rows, int depth) {
    Outer a{memory, rows, depth, false}, b{memory, rows, depth, true};
    Outer& best = b.size() < a.size() ? b : a;
    memory += best.size();
    return best;
}

template <int A, int B>
static void outer_block(const float* const* dy, const float* const* x, int64_t columns, float* sums) {
    V total[A][B];
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < B; ++j) total[i][j] = load(sums + (i * B + j) * kLanes);
    for (int64_t at = 0; at < columns; at += kLanes) {
        V left[A];
#pragma GCC unroll 8
        for (int i = 0; i < A; ++i) left[i] = load_any(dy[i] + at);
#pragma GCC unroll 8
        for (int j = 0; j < B; ++j) {
            const V right = load_any(x[j] + at);
#pragma GCC unroll 8
            for (int i = 0; i < A; ++i) total[i][j] += left[i] * right;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < B; ++j) store(sums + (i * B + j) * kLanes, total[i][j]);
}

// w += dy x^T over so many columns; both are read up to whole vectors, where one of them must be 0 beyond.
static void outer(const Outer& o, const float* const* dy, const float* const* x, int64_t columns) {
    const int high = o.high(), wide = o.wide();
    float* sums = o.sums;
    for (int row = 0; row < o.rows; row += high)
        for (int column = 0; column < o.depth; column += wide, sums += high * wide * kLanes) {
            const float *left[8], *right[8];
            for (int i = 0; i < high; ++i) left[i] = dy[row + i < o.rows ? row + i : row];
            for (int j = 0; j < wide; ++j) right[j] = x[column + j < o.depth ? column + j : column];
            o.flat ? outer_block<kFlatHigh, kFlatWide>(left, right, columns, sums)
                   : outer_block<kHigh, kWide>(left, right, columns, sums);
        }
}

// Adds the sums to w (rows, depth).
static void take(const Outer& o, float* w) {
    const int high = o.high(), wide = o.wide();
    const float* sums = o.sums;
    for (int row = 0; row < o.rows; row += high)
        for (int column = 0; column < o.depth; column += wide)
            for (int i = 0; i < high; ++i)
                for (int j = 0; j < wide; ++j, sums += kLanes)
                    if (row + i < o.rows && column + j < o.depth)
                        w[(row + i) * o.depth + column + j] += sum(load(sums));
}

// One sum a lane for each row.
static void add_rows(float* sums, const float* const* rows, int count, int64_t columns) {
    for (int i = 0; i < count; ++i) {
        V total = load(sums + i * kLanes);
        for (int64_t at = 0; at < columns; at += kLanes) total += load_any(rows[i] + at);
        store(sums + i * kLanes, total);
    }
}

static void take_rows(const float* sums, int count, float* to) {
    for (int i = 0; i < count; ++i) to[i] += sum(load(sums + i * kLanes));
}

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
