// The interpreter: a tile goes forward through all operations, meets the loss, and goes back.
#pragma once

#include <algorithm>

#include "isa/clock.h"
#include "isa/combine.h"
#include "isa/contraction.h"
#include "isa/elementwise.h"
#include "isa/features.h"
#include "isa/gabor.h"
#include "isa/grids.h"
#include "isa/isa.h"
#include "isa/linear.h"

namespace inr {
namespace INR_ISA {

#ifndef INR_TILES
struct TileUse {
    TileUse() {}
    ~TileUse() {}
};
#endif

static void forward_op(const Op& op, const Tile& tile) {
    switch (op.kind) {
#define INR_OPERATION(kind, nature, facts) \
    case Kind::k##kind: return nature<Kind::k##kind>::forward(op, tile);
#include "ops/table.h"
#undef INR_OPERATION
    }
}

static void backward_op(const Op& op, const Tile& tile) {
    switch (op.kind) {
#define INR_OPERATION(kind, nature, facts) \
    case Kind::k##kind: return nature<Kind::k##kind>::backward(op, tile);
#include "ops/table.h"
#undef INR_OPERATION
    }
}

// Coordinates of the points of a tile, features as rows; what is left of a tile repeats the last point.
static void load_points(const Points& points, int64_t first, int64_t d_in, int64_t size, float* x) {
    const int64_t count = points.n - first < size ? points.n - first : size;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t at = first + i;
        if (points.coordinates != nullptr) {
            for (int64_t k = 0; k < d_in; ++k) x[k * size + i] = points.coordinates[at * d_in + k];
            continue;
        }
        uint64_t rest = static_cast<uint64_t>(points.index == nullptr ? at : points.index[at]);
        for (int k = points.ndim - 1; k >= 0; --k) {
            const uint64_t n = static_cast<uint64_t>(points.shape[k]), next = k == 0 ? 0 : rest / n;
            float place = points.axes[k][rest - next * n];
            if (points.offsets != nullptr) place += points.offsets[at * points.ndim + k] * points.cells[k];
            x[k * size + i] = place;
            rest = next;
        }
    }
    for (int64_t k = 0; k < d_in; ++k)
        for (int64_t i = count; i < size; ++i) x[k * size + i] = x[k * size + count - 1];
}

template <typename T>
static void load_integers(const Samples& samples, const Points& points, int64_t first, int64_t count, int64_t channels,
                          int64_t lowest, int64_t size, float* y) {
    const T* data = static_cast<const T*>(samples.data);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t at = points.index == nullptr ? first + i : points.index[first + i];
        for (int64_t c = 0; c < channels; ++c)
            y[c * size + i] = samples.table[static_cast<int64_t>(data[at * channels + c]) - lowest];
    }
}

// Targets of a tile, channels as rows.
static void load_targets(const Batch& batch, int64_t first, int64_t count, int64_t channels, int64_t size, float* y) {
    const Samples& samples = batch.samples;
    const Points& points = batch.points;
    if (batch.targets != nullptr) {
        for (int64_t i = 0; i < count; ++i)
            for (int64_t c = 0; c < channels; ++c) y[c * size + i] = batch.targets[(first + i) * channels + c];
        return;
    }
    switch (samples.type) {
        case SampleType::kUint8: return load_integers<uint8_t>(samples, points, first, count, channels, 0, size, y);
        case SampleType::kUint16: return load_integers<uint16_t>(samples, points, first, count, channels, 0, size, y);
        case SampleType::kInt8: return load_integers<int8_t>(samples, points, first, count, channels, -128, size, y);
        case SampleType::kInt16:
            return load_integers<int16_t>(samples, points, first, count, channels, -32768, size, y);
        default: break;
    }
    const float* data = static_cast<const float*>(samples.data);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t at = points.index == nullptr ? first + i : points.index[first + i];
        for (int64_t c = 0; c < channels; ++c) {
            const double x = data[at * channels + c];
            y[c * size + i] = static_cast<float>((x - samples.low) * samples.factor - 1.0);
        }
    }
}

