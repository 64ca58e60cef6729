// A network as a list of operations on tiles of samples, with the memory that each of them works in.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/grid_levels.h"
#include "ops/operation.h"

namespace inr {

constexpr int64_t kBlock = 64;     // samples of a register block; a tile has a multiple of it
constexpr int64_t kRows = 6;       // rows of a register block of a matrix product
constexpr int64_t kBf16Rows = 32;  // rows, columns and depth of a block of a 16-bit product

// How an input's gradient is written.
enum class Write : int8_t { kNone, kSet, kAdd };

struct Op : ShapedOp {
    std::vector<Write> writes;  // for each input
    bool live = false;          // an output depends on it
    bool trained = false;       // takes part in the backward pass
    int64_t aux = -1;           // floats from the start of a worker's memory, or -1
    int64_t gradient = -1;      // floats from the start of a worker's gradients
    int64_t saved = -1;         // first row of what a grid saves of a tile for the scatter
    int again = -1;             // the operation that makes one of its inputs once more before the way back, or -1
    // Linear operations.
    int function = -1;           // the elementwise operation that is done with the sums of the product, or -1
    int undone = -1;             // the elementwise operation that the product with the transpose undoes, or -1
    int64_t bias_gradient = -1;  // floats from the start of a worker's gradients
    int64_t packed = -1;         // floats from the start of the packed matrices
    int64_t packed_transposed = -1;
    int64_t packed_bias = -1;     // of 16-bit products: tiles that sums begin with
    bool bf16 = false;            // its products have 16-bit operands
    bool blocks = false;          // its sums are made in blocks of 32 rows and columns, for 16-bit products or by them
    bool packs_input = false;     // it packs its input, since nobody has before it
    bool packs_gradient = false;  // it packs its output's gradient
    bool packs_slopes = false;    // times the slopes of its function
    // Elementwise operations.
    bool done = false;         // on the way forward by the product before it
    bool folded = false;       // undone on the way back by the product after it
    bool from_output = false;  // its slopes are known from the sign of its output
    bool bf16_slopes = false;  // its slopes are 16-bit numbers, in the order of `Bf16Places::features`
};

// Parameters that one run of a worker's gradients belongs to.
struct ParamBlock {
    int64_t offset;  // into the flat parameters
    int64_t rows, columns;
    int64_t gradient;  // into a worker's gradients, or -1 for a table, whose gradients are scattered
    int64_t stride;    // of the rows there
    bool complex;      // rows of Wr and then of Wi, from the gradients of [Wr -Wi; Wi Wr]
    bool tiled;        // there they stand in squares of 16 rows and columns
    int op;
};

// A value, or a gradient, as operand of 16-bit products: places in a worker's memory, or -1.
struct Bf16Places {
    int64_t features = -1;  // pairs of features, for products with a matrix
    int64_t samples = -1;   // pairs of samples, for the gradient of a matrix
    bool only = false;      // nothing reads the 32-bit numbers, and nothing writes them
};

struct Program {
    std::vector<Op> ops;
    std::vector<int64_t> widths;                          // of each value
    std::vector<int64_t> values;                          // place of each value in a worker's memory
    std::vector<int64_t> values_back;                     // on the way back
    std::vector<int64_t> gradients;                       // place of its gradient, or -1
    std::vector<Bf16Places> bf16_values, bf16_gradients;  // by value
    std::vector<int> heads;
    std::vector<ParamBlock> blocks;
    std::vector<std::vector<GridLevel>> grids;  // by number of the operation; empty for others
    int64_t d_in = 0, d_out = 0;
    int64_t n_params = 0;
    int64_t tile = kBlock;
    bool training = false, input_gradient = false;
    bool inputs_move = false;     // the gradient of the inputs is written
    bool bf16 = false;            // large products have 16-bit operands
    int64_t memory = 0;           // floats a worker needs for values, gradients of values and scratch
    int64_t scratch = 0;          // where the scratch begins
    int64_t targets = 0;          // where the targets of a tile begin
    int64_t gradient_memory = 0;  // floats a worker needs for gradients of parameters
    int64_t packed_memory = 0;    // floats of all packed matrices
    int64_t saved_rows = 0;       // rows that grids save of a tile

    // Checks everything that later code relies on; throws std::invalid_argument with one line.
    static Program build(std::vector<OpSpec> specs, int64_t d_in, std::vector<int> heads, int64_t n_params,
                         int64_t tile, bool training, bool input_gradient, bool bf16);
};

inline int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace inr
