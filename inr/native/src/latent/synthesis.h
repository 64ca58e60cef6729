// The picture that latents stand for: the compiled twin of inr/coders/latent/synthesis.py, up to rounding.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "isa/latent.h"

namespace inr::latent {

constexpr float kLargestValue = 1e6f;

// A result: within the largest values, and 0 for NaN.
inline float cut(float v) {
    const float within = v < -kLargestValue ? -kLargestValue : v > kLargestValue ? kLargestValue : v;
    return v != v ? 0.0f : within;
}

// Maps of one level, finest first, from those of the level below it, which has half the size.
struct Level {
    const float* maps = nullptr;  // (count, ceil(height / 2), ceil(width / 2))
    int64_t count = 0, height = 0, width = 0;
    const float* up = nullptr;         // 4 taps
    const int64_t* symbols = nullptr;  // (height, width), or null: zeros
    const float* pre = nullptr;        // 4 taps
    float* out = nullptr;              // (1 + count, height, width)
};

void raise_level(const Level&, int threads);

// What is needed along one axis, from the features to the result.
struct Axis {
    int64_t taps = 1;              // 1: maps are taken as they are; 4: they are interpolated
    std::vector<int32_t> sources;  // (places, taps) in the maps
    std::vector<float> factors;    // (places, 4), or none
    // For each layer where the arms of each of its places stand among the places before it.
    std::vector<std::array<std::vector<int32_t>, 3>> arms;

    int64_t places() const { return static_cast<int64_t>(sources.size()) / taps; }
    int64_t results() const { return arms.empty() ? places() : static_cast<int64_t>(arms.back()[0].size()); }
};

struct Synthesis {
    int64_t channels = 0;
    Mixer mixer;
    std::vector<Panels<float>> residuals;  // (channels, channels x 3 x 3), the middle with what it is added to
    Panels<float> bypass;
};

struct Maps {
    const float* data = nullptr;  // (count, height, width)
    int64_t count = 0, height = 0, width = 0;
};

// Values where rows and columns cross, (rows, columns, channels). The same for any number of threads.
void show(const Synthesis&, const Maps&, const Axis& rows, const Axis& columns, float* out, int threads);

// Places along one axis that lie so far within the maps that no arm of a stencil is clamped.
struct Places {
    std::vector<int32_t> base;   // (n,) the last source that is not beyond the place
    std::vector<float> factors;  // (n, 4) of the sources from the one before it on
};

// Values at single places, (n, channels). The same for any number of threads.
void show_points(const Synthesis&, const Maps&, const Places& rows, const Places& columns, float* out, int threads);

}  // namespace inr::latent
