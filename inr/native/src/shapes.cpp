#include "shapes.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace inr {

[[noreturn]] void fail(size_t number, Kind kind, const std::string& what) {
    throw std::invalid_argument("operation " + std::to_string(number) + " (" + kind_name(kind) + "): " + what);
}

namespace {

struct Counts {
    size_t ints, reals, params;
};

// Numbers that a kind needs at least.
Counts needed(Kind kind, size_t inputs) {
    switch (kind) {
        case Kind::kLinear: return {3, 0, 2};
        case Kind::kSine:
        case Kind::kGaussian:
        case Kind::kGatedTanh:
        case Kind::kLeakyReLU: return {0, 1, 0};
        case Kind::kFiner: return {1, 1, 0};
        case Kind::kRealGabor:
        case Kind::kComplexGabor: return {0, 2, 0};
        case Kind::kAdd: return {0, inputs, 0};
        case Kind::kColumns: return {2, 0, 0};
        case Kind::kConstant: return {1, 1, 0};
        case Kind::kNoise: return {3, 1, 0};
        case Kind::kSineFilter: return {0, 0, 1};
        case Kind::kFourierSeries:
        case Kind::kChebyshev: return {1, 0, 0};
        case Kind::kLayerNorm: return {0, 0, 2};
        case Kind::kGrid: return {4, 1, 1};
        case Kind::kCp:
        case Kind::kTt: return {2, 0, 0};
        case Kind::kTucker: return {1, 0, 1};
        default: return {0, 0, 0};
    }
}

void check_param(int64_t offset, int64_t count, size_t number, Kind kind, int64_t n_params) {
    if (offset < 0 || count < 0 || offset > n_params - count) fail(number, kind, "parameters beyond the last one");
}

}  // namespace

void check_settings(Op& op, size_t number, const std::vector<int64_t>& widths) {
    const Counts counts = needed(op.kind, op.inputs.size());
    if (op.inputs.empty()) fail(number, op.kind, "no input");
    if (op.inputs.size() > 16) fail(number, op.kind, "more than 16 inputs");
    for (const int input : op.inputs) {
        if (input < 0 || input > static_cast<int>(number)) fail(number, op.kind, "input " + std::to_string(input));
        op.in_widths.push_back(widths[static_cast<size_t>(input)]);
    }
    const bool levels = op.kind == Kind::kGrid;  // of which there may be any number
    const auto fits = [&](size_t given, size_t wanted) { return given == wanted || (levels && given > wanted); };
    if (!fits(op.ints.size(), counts.ints) || !fits(op.reals.size(), counts.reals) || op.params.size() != counts.params)
        fail(number, op.kind, "settings of another number");
    for (const double real : op.reals)
        if (!std::isfinite(real)) fail(number, op.kind, "a setting is not finite");
}

