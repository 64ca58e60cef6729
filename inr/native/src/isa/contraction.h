// Contractions of one factor for each axis, sample by sample.
#pragma once

#include "isa/tile.h"

namespace inr {
namespace INR_ISA {

// y_c = sum_r u_1[r] ... u_(d-1)[r] u_d[c, r]
template <>
void forward_of<Kind::kCp>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rank = op.ints[0], channels = op.ints[1];
    const int last = static_cast<int>(op.inputs.size()) - 1;
    for (int64_t i = 0; i < n; i += kLanes)
        for (int64_t c = 0; c < channels; ++c) {
            V total{};
            for (int64_t r = 0; r < rank; ++r) {
                V product = load(tile.in(op, last) + (c * rank + r) * n + i);
                for (int k = 0; k < last; ++k) product *= load(tile.in(op, k) + r * n + i);
                total += product;
            }
            store(tile.out(op) + c * n + i, total);
        }
}

template <>
void backward_of<Kind::kCp>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rank = op.ints[0], channels = op.ints[1];
    const int last = static_cast<int>(op.inputs.size()) - 1;
    const float* d = tile.d_out(op);
    for (int64_t i = 0; i < n; i += kLanes)
        for (int64_t r = 0; r < rank; ++r) {
            V shared = splat(1.0f), pull{};
            for (int k = 0; k < last; ++k) shared *= load(tile.in(op, k) + r * n + i);
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t at = (c * rank + r) * n + i;
                const V v = load(d + c * n + i);
                pull += v * load(tile.in(op, last) + at);
                if (float* du = tile.d_in(op, last)) put(du + at, v * shared, op.writes[last]);
            }
            for (int k = 0; k < last; ++k) {
                float* du = tile.d_in(op, k);
                if (du == nullptr) continue;
                V product = pull;
                for (int j = 0; j < last; ++j)
                    if (j != k) product *= load(tile.in(op, j) + r * n + i);
                put(du + r * n + i, product, op.writes[k]);
            }
        }
}

// y_c = u_1 U_2 ... U_(d-1) u_d[c]; rows after each factor but the last stand one after another in the operation's
// own memory: rank numbers each.
template <>
void forward_of<Kind::kTt>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rank = op.ints[0], channels = op.ints[1];
    const int last = static_cast<int>(op.inputs.size()) - 1;
    float* rows = op.aux >= 0 ? tile.aux(op) : tile.scratch();
    std::memcpy(rows, tile.in(op, 0), rank * n * sizeof(float));
    for (int k = 1; k < last; ++k) {
        const float *before = rows + (k - 1) * rank * n, *u = tile.in(op, k);
        for (int64_t b = 0; b < rank; ++b)
            for (int64_t i = 0; i < n; i += kLanes) {
                V total{};
                for (int64_t a = 0; a < rank; ++a) total += load(before + a * n + i) * load(u + (a * rank + b) * n + i);
                store(rows + (k * rank + b) * n + i, total);
            }
    }
    const float *before = rows + (last - 1) * rank * n, *u = tile.in(op, last);
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < n; i += kLanes) {
            V total{};
            for (int64_t a = 0; a < rank; ++a) total += load(before + a * n + i) * load(u + (c * rank + a) * n + i);
            store(tile.out(op) + c * n + i, total);
        }
}

