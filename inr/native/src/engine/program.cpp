#include "engine/program.h"

#include <algorithm>
#include <stdexcept>

#include "engine/layout.h"
#include "ops/shapes.h"

namespace inr {

namespace {

// Builds a program step by step; every member checks what it adds.
class Builder {
public:
    Builder(Program& program, size_t count)
        : p_(program), needs_(count + 1, false), live_(count + 1, false), moves_(count + 1, false) {}

    void add(OpSpec spec, size_t number) {
        Op op;
        static_cast<OpSpec&>(op) = std::move(spec);
        op.output = static_cast<int>(number) + 1;
        check_settings(op);
        for (const int input : op.inputs) op.in_widths.push_back(p_.widths[static_cast<size_t>(input)]);
        op.width = output_width(op);
        check_params(op, p_.n_params);
        p_.widths.push_back(op.width);
        op.writes.assign(op.inputs.size(), Write::kNone);
        p_.grids.push_back(op.kind == Kind::kGrid ? grid_levels(op) : std::vector<GridLevel>{});
        p_.ops.push_back(std::move(op));
    }

    void plan();

private:
    void find_gradients();
    void add_parameters();
    void add_packed(Op& op);
    int64_t add_gradients(Op& op, int number);
    int64_t add_matrix(const Op& op, int number);

