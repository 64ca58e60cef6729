// What the rows of ops/table.h say of sizes: rules that check settings and return widths of outputs, floats of
// parameters, and rows of memory. Widths of inputs, and behind the width that of the output, are known to them.
#pragma once

#include "ops/operation.h"

namespace inr {

constexpr int64_t kMostFloats = int64_t{1} << 31;
constexpr int64_t kWidest = int64_t{1} << 20;

// Checks sizes; returns the width of the output. Throws std::invalid_argument that names the operation.
int64_t output_width(const ShapedOp& op);
// Checks that parameters lie within all `n_params`.
void check_params(const ShapedOp& op, int64_t n_params);

int64_t linear_width(const ShapedOp& op);
int64_t twice_width(const ShapedOp& op);
int64_t even_width(const ShapedOp& op);
int64_t total_width(const ShapedOp& op);
int64_t columns_width(const ShapedOp& op);
int64_t constant_width(const ShapedOp& op);
int64_t noisy_target_width(const ShapedOp& op);
int64_t noise_width(const ShapedOp& op);
int64_t fourier_width(const ShapedOp& op);
int64_t sine_filter_width(const ShapedOp& op);
int64_t series_width(const ShapedOp& op);
int64_t chebyshev_width(const ShapedOp& op);
int64_t grid_width(const ShapedOp& op);
int64_t cp_width(const ShapedOp& op);
int64_t tt_width(const ShapedOp& op);
int64_t tucker_width(const ShapedOp& op);

std::vector<int64_t> linear_sizes(const ShapedOp& op);
std::vector<int64_t> layer_norm_sizes(const ShapedOp& op);
std::vector<int64_t> sine_filter_sizes(const ShapedOp& op);
std::vector<int64_t> grid_sizes(const ShapedOp& op);
std::vector<int64_t> tucker_sizes(const ShapedOp& op);

int64_t own_width(const ShapedOp& op);
int64_t layer_norm_rows(const ShapedOp& op);
int64_t tt_kept_rows(const ShapedOp& op);
int64_t tt_scratch_rows(const ShapedOp& op);
int64_t tucker_kept_rows(const ShapedOp& op);
int64_t tucker_scratch_rows(const ShapedOp& op);

}  // namespace inr
