// From feature maps to the picture, its errors, and back: 1x1 layers, 3x3 residual layers, a linear bypass.
#pragma once

#include "isa/latent/filters.h"

namespace inr {
namespace INR_ISA {
namespace training {

static void pack_synthesis(Work& w, Matrices& m) {
    const Shape& shape = *w.shape;
    const int c = shape.counts.channels, width = shape.counts.width, levels = shape.counts.levels;
    const float* p = w.params;
    const auto both = [&](int64_t place, int rows, int depth, Matrix& forwards, Matrix& back) {
        forwards = packed(w.packed, rows, depth, [&](int row, int k) { return p[place + row * depth + k]; });
        back = packed(w.packed, depth, rows, [&](int row, int k) { return p[place + k * depth + row]; });
    };
    both(shape.mix0.weight, width, levels, m.mix0, m.mix0_back);
    both(shape.mix1.weight, c, width, m.mix1, m.mix1_back);
    both(shape.synthesis_bypass, c, levels, m.synthesis_bypass, m.synthesis_bypass_back);
    for (const Layer& layer : shape.residuals) {
        const auto entry = [&](int to, int from, int arm) {
            return p[layer.weight + (to * c + from) * 9 + arm] + (to == from && arm == 4 ? 1.0f : 0.0f);
        };
        m.residuals.push_back(packed(w.packed, c, 9 * c, [&](int row, int k) { return entry(row, k / 9, k % 9); }));
        m.residuals_back.push_back(
            packed(w.packed, c, 9 * c, [&](int row, int k) { return entry(k / 9, row, k % 9); }));
    }
}

// Floats that the rows of a layer take.
class Scratch {
public:
    explicit Scratch(float* first) : next_(first) {}
    float* take(int64_t count) {
        float* const found = next_;
        next_ += rounded_up(count, kMargin);
        return found;
    }
    std::vector<float*> rows(int count) {
        std::vector<float*> found;
        for (int i = 0; i < count; ++i) found.push_back(take(kChunk));
        return found;
    }
    Outer outer(int rows, int depth) { return outer_of(next_, rows, depth); }
    float* place() const { return next_; }

private:
    float* next_;
};

static int64_t synthesis_scratch(const Shape& shape) {
    const int64_t c = shape.counts.channels, width = shape.counts.width, levels = shape.counts.levels;
    const int64_t rows = 2 * width + levels + 4 * c;
    const int64_t sums = (width + 8) * (levels + 8) + (c + 8) * (width + 8) + (c + 8) * (levels + 8) +
                         (c + 8) * (9 * c + 8) + width + 2 * c;
    return rows * kChunk + sums * kLanes + 64 * kMargin;
}

// Pointers to rows, without the memory manager: they are made for every chunk.
template <typename T>
struct RowPointers {
    T* at[9 * 64];
    T* const* data() const { return at; }
};

static RowPointers<const float> map_rows(const Work& w, int64_t y, int64_t x) {
    RowPointers<const float> found;
    for (int i = 0; i < w.maps[0].count; ++i) found.at[i] = w.maps[0].row(i, y) + x;
    return found;
}

static RowPointers<float> picture_rows(const Picture& picture, int channels, int64_t y, int64_t x) {
    RowPointers<float> found;
    for (int i = 0; i < channels; ++i) found.at[i] = picture.row(i, y) + x;
    return found;
}

// The values at the arms of the stencils of a row.
static RowPointers<const float> arms(const Picture& picture, int channels, int64_t y, int64_t x) {
    RowPointers<const float> found;
    for (int i = 0; i < channels; ++i)
        for (int arm = 0; arm < 9; ++arm) found.at[9 * i + arm] = picture.row(i, y + arm / 3 - 1) + x + arm % 3 - 1;
    return found;
}

// Repeats the outermost pixels of a finished row of a picture.
static void surround(const Work& w, const Picture& picture, int64_t y) {
    const int64_t width = w.shape->width, height = w.shape->height;
    for (int c = 0; c < w.shape->counts.channels; ++c) {
        float* row = picture.row(c, y);
        row[-1] = row[0];
        row[width] = row[width - 1];
        const size_t bytes = static_cast<size_t>(width + 2) * sizeof(float);
        if (y == 0) std::memcpy(picture.row(c, -1) - 1, row - 1, bytes);
        if (y == height - 1) std::memcpy(picture.row(c, height) - 1, row - 1, bytes);
    }
}

static void mix(const Work& w, Rows rows, float* memory) {
    const Shape& shape = *w.shape;
    Scratch scratch(memory);
    const std::vector<float*> hidden = scratch.rows(shape.counts.width);
    for (int64_t y = rows.first; y < rows.last; ++y) {
        for (int64_t x = 0; x < shape.width; x += kChunk) {
            const int64_t columns = rounded_up(std::min(kChunk, shape.width - x), kColumns);
            const RowPointers<float> to = picture_rows(w.pictures[0], shape.counts.channels, y, x);
            product<Finish::kPositive>(w.matrices.mix0, map_rows(w, y, x).data(), w.params + shape.mix0.bias,
                                       hidden.data(), nullptr, columns);
            product<Finish::kSet>(w.matrices.mix1, hidden.data(), w.params + shape.mix1.bias, to.data(), nullptr,
                                  columns);
        }
        surround(w, w.pictures[0], y);
    }
}

static void residual(const Work& w, int layer, Rows rows) {
    const Shape& shape = *w.shape;
    const size_t at = static_cast<size_t>(layer);
    const int channels = shape.counts.channels;
    const bool last = layer + 1 == shape.counts.residuals;
    const float* bias = w.params + shape.residuals[at].bias;
    for (int64_t y = rows.first; y < rows.last; ++y) {
        for (int64_t x = 0; x < shape.width; x += kChunk) {
            const int64_t columns = rounded_up(std::min(kChunk, shape.width - x), kColumns);
            const RowPointers<const float> from = arms(w.pictures[at], channels, y, x);
            const RowPointers<float> to = picture_rows(w.pictures[at + 1], channels, y, x);
            if (last)
                product<Finish::kSet>(w.matrices.residuals[at], from.data(), bias, to.data(), nullptr, columns);
            else
                product<Finish::kPositive>(w.matrices.residuals[at], from.data(), bias, to.data(), nullptr, columns);
        }
        surround(w, w.pictures[at + 1], y);
    }
}

// Errors of some pixels of a channel; their gradients or squares, with zeros beyond.
static double errors(const Work& w, const float* values, const float* target, float* gradients, int64_t count,
                     int64_t columns) {
    const float factor = static_cast<float>(2.0 / (static_cast<double>(w.shape->pixels()) * w.shape->counts.channels));
    alignas(64) float wanted[kChunk];
    std::memcpy(wanted, target, static_cast<size_t>(count) * sizeof(float));
    I lane{};
    for (int i = 0; i < kLanes; ++i) lane[i] = i;
    V total{};
    for (int64_t x = 0; x < columns; x += kLanes) {
        V v = load_any(values + x);
        if (w.step.clamp) v = minimum(maximum(v, V{}), splat(1.0f));
        const I there = lane < static_cast<int32_t>(count - x);
        const V error = as_float(there & as_int(v - load(wanted + x)));
        total += error * error;
        if (w.step.backward) store_any(gradients + x, error * factor);
        if (w.step.keep) store_any(gradients + x, error * error);
    }
    return static_cast<double>(sum(total));
}

static void output(const Work& w, Rows rows, int slot, float* memory) {
    const Shape& shape = *w.shape;
    const int channels = shape.counts.channels;
    Scratch scratch(memory);
    const std::vector<float*> values = scratch.rows(channels);
    double squares = 0;
    for (int64_t y = rows.first; y < rows.last; ++y)
        for (int64_t x = 0; x < shape.width; x += kChunk) {
            const int64_t count = std::min(kChunk, shape.width - x), columns = rounded_up(count, kColumns);
            const RowPointers<float> before = picture_rows(w.pictures.back(), channels, y, x);
            product<Finish::kAdd>(w.matrices.synthesis_bypass, map_rows(w, y, x).data(), nullptr, values.data(),
                                  before.data(), columns);
            for (int c = 0; c < channels; ++c) {
                const float* target = w.target + (c * shape.height + y) * shape.width + x;
                squares +=
                    errors(w, values[static_cast<size_t>(c)], target, w.output_gradients.row(c, y) + x, count, columns);
            }
        }
    w.squares[slot] = squares;
}

// The gradients that reach row y of the picture with columns -1 and `width`, which are those of 0 and width - 1.
class ResidualBack {
public:
    ResidualBack(const Work& w, int layer)
        : w_(w),
          shape_(*w.shape),
          layer_(static_cast<size_t>(layer)),
          channels_(shape_.counts.channels),
          given_(layer + 1 == shape_.counts.residuals ? w.output_gradients : w.errors[(layer + 1) & 1]) {}