    Program& p_;
    std::vector<bool> needs_;  // by value: its gradient is wanted
    std::vector<bool> live_;   // by value: an output depends on it
    std::vector<bool> moves_;  // by value: it depends on a parameter
};

std::vector<size_t> order_of_writes(const Op& op) {
    std::vector<size_t> order;
    for (size_t k = 0; k < op.inputs.size(); ++k) order.push_back(k);
    switch (facts(op.kind).order) {
        case Order::kForwards: break;
        case Order::kBackwards: std::reverse(order.begin(), order.end()); break;
        case Order::kLastFirst: std::rotate(order.begin(), order.end() - 1, order.end()); break;
    }
    return order;
}

// Which values carry a gradient, who writes it first, and who adds to it.
void Builder::find_gradients() {
    for (const int head : p_.heads) live_[static_cast<size_t>(head)] = true;
    for (size_t i = p_.ops.size(); i-- > 0;)
        if (live_[i + 1])
            for (const int input : p_.ops[i].inputs) live_[static_cast<size_t>(input)] = true;
    for (size_t i = 0; i < p_.ops.size(); ++i) p_.ops[i].live = live_[i + 1];
    if (!p_.training) return;
    needs_[0] = p_.input_gradient;
    for (size_t i = 0; i < p_.ops.size(); ++i) {
        Op& op = p_.ops[i];
        for (const int input : op.inputs) moves_[i + 1] = moves_[i + 1] || moves_[static_cast<size_t>(input)];
        if (facts(op.kind).inputs_untrained && moves_[i + 1]) fail(op, "an input that is trained");
        moves_[i + 1] = moves_[i + 1] || !op.params.empty();
        const bool given = nature(op.kind) == Nature::kGiven;
        bool any = !op.params.empty();
        for (const int input : op.inputs) any = any || (needs_[static_cast<size_t>(input)] && !given);
        needs_[i + 1] = any && live_[i + 1];
        op.trained = needs_[i + 1];
    }
    std::vector<bool> written(p_.widths.size(), false);
    for (const int head : p_.heads) written[static_cast<size_t>(head)] = true;
    for (size_t i = p_.ops.size(); i-- > 0;) {
        Op& op = p_.ops[i];
        if (!op.trained) continue;
        if (!written[i + 1]) {  // what reads it passes nothing back
            op.trained = needs_[i + 1] = false;
            continue;
        }
        for (const size_t k : order_of_writes(op)) {
            const size_t input = static_cast<size_t>(op.inputs[k]);
            if (!needs_[input]) continue;
            op.writes[k] = written[input] ? Write::kAdd : Write::kSet;
            written[input] = true;
        }
    }
    p_.inputs_move = written[0];
}

// Memory of gradients of parameters, packed matrices, and what grids save.
void Builder::add_parameters() {
    for (size_t i = 0; i < p_.ops.size(); ++i) {
        Op& op = p_.ops[i];
        const int number = static_cast<int>(i);
        if (!op.live || op.params.empty()) continue;
        const Op* twin = nullptr;  // the same layer at an earlier place
        for (size_t j = 0; j < i; ++j) {
            const Op& other = p_.ops[j];
            if (!other.live || other.kind != op.kind || other.params != op.params) continue;
            if (facts(op.kind).scattered && p_.training) fail(op, "a table used twice");
            if (other.ints != op.ints || other.in_widths != op.in_widths)
                fail(op, "parameters used twice, in two sizes");
            if (other.trained) twin = &other;
        }
        if (op.kind == Kind::kLinear) add_packed(op);
        if (!op.trained) continue;
        if (twin != nullptr) {
            op.gradient = twin->gradient;
            op.bias_gradient = twin->bias_gradient;
            continue;
        }
        p_.gradient_memory = round_up(add_gradients(op, number), 16);
    }
}

// Room for the gradients of an operation's parameters; returns where it ends.
int64_t Builder::add_gradients(Op& op, int number) {
    int64_t at = op.gradient = p_.gradient_memory;
    const std::vector<int64_t> sizes = facts(op.kind).sizes_rule(op);
    if (facts(op.kind).scattered) {
        op.gradient = -1;
        op.saved = p_.saved_rows;
        p_.saved_rows += op.in_widths[0] + op.width;
        p_.blocks.push_back({op.params[0], 1, sizes[0], -1, 0, false, false, number});
        return at;
    }
    for (size_t k = 0; k < sizes.size(); ++k) {
        if (op.kind == Kind::kLinear && k == 0) {
            at = add_matrix(op, number);
            continue;
        }
        if (op.params[k] < 0) continue;
        if (op.kind == Kind::kLinear) op.bias_gradient = at;
        p_.blocks.push_back({op.params[k], 1, sizes[k], at, sizes[k], false, false, number});
        at += sizes[k];
    }
    return at;
}

// Room for the gradient of a matrix; returns where it ends.
int64_t Builder::add_matrix(const Op& op, int number) {
    const int64_t rows = op.bf16 ? round_up(op.width, kBf16Rows) : op.width;
    const int64_t stride = round_up(op.in_widths[0], op.bf16 ? kBf16Rows : 16);
    p_.blocks.push_back({op.params[0], op.width, op.ints[1], op.gradient, stride, op.ints[2] != 0, op.bf16, number});
    return op.gradient + rows * stride;
}

// Room for the matrix, and for its transpose if gradients go back through it. Narrow products stay in 32 bits: those
// of coordinates, whose angles need all digits, and those of few outputs.
void Builder::add_packed(Op& op) {
    const int64_t depth = op.in_widths[0];
    op.bf16 = p_.bf16 && op.width >= kBf16Rows / 2 && depth >= kBf16Rows / 2;
    const auto room = [&](int64_t rows, int64_t columns) {
        const int64_t at = p_.packed_memory;
        const int64_t floats =
            op.bf16 ? round_up(rows, kBf16Rows) * round_up(columns, kBf16Rows) / 2 : round_up(rows, kRows) * columns;
        p_.packed_memory += round_up(floats, 16);
        return at;
    };
    op.packed = room(op.width, depth);
    if (op.writes[0] != Write::kNone) op.packed_transposed = room(depth, op.width);
    if (!op.bf16) return;
    op.packed_bias = p_.packed_memory;
    p_.packed_memory += round_up(op.width, kBf16Rows) * 16;
}

void Builder::plan() {
    find_gradients();
    add_parameters();
    lay_out(p_, needs_);
    if (p_.memory > kMostFloats || p_.gradient_memory > kMostFloats || p_.packed_memory > kMostFloats)
        throw std::invalid_argument("program: a tile needs more than 8 GiB");
    if (p_.training && p_.blocks.empty()) throw std::invalid_argument("program: it has no parameter to train");
}

}  // namespace

Program Program::build(std::vector<OpSpec> specs, int64_t d_in, std::vector<int> heads, int64_t n_params, int64_t tile,
                       bool training, bool input_gradient, bool bf16) {
    if (d_in < 1 || d_in > 4096) throw std::invalid_argument("program: inputs " + std::to_string(d_in));
    if (tile < kBlock || tile % kBlock || tile > 4096)
        throw std::invalid_argument("program: a tile has a multiple of 64 samples; got " + std::to_string(tile));
    if (heads.empty() || specs.empty()) throw std::invalid_argument("program: no operation or no output");
    Program program;
    program.d_in = d_in;
    program.n_params = n_params;
    program.tile = tile;
    program.training = training;
    program.input_gradient = input_gradient;
    program.bf16 = bf16;
    program.widths.push_back(d_in);
    Builder builder(program, specs.size());
    for (size_t i = 0; i < specs.size(); ++i) builder.add(std::move(specs[i]), i);
    if (heads.back() < 1 || heads.back() > static_cast<int>(program.ops.size()))
        throw std::invalid_argument("program: output " + std::to_string(heads.back()));
    for (const int head : heads)
        if (head < 1 || head > static_cast<int>(program.ops.size()) ||
            program.widths[static_cast<size_t>(head)] != program.widths[static_cast<size_t>(heads.back())])
            throw std::invalid_argument("program: output " + std::to_string(head));
    program.d_out = program.widths[static_cast<size_t>(heads.back())];
    program.heads = training ? std::move(heads) : std::vector<int>{heads.back()};
    builder.plan();
    return program;
}

}  // namespace inr
