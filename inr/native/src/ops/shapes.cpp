#include "ops/shapes.h"

#include <algorithm>

#include "ops/grid_levels.h"

namespace inr {

namespace {

void expect(const ShapedOp& op, bool good, const char* what) {
    if (!good) fail(op, what);
}

// All inputs have one width, which is returned.
int64_t same_width(const ShapedOp& op) {
    for (const int64_t width : op.in_widths) expect(op, width == op.in_widths[0], "inputs of different widths");
    return op.in_widths[0];
}

int64_t axes(const ShapedOp& op) { return static_cast<int64_t>(op.inputs.size()); }

// Rows of frequencies.
int64_t frequencies(const ShapedOp& op) {
    const int64_t first = op.in_widths[0], count = static_cast<int64_t>(op.constants.size());
    expect(op, first <= 4, "more than 4 axes");
    expect(op, count % first == 0, "frequencies");
    return count / first;
}

int64_t counted(const ShapedOp& op) {
    expect(op, op.ints[0] >= 1 && op.ints[0] <= kWidest, "count out of range");
    return op.ints[0] * op.in_widths[0];
}

// Factors of a contraction with a rank; those between the first and the last are rank times `inner` wide.
int64_t contracted(const ShapedOp& op, bool chained) {
    const int64_t rank = op.ints[0], channels = op.ints[1];
    expect(op, rank >= 1 && channels >= 1 && rank <= 4096 && channels <= 4096, "settings");
    for (int64_t k = 0; k < axes(op); ++k) {
        const bool inner = chained && k > 0 && k < axes(op) - 1;
        const int64_t want = k == axes(op) - 1 ? channels * rank : inner ? rank * rank : rank;
        expect(op, op.in_widths[static_cast<size_t>(k)] == want, "factor of another width");
    }
    return channels;
}

// Rows that are left of a core after each factor, down to the one after factor `last`.
int64_t mixed_rows(const ShapedOp& op, size_t last) {
    int64_t rows = 0, rest = op.width;
    for (size_t k = op.inputs.size(); k-- > last;) rows += rest *= op.in_widths[k];
    return rows;
}

}  // namespace

int64_t output_width(const ShapedOp& op) {
    const Facts& known = facts(op.kind);
    const int64_t width = known.width_rule == nullptr ? same_width(op) : known.width_rule(op);
    if (width < 1 || width > kWidest) fail(op, "width " + std::to_string(width));
    return width;
}

void check_params(const ShapedOp& op, int64_t n_params) {
    const Facts& known = facts(op.kind);
    if (op.params.empty()) return;
    const std::vector<int64_t> sizes = known.sizes_rule(op);
    for (size_t i = 0; i < sizes.size(); ++i) {
        const int64_t offset = op.params[i], size = sizes[i];
        if (offset < 0 && known.last_param_optional && i + 1 == sizes.size()) continue;
        expect(op, offset >= 0 && size >= 0 && offset <= n_params - size, "parameters beyond the last one");
    }
}

int64_t linear_width(const ShapedOp& op) {
    const int64_t d_out = op.ints[0], d_in = op.ints[1], factor = op.ints[2] ? 2 : 1;
    expect(op, d_out >= 1 && d_out <= kWidest && d_in >= 1 && d_in <= kWidest, "size out of range");
    expect(op, op.in_widths[0] == factor * d_in, "input of another width");
    return factor * d_out;
}

int64_t twice_width(const ShapedOp& op) { return 2 * same_width(op); }

int64_t even_width(const ShapedOp& op) {
    expect(op, op.in_widths[0] % 2 == 0, "odd width");
    return same_width(op);
}

int64_t total_width(const ShapedOp& op) {
    int64_t total = 0;
    for (const int64_t width : op.in_widths) total += width;
    return total;
}

int64_t columns_width(const ShapedOp& op) {
    const int64_t first = op.ints[0], last = op.ints[1];
    expect(op, 0 <= first && first < last && last <= op.in_widths[0], "columns beyond the input");
    return last - first;
}

int64_t constant_width(const ShapedOp& op) { return op.ints[0]; }

int64_t noisy_target_width(const ShapedOp& op) {
    const int64_t width = op.in_widths[0];
    expect(op, op.in_widths[1] == width && op.in_widths[2] == 1 && op.in_widths[3] == width, "inputs");
    return width;
}

int64_t noise_width(const ShapedOp& op) {
    expect(op, op.ints[0] >= 1, "channels");
    return op.ints[0];
}

int64_t fourier_width(const ShapedOp& op) { return 2 * frequencies(op); }

int64_t sine_filter_width(const ShapedOp& op) { return frequencies(op); }

int64_t series_width(const ShapedOp& op) { return 2 * counted(op); }

int64_t chebyshev_width(const ShapedOp& op) { return counted(op); }

int64_t grid_width(const ShapedOp& op) {
    expect(op, op.ints[0] >= 1 && op.ints[0] <= 4 && op.ints[0] == op.in_widths[0], "axes");
    expect(op, op.ints[1] >= 1 && op.ints[1] <= 64 && op.ints[2] >= 1 && op.ints[2] <= 64, "levels or features");
    return op.ints[1] * op.ints[2];
}

int64_t cp_width(const ShapedOp& op) { return contracted(op, false); }

int64_t tt_width(const ShapedOp& op) { return contracted(op, true); }

int64_t tucker_width(const ShapedOp& op) {
    expect(op, op.ints[0] >= 1 && op.ints[0] <= 4096, "settings");
    int64_t entries = op.ints[0];
    for (const int64_t width : op.in_widths) {
        expect(op, width <= 4096, "rank above 4096");
        entries *= width;
        expect(op, entries <= kMostFloats, "core too large");
    }
    return op.ints[0];
}

std::vector<int64_t> linear_sizes(const ShapedOp& op) { return {op.width * op.ints[1], op.width}; }

std::vector<int64_t> layer_norm_sizes(const ShapedOp& op) { return {op.width, op.width}; }

std::vector<int64_t> sine_filter_sizes(const ShapedOp& op) { return {op.width}; }

std::vector<int64_t> grid_sizes(const ShapedOp& op) {
    int64_t rows = 0;
    for (const GridLevel& level : grid_levels(op)) rows = std::max(rows, level.offset + level.entries);
    return {rows * op.ints[1]};
}

std::vector<int64_t> tucker_sizes(const ShapedOp& op) {
    int64_t entries = op.width;
    for (const int64_t width : op.in_widths) entries *= width;
    return {entries};
}

int64_t own_width(const ShapedOp& op) { return op.width; }

int64_t layer_norm_rows(const ShapedOp& op) { return op.width + 1; }

int64_t tt_kept_rows(const ShapedOp& op) { return (axes(op) - 1) * op.ints[0]; }

int64_t tt_scratch_rows(const ShapedOp& op) { return std::max<int64_t>(axes(op) - 1, 2) * op.ints[0]; }

int64_t tucker_kept_rows(const ShapedOp& op) { return mixed_rows(op, 1); }

int64_t tucker_scratch_rows(const ShapedOp& op) { return mixed_rows(op, 0); }

}  // namespace inr
