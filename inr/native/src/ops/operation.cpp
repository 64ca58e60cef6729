#include "ops/operation.h"

#include <cmath>
#include <stdexcept>

#include "ops/shapes.h"

namespace inr {

namespace {

struct Row {
    Nature nature;
    Facts facts;
};

constexpr Row kTable[] = {
#define INR_OPERATION(kind, nature, facts) {Nature::k##nature, facts},
#include "ops/table.h"
#undef INR_OPERATION
};

const Row& row(Kind kind) { return kTable[static_cast<size_t>(kind)]; }

void check_count(const ShapedOp& op, const char* what, size_t given, const Count& wanted) {
    if (given >= wanted.least && given <= wanted.most) return;
    std::string text = std::to_string(wanted.least);
    if (wanted.most == kAnyNumber) text = "at least " + text;
    if (wanted.most != kAnyNumber && wanted.most != wanted.least) text += " to " + std::to_string(wanted.most);
    fail(op, std::string(what) + ": expected " + text + "; got " + std::to_string(given));
}

}  // namespace

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all = {
#define INR_OPERATION(kind, nature, facts) Kind::k##kind,
#include "ops/table.h"
#undef INR_OPERATION
    };
    return all;
}

const Facts& facts(Kind kind) { return row(kind).facts; }

Nature nature(Kind kind) { return row(kind).nature; }

Kind kind_of(const std::string& name) {
    for (const Kind kind : kinds())
        if (name == facts(kind).name) return kind;
    throw std::invalid_argument("program: unknown operation " + name);
}

[[noreturn]] void fail(const ShapedOp& op, const std::string& what) {
    throw std::invalid_argument("operation " + std::to_string(op.output - 1) + " (" + facts(op.kind).name +
                                "): " + what);
}

void check_settings(const ShapedOp& op) {
    const Facts& known = facts(op.kind);
    const size_t inputs = op.inputs.size();
    check_count(op, "inputs", inputs, known.n_inputs);
    for (const int input : op.inputs)
        if (input < 0 || input >= op.output) fail(op, "input " + std::to_string(input));
    check_count(op, "ints", op.ints.size(), known.n_ints);
    check_count(op, "reals", op.reals.size(), known.real_for_each_input ? Count{inputs, inputs} : known.n_reals);
    check_count(op, "constants", op.constants.size(), known.n_constants);
    check_count(op, "params", op.params.size(), known.n_params);
    for (const double real : op.reals)
        if (!std::isfinite(real)) fail(op, "a setting is not finite");
}

}  // namespace inr
