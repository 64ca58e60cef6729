#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "engine/pool.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace inr {

namespace {

// Numbers below the normal ones count as zero while one of these lives: moments of gradients that vanish pass through
// them, and a processor takes a hundred times as long for each.
class FlushDenormals {
public:
#if defined(__x86_64__)
    FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u); }  // results and operands
    ~FlushDenormals() { _mm_setcsr(before_); }

private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushDenormals() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" : : "r"(before_ | (uint64_t{1} << 24)));
    }
    ~FlushDenormals() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

private:
    uint64_t before_;
#else
    FlushDenormals() {}
    ~FlushDenormals() {}
#endif
};

constexpr int64_t kChunk = 8;  // tiles that a thread takes at once when it decodes

}  // namespace

void ProcessLock::lock() {
    const int64_t own = generation();
    for (;;) {
        int64_t holder = holder_.load(std::memory_order_relaxed);
        if (holder != own && holder_.compare_exchange_strong(holder, own, std::memory_order_acquire)) return;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

Engine::Engine(Program program, int threads)
    : program_(std::move(program)), isa_(selected()), threads_(threads), packed_(program_.packed_memory) {
    if (threads < 1 || threads > available_cores())
        throw std::invalid_argument("threads: this process may use 1 to " + std::to_string(available_cores()) +
                                    " cores; got " + std::to_string(threads));
    workers_.resize(static_cast<size_t>(threads));
    for (Worker& worker : workers_) {
        worker.memory.resize(program_.memory);
        worker.gradients.resize(program_.gradient_memory);
        gradients_.push_back(worker.gradients.data());
    }
    if (program_.training) {
        sums_.resize(program_.n_params);
        share_levels();
    }
}

// Levels of grids go to the thread that has the least to do, the largest first: the same shares in every run.
void Engine::share_levels() {
    std::vector<Level> levels;
    for (const ParamBlock& block : program_.blocks) {
        if (block.gradient >= 0) continue;
        const Op& op = program_.ops[static_cast<size_t>(block.op)];
        const auto& grid = program_.grids[static_cast<size_t>(block.op)];
        for (size_t l = 0; l < grid.size(); ++l)
            levels.push_back({block.op, static_cast<int>(l), block.offset + grid[l].offset * op.ints[1],
                              grid[l].entries * op.ints[1]});
    }
    std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) { return a.count > b.count; });
    std::vector<int64_t> costs(workers_.size(), 0);
    for (const Level& level : levels) {
        const size_t least = static_cast<size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
        workers_[least].levels.push_back(level);
        costs[least] += (int64_t{1} << 18) + level.count;
    }
}

void Engine::forward(const float* params, const Points& points, const Target& target) {
    const std::lock_guard<ProcessLock> turn(turn_);
    const int64_t count = tiles(points.n);
    std::atomic<int64_t> next{0};
    Barrier barrier(threads_);
    run_parallel(threads_, [&](int t) {
        isa_.pack(program_, params, packed_.data(), t, threads_);
        barrier.wait();
        const Memory memory{workers_[static_cast<size_t>(t)].memory.data(), nullptr, packed_.data(), nullptr};
        for (int64_t first; (first = next.fetch_add(kChunk)) < count;)
            isa_.forward(program_, params, memory, points, target, first, std::min(first + kChunk, count));
    });
}

void Engine::prepare(int64_t tiles) {
    const int64_t needed = program_.saved_rows * program_.tile * tiles;
    if (needed > saved_.size()) saved_.resize(needed);
}

void Engine::train_part(int number, const float* params, const Batch& batch, int64_t tiles) {
    Worker& worker = workers_[static_cast<size_t>(number)];
    std::fill_n(worker.gradients.data(), program_.gradient_memory, 0.0f);
    const Memory memory{worker.memory.data(), worker.gradients.data(), packed_.data(),
                        program_.saved_rows ? saved_.data() : nullptr};
    const int64_t first = tiles * number / threads_, last = tiles * (number + 1) / threads_;
    worker.loss = isa_.train(program_, params, memory, batch, first, last, nullptr);
}

void Engine::reduce_part(int number, int64_t tiles, float* gradients) {
    for (const Level& level : workers_[static_cast<size_t>(number)].levels) {
        std::fill_n(gradients + level.offset, level.count, 0.0f);
        isa_.scatter(program_, level.op, level.level, saved_.data(), tiles, gradients);
    }
    isa_.reduce(program_, gradients_.data(), threads_, gradients, number, threads_);
}

double Engine::loss() const {
    double total = 0;
    for (const Worker& worker : workers_) total += worker.loss;
    // What no 32-bit number holds has diverged, as it has in the reference.
    return total > std::numeric_limits<float>::max() ? std::numeric_limits<double>::infinity() : total;
}

double Engine::evaluate(const float* params, const Batch& batch, float* gradients) {
    const std::lock_guard<ProcessLock> turn(turn_);
    const int64_t count = tiles(batch.points.n);
    prepare(count);
    std::fill_n(gradients, program_.n_params, 0.0f);
    Barrier barrier(threads_);
    run_parallel(threads_, [&](int t) {
        isa_.pack(program_, params, packed_.data(), t, threads_);
        barrier.wait();
        train_part(t, params, batch, count);
        barrier.wait();
        reduce_part(t, count, gradients);
    });
    return loss();
}

std::vector<double> Engine::profile(const float* params, const Batch& batch) {
    const std::lock_guard<ProcessLock> turn(turn_);
    const int64_t count = tiles(batch.points.n);
    prepare(count);
    isa_.pack(program_, params, packed_.data(), 0, 1);
    std::vector<double> seconds(2 * program_.ops.size(), 0.0);
    const Memory memory{workers_[0].memory.data(), workers_[0].gradients.data(), packed_.data(),
                        program_.saved_rows ? saved_.data() : nullptr};
    isa_.train(program_, params, memory, batch, 0, count, seconds.data());
    return seconds;
}

double Engine::step(float* params, const Batch& batch, const Adam& adam, float* m, float* v) {
    const std::lock_guard<ProcessLock> turn(turn_);
    const int64_t count = tiles(batch.points.n);
    prepare(count);
    Barrier barrier(threads_);
    run_parallel(threads_, [&](int t) {
        isa_.pack(program_, params, packed_.data(), t, threads_);
        barrier.wait();
        train_part(t, params, batch, count);
        barrier.wait();
        const FlushDenormals flush;  // not before: samples may be such numbers
        reduce_part(t, count, sums_.data());
        barrier.wait();
        for (size_t b = 0; b < program_.blocks.size(); ++b) {
            const ParamBlock& block = program_.blocks[b];
            const int64_t n = block.rows * block.columns;
            const int64_t first = block.offset + n * t / threads_, last = block.offset + n * (t + 1) / threads_;
            const float decay = adam.decays != nullptr && adam.decays[b] ? adam.decay : 0.0f;
            isa_.adam(adam, decay, params + first, sums_.data() + first, m + first, v + first, last - first);
        }
    });
    return loss();
}

}  // namespace inr
