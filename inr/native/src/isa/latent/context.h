// The context model: bits of every symbol given those before it and coarser grids, and all gradients of these.
#pragma once

#include "isa/latent/parents.h"

namespace inr {
namespace INR_ISA {
namespace training {

static void pack_context(Work& w, Matrices& m) {
    const Shape& shape = *w.shape;
    const int n = shape.inputs();
    const float* p = w.params;
    for (const Layer& layer : shape.hidden) {
        const auto entry = [&](int row, int k) { return p[layer.weight + row * n + k] + (row == k ? 1.0f : 0.0f); };
        m.hidden.push_back(packed(w.packed, n, n, entry));
        m.hidden_back.push_back(packed(w.packed, n, n, [&](int row, int k) { return entry(k, row); }));
    }
    m.out = packed(w.packed, 2, 2 * n, [&](int row, int k) {
        return k < n ? p[shape.out.weight + row * n + k] : p[shape.context_bypass + row * n + k - n];
    });
    m.out_back = packed(w.packed, n, 2, [&](int row, int k) { return p[shape.out.weight + k * n + row]; });
    m.bypass_back = packed(w.packed, n, 2, [&](int row, int k) { return p[shape.context_bypass + k * n + row]; });
}

// One item: rows of a grid.
class ContextRows {
public:
    ContextRows(const Work& w, int item, float* scratch)
        : w_(w),
          shape_(*w.shape),
          item_(w.context[static_cast<size_t>(item)]),
          grid_(shape_.grids[static_cast<size_t>(item_.grid)]),
          slot_(item),
          n_(shape_.inputs()),
          contexts_(shape_.counts.contexts),
          told_(shape_.has_parents(grid_)),
          matrices_(w.matrices) {
        const auto take = [&](int64_t size) {
            float* const found = scratch;
            scratch += rounded_up(size, kMargin);
            return found;
        };
        const size_t layers = shape_.hidden.size() + 1;
        x_.resize(static_cast<size_t>(2 * n_));
        for (size_t i = 0; i < layers; ++i) active_.push_back(rows(take(n_ * kChunk)));
        down_ = rows(take(n_ * kChunk));
        other_ = rows(take(n_ * kChunk));
        features_ = take(std::max(1, shape_.counts.features) * kChunk);
        results_ = take(2 * kChunk);
        slopes_ = take(2 * kChunk);
        told_row_ = take(std::max(1, shape_.counts.features) * half_stride());
        sums_ = scratch;
        for (size_t i = 0; i + 1 < layers; ++i) hidden_sums_.push_back(outer_of(scratch, n_, n_));
        out_sums_ = outer_of(scratch, 2, 2 * n_);
        bias_sums_ = scratch;
        scratch += ((static_cast<int64_t>(layers) - 1) * n_ + 2) * kLanes;
        end_ = scratch;
    }

    // Floats of a thread.
    static int64_t scratch(const Shape& shape) {
        const int64_t n = shape.inputs(), layers = shape.counts.hidden, f = std::max(1, shape.counts.features);
        const int64_t sums = layers * (n + 5) * (n + 8) + 8 * (2 * n + 8) + layers * n + 2;
        return (layers + 3) * (n * kChunk + kMargin) + f * (kChunk + shape.levels[0].stride) + 4 * kChunk +
               8 * kMargin + sums * kLanes;
    }

    void run() {
        if (w_.step.backward) std::memset(sums_, 0, static_cast<size_t>(end_ - sums_) * sizeof(float));
        double bits = 0;
        for (int64_t y = item_.rows.first; y < item_.rows.last; ++y) {
            if (told_ && (y & 1) == 0) tell(y >> 1);
            for (int64_t x = 0; x < grid_.width; x += kChunk) bits += chunk(y, x);
        }
        w_.bits[slot_] = bits;
        if (!w_.step.backward) return;
        float* to = w_.slot(slot_);
        for (size_t i = 0; i < hidden_sums_.size(); ++i) {
            take(hidden_sums_[i], to + shape_.hidden[i].weight);
            take_rows(bias_sums_ + static_cast<int64_t>(i) * n_ * kLanes, n_, to + shape_.hidden[i].bias);
        }
        std::vector<float> both(static_cast<size_t>(4 * n_));
        take(out_sums_, both.data());
        for (int row = 0; row < 2; ++row)
            for (int k = 0; k < n_; ++k) {
                to[shape_.out.weight + row * n_ + k] += both[static_cast<size_t>(row * 2 * n_ + k)];
                to[shape_.context_bypass + row * n_ + k] += both[static_cast<size_t>(row * 2 * n_ + n_ + k)];
            }
        take_rows(bias_sums_ + static_cast<int64_t>(hidden_sums_.size()) * n_ * kLanes, 2, to + shape_.out.bias);
    }

private:
    int64_t half_stride() const { return shape_.levels[0].stride; }

