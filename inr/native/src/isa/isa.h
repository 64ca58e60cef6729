// What each instruction set implements, and the data that passes through it.
#pragma once

#include "engine/program.h"
#include "latent/work.h"

namespace inr {

// Samples of a signal as they are kept, mapped to [-1, 1] on the way in.
enum class SampleType : int { kNone, kUint8, kUint16, kInt8, kInt16, kFloat32 };

struct Samples {
    SampleType type = SampleType::kNone;
    const void* data = nullptr;    // (size, channels)
    const float* table = nullptr;  // normalised values of the integers of 8 and 16 bits, from the lowest on
    double low = 0, factor = 0;    // float32: (x - low) factor - 1
};

// Where points come from: rows of coordinates, or samples of a grid by flat index.
struct Points {
    int64_t n = 0;
    const float* coordinates = nullptr;  // (n, d_in)
    const int64_t* index = nullptr;      // (n,) of samples of the grid; null for all in order
    int ndim = 0;
    int64_t shape[4] = {1, 1, 1, 1};
    const float* axes[4] = {};       // coordinates along each axis
    const float* offsets = nullptr;  // (n, ndim) in cells, or null
    float cells[4] = {};
};

struct Batch {
    Points points;
    const float* targets = nullptr;  // (n, d_out), or null: from the samples
    // (n, d_out), or null: gradients of the last output, in place of targets and the loss.
    const float* output_gradients = nullptr;
    Samples samples;
    const float* weights = nullptr;    // (n,) or null
    float* residuals = nullptr;        // (n, d_out) or null
    float* input_gradients = nullptr;  // (n, d_in) or null: of each point's own loss, or by the gradients given
};

struct Target {
    float* values = nullptr;  // (n, d_out), or null: samples of the type below
    SampleType type = SampleType::kNone;
    void* samples = nullptr;
    double low = 0, high = 0;
};

struct Adam {
    float rate, beta_1, beta_2, epsilon, decay;
    float rest_1, rest_2;              // 1 - beta
    float correction_1, correction_2;  // 1 - beta^t, and the root of it
    const uint8_t* decays;             // for each block of parameters
};

// Buffers of a worker, and those that all share.
struct Memory {
    float* worker;
    float* gradients;
    float* packed;
    float* saved;  // of all tiles, or null
};

struct Isa {
    const char* name;
    bool bf16;  // it has products of 16-bit operands
    // Values of the points of some tiles.
    void (*forward)(const Program&, const float* params, const Memory&, const Points&, const Target&, int64_t first,
                    int64_t last);
    // Loss of some tiles, summed; gradients are added to the worker's.
    // `seconds`, if given, takes the time of each operation forwards and then of each backwards.
    double (*train)(const Program&, const float* params, const Memory&, const Batch&, int64_t first, int64_t last,
                    double* seconds);
    // Gradients of one level of a grid over all tiles, to `gradients` of all parameters.
    void (*scatter)(const Program&, int op, int level, const float* saved, int64_t tiles, float* gradients);
    // Sum over workers of part `part` of `parts` of the parameters' gradients, to `gradients`.
    void (*reduce)(const Program&, const float* const* workers, int n_workers, float* gradients, int part, int parts);
    void (*adam)(const Adam&, float decay, float* params, const float* gradients, float* m, float* v, int64_t n);
    // Part `part` of `parts` of the matrices in the order in which products read them.
    void (*pack)(const Program&, const float* params, float* packed, int part, int parts);
    // What one thread of this machine can do: multiplications and additions in registers, matrix products of cached
    // 32-bit and of 16-bit tiles (operations a second; 0 without them), and sines with their cosines (a second).
    void (*ceilings)(double seconds, double* results);
    // An elementwise operation and its derivative, for tests; `bf16` as it is done beside 16-bit products.
    void (*elementwise)(const Op&, const float* x, float* y, float* slope, int64_t n, bool bf16);
    const latent::Kernels* latent;
};

// Instruction sets of this build that this machine has, best first; never empty.
const std::vector<const Isa*>& available();
// The one named by INR_ISA (amx_emulated too, which is for tests), else the best. Throws std::invalid_argument if the
// machine lacks it.
const Isa& selected();

}  // namespace inr
