// The Python module inr.native._kernels.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <stdexcept>

#include "bind/arrays.h"
#include "bind/inputs.h"
#include "engine/engine.h"
#include "engine/pool.h"

void bind_entropy(nanobind::module_& m);
void bind_latent(nanobind::module_& m);
void bind_operations(nanobind::module_& m);

namespace inr {

void bind_latent_training(nanobind::module_& m);

namespace {

using nb::literals::operator""_a;

Program build(const std::vector<OpSpec>& ops, int64_t d_in, std::vector<int> heads, int64_t n_params, int64_t tile,
              bool training, bool input_gradient, bool bf16) {
    if (n_params < 0 || n_params > (int64_t{1} << 31)) throw std::invalid_argument("program: too many parameters");
    return Program::build(ops, d_in, std::move(heads), n_params, tile, training, input_gradient, bf16);
}

void check_width(const Engine& engine, int64_t width) {
    if (engine.program().d_in != width)
        throw nb::value_error(
            ("points: expected " + std::to_string(engine.program().d_in) + " coordinates; got " + std::to_string(width))
                .c_str());
}

Points rows(const Engine& engine, const Given& coordinates) {
    Points points;
    points.coordinates = checked<float>(coordinates, "coordinates", {kAny, engine.program().d_in});
    points.n = static_cast<int64_t>(coordinates.shape(0));
    return points;
}

Points chosen(const Engine& engine, const Grid& grid, const std::optional<Given>& index,
              const std::optional<Given>& offsets) {
    check_width(engine, grid.ndim());
    Points points = grid.points();
    if (index) {
        points.index = checked<int64_t>(*index, "index", {kAny});
        points.n = static_cast<int64_t>(index->shape(0));
        for (int64_t i = 0; i < points.n; ++i)
            if (points.index[i] < 0 || points.index[i] >= grid.size())
                throw nb::index_error(("index: samples are 0.." + std::to_string(grid.size() - 1) + "; got " +
                                       std::to_string(points.index[i]))
                                          .c_str());
    }
    if (offsets) points.offsets = checked<float>(*offsets, "offsets", {points.n, grid.ndim()});
    return points;
}

const float* parameters(const Engine& engine, const Given& params) {
    return checked<float>(params, "params", {engine.program().n_params});
}

// Weights, and what a step is asked to report.
void complete(const Engine& engine, Batch& batch, const std::optional<Given>& weights,
              const std::optional<Writable>& residuals, const std::optional<Writable>& gradients) {
    const Program& program = engine.program();
    if (!program.training) throw nb::value_error("engine: it was built to evaluate, not to train");
    if (batch.points.n < 1) throw nb::value_error("batch: expected at least one point; got none");
    if (weights) batch.weights = checked<float>(*weights, "weights", {batch.points.n});
    if (residuals) batch.residuals = checked<float>(*residuals, "residuals", {batch.points.n, program.d_out});
    if (!gradients) return;
    if (!program.input_gradient) throw nb::value_error("engine: it was built without gradients of coordinates");
    batch.input_gradients = checked<float>(*gradients, "input_gradients", {batch.points.n, program.d_in});
}

// What the outputs are compared with, or the gradients that a loss outside has found for them.
void aim(const Engine& engine, Batch& batch, const std::optional<Given>& targets, const std::optional<Given>& gradients,
         bool compares) {
    if (targets.has_value() == gradients.has_value())
        throw nb::value_error("batch: give either targets or output_gradients");
    const int64_t d_out = engine.program().d_out;
    if (targets) batch.targets = checked<float>(*targets, "targets", {batch.points.n, d_out});
    if (!gradients) return;
    if (compares) throw nb::value_error("weights and residuals belong to targets; output_gradients have none");
    batch.output_gradients = checked<float>(*gradients, "output_gradients", {batch.points.n, d_out});
}

struct Update {
    Adam adam{};
    std::vector<uint8_t> decays;
};

// Settings of one step of Adam; `step` counts from 1.
Update update(const Engine& engine, double rate, std::pair<double, double> betas, double epsilon, double decay,
              const std::vector<int64_t>& decaying, int64_t step) {
    if (step < 1) throw nb::value_error("step: counts from 1");
    Update u;
    const double count = static_cast<double>(step);
    u.adam = {static_cast<float>(rate),
              static_cast<float>(betas.first),
              static_cast<float>(betas.second),
              static_cast<float>(epsilon),
              static_cast<float>(decay),
              static_cast<float>(1 - betas.first),
              static_cast<float>(1 - betas.second),
              static_cast<float>(1 - std::pow(betas.first, count)),
              static_cast<float>(std::sqrt(1 - std::pow(betas.second, count))),
              nullptr};
    for (const ParamBlock& block : engine.program().blocks) {
        bool found = false;
        for (const int64_t offset : decaying) found = found || offset == block.offset;
        u.decays.push_back(found);
    }
    return u;
}

nb::object train(
    Engine& engine, Batch& batch, const Writable& params, const std::optional<Writable>& gradients,
    const std::optional<std::tuple<Writable, Writable>>& moments,
    const std::optional<std::tuple<double, std::pair<double, double>, double, double, std::vector<int64_t>, int64_t>>&
        adam) {
    const int64_t n = engine.program().n_params;
    float* p = checked<float>(params, "params", {n});
    if (gradients) {
        float* g = checked<float>(*gradients, "gradients", {n});
        double loss;
        {
            const nb::gil_scoped_release free;
            loss = engine.evaluate(p, batch, g);
        }
        return nb::float_(loss);
    }
    if (!adam || !moments) throw nb::value_error("step: give gradients, or adam and its moments");
    const auto& [rate, betas, epsilon, decay, decaying, step] = *adam;
    Update u = update(engine, rate, betas, epsilon, decay, decaying, step);
    u.adam.decays = u.decays.data();
    float* m = checked<float>(std::get<0>(*moments), "m", {n});
    float* v = checked<float>(std::get<1>(*moments), "v", {n});
    double loss;
    {
        const nb::gil_scoped_release free;
        loss = engine.step(p, batch, u.adam, m, v);
    }
    return nb::float_(loss);
}

using Moments = std::optional<std::tuple<Writable, Writable>>;
using AdamSettings =
    std::optional<std::tuple<double, std::pair<double, double>, double, double, std::vector<int64_t>, int64_t>>;

void bind_inputs(nb::module_& m) {
    nb::class_<Grid>(m, "Grid").def(nb::init<const std::vector<Given>&, std::vector<double>>(), "axes"_a, "cells"_a);
    nb::class_<Source>(m, "Source")
        .def(nb::init<Given, const std::string&, std::optional<Given>, double, double>(), "samples"_a, "dtype"_a,
             "table"_a.none(), "low"_a, "factor"_a);
}

nb::class_<Engine> bind_engine(nb::module_& m) {
    return nb::class_<Engine>(m, "Engine")
        .def(
            "__init__",
            [](Engine* self, const std::vector<OpSpec>& ops, int64_t d_in, std::vector<int> heads, int64_t n_params,
               int64_t tile, bool training, bool input_gradient, int threads, bool bf16) {
                const bool used = bf16 && selected().bf16;
                new (self)
                    Engine(build(ops, d_in, std::move(heads), n_params, tile, training, input_gradient, used), threads);
            },
            "ops"_a, "d_in"_a, "heads"_a, "n_params"_a, "tile"_a, "training"_a, "input_gradient"_a, "threads"_a,
            "bf16"_a = false)
        .def_prop_ro("isa", [](const Engine& e) { return std::string(e.isa()); })
        .def_prop_ro("threads", &Engine::threads)
        .def_prop_ro("bf16", [](const Engine& e) { return e.program().bf16; })
        .def_prop_ro("d_out", [](const Engine& e) { return e.program().d_out; })
        .def_prop_ro("memory", [](const Engine& e) { return e.program().memory * 4; });
}

void bind_forward(nb::class_<Engine>& engine) {
    engine
        .def(
            "forward",
            [](Engine& e, const Given& params, const Given& coordinates, const Writable& values) {
                const Points points = rows(e, coordinates);
                const float* p = parameters(e, params);
                Target target;
                target.values = checked<float>(values, "values", {points.n, e.program().d_out});
                const nb::gil_scoped_release free;
                e.forward(p, points, target);
            },
            "params"_a, "coordinates"_a, "values"_a)
        .def(
            "forward_grid",
            [](Engine& e, const Given& params, const Grid& grid, const Writable& values) {
                const Points points = chosen(e, grid, std::nullopt, std::nullopt);
                const float* p = parameters(e, params);
                Target target;
                target.values = checked<float>(values, "values", {points.n, e.program().d_out});
                const nb::gil_scoped_release free;
                e.forward(p, points, target);
            },
            "params"_a, "grid"_a, "values"_a)
        .def(
            "forward_samples",
            [](Engine& e, const Given& params, const Grid& grid, const Writable& samples, const std::string& dtype,
               double low, double high) {
                const Points points = chosen(e, grid, std::nullopt, std::nullopt);
                const float* p = parameters(e, params);
                Target target;
                target.type = sample_type(dtype);
                target.low = low;
                target.high = high;
                const auto place = [&](auto zero) -> void* {
                    return checked<decltype(zero)>(samples, "samples", {points.n, e.program().d_out});
                };
                switch (target.type) {
                    case SampleType::kUint8: target.samples = place(uint8_t{}); break;
                    case SampleType::kUint16: target.samples = place(uint16_t{}); break;
                    case SampleType::kInt8: target.samples = place(int8_t{}); break;
                    case SampleType::kInt16: target.samples = place(int16_t{}); break;
                    default: target.samples = place(float{});
                }
                const nb::gil_scoped_release free;
                e.forward(p, points, target);
            },
            "params"_a, "grid"_a, "samples"_a, "dtype"_a, "low"_a, "high"_a);
}

void bind_train_points(nb::class_<Engine>& engine) {
    engine.def(
        "train_points",
        [](Engine& e, const Writable& params, const Given& coordinates, const std::optional<Given>& targets,
           const std::optional<Given>& weights, const std::optional<Writable>& residuals,
           const std::optional<Writable>& input_gradients, const std::optional<Writable>& gradients,
           const Moments& moments, const AdamSettings& adam, const std::optional<Given>& output_gradients) {
            Batch batch;
            batch.points = rows(e, coordinates);
            aim(e, batch, targets, output_gradients, weights || residuals);
            complete(e, batch, weights, residuals, input_gradients);
            return train(e, batch, params, gradients, moments, adam);
        },
        "params"_a, "coordinates"_a, "targets"_a.none() = nb::none(), "weights"_a.none() = nb::none(),
        "residuals"_a.none() = nb::none(), "input_gradients"_a.none() = nb::none(), "gradients"_a.none() = nb::none(),
        "moments"_a.none() = nb::none(), "adam"_a.none() = nb::none(), "output_gradients"_a.none() = nb::none());
}

void bind_profile(nb::class_<Engine>& engine) {
    engine.def(
        "profile",
        [](Engine& e, const Given& params, const Given& coordinates, const Given& targets) {
            Batch batch;
            batch.points = rows(e, coordinates);
            batch.targets = checked<float>(targets, "targets", {batch.points.n, e.program().d_out});
            complete(e, batch, std::nullopt, std::nullopt, std::nullopt);
            const float* p = parameters(e, params);
            std::vector<double> seconds;
            {
                const nb::gil_scoped_release free;
                seconds = e.profile(p, batch);
            }
            std::vector<std::tuple<std::string, double, double>> found;
            const std::vector<Op>& ops = e.program().ops;
            for (size_t i = 0; i < ops.size(); ++i) {
                if (ops[i].done) continue;
                std::string name = facts(ops[i].kind).name;
                double back = seconds[ops.size() + i];
                if (ops[i].function >= 0) {
                    const size_t function = static_cast<size_t>(ops[i].function);
                    name += std::string(" with ") + facts(ops[function].kind).name;
                    back += seconds[ops.size() + function];
                }
                found.emplace_back(name, seconds[i], back);
            }
            return found;
        },
        "params"_a, "coordinates"_a, "targets"_a);
}

void bind_train_samples(nb::class_<Engine>& engine) {
    engine.def(
        "train_samples",
        [](Engine& e, const Writable& params, const Grid& grid, const Source& source, const std::optional<Given>& index,
           const std::optional<Given>& offsets, const std::optional<Given>& weights,
           const std::optional<Writable>& residuals, const std::optional<Writable>& input_gradients,
           const std::optional<Writable>& gradients, const Moments& moments, const AdamSettings& adam) {
            if (source.size() != grid.size() || source.channels() != e.program().d_out)
                throw nb::value_error(("samples: expected shape (" + std::to_string(grid.size()) + ", " +
                                       std::to_string(e.program().d_out) + "); got (" + std::to_string(source.size()) +
                                       ", " + std::to_string(source.channels()) + ")")
                                          .c_str());
            Batch batch;
            batch.points = chosen(e, grid, index, offsets);
            batch.samples = source.samples();
            complete(e, batch, weights, residuals, input_gradients);
            return train(e, batch, params, gradients, moments, adam);
        },
        "params"_a, "grid"_a, "source"_a, "index"_a.none() = nb::none(), "offsets"_a.none() = nb::none(),
        "weights"_a.none() = nb::none(), "residuals"_a.none() = nb::none(), "input_gradients"_a.none() = nb::none(),
        "gradients"_a.none() = nb::none(), "moments"_a.none() = nb::none(), "adam"_a.none() = nb::none());
}

}  // namespace

}  // namespace inr

NB_MODULE(_kernels, m) {
    using namespace inr;
    using nb::literals::operator""_a;
    nb::set_leak_warnings(false);
    bind_operations(m);
    bind_inputs(m);
    auto engine = bind_engine(m);
    bind_forward(engine);
    bind_train_points(engine);
    bind_train_samples(engine);
    bind_profile(engine);
    bind_entropy(m);
    bind_latent(m);
    bind_latent_training(m);
    m.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const Isa* isa : available()) names.emplace_back(isa->name);
        return names;
    });
    m.def("available_cores", &available_cores);
    m.def(
        "ceilings",
        [](double seconds) {
            double found[4] = {};
            if (!(seconds > 0 && seconds <= 60)) throw nb::value_error("seconds: must be above 0 and at most 60");
            {
                const nb::gil_scoped_release free;
                selected().ceilings(seconds / 4, found);
            }
            nb::dict result;
            result["fma_gflops"] = found[0] * 1e-9;
            result["gemm_gflops"] = found[1] * 1e-9;
            result["bf16_gemm_gflops"] = found[2] * 1e-9;
            result["sine_ns"] = 1e9 / found[3];
            return result;
        },
        "seconds"_a);
}
