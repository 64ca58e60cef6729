// SOAP (Vyas et al. 2024) for the networks of a picture: the compiled twin of inr/coders/latent/soap.py.
#pragma once

#include <cstdint>
#include <vector>

#include "latent/shape.h"

namespace inr {
namespace latent {

struct SoapSettings {
    float beta1, beta2, decay, epsilon;
    int every;    // steps between two renewals of the eigenbases
    int largest;  // sides larger than this are not preconditioned
};

// The state is one vector, so that it can be kept and given back: see `place`.
class Soap {
public:
    Soap(const std::vector<Tensor>& tensors, const SoapSettings& settings);

    int64_t size() const { return size_; }
    int64_t parameters() const { return places_.empty() ? 0 : places_.back().params + places_.back().size; }
    // Moves (parameters,) against their gradients; `anchor` is what weights decay to, or null for 0. `state` is
    // (size,) doubles, all 0 before the first step.
    void step(double* state, float* params, const float* gradients, const float* anchor, float rate) const;

private:
    struct Side {
        int64_t before, length, after;  // the tensor as (before, length, after)
        int64_t outer, basis;           // places in the state, (length, length) each
    };
    struct Place {
        int64_t params, size;
        int64_t steps, mean, square;  // places in the state
        std::vector<Side> sides;
        bool matrix;
    };

    void move(const Place& place, double* state, float* params, const double* gradient, const float* anchor,
              double rate) const;

    const SoapSettings settings_;
    std::vector<Place> places_;
    int64_t size_ = 0;
};

}  // namespace latent
}  // namespace inr