// Squared errors of all outputs: their mean over points, channels and outputs is the loss. Leaves the gradients of the
// outputs, zero for what is beyond the last point, and returns the sum of this tile's share of the loss.
static double squared_error(const Program& program, float* memory, const Batch& batch, int64_t first, int64_t count) {
    const int64_t size = program.tile;
    const double share = 1.0 / (static_cast<double>(batch.points.n) * static_cast<double>(program.d_out) *
                                static_cast<double>(program.heads.size()));
    const float* targets = memory + program.targets;
    double loss = 0;
    for (const int& head : program.heads) {
        const float* y = memory + program.values[head];
        // An output that no parameter moves has no gradient; one that is named twice adds up.
        float* d = program.gradients[head] < 0 ? nullptr : memory + program.gradients[head];
        const bool again = std::find(program.heads.data(), &head, head) != &head;
        for (int64_t c = 0; c < program.d_out; ++c)
            for (int64_t i = 0; i < size; ++i) {
                const float weight = i >= count ? 0.0f : batch.weights == nullptr ? 1.0f : batch.weights[first + i];
                const float r = i >= count ? 0.0f : y[c * size + i] - targets[c * size + i];
                loss += share * static_cast<double>(weight) * static_cast<double>(r) * static_cast<double>(r);
                if (d == nullptr) continue;
                const float slope = static_cast<float>(2 * share) * weight * r;
                d[c * size + i] = again ? d[c * size + i] + slope : slope;
            }
    }
    if (batch.residuals != nullptr) {
        const float* y = memory + program.values[program.heads.back()];
        for (int64_t i = 0; i < count; ++i)
            for (int64_t c = 0; c < program.d_out; ++c)
                batch.residuals[(first + i) * program.d_out + c] = y[c * size + i] - targets[c * size + i];
    }
    return loss;
}

// Gradients of the last output that somebody has found outside; other outputs have none.
static void given_gradients(const Program& program, float* memory, const Batch& batch, int64_t first, int64_t count) {
    const int64_t size = program.tile;
    for (const int head : program.heads)
        if (program.gradients[head] >= 0) std::fill_n(memory + program.gradients[head], program.d_out * size, 0.0f);
    if (program.gradients[program.heads.back()] < 0) return;  // no parameter moves it
    float* d = memory + program.gradients[program.heads.back()];
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < program.d_out; ++c)
            d[c * size + i] = batch.output_gradients[(first + i) * program.d_out + c];
}

// Adds the time of a scope to one of many totals, if there are any.
class Stopwatch {
public:
    Stopwatch(double* totals, size_t number) : total_(totals == nullptr ? nullptr : totals + number) {
        if (total_ != nullptr) start_ = now();
    }
    ~Stopwatch() {
        if (total_ != nullptr) *total_ += now() - start_;
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

private:
    double* total_;
    double start_ = 0;
};

static double train(const Program& program, const float* params, const Memory& memory, const Batch& batch,
                    int64_t first_tile, int64_t last_tile, double* seconds) {
    const int64_t size = program.tile;
    const TileUse tiles;
    double loss = 0;
    for (int64_t t = first_tile; t < last_tile; ++t) {
        const int64_t first = t * size, count = batch.points.n - first < size ? batch.points.n - first : size;
        float* saved = memory.saved == nullptr ? nullptr : memory.saved + t * program.saved_rows * size;
        const Tile tile{program, params, memory.packed, memory.worker, memory.gradients, saved, program.values.data()};
        load_points(batch.points, first, program.d_in, size, tile.value(0));
        const bool given = batch.output_gradients != nullptr;
        if (!given) load_targets(batch, first, count, program.d_out, size, memory.worker + program.targets);
        for (size_t i = 0; i < program.ops.size(); ++i) {
            const Stopwatch watch(seconds, i);
            if (program.ops[i].live) forward_op(program.ops[i], tile);
        }
        if (given)
            given_gradients(program, memory.worker, batch, first, count);
        else
            loss += squared_error(program, memory.worker, batch, first, count);
        Tile back = tile;
        back.values = program.values_back.data();
        for (size_t i = program.ops.size(); i-- > 0;) {
            const Stopwatch watch(seconds, program.ops.size() + i);
            const Op& op = program.ops[i];
            if (op.again >= 0) forward_op(program.ops[static_cast<size_t>(op.again)], back);
            if (op.trained) backward_op(op, back);
        }
        if (batch.input_gradients == nullptr) continue;
        const float* d = memory.worker + program.gradients[0];
        const float scale = given ? 1.0f : static_cast<float>(batch.points.n);  // of its own loss, not of the mean
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < program.d_in; ++k)
                batch.input_gradients[(first + i) * program.d_in + k] =
                    program.inputs_move ? scale * d[k * size + i] : 0.0f;
    }
    return loss;
}

