// Threads that wait for work: they spin for a moment after each piece of it, then sleep.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace inr {

// 1, and one more in each child of a fork than in its parent.
int64_t generation();

// Cores that this process may use.
int available_cores();

// Calls work(0) ... work(n - 1) at the same time, the first in the caller's thread; returns when all are done.
// Calls from several threads take turns. A child of a fork gets threads of its own.
void run_parallel(int n, const std::function<void(int)>& work);

// A point that n threads reach together.
class Barrier {
public:
    explicit Barrier(int n) : n_(n) {}
    void wait();

private:
    const int n_;
    std::atomic<int> arrived_{0};
    std::atomic<uint32_t> round_{0};
};

}  // namespace inr
