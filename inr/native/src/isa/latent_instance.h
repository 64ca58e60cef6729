// The table for latents of one instruction set; included by one translation unit for each, compiled with its flags.
#pragma once

#include "isa/predict.h"
#include "isa/rows.h"

namespace inr {
namespace INR_ISA {

#define INR_TEXT_OF(name) #name
#define INR_TEXT(name) INR_TEXT_OF(name)
extern const LatentKernels latent_table;
const LatentKernels latent_table = {INR_TEXT(INR_ISA), predict, mix_parents, combine, doubled,
                                    smoothed,          cubic,   mix,         multiply};

}  // namespace INR_ISA
}  // namespace inr
