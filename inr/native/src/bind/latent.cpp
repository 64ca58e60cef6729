// Pyramids of latents as Python sees them. Arguments are checked here, with errors that name them.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "bind/arrays.h"
#include "bind/coders.h"
#include "latent/grid.h"
#include "latent/synthesis.h"

namespace inr::latent {
namespace {

using nb::literals::operator""_a;

constexpr int64_t kLargestParameter = int64_t{1} << 23;
constexpr int64_t kLargestSide = int64_t{1} << 24;
constexpr int64_t kMostPlaces = int64_t{1} << 30;  // results of one call

using Layer = std::pair<Given, Given>;
using Ancestor = std::pair<Given, int>;  // symbols of a coarser grid, and its shift

template <typename T>
using Array = nb::ndarray<nb::numpy, T>;

template <typename T>
Array<T> owned(std::unique_ptr<T[]> values, std::initializer_list<size_t> shape) {
    T* data = values.get();
    nb::capsule owner(data, [](void* memory) noexcept { delete[] static_cast<T*>(memory); });
    values.release();
    return Array<T>(data, shape, owner);
}

template <typename T>
Array<T> owned(std::vector<T> values) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
    return Array<T>(kept->data(), {kept->size()}, owner);
}

void require(bool fits, const std::string& message) {
    if (!fits) throw nb::value_error(message.c_str());
}

// Integer parameters as doubles, in rows of a matrix or one after another.
template <typename Put>
void fill(const Given& array, const char* name, std::initializer_list<int64_t> shape, const Put& put) {
    const int64_t* values = checked<int64_t>(array, name, shape);
    for (size_t i = 0; i < array.size(); ++i) {
        const int64_t value = values[i];
        if (value < -kLargestParameter || value > kLargestParameter)
            require(false, std::string(name) + ": expected at most 2^23; got " + std::to_string(value));
        put(static_cast<int64_t>(i), static_cast<double>(value));
    }
}

std::vector<uint16_t> table(const Given& array, const char* name, std::initializer_list<int64_t> shape) {
    const uint16_t* values = checked<uint16_t>(array, name, shape);
    std::vector<uint16_t> found(values, values + array.size());
    require(std::find(found.begin(), found.end(), 0) == found.end(),
            std::string(name) + ": expected probabilities above 0");
    return found;
}

ContextNetwork network_of(int64_t n, const std::vector<Layer>& hidden, const Given& out, const Given& out_bias,
                          const Given& bypass) {
    constexpr double kUnit = 4096.0, kOne = 65536.0;  // an activation, a parameter
    require(0 < n && n <= kMostContextInputs, "inputs: expected 1 to " + std::to_string(kMostContextInputs));
    require(hidden.size() <= 16, "hidden: expected at most 16 layers");
    ContextNetwork network;
    network.inputs = n;
    for (const Layer& given : hidden) {
        Panels<double> layer(n, n);
        fill(given.first, "hidden", {n, n}, [&](int64_t i, double value) { layer.at(i / n, i % n) = value; });
        fill(given.second, "hidden", {n}, [&](int64_t i, double value) { layer.bias[i] = kUnit * value; });
        for (int64_t i = 0; i < n; ++i) layer.at(i, i) += kOne;
        network.hidden.push_back(std::move(layer));
    }
    network.out = Panels<double>(2, 2 * n);
    fill(out, "out", {2, n}, [&](int64_t i, double value) { network.out.at(i / n, i % n) = value; });
    fill(bypass, "bypass", {2, n}, [&](int64_t i, double value) { network.out.at(i / n, n + i % n) = value; });
    fill(out_bias, "out_bias", {2}, [&](int64_t i, double value) { network.out.bias[i] = kUnit * value; });
    return network;
}

void init_context(Context* self, const std::vector<std::pair<int64_t, int64_t>>& neighbours, int64_t features,
                  const std::vector<Layer>& hidden, const Given& out, const Given& out_bias, const Given& bypass,
                  const std::tuple<Given, Given, Given, Given>& tables) {
    Context context;
    require(0 <= features && features <= kMostContextInputs,
            "features: expected 0 to " + std::to_string(kMostContextInputs));
    for (const auto& [row, column] : neighbours) {
        const Neighbour neighbour{row, column};
        require(-kKept < column && column < kKept && is_causal(neighbour),
                "neighbours: (" + std::to_string(row) + ", " + std::to_string(column) + ") is not known in time");
        context.neighbours.push_back(neighbour);
    }
    context.features = features;
    const int64_t inputs = static_cast<int64_t>(neighbours.size()) + features;
    context.network = network_of(inputs, hidden, out, out_bias, bypass);
    context.tables.away = table(std::get<0>(tables), "away", {kAways, kScales});
    context.tables.up = table(std::get<1>(tables), "up", {kUps, kScales});
    context.tables.more = table(std::get<2>(tables), "more", {kScales});
    context.tables.tail = table(std::get<3>(tables), "tail", {kScales, kTailBits});
    new (self) Context(std::move(context));
}

std::vector<int8_t> symbols_of(const Given& array, const std::string& name, std::initializer_list<int64_t> shape) {
    const int64_t* values = checked<int64_t>(array, name.c_str(), shape);
    std::vector<int8_t> found(array.size());
    for (size_t i = 0; i < found.size(); ++i) {
        const int64_t value = values[i];
        if (value < kSymbolMin || value > kSymbolMax)
            throw entropy::SpecError("latents: " + name + " has symbols beyond " + std::to_string(kSymbolMin) + ".." +
                                     std::to_string(kSymbolMax));
        found[i] = static_cast<int8_t>(value);
    }
    return found;
}

Shape shape_of(const Context& context, const std::string& name, int64_t height, int64_t width,
               const std::vector<Ancestor>& ancestors, const std::optional<Given>& weights) {
    require(0 < height && height <= kLargestSide && 0 < width && width <= kLargestSide,
            "grid: expected 1 to 2^24 rows and columns");
    require(ancestors.size() <= kMostContextInputs, "parents: expected at most " + std::to_string(kMostContextInputs));
    require(ancestors.empty() == !weights.has_value(), "weights: expected them with parents, and only then");
    Shape shape;
    shape.name = name;
    shape.height = height;
    shape.width = width;
    const int64_t last_row = (height + 1) / 2 - 1, last_column = (width + 1) / 2 - 1;
    for (const auto& [symbols, shift] : ancestors) {
        require(0 <= shift && shift < 32, "parents: expected shifts of 0 to 31");
        Parent parent;
        parent.height = (last_row >> shift) + 1;
        parent.width = (last_column >> shift) + 1;
        parent.shift = shift;
        parent.symbols = symbols_of(symbols, "parents", {parent.height, parent.width});
        shape.parents.push_back(std::move(parent));
    }
    if (weights) {
        require(context.features > 0, "weights: the context has no features");
        shape.weights.resize(static_cast<size_t>(context.features) * ancestors.size());
        fill(*weights, "weights", {context.features, static_cast<int64_t>(ancestors.size())},
             [&](int64_t i, double value) { shape.weights[static_cast<size_t>(i)] = value; });
    }
    return shape;
}

Array<int64_t> decode_grid(const Context& self, entropy::LockedDecoder& decoder, const std::string& name,
                           int64_t height, int64_t width, const std::vector<Ancestor>& parents,
                           const std::optional<Given>& weights) {
    const Shape shape = shape_of(self, name, height, width, parents, weights);
    const size_t size = static_cast<size_t>(height * width);
    std::unique_ptr<int64_t[]> values(new int64_t[size]);
    entropy::without_gil(decoder, [&](entropy::Decoder& coder) {
        const std::vector<int8_t> symbols = decode(self, shape, coder);
        std::copy(symbols.begin(), symbols.end(), values.get());
    });
    return owned(std::move(values), {static_cast<size_t>(height), static_cast<size_t>(width)});
}

nb::tuple grid_decisions(const Context& self, const std::string& name, const Given& symbols,
                         const std::vector<Ancestor>& parents, const std::optional<Given>& weights) {
    const std::vector<int8_t> known = symbols_of(symbols, name, {kAny, kAny});
    const Shape shape = shape_of(self, name, static_cast<int64_t>(symbols.shape(0)),
                                 static_cast<int64_t>(symbols.shape(1)), parents, weights);
    Decisions found;
    {
        const nb::gil_scoped_release free;
        found = decisions(self, shape, known);
    }
    return nb::make_tuple(owned(std::move(found.bits)), owned(std::move(found.probabilities)));
}

// A matrix of floats and its biases, if it has some, as panels.
Panels<float> panels_of(const Given& weight, const std::optional<Given>& bias, const char* name, int64_t rows,
                        int64_t depth) {
    const float* values = checked<float>(weight, name, {rows, depth});
    Panels<float> panels(rows, depth);
    for (int64_t i = 0; i < rows * depth; ++i) panels.at(i / depth, i % depth) = values[i];
    if (bias) std::copy_n(checked<float>(*bias, name, {rows}), rows, panels.bias.begin());
    return panels;
}

int64_t counted(const Given& array, const char* name, size_t axis, int64_t most) {
    require(array.ndim() > axis, std::string(name) + ": expected more axes");
    const int64_t n = static_cast<int64_t>(array.shape(axis));
    require(0 < n && n <= most, std::string(name) + ": expected 1 to " + std::to_string(most) + " along axis " +
                                    std::to_string(axis) + "; got " + std::to_string(n));
    return n;
}

void init_synthesis(Synthesis* self, const Layer& mix0, const Layer& mix1, const std::vector<Layer>& residuals,
                    const Given& bypass) {
    constexpr int64_t kMost = 4096;
    require(residuals.size() <= 8, "residuals: expected at most 8 layers");
    Synthesis made;
    const int64_t width = counted(mix0.first, "mix0", 0, kMost), maps = counted(mix0.first, "mix0", 1, kMost);
    const int64_t channels = counted(mix1.first, "mix1", 0, kMost);
    made.channels = channels;
    made.mixer.first = panels_of(mix0.first, mix0.second, "mix0", width, maps);
    const float* second = checked<float>(mix1.first, "mix1", {channels, width});
    made.mixer.second = Panels<float>(width, channels);
    for (int64_t i = 0; i < channels * width; ++i) made.mixer.second.at(i % width, i / width) = second[i];
    const float* bias = checked<float>(mix1.second, "mix1", {channels});
    made.mixer.bias.assign(bias, bias + channels);
    made.bypass = panels_of(bypass, std::nullopt, "bypass", channels, maps);
    for (const Layer& layer : residuals) {
        const float* values = checked<float>(layer.first, "residuals", {channels, channels, 3, 3});
        Panels<float> panels(channels, 9 * channels);
        for (int64_t i = 0; i < 9 * channels * channels; ++i)
            panels.at(i / (9 * channels), i % (9 * channels)) = values[i];
        for (int64_t c = 0; c < channels; ++c) panels.at(c, 9 * c + 4) += 1.0f;
        std::copy_n(checked<float>(layer.second, "residuals", {channels}), channels, panels.bias.begin());
        made.residuals.push_back(std::move(panels));
    }
    new (self) Synthesis(std::move(made));
}

using AxisGiven = std::tuple<Given, std::optional<Given>, std::vector<Given>>;

// Indices below a bound.
std::vector<int32_t> indices(const int64_t* values, int64_t n, int64_t bound, const char* name) {
    std::vector<int32_t> found(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
        const int64_t value = values[i];
        if (value < 0 || value >= bound)
            require(false, std::string(name) + ": " + std::to_string(value) + " is not an index below " +
                               std::to_string(bound));
        found[static_cast<size_t>(i)] = static_cast<int32_t>(value);
    }
    return found;
}

Axis axis_of(const AxisGiven& given, int64_t size, size_t layers) {
    const auto& [sources, factors, arms] = given;
    Axis axis;
    axis.taps = factors ? 4 : 1;
    const int64_t* values = checked<int64_t>(sources, "sources", {kAny, axis.taps});
    int64_t places = static_cast<int64_t>(sources.shape(0));
    require(places <= kLargestSide, "sources: expected at most 2^24 places");
    axis.sources = indices(values, places * axis.taps, size, "sources");
    if (factors) {
        const float* by = checked<float>(*factors, "factors", {places, 4});
        axis.factors.assign(by, by + 4 * places);
    }
    require(arms.size() == layers, "arms: expected those of each layer");
    for (const Given& arm : arms) {
        const int64_t* at = checked<int64_t>(arm, "arms", {3, kAny});
        const int64_t n = static_cast<int64_t>(arm.shape(1));
        require(n <= kLargestSide, "arms: expected at most 2^24 places");
        std::array<std::vector<int32_t>, 3> found;
        for (int64_t j = 0; j < 3; ++j) found[static_cast<size_t>(j)] = indices(at + j * n, n, places, "arms");
        axis.arms.push_back(std::move(found));
        places = n;
    }
    return axis;
}

Maps maps_of(const Synthesis& self, const Given& maps) {
    Maps given;
    given.count = self.mixer.first.depth;
    given.data = checked<float>(maps, "maps", {given.count, kAny, kAny});
    given.height = static_cast<int64_t>(maps.shape(1));
    given.width = static_cast<int64_t>(maps.shape(2));
    return given;
}

Array<float> show_grid(const Synthesis& self, const Given& maps, const AxisGiven& rows, const AxisGiven& columns,
                       int threads) {
    require(0 < threads && threads <= 1024, "threads: expected 1 to 1024");
    const Maps given = maps_of(self, maps);
    const Axis down = axis_of(rows, given.height, self.residuals.size());
    const Axis right = axis_of(columns, given.width, self.residuals.size());
    const int64_t m = down.results(), n = right.results();
    require(m == 0 || n <= kMostPlaces / m, "places: expected at most 2^30");
    const size_t size = static_cast<size_t>(m * n * self.channels);
    std::unique_ptr<float[]> out(new float[size]);
    {
        const nb::gil_scoped_release free;
        show(self, given, down, right, out.get(), threads);
    }
    return owned(std::move(out), {static_cast<size_t>(m), static_cast<size_t>(n), static_cast<size_t>(self.channels)});
}

Places places_of(const Given& base, const Given& factors, int64_t size) {
    Places places;
    const int64_t* values = checked<int64_t>(base, "base", {kAny});
    const int64_t n = static_cast<int64_t>(base.shape(0));
    require(n <= kLargestSide, "base: expected at most 2^24 places");
    places.base = indices(values, n, size, "base");
    const float* by = checked<float>(factors, "factors", {n, 4});
    places.factors.assign(by, by + 4 * n);
    return places;
}

Array<float> show_places(const Synthesis& self, const Given& maps, const std::pair<Given, Given>& rows,
                         const std::pair<Given, Given>& columns, int threads) {
    require(0 < threads && threads <= 1024, "threads: expected 1 to 1024");
    const Maps given = maps_of(self, maps);
    const Places down = places_of(rows.first, rows.second, given.height);
    const Places right = places_of(columns.first, columns.second, given.width);
    require(down.base.size() == right.base.size(), "places: expected as many rows as columns");
    const size_t n = down.base.size(), channels = static_cast<size_t>(self.channels);
    std::unique_ptr<float[]> out(new float[n * channels]);
    {
        const nb::gil_scoped_release free;
        show_points(self, given, down, right, out.get(), threads);
    }
    return owned(std::move(out), {n, channels});
}

Array<float> level_maps(const Given& maps, const Given& up, const std::optional<Given>& symbols, const Given& pre,
                        int64_t height, int64_t width, int threads) {
    require(0 < threads && threads <= 1024, "threads: expected 1 to 1024");
    require(0 < height && height <= kLargestSide && 0 < width && width <= kLargestSide,
            "level: expected 1 to 2^24 rows and columns");
    Level level;
    level.maps = checked<float>(maps, "maps", {kAny, (height + 1) / 2, (width + 1) / 2});
    level.count = static_cast<int64_t>(maps.shape(0));
    require(level.count < 64 && height * width <= kMostPlaces, "level: expected fewer maps and at most 2^30 places");
    level.height = height;
    level.width = width;
    level.up = checked<float>(up, "up", {4});
    level.pre = checked<float>(pre, "pre", {4});
    if (symbols) level.symbols = checked<int64_t>(*symbols, "symbols", {height, width});
    const size_t size = static_cast<size_t>((1 + level.count) * height * width);
    std::unique_ptr<float[]> out(new float[size]);
    level.out = out.get();
    {
        const nb::gil_scoped_release free;
        raise_level(level, threads);
    }
    return owned(std::move(out),
                 {static_cast<size_t>(1 + level.count), static_cast<size_t>(height), static_cast<size_t>(width)});
}

}  // namespace
}  // namespace inr::latent

void bind_latent(nanobind::module_& m) {
    using namespace inr::latent;
    namespace nb = nanobind;
    nb::class_<Context>(m, "LatentContext", "Predicts the symbols of grids, and codes them.")
        .def("__init__", init_context, "neighbours"_a, "features"_a, "hidden"_a, "out"_a, "out_bias"_a, "bypass"_a,
             "tables"_a)
        .def("decode", decode_grid, "decoder"_a, "name"_a, "height"_a, "width"_a, "parents"_a, "weights"_a.none())
        .def("decisions", grid_decisions, "name"_a, "symbols"_a, "parents"_a, "weights"_a.none());
    nb::class_<Synthesis>(m, "LatentSynthesis", "Shows feature maps.")
        .def("__init__", init_synthesis, "mix0"_a, "mix1"_a, "residuals"_a, "bypass"_a)
        .def("show", show_grid, "maps"_a, "rows"_a, "columns"_a, "threads"_a)
        .def("show_points", show_places, "maps"_a, "rows"_a, "columns"_a, "threads"_a);
    m.def("latent_level", level_maps, "maps"_a, "up"_a, "symbols"_a.none(), "pre"_a, "height"_a, "width"_a,
          "threads"_a);
}
