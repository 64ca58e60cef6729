// Operations that combine or select features.
#pragma once

#include "isa/tile.h"

namespace inr {
namespace INR_ISA {

template <>
void forward_of<Kind::kMultiply>(const Op& op, const Tile& tile) {
    float* out = tile.out(op);
    if (op.inputs.size() == 2) {
        const float *a = tile.in(op, 0), *b = tile.in(op, 1);
        for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) store(out + i, load(a + i) * load(b + i));
        return;
    }
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) {
        V product = load(tile.in(op, 0) + i);
        for (size_t k = 1; k < op.inputs.size(); ++k) product *= load(tile.in(op, k) + i);
        store(out + i, product);
    }
}

// Of two factors in one pass: da, which may be where d is, and db.
static void multiply_backward_two(const Op& op, const Tile& tile) {
    const float *d = tile.d_out(op), *a = tile.in(op, 0), *b = tile.in(op, 1);
    float *da = tile.d_in(op, 0), *db = tile.d_in(op, 1);
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) {
        const V slope = load(d + i), one = load(a + i), other = load(b + i);
        if (da != nullptr) put(da + i, slope * other, op.writes[0]);
        if (db != nullptr) put(db + i, slope * one, op.writes[1]);
    }
}

template <>
void backward_of<Kind::kMultiply>(const Op& op, const Tile& tile) {
    if (op.inputs.size() == 2) return multiply_backward_two(op, tile);
    const float* d = tile.d_out(op);
    for (size_t k = 0; k < op.inputs.size(); ++k) {
        float* dx = tile.d_in(op, k);
        if (dx == nullptr) continue;
        for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) {
            V product = load(d + i);
            for (size_t j = 0; j < op.inputs.size(); ++j)
                if (j != k) product *= load(tile.in(op, j) + i);
            put(dx + i, product, op.writes[k]);
        }
    }
}

// y = a_1 x_1 + a_2 x_2 + ...
template <>
void forward_of<Kind::kAdd>(const Op& op, const Tile& tile) {
    float* out = tile.out(op);
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) {
        V total = static_cast<float>(op.reals[0]) * load(tile.in(op, 0) + i);
        for (size_t k = 1; k < op.inputs.size(); ++k)
            total += static_cast<float>(op.reals[k]) * load(tile.in(op, k) + i);
        store(out + i, total);
    }
}

template <>
void backward_of<Kind::kAdd>(const Op& op, const Tile& tile) {
    const float* d = tile.d_out(op);
    for (size_t k = 0; k < op.inputs.size(); ++k) {
        float* dx = tile.d_in(op, k);
        if (dx == nullptr) continue;
        const float factor = static_cast<float>(op.reals[k]);
        for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) put(dx + i, factor * load(d + i), op.writes[k]);
    }
}

template <>
void forward_of<Kind::kConcat>(const Op& op, const Tile& tile) {
    float* out = tile.out(op);
    for (size_t k = 0; k < op.inputs.size(); ++k) {
        const int64_t n = op.in_widths[k] * tile.size();
        std::memcpy(out, tile.in(op, k), n * sizeof(float));
        out += n;
    }
}

template <>
void backward_of<Kind::kConcat>(const Op& op, const Tile& tile) {
    const float* d = tile.d_out(op);
    for (size_t k = 0; k < op.inputs.size(); ++k) {
        const int64_t n = op.in_widths[k] * tile.size();
        float* dx = tile.d_in(op, k);
        for (int64_t i = 0; dx != nullptr && i < n; i += kLanes) put(dx + i, load(d + i), op.writes[k]);
        d += n;
    }
}

template <>
void forward_of<Kind::kColumns>(const Op& op, const Tile& tile) {
    std::memcpy(tile.out(op), tile.in(op, 0) + op.ints[0] * tile.size(), op.width * tile.size() * sizeof(float));
}

