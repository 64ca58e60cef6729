// The training of latent pyramids as Python classes.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>

#include "bind/arrays.h"
#include "isa/latent/table.h"
#include "latent/soap.h"
#include "latent/trainer.h"

namespace inr {

namespace {

using namespace nb::literals;
using Moments = std::tuple<Writable, Writable>;
using AdamNumbers = std::tuple<double, double, double, double, double, double>;

int within(int64_t value, int64_t least, int64_t most, const char* name) {
    if (value < least || value > most)
        throw nb::value_error((std::string(name) + ": expected " + std::to_string(least) + " to " +
                               std::to_string(most) + "; got " + std::to_string(value))
                                  .c_str());
    return static_cast<int>(value);
}

training::Counts counts_of(const std::vector<int64_t>& given, const std::vector<int>& hyper) {
    if (given.size() != 8) throw nb::value_error("counts: expected 8 of them");
    training::Counts counts{within(given[0], 1, 64, "channels"),
                            within(given[1], 1, 12, "levels"),
                            within(given[2], 1, training::kMaxContexts, "contexts"),
                            within(given[3], 0, 16, "features"),
                            within(given[4], 0, 12, "parent_levels"),
                            within(given[5], 0, 3, "hidden"),
                            within(given[6], 1, 256, "width"),
                            within(given[7], 0, 3, "residuals"),
                            hyper};
    for (const int level : hyper) within(level, 0, counts.levels - 1, "hyper");
    return counts;
}

std::unique_ptr<training::Trainer> trainer_of(const std::vector<int64_t>& counts, const std::vector<int>& hyper,
                                              const Given& target) {
    const training::Counts found = counts_of(counts, hyper);
    const float* values = checked<float>(target, "target", {found.channels, kAny, kAny});
    const int64_t height = static_cast<int64_t>(target.shape(1)), width = static_cast<int64_t>(target.shape(2));
    within(height, 1, int64_t{1} << 24, "height");
    within(width, 1, int64_t{1} << 24, "width");
    return std::make_unique<training::Trainer>(*latent_kernels().training, found, height, width, values);
}

training::Step step_of(const std::string& rounding, double gain, double sigma, double temperature, uint64_t key,
                       double bit) {
    training::Step step;
    if (rounding != "soft" && rounding != "hard")
        throw nb::value_error(("rounding: expected soft or hard; got " + rounding).c_str());
    if (!(temperature > 0)) throw nb::value_error("temperature: expected a positive number");
    step.rounding = rounding == "soft" ? training::Rounding::kSoft : training::Rounding::kHard;
    step.gain = static_cast<float>(gain);
    step.sigma = static_cast<float>(sigma);
    step.temperature = static_cast<float>(temperature);
    step.key[0] = static_cast<uint32_t>(key);
    step.key[1] = static_cast<uint32_t>(key >> 32);
    step.bit = bit;
    return step;
}

std::tuple<double, double> run(training::Trainer& trainer, const Writable& latents, const Given& params,
                               const std::string& rounding, double gain, double sigma, double temperature, uint64_t key,
                               double bit, const std::optional<Writable>& gradients,
                               const std::optional<Moments>& moments, const AdamNumbers& adam, bool clamp, bool rate,
                               bool distortion, int threads) {
    const training::Shape& shape = trainer.shape();
    training::Step step = step_of(rounding, gain, sigma, temperature, key, bit);
    step.clamp = clamp;
    step.rate = rate;
    step.distortion = distortion;
    step.backward = gradients.has_value();
    step.latents = moments.has_value();
    if (step.backward && !(rate && distortion)) throw nb::value_error("gradients: of the whole loss only");
    if (step.latents && !(step.backward && rounding == "soft"))
        throw nb::value_error("moments: expected soft rounding and gradients");
    float* const x = checked<float>(latents, "latents", {shape.entries});
    const float* const p = checked<float>(params, "params", {shape.parameters});
    float* const g = step.backward ? checked<float>(*gradients, "gradients", {shape.parameters}) : nullptr;
    float* const mean = step.latents ? checked<float>(std::get<0>(*moments), "moments", {shape.entries}) : nullptr;
    float* const square = step.latents ? checked<float>(std::get<1>(*moments), "moments", {shape.entries}) : nullptr;
    const auto as_float = [](double value) { return static_cast<float>(value); };
    const training::Adam numbers{as_float(std::get<0>(adam)), as_float(std::get<1>(adam)), as_float(std::get<2>(adam)),
                                 as_float(std::get<3>(adam)), as_float(std::get<4>(adam)), as_float(std::get<5>(adam))};
    within(threads, 1, 1024, "threads");
    const nb::gil_scoped_release free;
    const training::Loss loss = trainer.run(step, numbers, x, mean, square, p, g, threads);
    return {loss.bits, loss.mse};
}

void features(training::Trainer& trainer, const Writable& symbols, const Given& params, const Given& rows,
              const Given& columns, const Writable& out, int threads) {
    const training::Shape& shape = trainer.shape();
    training::Step step;
    step.rate = false;
    float* const x = checked<float>(symbols, "symbols", {shape.entries});
    const float* const p = checked<float>(params, "params", {shape.parameters});
    const int64_t* const y = checked<int64_t>(rows, "rows", {kAny});
    const int64_t count = static_cast<int64_t>(rows.shape(0));
    const int64_t* const z = checked<int64_t>(columns, "columns", {count});
    float* const to = checked<float>(out, "out", {shape.counts.levels, count});
    for (int64_t i = 0; i < count; ++i) {
        within(y[i], 0, shape.height - 1, "rows");
        within(z[i], 0, shape.width - 1, "columns");
    }
    within(threads, 1, 1024, "threads");
    const nb::gil_scoped_release free;
    trainer.run(step, {}, x, nullptr, nullptr, p, nullptr, threads);
    trainer.features(count, y, z, to);
}

void costs(training::Trainer& trainer, const Writable& symbols, const Given& params, double lmbda, int level,
           const Writable& out, int threads) {
    const training::Shape& shape = trainer.shape();
    training::Step step;
    step.clamp = step.keep = true;
    float* const x = checked<float>(symbols, "symbols", {shape.entries});
    const float* const p = checked<float>(params, "params", {shape.parameters});
    float* const to = checked<float>(out, "out", {shape.height, shape.width});
    if (!(lmbda > 0)) throw nb::value_error("lmbda: expected a positive number");
    within(level, 0, shape.counts.levels - 1, "level");
    within(threads, 1, 1024, "threads");
    const nb::gil_scoped_release free;
    trainer.run(step, {}, x, nullptr, nullptr, p, nullptr, threads);
    trainer.costs(level, 1.0 / (lmbda * shape.counts.channels), to, threads);
}

std::unique_ptr<training::Soap> soap_of(const std::vector<std::vector<int64_t>>& shapes, double beta1, double beta2,
                                        double decay, double epsilon, int every, int largest) {
    std::vector<training::Tensor> tensors;
    int64_t place = 0;
    for (const std::vector<int64_t>& shape : shapes) {
        for (const int64_t side : shape) within(side, 1, 4096, "shapes");
        tensors.push_back({place, shape});
        place += tensors.back().size();
    }
    within(every, 1, 1 << 30, "every");
    const auto as_float = [](double value) { return static_cast<float>(value); };
    return std::make_unique<training::Soap>(
        tensors, training::SoapSettings{as_float(beta1), as_float(beta2), as_float(decay), as_float(epsilon), every,
                                        within(largest, 1, 256, "largest")});
}

void move(const training::Soap& soap, int64_t parameters, const Writable& state, const Writable& params,
          const Given& gradients, const std::optional<Given>& anchor, double rate) {
    double* const s = checked<double>(state, "state", {soap.size()});
    float* const p = checked<float>(params, "params", {parameters});
    const float* const g = checked<float>(gradients, "gradients", {parameters});
    const float* const a = anchor ? checked<float>(*anchor, "anchor", {parameters}) : nullptr;
    const nb::gil_scoped_release free;
    soap.step(s, p, g, a, static_cast<float>(rate));
}

}  // namespace

void bind_latent_training(nb::module_& m) {
    nb::class_<training::Trainer>(m, "LatentTrainer", "Losses and gradients of one picture's pyramid.")
        .def(nb::new_(&trainer_of), "counts"_a, "hyper"_a, "target"_a)
        .def_prop_ro("entries", [](const training::Trainer& t) { return t.shape().entries; })
        .def_prop_ro("parameters", [](const training::Trainer& t) { return t.shape().parameters; })
        .def("run", &run, "latents"_a, "params"_a, nb::kw_only(), "rounding"_a, "gain"_a = 1.0, "sigma"_a = 0.0,
             "temperature"_a = 1.0, "key"_a = 0, "bit"_a = 0.0, "gradients"_a.none() = nb::none(),
             "moments"_a.none() = nb::none(), "adam"_a = AdamNumbers{}, "clamp"_a = false, "rate"_a = true,
             "distortion"_a = true, "threads"_a = 1)
        .def("features", &features, "symbols"_a, "params"_a, nb::kw_only(), "rows"_a, "columns"_a, "out"_a,
             "threads"_a = 1)
        .def("costs", &costs, "symbols"_a, "params"_a, nb::kw_only(), "lmbda"_a, "level"_a, "out"_a, "threads"_a = 1);
    m.def("latent_noise", [](uint64_t key, int64_t first, const Writable& out) {
        float* const to = checked<float>(out, "out", {kAny});
        const uint32_t keys[2] = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
        latent_kernels().training->noise(keys, first, static_cast<int64_t>(out.shape(0)), to);
    });
    nb::class_<training::Soap>(m, "LatentSoap", "The optimiser of a picture's networks.")
        .def(nb::new_(&soap_of), "shapes"_a, "beta1"_a, "beta2"_a, "decay"_a, "epsilon"_a, "every"_a, "largest"_a)
        .def_prop_ro("size", [](const training::Soap& s) { return s.size(); })
        .def(
            "step",
            [](const training::Soap& soap, const Writable& state, const Writable& params, const Given& gradients,
               const std::optional<Given>& anchor,
               double rate) { move(soap, soap.parameters(), state, params, gradients, anchor, rate); },
            "state"_a, "params"_a, "gradients"_a, "anchor"_a.none() = nb::none(), "rate"_a);
}

}  // namespace inr
