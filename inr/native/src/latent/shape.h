// Grids and tensors of a latent pyramid, as inr/coders/latent/spec.py has them, and where they lie in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace inr {
namespace latent {

constexpr int kReachAbove = 3;  // rows that neighbours reach up
constexpr int kMargin = 16;     // floats to the left and to the right of a row, so that its first one is aligned
constexpr int kTaps = 4;        // free numbers of a filter
constexpr int kMaxContexts = 14;
constexpr int kMaxParts = 32;  // of the rows of a grid, whatever the number of threads: results do not depend on it

struct Offset {
    int row, column;
};

extern const Offset kNeighbours[kMaxContexts];

inline int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// One coded grid. Its values lie in a plane with zeros around it: `plane` is the place of the first one.
struct Grid {
    int level;
    bool hyper;
    int64_t height, width;
    int64_t first;  // of its entries among those of all grids
    int64_t plane, stride;
};

// Rows and columns of a level and the stride of its feature maps.
struct Level {
    int64_t height, width, stride;
    int latent;  // number of its grid
};

struct Layer {
    int64_t weight, bias;  // places in the parameters; -1 where there is none
};

struct Tensor {
    int64_t place;
    std::vector<int64_t> shape;
    int64_t size() const;
};

struct Parents {
    int64_t weight;          // (features, grids.size())
    std::vector<int> grids;  // all coarser ones in coding order
};

struct Counts {
    int channels, levels, contexts, features, parent_levels, hidden, width, residuals;
    std::vector<int> hyper;
};

struct Rows {
    int64_t first, last;
};

struct Shape {
    Shape(const Counts& counts, int64_t height, int64_t width);

    int inputs() const { return counts.contexts + counts.features; }
    int64_t pixels() const { return height * width; }
    bool has_parents(const Grid& grid) const { return !grid.hyper && parents_of(grid.level) != nullptr; }
    const Parents* parents_of(int level) const;

    Counts counts;
    int64_t height, width;
    std::vector<Grid> grids;  // in coding order
    std::vector<Level> levels;
    int64_t entries = 0, planes = 0;
    std::vector<Layer> hidden, residuals;
    Layer out{}, mix0{}, mix1{};
    int64_t context_bypass = 0, synthesis_bypass = 0;
    std::vector<Parents> parents;  // of the finest levels
    std::vector<int64_t> up, pre;
    std::vector<Tensor> tensors;
    int64_t parameters = 0;

private:
    void place_grids();
    void place_context();
    void place_synthesis();
    int64_t add(std::vector<int64_t> shape);
};

// How many parts so many rows have, and the rows of one; all but the last end at an even row.
int parts_of(int64_t rows);
Rows rows_of(int64_t rows, int part);

}  // namespace latent
}  // namespace inr