    const Picture& given() const { return given_; }

    void row(int64_t y, int64_t x, float* const* to, int64_t count, int64_t columns) const {
        product<Finish::kSet>(w_.matrices.residuals_back[layer_], from(y, x).data(), nullptr, to, nullptr, columns);
        const int64_t beyond[2] = {y == 0 ? -1 : kNone, y == shape_.height - 1 ? shape_.height : kNone};
        fold(y, x, to, count);
        for (const int64_t q : beyond) {
            if (q == kNone) continue;
            product<Finish::kAdd>(w_.matrices.residuals_back[layer_], from(q, x).data(), nullptr, to, to, columns);
            fold(q, x, to, count);
        }
    }

private:
    static constexpr int64_t kNone = -2;

    const float* given_row(int channel, int64_t y) const {
        return y < 0 || y >= shape_.height ? w_.zeros + kMargin : given_.row(channel, y);
    }

    RowPointers<const float> from(int64_t q, int64_t x) const {
        RowPointers<const float> found;
        for (int c = 0; c < channels_; ++c)
            for (int arm = 0; arm < 9; ++arm) found.at[9 * c + arm] = given_row(c, q - arm / 3 + 1) + x - arm % 3 + 1;
        return found;
    }

    void fold(int64_t q, int64_t x, float* const* to, int64_t count) const {
        const float* p = w_.params + shape_.residuals[layer_].weight;
        for (int i = 0; i < channels_; ++i)
            for (int c = 0; c < channels_; ++c)
                for (int row = 0; row < 3; ++row) {
                    const float* g = given_row(c, q - row + 1);
                    const float* weight = p + (c * channels_ + i) * 9 + row * 3;
                    if (x == 0) to[i][0] += weight[0] * g[0];
                    if (x + count == shape_.width) to[i][count - 1] += weight[2] * g[shape_.width - 1];
                }
    }

