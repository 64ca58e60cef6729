// What an operation is: what the caller says of it, and the facts of its kind, of which there is one row (ops/table.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace inr {

enum class Kind : int {
#define INR_OPERATION(kind, nature, facts) k##kind,
#include "ops/table.h"
#undef INR_OPERATION
};

// What the caller says of an operation.
struct OpSpec {
    Kind kind;
    std::vector<int> inputs;  // numbers of values: 0 is the input of the network, i + 1 what operation i makes
    std::vector<int64_t> ints;
    std::vector<double> reals;
    std::vector<float> constants;
    std::vector<int64_t> params;  // offsets into the flat parameters
};

// With its place in a program.
struct ShapedOp : OpSpec {
    int output = 0;  // number of the value it makes
    std::vector<int64_t> in_widths;
    int64_t width = 0;  // rows of the output
};

// How many numbers of one sort an operation takes.
struct Count {
    size_t least = 0, most = 0;
};

constexpr size_t kMostInputs = 16;
constexpr size_t kAnyNumber = SIZE_MAX;

enum class Nature {
    kElementwise,  // a function of each number, done with the sums of the product before it where there is one
    kGeneral,
    kGiven,  // passes no gradient to what it reads
};

// The order in which the way back writes the gradients of the inputs: the first of them sets what the others add to, if
// a value is given twice.
enum class Order { kForwards, kBackwards, kLastFirst };

// The facts of a kind. An operation takes one input and nothing else, its output is as wide as its inputs, which are
// all of one width, and it needs no memory of its own, unless its row says otherwise.
struct Facts {
    using Size = int64_t (*)(const ShapedOp&);
    using Sizes = std::vector<int64_t> (*)(const ShapedOp&);

    const char* name;
    Count n_inputs{1, 1}, n_ints, n_reals, n_constants, n_params;
    bool real_for_each_input = false;
    bool last_param_optional = false;  // a negative offset: it is not there
    bool inputs_kept = false;          // the way back reads the inputs
    bool output_kept = false;          // the way back reads the output
    bool inputs_untrained = false;     // refuses an input that a parameter moves
    bool inputs_factors = false;       // the output is the product of the inputs, number by number
    bool slope_of_sign = false;        // its slope is 1 above zero, and below it its first real, or 0 without one
    bool coarse_if_positive = false;   // has a formula of its own beside 16-bit products, if its first real is > 0
    bool scattered = false;            // gradients of its parameters are added up after all tiles, see isa/grids.h
    Order order = Order::kForwards;    // of the gradients of its inputs
    Size width_rule = nullptr;         // checks the settings, and returns the width of the output
    Sizes sizes_rule = nullptr;        // floats of each parameter, if it has any
    Size kept_rows_rule = nullptr;     // rows it keeps for the way back, beside values
    Size scratch_rows_rule = nullptr;  // rows it needs while it works

    constexpr explicit Facts(const char* kind) : name(kind) {}
    constexpr Facts& inputs(size_t least, size_t most) { return n_inputs = Count{least, most}, *this; }
    constexpr Facts& ints(size_t n) { return n_ints = Count{n, n}, *this; }
    constexpr Facts& reals(size_t n) { return n_reals = Count{n, n}, *this; }
    constexpr Facts& params(size_t n, Sizes rule) { return n_params = Count{n, n}, sizes_rule = rule, *this; }
    constexpr Facts& any_ints(size_t least) { return n_ints = Count{least, kAnyNumber}, *this; }
    constexpr Facts& any_reals(size_t least) { return n_reals = Count{least, kAnyNumber}, *this; }
    constexpr Facts& any_constants() { return n_constants = Count{1, kAnyNumber}, *this; }
    constexpr Facts& real_each() { return real_for_each_input = true, *this; }
    constexpr Facts& last_optional() { return last_param_optional = true, *this; }
    constexpr Facts& keeps_inputs() { return inputs_kept = true, *this; }
    constexpr Facts& keeps_output() { return output_kept = true, *this; }
    constexpr Facts& untrained() { return inputs_untrained = true, *this; }
    constexpr Facts& factors() { return inputs_factors = true, *this; }
    constexpr Facts& sign_tells_slope() { return slope_of_sign = true, *this; }
    constexpr Facts& coarse() { return coarse_if_positive = true, *this; }
    constexpr Facts& scatters() { return scattered = true, *this; }
    constexpr Facts& writes(Order o) { return order = o, *this; }
    constexpr Facts& width(Size rule) { return width_rule = rule, *this; }
    constexpr Facts& keeps_rows(Size rule) { return kept_rows_rule = rule, *this; }
    constexpr Facts& scratch_rows(Size rule) { return scratch_rows_rule = rule, *this; }
};

// All kinds, in the order of the table.
const std::vector<Kind>& kinds();
const Facts& facts(Kind kind);
Nature nature(Kind kind);
inline bool is_elementwise(Kind kind) { return nature(kind) == Nature::kElementwise; }
// Throws std::invalid_argument for a name that no row has.
Kind kind_of(const std::string& name);

// Throws std::invalid_argument that names an operation.
[[noreturn]] void fail(const ShapedOp& op, const std::string& what);
// The counts of everything are right, settings are finite, and inputs exist.
void check_settings(const ShapedOp& op);

}  // namespace inr
