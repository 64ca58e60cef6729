// Feature maps: the filters that double a grid and those of a finer one, rows and columns alike, and their gradients.
// Rows are combined first, then columns. On the way back the columns come first (filter_gradients), into planes that
// the rows are gathered from (map_gradients, latent_gradients).
#pragma once

#include "isa/latent/parents.h"

namespace inr {
namespace INR_ISA {
namespace training {

// A row with room for what filters read beside it.
struct Padded {
    float* data;
    static int64_t size(int64_t width) { return rounded_up(width, 64) + 6 * kMargin; }
    float* start() const { return data + 2 * kMargin; }
    void repeat_ends(int64_t width, int reach) const {
        float* p = start();
        for (int i = 1; i <= reach; ++i) {
            p[-i] = p[0];
            p[width - 1 + i] = p[width - 1];
        }
    }
    // Zeros on both sides, up to what vectors read.
    void clear_sides(int64_t width) const {
        std::memset(data, 0, 2 * kMargin * sizeof(float));
        float* p = start() + width;
        std::memset(p, 0, static_cast<size_t>(size(width) - 2 * kMargin - width) * sizeof(float));
    }
    // Adds what lies beside the row to its ends.
    void fold(int64_t width, int reach) const {
        float* p = start();
        for (int i = 1; i <= reach; ++i) {
            p[0] += p[-i];
            p[width - 1] += p[width - 1 + i];
        }
    }
};

// The rows that make row y of a level: of the coarser maps, and of the level's own latents.
struct UpRows {
    const float* rows[kTaps];
    UpRows(const Maps& coarse, int map, int64_t y) {
        for (int i = 0; i < kTaps; ++i)
            rows[i] = coarse.row(map, std::clamp<int64_t>(y / 2 + kUpSources[y & 1][i], 0, coarse.height - 1));
    }
};

struct PreRows {
    const float* rows[7];
    PreRows(const Work& w, const Grid& grid, int64_t y) {
        for (int i = 0; i < 7; ++i)
            rows[i] = w.planes + grid.plane + std::clamp<int64_t>(y + kPreSources[i], 0, grid.height - 1) * grid.stride;
    }
};

static int64_t filter_scratch(const Shape& shape) { return 6 * Padded::size(shape.width); }

static void maps(const Work& w, int number, Rows rows, float* scratch) {
    const Shape& shape = *w.shape;
    const size_t at = static_cast<size_t>(number);
    const Level& level = shape.levels[at];
    const Grid& grid = shape.grids[static_cast<size_t>(level.latent)];
    const Maps& to = w.maps[at];
    const Padded row{scratch};
    for (int64_t y = rows.first; y < rows.last; ++y) {
        if (number + 1 == shape.counts.levels) {
            std::memcpy(to.row(0, y), w.planes + grid.plane + y * grid.stride,
                        static_cast<size_t>(level.width) * sizeof(float));
            continue;
        }
        const float* pre = w.params + shape.pre[at];
        combine(PreRows(w, grid, y).rows, pre_factors(pre).data(), 7, row.start(), level.width);
        row.repeat_ends(level.width, kTaps - 1);
        smoothed(row.start(), pre, to.row(0, y), level.width);
        const float* taps = w.params + shape.up[at];
        const int64_t half = shape.levels[at + 1].width;
        for (int map = 0; map + 1 < to.count; ++map) {
            combine(UpRows(w.maps[at + 1], map, y).rows, taps, kTaps, row.start(), half);
            row.repeat_ends(half, 2);
            doubled(row.start(), taps, to.row(map + 1, y), level.width);
        }
    }
}

// Sums of products of two rows.
static float dot(const float* a, const float* b, int64_t n) {
    V total{};
    for (int64_t x = 0; x < n; x += kLanes) total += load_any(a + x) * load_any(b + x);
    return sum(total);
}

// Even and odd samples of a row, with zeros beside them.
static void split(const float* row, int64_t width, const Padded& even, const Padded& odd) {
    const int64_t half = (width + 1) / 2;
    even.clear_sides(half);
    odd.clear_sides(half);
    float *e = even.start(), *o = odd.start();
    for (int64_t x = 0; x < half; ++x) e[x] = row[2 * x];
    for (int64_t x = 0; x < half; ++x) o[x] = row[2 * x + 1];  // beyond an odd width lies a 0
}

// Gradients of the taps and of the combined row of one map at row y.
static void up_gradients(const Work& w, size_t at, int map, int64_t y, float* slot, float* scratch) {
    const Shape& shape = *w.shape;
    const int64_t half = shape.levels[at + 1].width, step = Padded::size(shape.width);
    const Padded row{scratch}, even{scratch + step}, odd{scratch + 2 * step}, back{scratch + 3 * step};
    const float* t = w.params + shape.up[at];
    const UpRows sources(w.maps[at + 1], map, y);
    combine(sources.rows, t, kTaps, row.start(), half);
    row.repeat_ends(half, 2);
    split(w.map_gradients[at].row(map + 1, y), shape.levels[at].width, even, odd);
    const float *e = even.start(), *o = odd.start(), *p = row.start();
    V totals[kTaps] = {};
    for (int64_t x = 0; x < half; x += kLanes) {
        const V ve = load_any(e + x), vo = load_any(o + x);
#pragma GCC unroll 4
        for (int i = 0; i < kTaps; ++i)
            totals[i] += ve * load_any(p + x + kUpSources[0][i]) + vo * load_any(p + x + kUpSources[1][i]);
    }
    float* b = back.start();
    for (int64_t x = -2; x < half + 2; x += kLanes) {
        V total{};
#pragma GCC unroll 4
        for (int i = 0; i < kTaps; ++i)
            total += (load_any(e + x - kUpSources[0][i]) + load_any(o + x - kUpSources[1][i])) * t[i];
        store_any(b + x, total);
    }
    back.fold(half, 2);
    float* to = w.up_gradients[at].row(map, y);
    std::memcpy(to, b, static_cast<size_t>(half) * sizeof(float));
    float* found = slot + shape.up[at];
    for (int i = 0; i < kTaps; ++i) found[i] += sum(totals[i]) + dot(to, sources.rows[i], half);
}

static void pre_gradients(const Work& w, size_t at, int64_t y, float* slot, float* scratch) {
    const Shape& shape = *w.shape;
    const Level& level = shape.levels[at];
    const Grid& grid = shape.grids[static_cast<size_t>(level.latent)];
    const int64_t width = level.width, step = Padded::size(shape.width);
    const Padded row{scratch}, given{scratch + step}, back{scratch + 2 * step};
    const float* t = w.params + shape.pre[at];
    const PreRows sources(w, grid, y);
    combine(sources.rows, pre_factors(t).data(), 7, row.start(), width);
    row.repeat_ends(width, kTaps - 1);
    given.clear_sides(width);
    std::memcpy(given.start(), w.map_gradients[at].row(0, y), static_cast<size_t>(width) * sizeof(float));
    const float *g = given.start(), *p = row.start();
    V totals[kTaps] = {};
    for (int64_t x = 0; x < width; x += kLanes) {
        const V v = load_any(g + x);
        totals[0] += v * load_any(p + x);
#pragma GCC unroll 4
        for (int j = 1; j < kTaps; ++j) totals[j] += v * (load_any(p + x - j) + load_any(p + x + j));
    }
    float* b = back.start();
    for (int64_t x = 1 - kTaps; x < width + kTaps - 1; x += kLanes) {
        V total = load_any(g + x) * t[0];
#pragma GCC unroll 4
        for (int j = 1; j < kTaps; ++j) total += (load_any(g + x - j) + load_any(g + x + j)) * t[j];
        store_any(b + x, total);
    }
    back.fold(width, kTaps - 1);
    float* to = w.pre_gradients[at].row(0, y);
    std::memcpy(to, b, static_cast<size_t>(width) * sizeof(float));
    float* found = slot + shape.pre[at];
    for (int i = 0; i < kTaps; ++i) found[i] += sum(totals[i]);
    for (int i = 0; i < 7; ++i) found[(i + 1) / 2] += dot(to, sources.rows[i], width);
}

static void filter_gradients(const Work& w, int number, Rows rows, int slot, float* scratch) {
    const size_t at = static_cast<size_t>(number);
    if (number + 1 == w.shape->counts.levels) return;
    for (int64_t y = rows.first; y < rows.last; ++y) {
        pre_gradients(w, at, y, w.slot(slot), scratch);
        for (int map = 0; map + 1 < w.maps[at].count; ++map) up_gradients(w, at, map, y, w.slot(slot), scratch);
    }
}

// Gradients of the maps of level `number` from the combined rows of the finer one.
static void map_gradients(const Work& w, int number, Rows rows) {
    const size_t at = static_cast<size_t>(number);
    const Level &level = w.shape->levels[at], &finer = w.shape->levels[at - 1];
    const float* t = w.params + w.shape->up[at - 1];
    const Maps& to = w.map_gradients[at];
    for (int64_t r = rows.first; r < rows.last; ++r) {
        for (int map = 0; map < to.count; ++map)
            std::memset(to.row(map, r), 0, static_cast<size_t>(to.stride) * sizeof(float));
        for (int64_t y = std::max<int64_t>(0, 2 * r - 5); y < std::min(finer.height, 2 * r + 6); ++y) {
            float weight = 0;
            for (int i = 0; i < kTaps; ++i)
                if (std::clamp<int64_t>(y / 2 + kUpSources[y & 1][i], 0, level.height - 1) == r) weight += t[i];
            if (weight == 0) continue;
            for (int map = 0; map < to.count; ++map)
                add_scaled(to.row(map, r), w.up_gradients[at - 1].row(map, y), weight, level.width);
        }
    }
}

// Adds to the gradients of the latents of a level.
static void latent_gradients(const Work& w, int number, Rows rows) {
    const size_t at = static_cast<size_t>(number);
    const Level& level = w.shape->levels[at];
    const Grid& grid = w.shape->grids[static_cast<size_t>(level.latent)];
    for (int64_t r = rows.first; r < rows.last; ++r) {
        float* to = w.gradients + grid.plane + r * grid.stride;
        if (number + 1 == w.shape->counts.levels) {
            add_scaled(to, w.map_gradients[at].row(0, r), 1.0f, level.width);
            continue;
        }
        const std::array<float, 7> factors = pre_factors(w.params + w.shape->pre[at]);
        for (int64_t y = std::max<int64_t>(0, r - kTaps + 1); y < std::min(level.height, r + kTaps); ++y) {
            float weight = 0;
            for (int i = 0; i < 7; ++i)
                if (std::clamp<int64_t>(y + kPreSources[i], 0, level.height - 1) == r) weight += factors[i];
            add_scaled(to, w.pre_gradients[at].row(0, y), weight, level.width);
        }
    }
}

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