template <>
void backward_of<Kind::kColumns>(const Op& op, const Tile& tile) {
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    const float* d = tile.d_out(op);
    const int64_t first = op.ints[0] * tile.size(), last = op.ints[1] * tile.size();
    if (op.writes[0] == Write::kSet) std::memset(dx, 0, op.in_widths[0] * tile.size() * sizeof(float));
    for (int64_t i = first; i < last; i += kLanes) put(dx + i, load(d + i - first), op.writes[0]);
}

template <>
void forward_of<Kind::kConstant>(const Op& op, const Tile& tile) {
    const V value = splat(static_cast<float>(op.reals[0]));
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes) store(tile.out(op) + i, value);
}

// y = (1 - t) target + t (noise + fresh / 10); inputs that are given need no gradients.
template <>
void forward_of<Kind::kNoisyTarget>(const Op& op, const Tile& tile) {
    for (int64_t row = 0; row < op.width; ++row)
        for (int64_t i = 0; i < tile.size(); i += kLanes) {
            const int64_t at = row * tile.size() + i;
            const V t = load(tile.in(op, 2) + i);
            const V disturbed = load(tile.in(op, 1) + at) + 0.1f * load(tile.in(op, 3) + at);
            store(tile.out(op) + at, (1.0f - t) * load(tile.in(op, 0) + at) + t * disturbed);
        }
}

// y = weight (x - mean) / sqrt(variance + 1e-5) + bias over the features of a sample.
template <>
void forward_of<Kind::kLayerNorm>(const Op& op, const Tile& tile) {
    const float *weight = tile.params + op.params[0], *bias = tile.params + op.params[1], *x = tile.in(op, 0);
    float *out = tile.out(op), *unit = tile.aux(op);
    const int64_t n = tile.size();
    for (int64_t i = 0; i < n; i += kLanes) {
        V total{}, squares{};
        for (int64_t row = 0; row < op.width; ++row) total += load(x + row * n + i);
        const V mean = total / static_cast<float>(op.width);
        for (int64_t row = 0; row < op.width; ++row) {
            const V centred = load(x + row * n + i) - mean;
            squares += centred * centred;
        }
        const V scale = 1.0f / square_root(squares / static_cast<float>(op.width) + 1e-5f);
        if (unit != nullptr) store(unit + op.width * n + i, scale);
        for (int64_t row = 0; row < op.width; ++row) {
            const V normal = (load(x + row * n + i) - mean) * scale;
            if (unit != nullptr) store(unit + row * n + i, normal);
            store(out + row * n + i, weight[row] * normal + bias[row]);
        }
    }
}

template <>
void backward_of<Kind::kLayerNorm>(const Op& op, const Tile& tile) {
    const float *weight = tile.params + op.params[0], *d = tile.d_out(op), *unit = tile.aux(op);
    const int64_t n = tile.size();
    float *d_weight = tile.gradients + op.gradient, *d_bias = d_weight + op.width, *dx = tile.d_in(op, 0);
    for (int64_t row = 0; row < op.width; ++row) {
        V products{}, total{};
        for (int64_t i = 0; i < n; i += kLanes) {
            const V v = load(d + row * n + i);
            products += v * load(unit + row * n + i);
            total += v;
        }
        d_weight[row] += sum(products);
        d_bias[row] += sum(total);
    }
    for (int64_t i = 0; dx != nullptr && i < n; i += kLanes) {
        V total{}, products{};
        for (int64_t row = 0; row < op.width; ++row) {
            const V v = weight[row] * load(d + row * n + i);
            total += v;
            products += v * load(unit + row * n + i);
        }
        const float share = 1.0f / static_cast<float>(op.width);
        const V scale = load(unit + op.width * n + i);
        for (int64_t row = 0; row < op.width; ++row) {
            const V v = weight[row] * load(d + row * n + i) - share * (total + load(unit + row * n + i) * products);
            put(dx + row * n + i, scale * v, op.writes[0]);
        }
    }
}

}  // namespace INR_ISA
}  // namespace inr