    std::vector<float*> rows(float* first) const {
        std::vector<float*> found;
        for (int i = 0; i < n_; ++i) found.push_back(first + i * kChunk);
        return found;
    }

    // What coarser grids tell of two rows.
    void tell(int64_t y) {
        std::vector<float*> to;
        for (int f = 0; f < shape_.counts.features; ++f) to.push_back(told_row_ + f * half_stride());
        parent_row(w_, grid_.level, grid_.level + 1, y, to.data());
    }

    double chunk(int64_t y, int64_t x) {
        const int64_t count = std::min(kChunk, grid_.width - x), columns = rounded_up(count, kColumns);
        const float* here = w_.planes + grid_.plane + y * grid_.stride + x;
        for (int i = 0; i < contexts_; ++i)
            x_[static_cast<size_t>(n_ + i)] = here + kNeighbours[i].row * grid_.stride + kNeighbours[i].column;
        for (int f = 0; f < shape_.counts.features; ++f) {
            float* to = features_ + f * kChunk;
            if (told_)
                repeat(told_row_ + f * half_stride() + x / 2, to, columns);
            else
                std::memset(to, 0, kChunk * sizeof(float));
            x_[static_cast<size_t>(n_ + contexts_ + f)] = to;
        }
        const float* const* inputs = x_.data() + n_;
        const float* const* from = inputs;
        for (size_t i = 0; i < shape_.hidden.size(); ++i) {
            product<Finish::kPositive>(matrices_.hidden[i], from, w_.params + shape_.hidden[i].bias, active_[i].data(),
                                       nullptr, columns);
            from = active_[i].data();
        }
        std::copy(from, from + n_, x_.begin());
        float* const results[2] = {results_, results_ + kChunk};
        product<Finish::kSet>(matrices_.out, x_.data(), w_.params + shape_.out.bias, results, nullptr, columns);
        const double bits = rates(here, x, y, count, columns);
        if (w_.step.backward) back(y, x, columns);
        return bits;
    }

    // Bits of a chunk; the slopes of the loss by the results, and by the symbols themselves.
    double rates(const float* here, int64_t x, int64_t y, int64_t count, int64_t columns) {
        V total{};
        const float bit = static_cast<float>(w_.step.bit);
        float* own = w_.gradients + grid_.plane + y * grid_.stride + x;
        I lane{};
        for (int i = 0; i < kLanes; ++i) lane[i] = i;
        for (int64_t i = 0; i < columns; i += kLanes) {
            const Rate rate = laplace(load_any(here + i), load(results_ + i), load(results_ + kChunk + i));
            const I there = lane < static_cast<int32_t>(count - i);
            total += as_float(there & as_int(rate.bits));
            if (w_.step.keep) keep(rate.bits, y, x + i, count - i);
            if (!w_.step.backward) continue;
            const V by_value = as_float(there & as_int(rate.by_value * bit));
            store(slopes_ + i, -by_value);
            store(slopes_ + kChunk + i, as_float(there & as_int(rate.by_log_scale * bit)));
            if (w_.step.latents) store_any(own + i, load_any(own + i) + by_value);
        }
        return static_cast<double>(sum(total));
    }

    void keep(V bits, int64_t y, int64_t x, int64_t count) {
        alignas(64) float out[kLanes];
        store(out, bits);
        if (count > 0)
            std::memcpy(w_.slopes + grid_.first + y * grid_.width + x, out,
                        static_cast<size_t>(std::min<int64_t>(count, kLanes)) * sizeof(float));
    }

