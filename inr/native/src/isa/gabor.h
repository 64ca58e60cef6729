// Gabor wavelets of real and of complex numbers.
#pragma once

#include "isa/formulas.h"

namespace inr {
namespace INR_ISA {

// h = exp(i omega z - sigma^2 (|z|^2 + |v|^2 + ...)), of real z, v or of complex ones.
static void gabor_forward(const Op& op, const Tile& tile, bool complex) {
    const float omega = static_cast<float>(op.reals[0]);
    const float square = static_cast<float>(op.reals[1] * op.reals[1]);
    const int64_t half = op.width / 2 * tile.size();
    float* out = tile.out(op);
    for (int64_t i = 0; i < half; i += kLanes) {
        const V a = load(tile.in(op, 0) + i);
        V total = a * a, shift{};
        if (complex) {
            const V b = load(tile.in(op, 0) + half + i);
            total += b * b;
            shift = omega * b;
        }
        for (size_t k = 1; k < op.inputs.size(); ++k) {
            const V v = load(tile.in(op, k) + i);
            total += v * v;
            if (complex) {
                const V w = load(tile.in(op, k) + half + i);
                total += w * w;
            }
        }
        const V size = window(-shift - square * total);
        const SineCosine s = sine_cosine(omega * a);
        store(out + i, size * s.cosine);
        store(out + half + i, size * s.sine);
    }
}

static void gabor_backward(const Op& op, const Tile& tile, bool complex) {
    const float omega = static_cast<float>(op.reals[0]);
    const float twice = static_cast<float>(2 * op.reals[1] * op.reals[1]);
    const int64_t half = op.width / 2 * tile.size();
    const float *h = tile.out(op), *d = tile.d_out(op);
    for (int64_t i = 0; i < half; i += kLanes) {
        const V hr = load(h + i), hi = load(h + half + i), dr = load(d + i), di = load(d + half + i);
        const V along = dr * hr + di * hi, across = di * hr - dr * hi;
        for (size_t k = 0; k < op.inputs.size(); ++k) {
            float* dx = tile.d_in(op, k);
            if (dx == nullptr) continue;
            const float* x = tile.in(op, k);
            const V turn = k == 0 ? omega * across : V{};
            put(dx + i, turn - twice * load(x + i) * along, op.writes[k]);
            if (!complex) continue;
            const V decay = k == 0 ? omega + twice * load(x + half + i) : twice * load(x + half + i);
            put(dx + half + i, -(decay * along), op.writes[k]);
        }
    }
}

template <>
void forward_of<Kind::kRealGabor>(const Op& op, const Tile& tile) {
    gabor_forward(op, tile, false);
}

template <>
void backward_of<Kind::kRealGabor>(const Op& op, const Tile& tile) {
    gabor_backward(op, tile, false);
}

template <>
void forward_of<Kind::kComplexGabor>(const Op& op, const Tile& tile) {
    gabor_forward(op, tile, true);
}

template <>
void backward_of<Kind::kComplexGabor>(const Op& op, const Tile& tile) {
    gabor_backward(op, tile, true);
}

}  // namespace INR_ISA
}  // namespace inr
