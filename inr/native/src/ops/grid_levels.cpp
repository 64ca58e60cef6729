#include "ops/grid_levels.h"

#include "ops/shapes.h"

namespace inr {

namespace {

// One level from its integers and reals.
GridLevel grid_level(const ShapedOp& op, const int64_t* n, const double* r) {
    const size_t d = static_cast<size_t>(op.ints[0]);
    const int64_t features = op.ints[1];
    GridLevel level{};
    level.offset = n[0];
    level.entries = n[1];
    level.hashed = n[2] != 0;
    level.shift = static_cast<float>(r[0]);
    if (level.entries < 1 || level.entries > (int64_t{1} << 30) || level.offset < 0 || level.offset > kMostFloats)
        fail(op, "table size");
    if (level.hashed && (level.entries & (level.entries - 1))) fail(op, "hashed table size");
    if ((level.entries * features) >> 31) fail(op, "table size");
    int64_t rows = 1;
    for (size_t k = 0; k < d; ++k) {
        level.strides[k] = static_cast<uint32_t>(n[3 + k]);
        level.last[k] = static_cast<float>(n[3 + d + k]);
        level.scale[k] = static_cast<float>(r[1 + k]);
        if (n[3 + k] < 0 || n[3 + k] > UINT32_MAX || n[3 + d + k] < 0 || n[3 + d + k] > (1 << 24))
            fail(op, "stride or size");
        if (!level.hashed) rows += (n[3 + d + k] + 1) * n[3 + k];
    }
    // One subtraction brings every row of a dense level into its table.
    if (!level.hashed && (rows > 2 * level.entries + (op.ints[3] ? 0 : -level.entries) || rows >= UINT32_MAX))
        fail(op, "nodes do not fit the table");
    return level;
}

}  // namespace

std::vector<GridLevel> grid_levels(const ShapedOp& op) {
    const size_t d = static_cast<size_t>(op.ints[0]), count = static_cast<size_t>(op.ints[2]), step = 3 + 2 * d;
    if (op.ints.size() != 4 + count * step || op.reals.size() != d + count * (1 + d))
        fail(op, "levels do not match the settings");
    for (size_t k = 0; k < d; ++k)
        if (op.reals[k] <= 0) fail(op, "extent");
    std::vector<GridLevel> levels;
    for (size_t l = 0; l < count; ++l)
        levels.push_back(grid_level(op, op.ints.data() + 4 + l * step, op.reals.data() + d + l * (1 + d)));
    return levels;
}

}  // namespace inr