    void back(int64_t y, int64_t x, int64_t columns) {
        const size_t layers = shape_.hidden.size();
        const float* const slopes[2] = {slopes_, slopes_ + kChunk};
        const float* const* inputs = x_.data() + n_;
        outer(out_sums_, slopes, x_.data(), columns);
        add_rows(bias_sums_ + static_cast<int64_t>(layers) * n_ * kLanes, slopes, 2, columns);
        std::vector<float*>*from = &down_, *to = &other_;
        if (layers > 0)
            product<Finish::kWhere>(matrices_.out_back, slopes, nullptr, from->data(), active_[layers - 1].data(),
                                    columns);
        for (size_t i = layers; i-- > 0;) {
            outer(hidden_sums_[i], from->data(), i == 0 ? inputs : active_[i - 1].data(), columns);
            add_rows(bias_sums_ + static_cast<int64_t>(i) * n_ * kLanes, from->data(), n_, columns);
            if (i > 0) {
                product<Finish::kWhere>(matrices_.hidden_back[i], from->data(), nullptr, to->data(),
                                        active_[i - 1].data(), columns);
                std::swap(from, to);
            }
        }
        if (!w_.step.latents && !told_) return;
        if (layers > 0) {
            product<Finish::kSet>(matrices_.hidden_back[0], from->data(), nullptr, to->data(), nullptr, columns);
            product<Finish::kAdd>(matrices_.bypass_back, slopes, nullptr, to->data(), to->data(), columns);
        } else {
            product<Finish::kSet>(matrices_.out_back, slopes, nullptr, to->data(), nullptr, columns);
            product<Finish::kAdd>(matrices_.bypass_back, slopes, nullptr, to->data(), to->data(), columns);
        }
        if (w_.step.latents) scatter(y, x, *to, columns);
        if (told_) gather(y, x, *to, columns);
    }

    // Gradients of the neighbours; those above the first row of the item go to its halo.
    void scatter(int64_t y, int64_t x, const std::vector<float*>& from, int64_t columns) {
        for (int i = 0; i < contexts_; ++i) {
            const int64_t row = y + kNeighbours[i].row, column = x + kNeighbours[i].column;
            float* to = row < item_.rows.first
                            ? w_.halos + item_.halo + (row - item_.rows.first + kReachAbove) * grid_.stride + kMargin
                            : w_.gradients + grid_.plane + row * grid_.stride;
            add_scaled(to + column, from[static_cast<size_t>(i)], 1.0f, columns);
        }
    }

    // Gradients of what coarser grids tell: sums of four.
    void gather(int64_t y, int64_t x, const std::vector<float*>& from, int64_t columns) {
        const Maps& maps = w_.parents[static_cast<size_t>(grid_.level)].gradients[static_cast<size_t>(grid_.level) + 1];
        for (int f = 0; f < shape_.counts.features; ++f) {
            const float* row = from[static_cast<size_t>(contexts_ + f)];
            float* to = maps.row(f, y >> 1) + x / 2;
            const bool first = (y & 1) == 0;
            for (int64_t i = 0; i < columns / 2; ++i) to[i] = (first ? 0.0f : to[i]) + (row[2 * i] + row[2 * i + 1]);
        }
    }

    const Work& w_;
    const Shape& shape_;
    const ContextItem& item_;
    const Grid& grid_;
    const int slot_, n_, contexts_;
    const bool told_;
    const Matrices& matrices_;
    std::vector<const float*> x_;  // rows of the last hidden layer, then of the inputs
    std::vector<std::vector<float*>> active_;
    std::vector<float*> down_, other_;
    float *features_, *results_, *slopes_, *told_row_, *sums_, *bias_sums_, *end_;
    std::vector<Outer> hidden_sums_;
    Outer out_sums_;
};

static void context(const Work& w, int item, float* scratch) { ContextRows(w, item, scratch).run(); }

// Adds what items found for rows above their own.
static void add_halos(const Work& w) {
    for (const ContextItem& item : w.context) {
        const Grid& grid = w.shape->grids[static_cast<size_t>(item.grid)];
        for (int64_t i = 0; i < kReachAbove; ++i) {
            const int64_t y = item.rows.first - kReachAbove + i;
            float* from = w.halos + item.halo + i * grid.stride;
            if (y >= 0) add_scaled(w.gradients + grid.plane + y * grid.stride - kMargin, from, 1.0f, grid.stride);
            std::memset(from, 0, static_cast<size_t>(grid.stride) * sizeof(float));
        }
    }
}

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
