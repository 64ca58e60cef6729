// Fixed functions of the coordinates.
#pragma once

#include "isa/tile.h"

extern "C" double log(double);
extern "C" double sqrt(double);
extern "C" double floor(double);

namespace inr {
namespace INR_ISA {

// (B x)_row of one vector of samples.
INR_INLINE V projection(const Op& op, const float* x, int64_t row, int64_t n) {
    const float* b = op.constants.data() + row * op.in_widths[0];
    V total = b[0] * load(x);
    for (int64_t k = 1; k < op.in_widths[0]; ++k) total += b[k] * load(x + k * n);
    return total;
}

// dx += factor B' slope, where the derivative by the angle of each row comes from `slope(row, offset)`.
template <typename Slope>
static void projection_backward(const Op& op, const Tile& tile, int64_t rows, float factor, Slope slope) {
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    const int64_t n = tile.size(), d_in = op.in_widths[0];
    for (int64_t i = 0; i < n; i += kLanes) {
        V totals[4] = {};
        for (int64_t row = 0; row < rows; ++row) {
            const V v = slope(row * n + i);
            for (int64_t k = 0; k < d_in; ++k) totals[k] += op.constants[row * d_in + k] * v;
        }
        for (int64_t k = 0; k < d_in; ++k) put(dx + k * n + i, factor * totals[k], op.writes[0]);
    }
}

constexpr float kPi = 3.14159265358979324f;

// All sin(2 pi B x), then all cos(2 pi B x).
template <>
void forward_of<Kind::kFourier>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rows = op.width / 2;
    float* out = tile.out(op);
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < n; i += kLanes) {
            const SineCosine s = sine_cosine_turns(projection(op, tile.in(op, 0) + i, row, n));
            store(out + row * n + i, s.sine);
            store(out + (rows + row) * n + i, s.cosine);
        }
}

template <>
void backward_of<Kind::kFourier>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), rows = op.width / 2;
    const float *out = tile.out(op), *d = tile.d_out(op);
    projection_backward(op, tile, rows, 2 * kPi, [=](int64_t at) {
        const int64_t other = at + rows * n;
        return load(d + at) * load(out + other) - load(d + other) * load(out + at);
    });
}

// sin(pi K x + phase)
template <>
void forward_of<Kind::kSineFilter>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size();
    const float* phase = tile.params + op.params[0];
    for (int64_t row = 0; row < op.width; ++row)
        for (int64_t i = 0; i < n; i += kLanes) {
            const V half = projection(op, tile.in(op, 0) + i, row, n);
            // Whole turns first: the phase must not be added to a large number.
            const V rest = half - 2.0f * nearest(0.5f * half);
            const SineCosine s = sine_cosine(kPi * rest + phase[row]);
            store(tile.out(op) + row * n + i, s.sine);
            if (op.aux >= 0) store(tile.aux(op) + row * n + i, s.cosine);
        }
}

template <>
void backward_of<Kind::kSineFilter>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size();
    const float *slopes = tile.aux(op), *d = tile.d_out(op);
    for (int64_t row = 0; row < op.width; ++row) {
        V total{};
        for (int64_t i = 0; i < n; i += kLanes) total += load(d + row * n + i) * load(slopes + row * n + i);
        tile.gradients[op.gradient + row] += sum(total);
    }
    projection_backward(op, tile, op.width, kPi, [=](int64_t at) { return load(d + at) * load(slopes + at); });
}

// For each coordinate all cos(k x) and then all sin(k x), k = 1 ... n.
template <>
void forward_of<Kind::kFourierSeries>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), count = op.ints[0];
    for (int64_t axis = 0; axis < op.in_widths[0]; ++axis) {
        float* out = tile.out(op) + axis * 2 * count * n;
        for (int64_t i = 0; i < n; i += kLanes) {
            const V x = load(tile.in(op, 0) + axis * n + i);
            for (int64_t k = 0; k < count; ++k) {
                const SineCosine s = sine_cosine(static_cast<float>(k + 1) * x);
                store(out + k * n + i, s.cosine);
                store(out + (count + k) * n + i, s.sine);
            }
        }
    }
}

