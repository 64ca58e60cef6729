// The levels of a grid, from the numbers of its operation.
#pragma once

#include "ops/operation.h"

namespace inr {

struct GridLevel {
    int64_t offset, entries;  // in rows of features
    bool hashed;
    float scale[4];
    float shift;    // added to the scaled coordinate
    float last[4];  // highest cell
    uint32_t strides[4];
};

// Checked so that no row lies beyond its table. After d_in, n_features, n_levels and hashed, the integers of each level
// are offset, entries, hashed, strides and highest cells of its axes; the reals are the extents of the axes, and for
// each level its shift and the scales of its axes.
std::vector<GridLevel> grid_levels(const ShapedOp& op);

}  // namespace inr
