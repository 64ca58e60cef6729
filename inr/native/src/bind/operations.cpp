// Operations as Python sees them: one that a caller describes, the kinds that there are, and functions for tests.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind/arrays.h"
#include "isa/isa.h"
#include "ops/operation.h"

namespace inr {

namespace {

using nb::literals::operator""_a;

using Limits = std::pair<size_t, std::optional<size_t>>;

Limits limits(const Count& count) {
    if (count.most == kAnyNumber) return {count.least, std::nullopt};
    return {count.least, count.most};
}

// A row of the table.
struct OperationKind {
    Kind kind;
    const Facts& known() const { return facts(kind); }
};

void bind_operation(nb::module_& m) {
    nb::class_<OpSpec>(m, "Operation")
        .def(
            "__init__",
            [](OpSpec* self, const std::string& kind, std::vector<int> inputs, std::vector<int64_t> ints,
               std::vector<double> reals, std::vector<float> constants, std::vector<int64_t> params) {
                new (self) OpSpec{kind_of(kind),    std::move(inputs),    std::move(ints),
                                  std::move(reals), std::move(constants), std::move(params)};
            },
            "kind"_a, "inputs"_a, nb::kw_only(), "ints"_a = std::vector<int64_t>{}, "reals"_a = std::vector<double>{},
            "constants"_a = std::vector<float>{}, "params"_a = std::vector<int64_t>{})
        .def_prop_ro("kind", [](const OpSpec& op) { return std::string(facts(op.kind).name); })
        .def_ro("inputs", &OpSpec::inputs)
        .def_ro("ints", &OpSpec::ints)
        .def_ro("reals", &OpSpec::reals)
        .def_ro("constants", &OpSpec::constants)
        .def_ro("params", &OpSpec::params);
}

void bind_kinds(nb::module_& m) {
    nb::class_<OperationKind>(m, "OperationKind")
        .def_prop_ro("name", [](const OperationKind& k) { return std::string(k.known().name); })
        .def_prop_ro("elementwise", [](const OperationKind& k) { return is_elementwise(k.kind); })
        .def_prop_ro("given", [](const OperationKind& k) { return nature(k.kind) == Nature::kGiven; })
        .def_prop_ro("inputs", [](const OperationKind& k) { return limits(k.known().n_inputs); })
        .def_prop_ro("ints", [](const OperationKind& k) { return limits(k.known().n_ints); })
        .def_prop_ro("reals", [](const OperationKind& k) { return limits(k.known().n_reals); })
        .def_prop_ro("constants", [](const OperationKind& k) { return limits(k.known().n_constants); })
        .def_prop_ro("params", [](const OperationKind& k) { return limits(k.known().n_params); });
    m.def("operation_kinds", [] {
        std::vector<OperationKind> found;
        for (const Kind kind : kinds()) found.push_back({kind});
        return found;
    });
}

// An elementwise operation and its slopes, for tests.
void elementwise(const OpSpec& given, const Given& x, const Writable& y, const Writable& slope, bool bf16) {
    Op op;
    static_cast<OpSpec&>(op) = given;
    op.output = 1;
    check_settings(op);
    if (!is_elementwise(op.kind)) fail(op, "it is not elementwise");
    const int64_t n = static_cast<int64_t>(x.size());
    selected().elementwise(op, checked<float>(x, "x", {n}), checked<float>(y, "y", {n}),
                           checked<float>(slope, "slope", {n}), n, bf16 && selected().bf16);
}

}  // namespace

}  // namespace inr

void bind_operations(nanobind::module_& m) {
    using namespace inr;
    using nb::literals::operator""_a;
    bind_operation(m);
    bind_kinds(m);
    m.def("elementwise", &elementwise, "operation"_a, "x"_a, "y"_a, "slope"_a, "bf16"_a = false);
}
