// Pieces of work among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/pool.h"

namespace inr::latent {

// Calls work(worker, piece) for all pieces, each by whichever worker is free.
template <typename Work>
void share(int64_t pieces, int threads, const Work& work) {
    std::atomic<int64_t> next{0};
    run_parallel(threads, [&](int worker) {
        for (int64_t piece = next++; piece < pieces; piece = next++) work(worker, piece);
    });
}

inline int workers(int64_t pieces, int threads) {
    return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(pieces, threads)));
}

}  // namespace inr::latent