template <>
void backward_of<Kind::kTt>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rank = op.ints[0], channels = op.ints[1];
    const int last = static_cast<int>(op.inputs.size()) - 1;
    const float *rows = tile.aux(op), *d = tile.d_out(op);
    float *pull = tile.scratch(), *next = pull + rank * n;  // derivatives by the row before a factor
    const float *u = tile.in(op, last), *row = rows + (last - 1) * rank * n;
    for (int64_t a = 0; a < rank; ++a)
        for (int64_t i = 0; i < n; i += kLanes) {
            V total{};
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t at = (c * rank + a) * n + i;
                const V v = load(d + c * n + i);
                total += v * load(u + at);
                if (float* du = tile.d_in(op, last)) put(du + at, v * load(row + a * n + i), op.writes[last]);
            }
            store(pull + a * n + i, total);
        }
    for (int k = last - 1; k >= 1; --k) {
        u = tile.in(op, k);
        row = rows + (k - 1) * rank * n;
        for (int64_t a = 0; a < rank; ++a)
            for (int64_t i = 0; i < n; i += kLanes) {
                V total{};
                for (int64_t b = 0; b < rank; ++b) {
                    const int64_t at = (a * rank + b) * n + i;
                    const V v = load(pull + b * n + i);
                    total += v * load(u + at);
                    if (float* du = tile.d_in(op, k)) put(du + at, v * load(row + a * n + i), op.writes[k]);
                }
                store(next + a * n + i, total);
            }
        float* swap = pull;
        pull = next;
        next = swap;
    }
    if (float* du = tile.d_in(op, 0))
        for (int64_t i = 0; i < rank * n; i += kLanes) put(du + i, load(pull + i), op.writes[0]);
}

// Tucker: the core is contracted with one factor after another. `mixed` holds what is left after each: m_0 is the core
// itself (the same for all samples), m_(k+1)[rest] = sum_r u_k[r] m_k[r, rest].
template <>
void forward_of<Kind::kTucker>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size();
    const int axes = static_cast<int>(op.inputs.size());
    const float* core = tile.params + op.params[0];
    float* place = op.aux >= 0 ? tile.aux(op) : tile.scratch();
    int64_t rest = op.width;
    for (int k = 0; k < axes; ++k) rest *= op.in_widths[k];
    const float* before = nullptr;
    for (int k = 0; k < axes; ++k) {
        const int64_t rank = op.in_widths[k];
        rest /= rank;
        float* after = k == axes - 1 ? tile.out(op) : place;
        for (int64_t q = 0; q < rest; ++q)
            for (int64_t i = 0; i < n; i += kLanes) {
                V total{};
                for (int64_t r = 0; r < rank; ++r) {
                    const int64_t at = r * rest + q;
                    const V m = before == nullptr ? splat(core[at]) : load(before + at * n + i);
                    total += load(tile.in(op, k) + r * n + i) * m;
                }
                store(after + q * n + i, total);
            }
        before = after;
        place += rest * n;
    }
}

// Backwards through the same chain; the derivatives by m_k are as large as m_k and stand in the scratch.
template <>
void backward_of<Kind::kTucker>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size();
    const int axes = static_cast<int>(op.inputs.size());
    const float* core = tile.params + op.params[0];
    float *d_core = tile.gradients + op.gradient, *place = tile.scratch();
    int64_t starts[4] = {}, rest = op.width, total_rows = 0;
    for (int k = axes - 1; k > 0; --k) rest *= op.in_widths[k];
    for (int k = 1; k < axes; ++k) {
        starts[k] = total_rows;  // of m_k in the operation's memory
        total_rows += rest;
        rest /= op.in_widths[k];
    }
    const float* d = tile.d_out(op);
    rest = op.width;
    for (int k = axes - 1; k >= 0; --k) {
        const int64_t rank = op.in_widths[k];
        const float *before = k == 0 ? nullptr : tile.aux(op) + starts[k] * n, *u = tile.in(op, k);
        float* du = tile.d_in(op, k);
        for (int64_t r = 0; r < rank; ++r)
            for (int64_t i = 0; i < n; i += kLanes) {
                V total{};
                for (int64_t q = 0; q < rest; ++q) {
                    const int64_t at = r * rest + q;
                    const V v = load(d + q * n + i);
                    total += v * (before == nullptr ? splat(core[at]) : load(before + at * n + i));
                    const V back = v * load(u + r * n + i);
                    if (k == 0)
                        d_core[at] += sum(back);
                    else
                        store(place + at * n + i, back);
                }
                if (du != nullptr) put(du + r * n + i, total, op.writes[k]);
            }
        d = place;
        place += rank * rest * n;
        rest *= rank;
    }
}

}  // namespace INR_ISA
}  // namespace inr
