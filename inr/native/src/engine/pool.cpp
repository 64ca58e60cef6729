#include "engine/pool.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace inr {

namespace {

constexpr int kSpins = 4000;  // some tens of microseconds

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Pool {
public:
    // Every thread answers every call, also those that it has nothing to do in: none can be late for the next one.
    void run(int n, const std::function<void(int)>& work) {
        const std::lock_guard<std::mutex> turn(turn_);
        while (static_cast<int>(threads_.size()) < n - 1) {
            const int number = static_cast<int>(threads_.size()) + 1;
            threads_.emplace_back([this, number, seen = round_.load()] { serve(number, seen); });
            threads_.back().detach();
        }
        work_ = &work;
        wanted_ = n;
        left_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
        {
            const std::lock_guard<std::mutex> lock(sleep_);
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        work(0);
        for (int spins = 0; left_.load(std::memory_order_acquire) > 0; ++spins)
            spins < kSpins ? pause() : std::this_thread::yield();
    }

private:
    void serve(int number, uint32_t seen) {
        for (;;) {
            for (int spins = 0; round_.load(std::memory_order_acquire) == seen; ++spins) {
                if (spins < kSpins) {
                    pause();
                    continue;
                }
                std::unique_lock<std::mutex> lock(sleep_);
                wake_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
            }
            seen = round_.load(std::memory_order_acquire);
            if (number < wanted_) (*work_)(number);
            left_.fetch_sub(1, std::memory_order_release);
        }
    }

    std::mutex turn_, sleep_;
    std::condition_variable wake_;
    std::vector<std::thread> threads_;
    const std::function<void(int)>* work_ = nullptr;
    int wanted_ = 0;
    std::atomic<int> left_{0};
    std::atomic<uint32_t> round_{0};
};

// Never destroyed: its threads may outlive the end of the program, and after a fork the child's are not there.
std::atomic<Pool*> shared{nullptr};

std::atomic<int64_t> forks{0};

void watch_forks() {
    static std::once_flag once;
    std::call_once(once, [] {
#if !defined(_WIN32)
        pthread_atfork(nullptr, nullptr, [] {
            shared.store(nullptr);
            forks.fetch_add(1);
        });
#endif
    });
}

Pool& pool() {
    watch_forks();
    Pool* known = shared.load();
    if (known == nullptr) {
        auto made = std::make_unique<Pool>();
        if (shared.compare_exchange_strong(known, made.get())) known = made.release();
    }
    return *known;
}

}  // namespace

int64_t generation() {
    watch_forks();
    return 1 + forks.load();
}

int available_cores() {
#if defined(__linux__)
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
#endif
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : static_cast<int>(count);
}

void run_parallel(int n, const std::function<void(int)>& work) {
    if (n == 1)
        work(0);
    else
        pool().run(n, work);
}

void Barrier::wait() {
    if (n_ == 1) return;
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == n_ - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.fetch_add(1, std::memory_order_release);
        return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
        spins < kSpins ? pause() : std::this_thread::yield();
}

}  // namespace inr
