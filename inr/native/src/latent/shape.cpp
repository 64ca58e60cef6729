#include "latent/shape.h"

#include <algorithm>
#include <utility>

namespace inr {
namespace latent {

const Offset kNeighbours[kMaxContexts] = {{0, -1}, {-1, 0},  {-1, -1}, {-1, 1}, {0, -2},  {-2, 0}, {-3, 0},
                                          {0, -3}, {-1, -2}, {-2, 1},  {-1, 2}, {-2, -1}, {-2, 2}, {-2, -2}};

int64_t Tensor::size() const {
    int64_t n = 1;
    for (const int64_t side : shape) n *= side;
    return n;
}

Shape::Shape(const Counts& counts_, int64_t height_, int64_t width_) : counts(counts_), height(height_), width(width_) {
    place_grids();
    place_context();
    place_synthesis();
}

const Parents* Shape::parents_of(int level) const {
    const size_t at = static_cast<size_t>(level);
    return at < parents.size() ? &parents[at] : nullptr;
}

int64_t Shape::add(std::vector<int64_t> shape) {
    Tensor tensor{parameters, std::move(shape)};
    parameters += tensor.size();
    tensors.push_back(tensor);
    return tensor.place;
}

void Shape::place_grids() {
    levels.resize(static_cast<size_t>(counts.levels));
    for (int level = counts.levels - 1; level >= 0; --level) {
        const int64_t unit = int64_t{1} << level;
        const int64_t rows = (height + unit - 1) / unit, columns = (width + unit - 1) / unit;
        const bool hyper = std::count(counts.hyper.begin(), counts.hyper.end(), level) > 0;
        for (int k = hyper ? 1 : 0; k >= 0; --k) {
            // A block of registers is up to 64 floats wide and may begin anywhere in a row.
            const int64_t stride = kMargin + rounded_up(columns, 64) + kMargin;
            const int64_t plane = planes + kReachAbove * stride + kMargin;
            grids.push_back({level, k == 1, rows, columns, entries, plane, stride});
            entries += rows * columns;
            planes += (rows + kReachAbove) * stride + kMargin;
            planes = rounded_up(planes, kMargin);
        }
        levels[static_cast<size_t>(level)] = {rows, columns, rounded_up(columns, 64) + kMargin,
                                              static_cast<int>(grids.size()) - 1};
    }
}

void Shape::place_context() {
    const int64_t n = inputs();
    for (int i = 0; i < counts.hidden; ++i) {
        const int64_t weight = add({n, n});
        hidden.push_back({weight, add({n})});
    }
    out.weight = add({2, n});
    out.bias = add({2});
    context_bypass = add({2, n});
    const int last = std::min(counts.parent_levels, counts.levels - 1);
    for (int level = 0; counts.features > 0 && level < last; ++level) {
        Parents found{0, {}};
        for (size_t i = 0; i < grids.size(); ++i)
            if (grids[i].level > level) found.grids.push_back(static_cast<int>(i));
        found.weight = add({counts.features, static_cast<int64_t>(found.grids.size())});
        parents.push_back(found);
    }
}

void Shape::place_synthesis() {
    const int64_t c = counts.channels, w = counts.width;
    for (int k = 0; k + 1 < counts.levels; ++k) {
        up.push_back(add({kTaps}));
        pre.push_back(add({kTaps}));
    }
    mix0.weight = add({w, counts.levels});
    mix0.bias = add({w});
    mix1.weight = add({c, w});
    mix1.bias = add({c});
    for (int i = 0; i < counts.residuals; ++i) {
        const int64_t weight = add({c, c, 3, 3});
        residuals.push_back({weight, add({c})});
    }
    synthesis_bypass = add({c, counts.levels});
}

int parts_of(int64_t rows) { return static_cast<int>(std::clamp<int64_t>(rows / 8, 1, kMaxParts)); }

Rows rows_of(int64_t rows, int part) {
    const int64_t pairs = (rows + 1) / 2, n = parts_of(rows);
    return {2 * (part * pairs / n), std::min(rows, 2 * ((part + 1) * pairs / n))};
}

}  // namespace latent
}  // namespace inr