int64_t output_width(const Op& op, size_t number, int64_t n_params) {
    const int64_t first = op.in_widths[0];
    const auto same = [&](size_t from) {
        for (size_t i = from; i < op.in_widths.size(); ++i)
            if (op.in_widths[i] != first) fail(number, op.kind, "inputs of different widths");
        return first;
    };
    const auto expect = [&](bool good, const char* what) {
        if (!good) fail(number, op.kind, what);
    };
    const int64_t axes = static_cast<int64_t>(op.inputs.size());
    switch (op.kind) {
        case Kind::kLinear: {
            const int64_t d_out = op.ints[0], d_in = op.ints[1], factor = op.ints[2] ? 2 : 1;
            expect(d_out >= 1 && d_out <= kWidest && d_in >= 1 && d_in <= kWidest, "size out of range");
            expect(first == factor * d_in, "input of another width");
            check_param(op.params[0], factor * d_out * d_in, number, op.kind, n_params);
            if (op.params[1] >= 0) check_param(op.params[1], factor * d_out, number, op.kind, n_params);
            return factor * d_out;
        }
        case Kind::kRealGabor: return 2 * same(1);
        case Kind::kComplexGabor: expect(first % 2 == 0, "odd width"); return same(1);
        case Kind::kConcat: {
            int64_t total = 0;
            for (const int64_t w : op.in_widths) total += w;
            return total;
        }
        case Kind::kColumns:
            expect(0 <= op.ints[0] && op.ints[0] < op.ints[1] && op.ints[1] <= first, "columns beyond the input");
            return op.ints[1] - op.ints[0];
        case Kind::kConstant: return op.ints[0];
        case Kind::kNoisyTarget:
            expect(axes == 4 && op.in_widths[1] == first && op.in_widths[2] == 1 && op.in_widths[3] == first, "inputs");
            return first;
        case Kind::kNoise: expect(op.ints[0] >= 1, "channels"); return op.ints[0];
        case Kind::kFourier:
        case Kind::kSineFilter: {
            expect(first <= 4, "more than 4 axes");
            expect(!op.constants.empty() && static_cast<int64_t>(op.constants.size()) % first == 0, "frequencies");
            const int64_t rows = static_cast<int64_t>(op.constants.size()) / first;
            if (op.kind == Kind::kSineFilter) check_param(op.params[0], rows, number, op.kind, n_params);
            return op.kind == Kind::kFourier ? 2 * rows : rows;
        }
        case Kind::kFourierSeries:
            expect(op.ints[0] >= 1 && op.ints[0] <= kWidest, "count out of range");
            return 2 * op.ints[0] * first;
        case Kind::kChebyshev:
            expect(op.ints[0] >= 1 && op.ints[0] <= kWidest, "count out of range");
            return op.ints[0] * first;
        case Kind::kLayerNorm:
            check_param(op.params[0], first, number, op.kind, n_params);
            check_param(op.params[1], first, number, op.kind, n_params);
            return first;
        case Kind::kGrid:
            expect(op.ints[0] >= 1 && op.ints[0] <= 4 && op.ints[0] == first, "axes");
            expect(op.ints[1] >= 1 && op.ints[1] <= 64 && op.ints[2] >= 1 && op.ints[2] <= 64, "levels or features");
            return op.ints[1] * op.ints[2];
        case Kind::kCp:
        case Kind::kTt: {
            const int64_t rank = op.ints[0], channels = op.ints[1];
            expect(axes >= 2 && rank >= 1 && channels >= 1 && rank <= 4096 && channels <= 4096, "settings");
            for (int64_t k = 0; k < axes; ++k) {
                const bool inner = op.kind == Kind::kTt && k > 0 && k < axes - 1;
                const int64_t want = k == axes - 1 ? channels * rank : inner ? rank * rank : rank;
                expect(op.in_widths[static_cast<size_t>(k)] == want, "factor of another width");
            }
            return channels;
        }
        case Kind::kTucker: {
            expect(axes >= 2 && axes <= 4 && op.ints[0] >= 1 && op.ints[0] <= 4096, "settings");
            int64_t entries = op.ints[0];
            for (const int64_t w : op.in_widths) {
                expect(w <= 4096, "rank above 4096");
                entries *= w;
                expect(entries <= kMostFloats, "core too large");
            }
            check_param(op.params[0], entries, number, op.kind, n_params);
            return op.ints[0];
        }
        default: return same(1);
    }
}

std::vector<GridLevel> grid_levels(const Op& op, size_t number, int64_t n_params) {
    const size_t d = static_cast<size_t>(op.ints[0]), step = 3 + 2 * d;
    const int64_t count = op.ints[2], features = op.ints[1];
    if (op.ints.size() != 4 + static_cast<size_t>(count) * step ||
        op.reals.size() != d + static_cast<size_t>(count) * (1 + d))
        fail(number, op.kind, "levels do not match the settings");
    for (size_t k = 0; k < d; ++k)
        if (op.reals[k] <= 0) fail(number, op.kind, "extent");
    std::vector<GridLevel> levels;
    for (size_t l = 0; l < static_cast<size_t>(count); ++l) {
        const int64_t* n = op.ints.data() + 4 + l * step;
        const double* r = op.reals.data() + d + l * (1 + d);
        GridLevel level{};
        level.offset = n[0];
        level.entries = n[1];
        level.hashed = n[2] != 0;
        level.shift = static_cast<float>(r[0]);
        if (level.entries < 1 || level.entries > (int64_t{1} << 30) || level.offset < 0 || level.offset > kMostFloats)
            fail(number, op.kind, "table size");
        if (level.hashed && (level.entries & (level.entries - 1))) fail(number, op.kind, "hashed table size");
        check_param(op.params[0], (level.offset + level.entries) * features, number, op.kind, n_params);
        if ((level.entries * features) >> 31) fail(number, op.kind, "table size");
        int64_t rows = 1;
        for (size_t k = 0; k < d; ++k) {
            level.strides[k] = static_cast<uint32_t>(n[3 + k]);
            level.last[k] = static_cast<float>(n[3 + d + k]);
            level.scale[k] = static_cast<float>(r[1 + k]);
            if (n[3 + k] < 0 || n[3 + k] > UINT32_MAX || n[3 + d + k] < 0 || n[3 + d + k] > (1 << 24))
                fail(number, op.kind, "stride or size");
            if (!level.hashed) rows += (n[3 + d + k] + 1) * n[3 + k];
        }
        // One subtraction brings every row of a dense level into its table.
        if (!level.hashed && (rows > 2 * level.entries + (op.ints[3] ? 0 : -level.entries) || rows >= UINT32_MAX))
            fail(number, op.kind, "nodes do not fit the table");
        levels.push_back(level);
    }
    return levels;
}

}  // namespace inr
