// A program with the memory of its threads: evaluates points, and trains on batches.
#pragma once

#include <atomic>
#include <vector>

#include "engine/memory.h"
#include "isa/isa.h"

namespace inr {

// One thread of a process at a time. A fork while a thread works leaves the child no thread to wait for: what the
// parent holds, the child may take.
class ProcessLock {
public:
    void lock();
    void unlock() { holder_.store(0, std::memory_order_release); }

private:
    std::atomic<int64_t> holder_{0};  // the generation of the process, or 0
};

class Engine {
public:
    // Throws std::invalid_argument for more threads than cores.
    Engine(Program program, int threads);

    const Program& program() const { return program_; }
    int threads() const { return threads_; }
    const char* isa() const { return isa_.name; }

    void forward(const float* params, const Points& points, const Target& target);
    // Loss of a batch; its gradients to `gradients`, of all parameters (zero where none has an influence).
    double evaluate(const float* params, const Batch& batch, float* gradients);
    // Seconds that one thread spends in each operation forwards, and then in each backwards.
    std::vector<double> profile(const float* params, const Batch& batch);
    // Loss of a batch before a step of Adam.
    double step(float* params, const Batch& batch, const Adam& adam, float* m, float* v);

private:
    struct Level {
        int op, level;
        int64_t offset, count;  // of its parameters
    };
    struct Worker {
        Floats memory, gradients;
        std::vector<Level> levels;  // whose gradients it adds up
        double loss = 0;
    };
    void share_levels();
    void prepare(int64_t tiles);
    void train_part(int number, const float* params, const Batch& batch, int64_t tiles);
    void reduce_part(int number, int64_t tiles, float* gradients);
    int64_t tiles(int64_t points) const { return (points + program_.tile - 1) / program_.tile; }
    double loss() const;

    Program program_;
    const Isa& isa_;
    int threads_;
    std::vector<Worker> workers_;
    std::vector<const float*> gradients_;
    Floats packed_, saved_, sums_;
    ProcessLock turn_;
};

}  // namespace inr
