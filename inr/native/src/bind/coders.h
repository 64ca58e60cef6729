// Coders that Python holds.
#pragma once

#include <nanobind/nanobind.h>

#include <mutex>
#include <utility>

#include "entropy/coder.h"

namespace inr::entropy {

namespace nb = nanobind;

// Calls of several threads on one object come one after another. The lock is taken without the GIL and given back
// before the GIL is taken again, so neither waits for the other.
struct LockedEncoder {
    std::mutex mutex;
    Encoder coder;
};

struct LockedDecoder {
    explicit LockedDecoder(nb::bytes payload)
        : data(std::move(payload)), coder(reinterpret_cast<const uint8_t*>(data.c_str()), data.size()) {}

    nb::bytes data;  // what the coder reads, kept alive
    std::mutex mutex;
    Decoder coder;
};

template <class Locked, class Work>
auto without_gil(Locked& locked, const Work& work) {
    nb::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(locked.mutex);
    return work(locked.coder);
}

}  // namespace inr::entropy
