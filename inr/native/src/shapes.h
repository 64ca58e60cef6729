// What an operation must be given, and how wide its output is.
#pragma once

#include "program.h"

namespace inr {

constexpr int64_t kMostFloats = int64_t{1} << 31;
constexpr int64_t kWidest = int64_t{1} << 20;

// Throws std::invalid_argument that names an operation.
[[noreturn]] void fail(size_t number, Kind kind, const std::string& what);
// Inputs exist, settings are enough and finite; fills in the widths of the inputs.
void check_settings(Op& op, size_t number, const std::vector<int64_t>& widths);
// Checks sizes, and that parameters lie within all; returns the width of the output.
int64_t output_width(const Op& op, size_t number, int64_t n_params);
// The levels of a grid, checked so that no row lies beyond its table.
std::vector<GridLevel> grid_levels(const Op& op, size_t number, int64_t n_params);

}  // namespace inr
