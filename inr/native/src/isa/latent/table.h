// What each instruction set implements for pyramids of latents: the context model and rows of the
// synthesis to decode, and the steps of a training.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "latent/work.h"

namespace inr {

constexpr int kPanel = 4;               // rows of a matrix that are multiplied together
constexpr int64_t kSpare = 64;          // entries after the last one of a row that kernels may read and write
constexpr int kMostContextInputs = 32;  // of the context model

// A matrix in panels of kPanel rows, column by column, the last one with rows of zeros; and biases of all these rows.
template <typename Real>
struct Panels {
    int64_t rows = 0, depth = 0;
    std::vector<Real> weights, bias;

    Panels() = default;
    Panels(int64_t rows_, int64_t depth_) : rows(rows_), depth(depth_), weights(whole() * depth_), bias(whole()) {}

    int64_t whole() const { return (rows + kPanel - 1) / kPanel * kPanel; }
    Real& at(int64_t row, int64_t column) { return weights[(row / kPanel * depth + column) * kPanel + row % kPanel]; }
    const Real* panel(int64_t row) const { return weights.data() + row * depth; }
};

// The context model in fixed point, see inr/coders/latent/context.py: all sums are exact as doubles.
struct ContextNetwork {
    int64_t inputs = 0;
    std::vector<Panels<double>> hidden;  // the residual is part of the weights
    Panels<double> out;                  // mean and scale, of the last hidden layer and then of the inputs
};

// The 1x1 layers of a synthesis: `second` is cut into panels by its inputs, with as many columns as outputs.
struct Mixer {
    Panels<float> first, second;
    std::vector<float> bias;  // of the outputs
};

struct LatentKernels {
    const char* name;
    // Means in 1/256 and indices of scales of n symbols; sources[i] are activations of input i.
    void (*predict)(const ContextNetwork&, const float* const* sources, int64_t n, int32_t* mean, int32_t* scale);
    // Sums over all parents, rounded from 2^16 times the symbols to activations: `to[k]` for each of the rows.
    void (*parents)(const double* weights, int64_t rows, int64_t parents, const float* const* sources, int64_t n,
                    float* const* to);
    // Sum of `count` rows, each times a number.
    void (*combine)(const float* const* rows, const float* factors, int64_t count, float* to, int64_t n);
    // A row through the 8-tap filter that doubles it, to n samples; x has kReach more at both ends.
    void (*doubled)(const float* x, const float* taps, float* to, int64_t n);
    // A row through the symmetric 7-tap filter; x has kReach more at both ends.
    void (*smoothed)(const float* x, const float* taps, float* to, int64_t n);
    // to[i] = sum over four taps t of x[sources[4 i + t]] factors[4 i + t].
    void (*cubic)(const float* x, const int32_t* sources, const float* factors, float* to, int64_t n);
    // y (outputs, n) = second relu(first x + bias) + bias, rows `stride` apart in x and in y.
    void (*mix)(const Mixer&, const float* x, float* y, int64_t stride, int64_t n);
    // y (rows, n) = matrix times the rows x[0], x[1], ... + bias, rows of y `stride` apart; `rectified`: not below 0.
    void (*multiply)(const Panels<float>&, const float* const* x, float* y, int64_t stride, int64_t n, bool rectified);
    const training::Kernels* training;
};

// Offsets of the sources that the taps of a doubling filter weigh, of an even and of an odd sample; and of those of a
// smoothing filter, whose tap i / 2, rounded up, weighs source i.
constexpr int64_t kUpSources[2][4] = {{0, -1, 1, -2}, {0, 1, -1, 2}};
constexpr int64_t kPreSources[7] = {0, -1, 1, -2, 2, -3, 3};

inline std::array<float, 7> pre_factors(const float* taps) {
    return {taps[0], taps[1], taps[1], taps[2], taps[2], taps[3], taps[3]};
}

constexpr int64_t kReach = 4;   // samples before and after a row that filters read
constexpr int64_t kStrip = 64;  // columns that are whole blocks of every instruction set

// Those of the instruction set that `selected` names.
const LatentKernels& latent_kernels();

}  // namespace inr
