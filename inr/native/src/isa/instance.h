// The table of one instruction set; included by one translation unit for each, compiled with its flags.
#pragma once

#include "isa/ceilings.h"
#ifndef INR_TILES
#include "isa/latent/kernels.h"
#endif
#include "isa/run.h"
#include "isa/update.h"

namespace inr {
namespace INR_ISA {

static void elementwise(const Op& op, const float* x, float* y, float* slope, int64_t n, bool bf16) {
    float scale = 1.0f;
    const auto use = [&](auto f) {
        for (int64_t i = 0; i < n; i += kBlock) {
            const int64_t count = n - i < kBlock ? n - i : kBlock;
            alignas(64) float in[kBlock] = {}, out[kBlock], d[kBlock];
            for (int64_t j = 0; j < count; ++j) in[j] = scale * x[i + j];
            apply(f, in, out, d, kBlock);
            std::memcpy(y + i, out, static_cast<size_t>(count) * sizeof(float));
            std::memcpy(slope + i, d, static_cast<size_t>(count) * sizeof(float));
        }
    };
#ifdef INR_TILES
    if (bf16) {
        scale = coarse_scale(op);
        with_coarse_formula(op, use);
        return;
    }
#endif
    (void)bf16;
    with_formula(op, use);
}

#ifdef INR_TILES
}  // namespace INR_ISA
namespace avx512 {
extern const latent::Kernels* const latent_kernels;
}
namespace INR_ISA {
using avx512::latent_kernels;  // nothing there is done with tiles
#else
extern const inr::latent::Kernels* const latent_kernels;
const inr::latent::Kernels* const latent_kernels = &latent::kernels;
#endif

#define INR_TEXT_OF(name) #name
#define INR_TEXT(name) INR_TEXT_OF(name)
extern const Isa table;
#ifdef INR_TILES
constexpr bool kBf16 = true;
#else
constexpr bool kBf16 = false;
#endif
const Isa table = {INR_TEXT(INR_ISA), kBf16,       forward,       train, grid_scatter_entry, reduce, adam, pack,
                   ceilings,          elementwise, latent_kernels};

}  // namespace INR_ISA
}  // namespace inr
