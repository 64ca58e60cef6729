#include "latent/trainer.h"

#include <algorithm>
#include <functional>

#include "latent/share.h"

namespace inr {
namespace training {

// Items that are independent of each other.
struct Trainer::Phase {
    struct Group {
        int count;
        std::function<void(int item, float* scratch)> work;
    };
    std::vector<Group> groups;

    Phase& add(int count, std::function<void(int, float*)> work) {
        groups.push_back({count, std::move(work)});
        return *this;
    }
    int size() const {
        int n = 0;
        for (const Group& group : groups) n += group.count;
        return n;
    }
    void run(int item, float* scratch) const {
        for (const Group& group : groups) {
            if (item < group.count) return group.work(item, scratch);
            item -= group.count;
        }
    }
};

namespace {

constexpr int kAlone = 2;  // from this level on all rows of all levels are one item: they are few

}  // namespace

Trainer::Trainer(const Kernels& kernels, const Counts& counts, int64_t height, int64_t width, const float* target)
    : kernels_(kernels), shape_(counts, height, width) {
    work_.shape = &shape_;
    place_items();
    memory_.push_back(std::make_unique<Floats>(counts.channels * shape_.pixels()));
    std::copy(target, target + counts.channels * shape_.pixels(), memory_.back()->data());
    work_.target = memory_.back()->data();
    scratch_size_ = rounded_up(kernels_.scratch(shape_), kMargin);
}

int Trainer::slots() const { return std::max(static_cast<int>(work_.context.size()), kMaxParts + 8); }

void Trainer::place_items() {
    int64_t halos = 0;
    for (size_t i = shape_.grids.size(); i-- > 0;)  // the largest first
        for (int part = 0; part < parts_of(shape_.grids[i].height); ++part) {
            work_.context.push_back({static_cast<int>(i), rows_of(shape_.grids[i].height, part), halos});
            halos += kReachAbove * shape_.grids[i].stride;
        }
    memory_.push_back(std::make_unique<Floats>(halos));
    work_.halos = memory_.back()->data();
}

Maps Trainer::maps(int count, int64_t height, int64_t stride) {
    memory_.push_back(std::make_unique<Floats>(count * height * stride + 64));
    return {memory_.back()->data(), count, height, stride};
}

Picture Trainer::picture() {
    const int64_t stride = kMargin + rounded_up(shape_.width, 64) + kMargin;
    memory_.push_back(std::make_unique<Floats>(shape_.counts.channels * (shape_.height + 2) * stride + 2 * 64));
    return {memory_.back()->data(), shape_.height, stride};
}

void Trainer::place_memory() {
    const auto take = [this](int64_t count) {
        memory_.push_back(std::make_unique<Floats>(count));
        return memory_.back()->data();
    };
    const Counts& counts = shape_.counts;
    work_.slopes = take(shape_.entries);
    work_.planes = take(shape_.planes + 2 * 64);
    work_.gradients = take(shape_.planes + 2 * 64);
    for (int k = 0; k < counts.levels; ++k) {
        const Level& level = shape_.levels[static_cast<size_t>(k)];
        const bool last = k + 1 == counts.levels;
        const int64_t half = last ? 0 : shape_.levels[static_cast<size_t>(k) + 1].stride;
        work_.maps.push_back(maps(counts.levels - k, level.height, level.stride));
        work_.up_gradients.push_back(maps(last ? 0 : counts.levels - k - 1, level.height, half));
        work_.pre_gradients.push_back(maps(last ? 0 : 1, level.height, level.stride));
    }
    work_.map_gradients = work_.maps;
    for (int i = 0; i <= counts.residuals; ++i) work_.pictures.push_back(picture());
    work_.errors[0] = picture();
    work_.errors[1] = picture();
    work_.output_gradients = picture();
    work_.zeros = take(shape_.width + 128 + 2 * kMargin);
    for (int finer = 0; finer < static_cast<int>(shape_.parents.size()); ++finer) {
        ParentMaps found;
        for (int k = 0; k < counts.levels; ++k) {
            const Level& level = shape_.levels[static_cast<size_t>(k)];
            const int features = counts.features;
            found.sums.push_back(k > finer + 1 ? maps(features, level.height, level.stride) : Maps{});
            found.gradients.push_back(k > finer ? maps(features, level.height, level.stride) : Maps{});
        }
        work_.parents.push_back(found);
    }
    bits_.resize(static_cast<size_t>(slots()));
    squares_.resize(static_cast<size_t>(slots()));
    work_.bits = bits_.data();
    work_.squares = squares_.data();
    work_.slots = take(slots() * rounded_up(shape_.parameters, kMargin));
}

void Trainer::forward(std::vector<Phase>& list) const {
    const Work& w = work_;
    const Kernels& k = kernels_;
    const int levels = shape_.counts.levels, rows = parts_of(shape_.height);
    list.emplace_back().add(static_cast<int>(w.context.size()), [&](int item, float*) {
        const ContextItem& some = w.context[static_cast<size_t>(item)];
        k.round(w, some.grid, some.rows);
    });
    Phase& coarse = list.emplace_back();
    if (w.step.distortion)
        coarse.add(1, [&, levels](int, float* scratch) {
            for (int level = levels - 1; level >= std::min(kAlone, levels - 1) && level > 0; --level)
                k.maps(w, level, {0, shape_.levels[static_cast<size_t>(level)].height}, scratch);
        });
    if (w.step.rate) coarse.add(static_cast<int>(w.parents.size()), [&](int item, float*) { k.parents(w, item); });
    Phase& middle = list.emplace_back();
    if (w.step.distortion && levels > kAlone) {
        const int64_t height = shape_.levels[1].height;
        middle.add(parts_of(height),
                   [&, height](int part, float* scratch) { k.maps(w, 1, rows_of(height, part), scratch); });
    }
    if (w.step.rate)
        middle.add(static_cast<int>(w.context.size()), [&](int item, float* scratch) { k.context(w, item, scratch); });
    if (!w.step.distortion) return;
    list.emplace_back().add(rows, [&](int part, float* scratch) {
        const Rows some = rows_of(shape_.height, part);
        k.maps(w, 0, some, scratch);
        k.mix(w, some, scratch);
    });
    if (w.step.rate && w.step.latents) list.back().add(1, [&](int, float*) { k.halos(w); });
    for (int layer = 0; layer < shape_.counts.residuals; ++layer)
        list.emplace_back().add(rows,
                                [&, layer](int part, float*) { k.residual(w, layer, rows_of(shape_.height, part)); });
    list.emplace_back().add(
        rows, [&](int part, float* scratch) { k.output(w, rows_of(shape_.height, part), part, scratch); });
}

void Trainer::backward(std::vector<Phase>& list) const {
    const Work& w = work_;
    const Kernels& k = kernels_;
    const int rows = parts_of(shape_.height);
    for (int layer = shape_.counts.residuals - 1; layer >= 0; --layer)
        list.emplace_back().add(rows, [&, layer](int part, float* scratch) {
            k.residual_gradients(w, layer, rows_of(shape_.height, part), part, scratch);
        });
    // What coarser grids tell: levels differ, so no two items move the same gradients.
    Phase& fine = list.emplace_back();
    fine.add(rows, [&](int part, float* scratch) { k.mix_gradients(w, rows_of(shape_.height, part), part, scratch); });
    for (int finer = 0; finer < static_cast<int>(w.parents.size()); ++finer) {
        const int64_t height = shape_.levels[static_cast<size_t>(finer) + 1].height;
        fine.add(parts_of(height),
                 [&, finer, height](int part, float*) { k.parent_gradients(w, finer, rows_of(height, part), part); });
    }
    backward_filters(list);
}

void Trainer::backward_filters(std::vector<Phase>& list) const {
    const Work& w = work_;
    const Kernels& k = kernels_;
    const int levels = shape_.counts.levels, alone = std::min(kAlone, levels - 1);
    const auto latents = [&](int level, Rows some) {
        if (w.step.latents) k.latent_gradients(w, level, some);
    };
    for (int level = 0; level < alone; ++level) {
        const int64_t height = shape_.levels[static_cast<size_t>(level)].height;
        const int64_t coarser = shape_.levels[static_cast<size_t>(level) + 1].height;
        Phase& columns = list.emplace_back();
        columns.add(parts_of(height), [&, level, height](int part, float* scratch) {
            k.filter_gradients(w, level, rows_of(height, part), part, scratch);
        });
        if (level == 0)
            columns.add(1, [&](int, float*) {
                for (int finer = 0; finer < static_cast<int>(w.parents.size()); ++finer)
                    k.coarse_parent_gradients(w, finer, kMaxParts + 1);
            });
        list.emplace_back()
            .add(parts_of(coarser),
                 [&, level, coarser](int part, float*) { k.map_gradients(w, level + 1, rows_of(coarser, part)); })
            .add(parts_of(height),
                 [&, level, height, latents](int part, float*) { latents(level, rows_of(height, part)); });
    }
    list.emplace_back().add(1, [&, alone, levels, latents](int, float* scratch) {
        for (int level = alone; level < levels; ++level) {
            const Rows all{0, shape_.levels[static_cast<size_t>(level)].height};
            if (level > alone) k.map_gradients(w, level, all);
            k.filter_gradients(w, level, all, kMaxParts + 2, scratch);
            latents(level, all);
        }
    });
    if (w.step.latents)
        list.emplace_back().add(static_cast<int>(w.context.size()), [&](int item, float*) {
            const ContextItem& some = w.context[static_cast<size_t>(item)];
            k.adam(w, some.grid, some.rows);
        });
}

Loss Trainer::run(const Step& step, const Adam& adam, float* latents, float* mean, float* square, const float* params,
                  float* gradients, int threads) {
    if (work_.slopes == nullptr) place_memory();
    work_.step = step;
    work_.adam = adam;
    work_.latents = latents;
    work_.mean = mean;
    work_.square = square;
    work_.params = params;
    kernels_.pack(work_);
    const int64_t stride = rounded_up(shape_.parameters, kMargin);
    if (step.backward) std::fill_n(work_.slots, slots() * stride, 0.0f);
    std::fill(bits_.begin(), bits_.end(), 0.0);
    std::fill(squares_.begin(), squares_.end(), 0.0);
    std::vector<Phase> list;
    forward(list);
    if (step.backward) backward(list);
    if (scratch_ == nullptr || scratch_->size() < threads * scratch_size_)
        scratch_ = std::make_unique<Floats>(threads * scratch_size_);
    for (const Phase& phase : list) {
        const int count = phase.size();
        latent::share(count, latent::workers(count, threads), [&](int worker, int64_t item) {
            phase.run(static_cast<int>(item), scratch_->data() + worker * scratch_size_);
        });
    }
    Loss loss{0, 0};
    for (const double some : bits_) loss.bits += some;
    for (const double some : squares_) loss.mse += some;
    loss.mse /= static_cast<double>(shape_.pixels()) * shape_.counts.channels;
    if (step.backward)
        for (int64_t i = 0; i < shape_.parameters; ++i) {
            double total = 0;
            for (int slot = 0; slot < slots(); ++slot) total += static_cast<double>(work_.slots[slot * stride + i]);
            gradients[i] = static_cast<float>(total);
        }
    return loss;
}

void Trainer::features(int64_t count, const int64_t* rows, const int64_t* columns, float* out) const {
    const Maps& maps = work_.maps.front();
    for (int map = 0; map < maps.count; ++map)
        for (int64_t i = 0; i < count; ++i) out[map * count + i] = maps.row(map, rows[i])[columns[i]];
}

void Trainer::costs(int level, double square, float* out, int threads) const {
    const int parts = parts_of(shape_.height);
    latent::share(parts, latent::workers(parts, threads), [&](int, int64_t part) {
        const Rows rows = rows_of(shape_.height, static_cast<int>(part));
        for (int64_t y = rows.first; y < rows.last; ++y) {
            float* const to = out + y * shape_.width;
            std::fill_n(to, shape_.width, 0.0f);
            for (int channel = 0; channel < shape_.counts.channels; ++channel) {
                const float* const from = work_.output_gradients.row(channel, y);
                for (int64_t x = 0; x < shape_.width; ++x) to[x] += static_cast<float>(square) * from[x];
            }
            for (const Grid& grid : shape_.grids) {
                const int64_t apart = int64_t{1} << grid.level;
                if (grid.hyper || grid.level > level || y % apart != 0) continue;
                const float* const from = work_.slopes + grid.first + (y >> grid.level) * grid.width;
                for (int64_t x = 0; x < grid.width; ++x) to[x * apart] += from[x];
            }
        }
    });
}

}  // namespace training
}  // namespace inr
