// Grids of a pyramid of latents to decisions and back: the compiled twin of inr/coders/latent, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "entropy/coder.h"
#include "isa/latent.h"

namespace inr::latent {

constexpr int kSymbolMin = -64, kSymbolMax = 63;
constexpr int64_t kScales = 321;
constexpr int64_t kAways = 129, kUps = 257;
constexpr int64_t kTailBits = 7;

// Probabilities of a 1, none of them 0; see inr/coders/latent/tables.py.
struct Tables {
    std::vector<uint16_t> away;  // (kAways, kScales)
    std::vector<uint16_t> up;    // (kUps, kScales)
    std::vector<uint16_t> more;  // (kScales,)
    std::vector<uint16_t> tail;  // (kScales, kTailBits)
};

struct Neighbour {
    int64_t row, column;
};

// A neighbour that is known when a front is decoded, and that the last kKept fronts reach.
constexpr int64_t kKept = 16;
constexpr int64_t kAbove = 3;
inline bool is_causal(const Neighbour& n) {
    const int64_t back = -(n.column + 3 * n.row);
    return -kAbove <= n.row && n.row <= 0 && 0 < back && back < kKept;
}

// What all grids of a picture share.
struct Context {
    ContextNetwork network;
    std::vector<Neighbour> neighbours;
    int64_t features = 0;
    Tables tables;
};

// A grid that is known, of which one symbol stands for 2^shift rows and columns of features.
struct Parent {
    std::vector<int8_t> symbols;
    int64_t height = 0, width = 0;
    int shift = 0;
};

struct Shape {
    std::string name;  // of the grid, for errors
    int64_t height = 0, width = 0;
    std::vector<Parent> parents;  // none: the features are zero
    std::vector<double> weights;  // (features, parents), over 2^16
};

// Symbols row by row. Throws CorruptStream.
std::vector<int8_t> decode(const Context&, const Shape&, entropy::Decoder&);

struct Decisions {
    std::vector<uint8_t> bits;
    std::vector<uint16_t> probabilities;
};

// Of a grid whose symbols are known, in coding order.
Decisions decisions(const Context&, const Shape&, const std::vector<int8_t>& symbols);

}  // namespace inr::latent
