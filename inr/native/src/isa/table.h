// The table of one instruction set; included by one translation unit for each, compiled with its flags.
#pragma once

#include "ceilings.h"
#include "run.h"
#include "update.h"

namespace inr {
namespace INR_ISA {

static void elementwise(const Op& op, const float* x, float* y, float* slope, int64_t n) {
    with_function(op, [&](auto f) {
        for (int64_t i = 0; i < n; i += kBlock) {
            const int64_t count = n - i < kBlock ? n - i : kBlock;
            alignas(64) float in[kBlock] = {}, out[kBlock], d[kBlock];
            std::memcpy(in, x + i, static_cast<size_t>(count) * sizeof(float));
            apply(f, in, out, d, kBlock);
            std::memcpy(y + i, out, static_cast<size_t>(count) * sizeof(float));
            std::memcpy(slope + i, d, static_cast<size_t>(count) * sizeof(float));
        }
    });
}

#define INR_TEXT_OF(name) #name
#define INR_TEXT(name) INR_TEXT_OF(name)
extern const Isa table;
#ifdef INR_TILES
constexpr bool kHalf = true;
#else
constexpr bool kHalf = false;
#endif
const Isa table = {INR_TEXT(INR_ISA), kHalf,      forward, train, grid_scatter_entry, reduce, adam, pack,
                   ceilings,          elementwise};

}  // namespace INR_ISA
}  // namespace inr
