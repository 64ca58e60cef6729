// What the coarser grids tell about a level: a linear map of all of them, repeated down to half its size. Maps of a
// coarser level are summed first and repeated then, and gradients likewise are summed over what repeats an entry first.
#pragma once

#include "isa/latent/points.h"

namespace inr {
namespace INR_ISA {
namespace training {

// y[i] += a x[i].
static void add_scaled(float* y, const float* x, float a, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_any(y + i, load_any(y + i) + load_any(x + i) * a);
}

// y[2 i] = y[2 i + 1] = x[i], for i from 0 until all of n numbers are there.
static void repeat(const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; i += 2 * kLanes) {
        const V v = load_any(x + i / 2);
        const Interleaved both = interleave(v, v);
        store_any(y + i, both.lower);
        store_any(y + i + kLanes, both.upper);
    }
}

// Row y of the maps of `level` that tell about a finer one: what coarser levels have summed, and its own grids.
static void parent_row(const Work& w, int finer, int level, int64_t y, float* const* to) {
    const Parents& parents = *w.shape->parents_of(finer);
    const ParentMaps& maps = w.parents[static_cast<size_t>(finer)];
    const int features = w.shape->counts.features, count = static_cast<int>(parents.grids.size());
    const int64_t width = w.shape->levels[static_cast<size_t>(level)].width;
    for (int f = 0; f < features; ++f) {
        if (level + 1 < w.shape->counts.levels)
            repeat(maps.sums[static_cast<size_t>(level) + 1].row(f, y >> 1), to[f], width);
        else
            std::memset(to[f], 0, static_cast<size_t>(rounded_up(width, kLanes)) * sizeof(float));
    }
    for (int j = 0; j < count; ++j) {
        const Grid& grid = w.shape->grids[static_cast<size_t>(parents.grids[static_cast<size_t>(j)])];
        if (grid.level != level) continue;
        for (int f = 0; f < features; ++f)
            add_scaled(to[f], w.planes + grid.plane + y * grid.stride, w.params[parents.weight + f * count + j], width);
    }
}

static void parent_sums(const Work& w, int finer) {
    const ParentMaps& maps = w.parents[static_cast<size_t>(finer)];
    std::vector<float*> to(static_cast<size_t>(w.shape->counts.features));
    for (int level = w.shape->counts.levels - 1; level > finer + 1; --level)
        for (int64_t y = 0; y < w.shape->levels[static_cast<size_t>(level)].height; ++y) {
            for (size_t f = 0; f < to.size(); ++f)
                to[f] = maps.sums[static_cast<size_t>(level)].row(static_cast<int>(f), y);
            parent_row(w, finer, level, y, to.data());
        }
}

// Gradients of the grids of `level` and of their weights, from the gradients of its maps; and, summed over what repeats
// an entry, those of the next coarser level's maps.
static void parent_row_gradients(const Work& w, int finer, int level, int64_t y, float* slot) {
    const Parents& parents = *w.shape->parents_of(finer);
    const ParentMaps& maps = w.parents[static_cast<size_t>(finer)];
    const int features = w.shape->counts.features, count = static_cast<int>(parents.grids.size());
    const int64_t width = w.shape->levels[static_cast<size_t>(level)].width;
    for (int f = 0; f < features; ++f) {
        const float* from = maps.gradients[static_cast<size_t>(level)].row(f, y);  // 0 beyond the width
        for (int j = 0; j < count; ++j) {
            const Grid& grid = w.shape->grids[static_cast<size_t>(parents.grids[static_cast<size_t>(j)])];
            if (grid.level != level) continue;
            const int64_t place = parents.weight + f * count + j;
            const float* values = w.planes + grid.plane + y * grid.stride;
            V total{};
            for (int64_t x = 0; x < width; x += kLanes) total += load_any(from + x) * load_any(values + x);
            slot[place] += sum(total);
            if (w.step.latents) add_scaled(w.gradients + grid.plane + y * grid.stride, from, w.params[place], width);
        }
    }
}

// Rows of `level` from two rows each of the finer one: sums of four.
static void coarser_gradients(const Maps& fine, const Level& size, const Maps& coarse, const Level& to, Rows rows) {
    for (int f = 0; f < coarse.count; ++f)
        for (int64_t y = rows.first; y < rows.last; ++y) {
            const float* a = fine.row(f, 2 * y);
            const float* b = 2 * y + 1 < size.height ? fine.row(f, 2 * y + 1) : nullptr;
            float* out = coarse.row(f, y);
            for (int64_t x = 0; x < to.width; ++x) {  // what lies beyond the width is 0
                out[x] = a[2 * x] + a[2 * x + 1];
                if (b != nullptr) out[x] += b[2 * x] + b[2 * x + 1];
            }
        }
}

static void parent_gradients(const Work& w, int finer, Rows rows, int slot) {
    for (int64_t y = rows.first; y < rows.last; ++y) parent_row_gradients(w, finer, finer + 1, y, w.slot(slot));
}

static void coarse_parent_gradients(const Work& w, int finer, int slot) {
    const ParentMaps& maps = w.parents[static_cast<size_t>(finer)];
    for (int level = finer + 2; level < w.shape->counts.levels; ++level) {
        const size_t at = static_cast<size_t>(level);
        const Level& size = w.shape->levels[at];
        coarser_gradients(maps.gradients[at - 1], w.shape->levels[at - 1], maps.gradients[at], size, {0, size.height});
        for (int64_t y = 0; y < size.height; ++y) parent_row_gradients(w, finer, level, y, w.slot(slot));
    }
}

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
