// One step after the other of a latent training, on all cores.
#pragma once

#include <memory>
#include <vector>

#include "engine/memory.h"
#include "latent/work.h"

namespace inr {
namespace training {

struct Loss {
    double bits, mse;
};

// Gradients and losses of one picture's pyramid. Results do not depend on the number of threads.
class Trainer {
public:
    // The target, (channels, height, width), is copied. What steps need is taken with the first of them.
    Trainer(const Kernels& kernels, const Counts& counts, int64_t height, int64_t width, const float* target);

    const Shape& shape() const { return shape_; }

    // The loss of latents (entries,) and networks (parameters,); with step.backward also the gradients of the networks,
    // (parameters,), and with step.latents a step of Adam for the latents.
    Loss run(const Step& step, const Adam& adam, float* latents, float* mean, float* square, const float* params,
             float* gradients, int threads);

    // After a step without gradients: all levels at some pixels, (levels, count).
    void features(int64_t count, const int64_t* rows, const int64_t* columns, float* out) const;

    // After a step with `keep`: what every pixel cost in bits, (height, width). It is the square of its error times a
    // factor, and the bits of all latents up to a level that begin at it; those of a level are 2^level pixels apart.
    void costs(int level, double square, float* out, int threads) const;

private:
    struct Phase;
    void place_items();
    void place_memory();
    Maps maps(int count, int64_t height, int64_t stride);
    Picture picture();
    std::vector<Phase> phases() const;
    void forward(std::vector<Phase>& list) const;
    void backward(std::vector<Phase>& list) const;
    void backward_filters(std::vector<Phase>& list) const;
    int slots() const;

    const Kernels& kernels_;
    const Shape shape_;
    Work work_{};
    std::vector<std::unique_ptr<Floats>> memory_;
    std::vector<double> bits_, squares_;
    std::unique_ptr<Floats> scratch_;
    int64_t scratch_size_ = 0;
};

}  // namespace training
}  // namespace inr
