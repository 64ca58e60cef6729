// Time, for measurements.
#pragma once

#include <time.h>

#include "isa/simd.h"

namespace inr {
namespace INR_ISA {

// Seconds since some moment.
static inline double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace INR_ISA
}  // namespace inr