    const Work& w_;
    const Shape& shape_;
    const size_t layer_;
    const int channels_;
    const Picture& given_;
};

static void residual_gradients(const Work& w, int layer, Rows rows, int slot, float* memory) {
    const Shape& shape = *w.shape;
    const size_t at = static_cast<size_t>(layer);
    const int channels = shape.counts.channels;
    const ResidualBack back(w, layer);
    Scratch scratch(memory);
    float* const first = scratch.place();
    const Outer weights = scratch.outer(channels, 9 * channels);
    float* biases = scratch.take(channels * kLanes);
    std::memset(first, 0, static_cast<size_t>(scratch.place() - first) * sizeof(float));
    const std::vector<float*> values = scratch.rows(channels);
    for (int64_t y = rows.first; y < rows.last; ++y)
        for (int64_t x = 0; x < shape.width; x += kChunk) {
            const int64_t count = std::min(kChunk, shape.width - x), columns = rounded_up(count, kColumns);
            const RowPointers<float> given = picture_rows(back.given(), channels, y, x);
            outer(weights, given.data(), arms(w.pictures[at], channels, y, x).data(), columns);
            add_rows(biases, given.data(), channels, columns);
            back.row(y, x, values.data(), count, columns);
            for (int c = 0; c < channels; ++c) {
                const float* value = w.pictures[at].row(c, y) + x;
                float* found = values[static_cast<size_t>(c)];
                if (layer > 0)
                    for (int64_t i = 0; i < columns; i += kLanes)
                        store(found + i, as_float((load_any(value + i) > 0.0f) & as_int(load(found + i))));
                std::memcpy(w.errors[layer & 1].row(c, y) + x, found, static_cast<size_t>(count) * sizeof(float));
            }
        }
    take(weights, w.slot(slot) + shape.residuals[at].weight);
    take_rows(biases, channels, w.slot(slot) + shape.residuals[at].bias);
}

static void mix_gradients(const Work& w, Rows rows, int slot, float* memory) {
    const Shape& shape = *w.shape;
    const Matrices& m = w.matrices;
    const int channels = shape.counts.channels, width = shape.counts.width, levels = shape.counts.levels;
    const Picture& errors = shape.counts.residuals > 0 ? w.errors[0] : w.output_gradients;
    Scratch scratch(memory);
    float* const first = scratch.place();
    const Outer mix0 = scratch.outer(width, levels), mix1 = scratch.outer(channels, width);
    const Outer bypass = scratch.outer(channels, levels);
    float *bias0 = scratch.take(width * kLanes), *bias1 = scratch.take(channels * kLanes);
    std::memset(first, 0, static_cast<size_t>(scratch.place() - first) * sizeof(float));
    const std::vector<float*> hidden = scratch.rows(width), back = scratch.rows(width);
    for (int64_t y = rows.first; y < rows.last; ++y)
        for (int64_t x = 0; x < shape.width; x += kChunk) {
            const int64_t columns = rounded_up(std::min(kChunk, shape.width - x), kColumns);
            const RowPointers<const float> maps = map_rows(w, y, x);
            const RowPointers<float> out = picture_rows(w.output_gradients, channels, y, x);
            const RowPointers<float> given = picture_rows(errors, channels, y, x);
            RowPointers<float> to;
            for (int i = 0; i < levels; ++i) to.at[i] = w.map_gradients[0].row(i, y) + x;
            product<Finish::kPositive>(m.mix0, maps.data(), w.params + shape.mix0.bias, hidden.data(), nullptr,
                                       columns);
            outer(mix1, given.data(), hidden.data(), columns);
            add_rows(bias1, given.data(), channels, columns);
            product<Finish::kWhere>(m.mix1_back, given.data(), nullptr, back.data(), hidden.data(), columns);
            outer(mix0, back.data(), maps.data(), columns);
            add_rows(bias0, back.data(), width, columns);
            outer(bypass, out.data(), maps.data(), columns);
            product<Finish::kSet>(m.mix0_back, back.data(), nullptr, to.data(), nullptr, columns);
            product<Finish::kAdd>(m.synthesis_bypass_back, out.data(), nullptr, to.data(), to.data(), columns);
        }
    float* found = w.slot(slot);
    take(mix0, found + shape.mix0.weight);
    take(mix1, found + shape.mix1.weight);
    take(bypass, found + shape.synthesis_bypass);
    take_rows(bias0, width, found + shape.mix0.bias);
    take_rows(bias1, channels, found + shape.mix1.bias);
}

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
