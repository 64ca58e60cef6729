// What the kernels of one step of a latent training share. A step is a sequence of phases; the items of a phase are
// independent of each other, and what they sum up goes to places of their own, so that no result depends on who did
// which of them when.
#pragma once

#include <cstdint>
#include <vector>

#include "latent/shape.h"

namespace inr {
namespace training {

// What is done with the numbers that a pyramid is made of.
enum class Rounding {
    kSoft,  // gain times latents, rounded softly, with noise, rounded softly again; slopes are kept
    kHard   // gain times latents, to the nearest symbol
};

struct Step {
    Rounding rounding = Rounding::kHard;
    float gain = 1, sigma = 0, temperature = 1;
    uint32_t key[2] = {};
    double bit = 0;         // what a bit adds to the loss
    bool backward = false;  // gradients of the networks
    bool latents = false;   // and of the latents
    bool rate = true, distortion = true;
    bool clamp = false;  // errors of the picture cut to [0, 1]
    bool keep = false;   // forwards only: bits of every symbol, where slopes are, and squares of every output gradient
};

struct Adam {
    float scale;  // of the gradients
    float rate, beta1, beta2;
    float correction;  // sqrt(1 - beta2^t) / (1 - beta1^t)
    float epsilon;
};

// Rows of a grid that one item of the context model works on.
struct ContextItem {
    int grid;
    Rows rows;
    int64_t halo;  // place of its gradients for the rows above
};

// Feature maps of a level, or their gradients: (count, height, stride).
struct Maps {
    float* data = nullptr;
    int count = 0;
    int64_t height = 0, stride = 0;
    float* row(int map, int64_t y) const { return data + (map * height + y) * stride; }
};

// Planes of the channels with one row and kMargin columns around them: (channels, height + 2, stride).
struct Picture {
    float* data = nullptr;
    int64_t height = 0, stride = 0;
    float* row(int channel, int64_t y) const { return data + (channel * (height + 2) + y + 1) * stride + kMargin; }
};

// What coarser grids tell of a level: for the levels from its parents' finest on, (features, rows, columns) each.
struct ParentMaps {
    std::vector<Maps> sums, gradients;  // by level; unused ones are empty
};

// A small matrix as the products of an instruction set read it.
struct Matrix {
    const float* packed = nullptr;
    int rows = 0, depth = 0, panel = 1;
};

// Forwards, and transposed for the way back.
struct Matrices {
    std::vector<Matrix> hidden, hidden_back;
    Matrix out, out_back;  // (2, 2 n): of the last hidden layer and, as a bypass, of the inputs
    Matrix bypass_back;
    Matrix mix0, mix0_back, mix1, mix1_back, synthesis_bypass, synthesis_bypass_back;
    std::vector<Matrix> residuals, residuals_back;  // with the identity in the middle
};

struct Work {
    const Shape* shape;
    Step step;
    Adam adam{};

    // Given.
    float* latents = nullptr;
    const float* params = nullptr;
    const float* target = nullptr;  // (channels, height, width)
    float *mean = nullptr, *square = nullptr;

    // Kept.
    float* slopes = nullptr;     // (entries,)
    float* planes = nullptr;     // all grids
    float* gradients = nullptr;  // of these
    float* halos = nullptr;
    std::vector<Maps> maps;                         // of each level
    std::vector<Maps> map_gradients;                // in the same places, which nothing reads any more by then
    std::vector<Maps> up_gradients, pre_gradients;  // on the way through the filters of a level
    std::vector<Picture> pictures;                  // after each layer of the synthesis
    Picture errors[2];                              // gradients of these
    Picture output_gradients;
    std::vector<ParentMaps> parents;
    std::vector<ContextItem> context;
    const float* zeros = nullptr;
    std::vector<float> packed;
    Matrices matrices;

    // Found, of each item.
    float* slots = nullptr;  // (items, parameters)
    double *bits = nullptr, *squares = nullptr;
    float* slot(int item) const { return slots + item * rounded_up(shape->parameters, kMargin); }
};

// The kernels of an instruction set; `scratch` takes `scratch(shape)` floats of a thread.
struct Kernels {
    int64_t (*scratch)(const Shape&);
    void (*pack)(Work&);  // of its parameters
    void (*round)(const Work&, int grid, Rows);
    void (*adam)(const Work&, int grid, Rows);
    // Sums of coarser grids for one level, but for its finest parents; and gradients of the grids from these.
    void (*parents)(const Work&, int level);
    void (*parent_gradients)(const Work&, int level, Rows, int slot);
    void (*coarse_parent_gradients)(const Work&, int level, int slot);
    void (*context)(const Work&, int item, float* scratch);
    void (*halos)(const Work&);
    // Feature maps of rows of a level, from those of the coarser one and from its latents; and backwards.
    void (*maps)(const Work&, int level, Rows, float* scratch);
    void (*filter_gradients)(const Work&, int level, Rows, int slot, float* scratch);
    void (*map_gradients)(const Work&, int level, Rows);
    void (*latent_gradients)(const Work&, int level, Rows);
    void (*mix)(const Work&, Rows, float* scratch);
    void (*residual)(const Work&, int layer, Rows);
    void (*output)(const Work&, Rows, int slot, float* scratch);
    void (*residual_gradients)(const Work&, int layer, Rows, int slot, float* scratch);
    void (*mix_gradients)(const Work&, Rows, int slot, float* scratch);
    void (*noise)(const uint32_t* key, int64_t first, int64_t count, float* out);
};

}  // namespace training
}  // namespace inr