template <>
void backward_of<Kind::kFourierSeries>(const Op& op, const Tile& tile) {
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    const int64_t n = tile.size(), count = op.ints[0];
    for (int64_t axis = 0; axis < op.in_widths[0]; ++axis) {
        const float *out = tile.out(op) + axis * 2 * count * n, *d = tile.d_out(op) + axis * 2 * count * n;
        for (int64_t i = 0; i < n; i += kLanes) {
            V total{};
            for (int64_t k = 0; k < count; ++k) {
                const int64_t c = k * n + i, s = (count + k) * n + i;
                total += static_cast<float>(k + 1) * (load(d + s) * load(out + c) - load(d + c) * load(out + s));
            }
            put(dx + axis * n + i, total, op.writes[0]);
        }
    }
}

// T_0 ... T_(n-1) of each coordinate, by the recurrence.
template <>
void forward_of<Kind::kChebyshev>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), count = op.ints[0];
    for (int64_t axis = 0; axis < op.in_widths[0]; ++axis) {
        float* out = tile.out(op) + axis * count * n;
        for (int64_t i = 0; i < n; i += kLanes) {
            const V x = load(tile.in(op, 0) + axis * n + i), twice = 2.0f * x;
            V before = splat(1.0f), now = x;
            for (int64_t k = 0; k < count; ++k) {
                store(out + k * n + i, before);
                const V next = twice * now - before;
                before = now;
                now = next;
            }
        }
    }
}

// The derivative of the recurrence: T'_(k+1) = 2 T_k + 2 x T'_k - T'_(k-1).
template <>
void backward_of<Kind::kChebyshev>(const Op& op, const Tile& tile) {
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    const int64_t n = tile.size(), count = op.ints[0];
    for (int64_t axis = 0; axis < op.in_widths[0]; ++axis) {
        const float *out = tile.out(op) + axis * count * n, *d = tile.d_out(op) + axis * count * n;
        for (int64_t i = 0; i < n; i += kLanes) {
            const V twice = 2.0f * load(tile.in(op, 0) + axis * n + i);
            V before{}, now = splat(1.0f), total{};
            for (int64_t k = 1; k < count; ++k) {
                total += load(d + k * n + i) * now;
                const V next = 2.0f * load(out + k * n + i) + twice * now - before;
                before = now;
                now = next;
            }
            put(dx + axis * n + i, total, op.writes[0]);
        }
    }
}

static uint64_t mixed(uint64_t word) {
    uint64_t z = word + 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// Normal numbers that are a hash of the cell in which a point lies; see inr.layers.denoising.CoordinateNoise.
template <>
void forward_of<Kind::kNoise>(const Op& op, const Tile& tile) {
    const int64_t n = tile.size(), channels = op.ints[0];
    const double half_cells = static_cast<double>(op.ints[1]) / 2;
    for (int64_t i = 0; i < n; ++i) {
        uint64_t word = mixed(static_cast<uint64_t>(op.ints[2]));
        for (int64_t axis = 0; axis < op.in_widths[0]; ++axis) {
            const double cell = ::floor(static_cast<double>(tile.in(op, 0)[axis * n + i]) * half_cells + op.reals[0]);
            const double bounded = cell > -9e18 ? (cell < 9e18 ? cell : 9e18) : -9e18;
            word = mixed(word + static_cast<uint64_t>(static_cast<int64_t>(bounded)));
        }
        for (int64_t c = 0; c < channels; ++c) {
            const double u = (static_cast<double>(mixed(word + c) >> 11) + 0.5) * 0x1p-53;
            const double v = (static_cast<double>(mixed(word + channels + c) >> 11) + 0.5) * 0x1p-53;
            const double normal = ::sqrt(-2 * ::log(u)) * ::cos(2 * 3.14159265358979323846 * v);
            tile.out(op)[c * n + i] = static_cast<float>(normal);
        }
    }
}

}  // namespace INR_ISA
}  // namespace inr