static float bounded(float v) { return v > -1.0f ? (v < 1.0f ? v : 1.0f) : -1.0f; }  // what is no number: -1

template <typename T>
static void store_integers(const float* y, int64_t first, int64_t count, int64_t channels, int64_t size,
                           const Target& target) {
    T* out = static_cast<T*>(target.samples) + first * channels;
    const double factor = (target.high - target.low) / 2;
    for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < channels; ++c) {
            const double unit = static_cast<double>(bounded(y[c * size + i]));
            out[i * channels + c] = static_cast<T>(__builtin_rint((unit + 1) * factor + target.low));
        }
}

static void store_values(const Program& program, const float* y, int64_t first, int64_t count, const Target& target) {
    const int64_t channels = program.d_out, size = program.tile;
    switch (target.type) {
        case SampleType::kUint8: {  // 24 bits are enough for 256 values
            uint8_t* out = static_cast<uint8_t*>(target.samples) + first * channels;
            const float factor = static_cast<float>((target.high - target.low) / 2),
                        low = static_cast<float>(target.low);
            for (int64_t i = 0; i < count; ++i)
                for (int64_t c = 0; c < channels; ++c) {
                    const float scaled = (bounded(y[c * size + i]) + 1.0f) * factor;
                    out[i * channels + c] = static_cast<uint8_t>(__builtin_rintf(scaled + low));
                }
            return;
        }
        case SampleType::kUint16: return store_integers<uint16_t>(y, first, count, channels, size, target);
        case SampleType::kInt8: return store_integers<int8_t>(y, first, count, channels, size, target);
        case SampleType::kInt16: return store_integers<int16_t>(y, first, count, channels, size, target);
        case SampleType::kFloat32: {
            float* out = static_cast<float*>(target.samples) + first * channels;
            const double factor = (target.high - target.low) / 2;
            for (int64_t i = 0; i < count; ++i)
                for (int64_t c = 0; c < channels; ++c)
                    out[i * channels + c] =
                        static_cast<float>((static_cast<double>(bounded(y[c * size + i])) + 1) * factor + target.low);
            return;
        }
        default:
            for (int64_t i = 0; i < count; ++i)
                for (int64_t c = 0; c < channels; ++c) target.values[(first + i) * channels + c] = y[c * size + i];
    }
}

static void forward(const Program& program, const float* params, const Memory& memory, const Points& points,
                    const Target& target, int64_t first_tile, int64_t last_tile) {
    const int64_t size = program.tile;
    const TileUse tiles;
    const Tile tile{program, params, memory.packed, memory.worker, nullptr, nullptr, program.values.data()};
    for (int64_t t = first_tile; t < last_tile; ++t) {
        const int64_t first = t * size, count = points.n - first < size ? points.n - first : size;
        load_points(points, first, program.d_in, size, tile.value(0));
        for (size_t i = 0; i < program.ops.size(); ++i)
            if (program.ops[i].live) forward_op(program.ops[i], tile);
        store_values(program, tile.value(program.heads.back()), first, count, target);
    }
}

static void grid_scatter_entry(const Program& program, int number, int level, const float* saved, int64_t tiles,
                               float* gradients) {
    const Op& op = program.ops[static_cast<size_t>(number)];
    const GridLevel& grid = program.grids[static_cast<size_t>(number)][static_cast<size_t>(level)];
    const int64_t n = program.tile;
    grid_scatter(op, grid, level, saved + op.saved * n, program.saved_rows * n, tiles, n,
                 gradients + op.params[0] + grid.offset * op.ints[1]);
}

}  // namespace INR_ISA
}  // namespace inr
