// What operations see of a tile: values and gradients of its samples, features as rows.
#pragma once

#include "engine/program.h"
#include "isa/math.h"

namespace inr {
namespace INR_ISA {

struct Tile {
    const Program& program;
    const float* params;    // flat
    const float* packed;    // matrices in the order in which products read them
    float* memory;          // of the worker
    float* gradients;       // of parameters, the worker's own
    float* saved;           // what grids save of this tile for the scatter, or null
    const int64_t* values;  // places of the values

    int64_t size() const { return program.tile; }
    float* value(int number) const { return memory + values[number]; }
    float* in(const Op& op, int i) const { return value(op.inputs[i]); }
    float* out(const Op& op) const { return value(op.output); }
    float* aux(const Op& op) const { return op.aux < 0 ? nullptr : memory + op.aux; }
    float* scratch() const { return memory + program.scratch; }
    const float* d_out(const Op& op) const { return memory + program.gradients[op.output]; }
    // Gradient of an input, or null if nobody wants it.
    float* d_in(const Op& op, int i) const {
        return op.writes[i] == Write::kNone ? nullptr : memory + program.gradients[op.inputs[i]];
    }
};

// What runs an operation that is not elementwise: a specialisation for each kind, and none backwards for what is given.
template <Kind>
constexpr bool kThere = false;
template <Kind kind>
static void forward_of(const Op&, const Tile&) {
    static_assert(kThere<kind>, "an operation lacks forward_of");
}
template <Kind kind>
static void backward_of(const Op&, const Tile&) {
    static_assert(kThere<kind>, "an operation lacks backward_of, and is not given");
}

// Writes or adds a vector, as the plan says.
INR_INLINE void put(float* place, V v, Write write) { store(place, write == Write::kAdd ? load(place) + v : v); }

}  // namespace INR_ISA
}  // namespace inr
