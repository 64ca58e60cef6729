// The table of an instruction set.
#pragma once

#include "isa/latent/context.h"
#include "isa/latent/synthesis.h"

namespace inr {
namespace INR_ISA {
namespace training {

static int64_t scratch_size(const Shape& shape) {
    return std::max({ContextRows::scratch(shape), synthesis_scratch(shape), filter_scratch(shape)});
}

static void pack(Work& w) {
    const Shape& shape = *w.shape;
    const size_t n = static_cast<size_t>(shape.inputs()), c = static_cast<size_t>(shape.counts.channels);
    const size_t width = static_cast<size_t>(shape.counts.width), levels = static_cast<size_t>(shape.counts.levels);
    const size_t more = kTallest;  // rows of zeros that a matrix may end with
    const size_t context = 2 * shape.hidden.size() * (n + more) * n + (2 + more) * 2 * n + 4 * (n + more);
    const size_t synthesis = (width + more) * (levels + c) + (levels + more) * (width + c) +
                             (c + more) * (width + levels) + 2 * shape.residuals.size() * (c + more) * 9 * c;
    w.packed.clear();
    w.packed.reserve(context + synthesis);
    Matrices m;
    pack_context(w, m);
    pack_synthesis(w, m);
    w.matrices = m;
}

const Kernels kernels = {scratch_size,
                         pack,
                         round_rows,
                         adam_rows,
                         parent_sums,
                         parent_gradients,
                         coarse_parent_gradients,
                         context,
                         add_halos,
                         maps,
                         filter_gradients,
                         map_gradients,
                         latent_gradients,
                         mix,
                         residual,
                         output,
                         residual_gradients,
                         mix_gradients,
                         noise};

}  // namespace training
}  // namespace INR_ISA
}  // namespace inr
