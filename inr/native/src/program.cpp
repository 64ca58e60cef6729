#include "program.h"

#include <algorithm>
#include <stdexcept>

#include "plan.h"
#include "shapes.h"

namespace inr {

namespace {

const char* const kNames[] = {"linear",      "sine",           "relu",       "gaussian",      "finer",    "gated tanh",
                              "leaky relu",  "tanh",           "real gabor", "complex gabor", "multiply", "add",
                              "concat",      "columns",        "constant",   "noisy target",  "noise",    "fourier",
                              "sine filter", "fourier series", "chebyshev",  "layer norm",    "grid",     "cp",
                              "tt",          "tucker"};
static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(Kind::kCount), "a name for each kind");

bool is_elementwise(Kind kind) { return kind >= Kind::kSine && kind <= Kind::kTanh; }

// Builds a program step by step; every member checks what it adds.
class Builder {
public:
    Builder(Program& program, size_t count)
        : p_(program), needs_(count + 1, false), live_(count + 1, false), moves_(count + 1, false) {}

    void add(OpSpec spec, size_t number) {
        Op op;
        static_cast<OpSpec&>(op) = std::move(spec);
        op.output = static_cast<int>(number) + 1;
        check_settings(op, number, p_.widths);
        op.width = output_width(op, number, p_.n_params);
        if (op.width < 1 || op.width > kWidest) fail(number, op.kind, "width " + std::to_string(op.width));
        p_.widths.push_back(op.width);
        op.writes.assign(op.inputs.size(), Write::kNone);
        p_.grids.push_back(op.kind == Kind::kGrid ? grid_levels(op, number, p_.n_params) : std::vector<GridLevel>{});
        p_.ops.push_back(std::move(op));
    }

    void plan();

private:
    void find_gradients();
    void add_parameters();
    void add_packed(Op& op);
    void place();
    void fold();
    int64_t aux_rows(const Op& op) const;
    int64_t scratch_floats(const Op& op) const;
    static bool keeps_inputs(Kind kind);
    static bool keeps_output(Kind kind);
    int uses(int value) const;
    bool is_head(int value) const;

    Program& p_;
    std::vector<bool> needs_;  // by value: its gradient is wanted
    std::vector<bool> live_;   // by value: an output depends on it
    std::vector<bool> moves_;  // by value: it depends on a parameter
};

bool Builder::keeps_inputs(Kind kind) {
    switch (kind) {
        case Kind::kLinear:
        case Kind::kRealGabor:
        case Kind::kComplexGabor:
        case Kind::kMultiply:
        case Kind::kChebyshev:
        case Kind::kGrid:
        case Kind::kCp:
        case Kind::kTt:
        case Kind::kTucker: return true;
        default: return false;
    }
}

bool Builder::keeps_output(Kind kind) {
    switch (kind) {
        case Kind::kRealGabor:
        case Kind::kComplexGabor:
        case Kind::kFourier:
        case Kind::kFourierSeries:
        case Kind::kChebyshev: return true;
        default: return false;
    }
}

int Builder::uses(int value) const {
    int count = 0;
    for (const Op& op : p_.ops)
        for (const int input : op.inputs) count += input == value;
    return count;
}

bool Builder::is_head(int value) const {
    for (const int head : p_.heads)
        if (head == value) return true;
    return false;
}

// Contractions write the gradient of their last factor first; a value may be given to them twice.
std::vector<size_t> order_of_writes(const Op& op) {
    std::vector<size_t> order;
    for (size_t k = 0; k < op.inputs.size(); ++k) order.push_back(k);
    if (op.kind == Kind::kTt || op.kind == Kind::kTucker) std::reverse(order.begin(), order.end());
    if (op.kind == Kind::kCp) std::rotate(order.begin(), order.end() - 1, order.end());
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
        if (op.kind == Kind::kNoisyTarget && moves_[i + 1]) fail(i, op.kind, "an input that is trained");
        moves_[i + 1] = moves_[i + 1] || !op.params.empty();
        const bool given = op.kind == Kind::kNoise || op.kind == Kind::kNoisyTarget || op.kind == Kind::kConstant;
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
        for (size_t j = 0; j < i; ++j)
            if (p_.ops[j].live && p_.ops[j].kind == op.kind && p_.ops[j].params == op.params) twin = &p_.ops[j];
        if (twin != nullptr && op.kind == Kind::kGrid && p_.training) fail(i, op.kind, "a table used twice");
        if (op.kind == Kind::kLinear) add_packed(op);
        if (!op.trained) continue;
        if (twin != nullptr) {
            op.gradient = twin->gradient;
            continue;
        }
        int64_t at = op.gradient = p_.gradient_memory;
        const auto block = [&](int64_t param, int64_t rows, int64_t columns, int64_t stride, bool complex) {
            p_.blocks.push_back({param, rows, columns, at, stride, complex, number});
            at += rows * stride;
        };
        switch (op.kind) {
            case Kind::kLinear:
                block(op.params[0], op.width, op.ints[1], round_up(op.in_widths[0], 16), op.ints[2] != 0);
                if (op.params[1] >= 0) block(op.params[1], 1, op.width, op.width, false);
                break;
            case Kind::kLayerNorm:
                block(op.params[0], 1, op.width, op.width, false);
                block(op.params[1], 1, op.width, op.width, false);
                break;
            case Kind::kSineFilter: block(op.params[0], 1, op.width, op.width, false); break;
            case Kind::kTucker: {
                int64_t entries = op.ints[0];
                for (const int64_t w : op.in_widths) entries *= w;
                block(op.params[0], 1, entries, entries, false);
                break;
            }
            default: {  // a grid
                op.gradient = -1;
                op.saved = p_.saved_rows;
                p_.saved_rows += op.in_widths[0] + op.width;
                const GridLevel& last = p_.grids[i].back();
                p_.blocks.push_back({op.params[0], 1, (last.offset + last.entries) * op.ints[1], -1, 0, false, number});
            }
        }
        p_.gradient_memory = round_up(at, 16);
    }
}

// Room for the matrix, and for its transpose if gradients go back through it. Narrow products stay in 32 bits: those
// of coordinates, whose angles need all digits, and those of few outputs.
void Builder::add_packed(Op& op) {
    const int64_t depth = op.in_widths[0];
    op.half = p_.half && op.width >= kTile && depth >= kTile;
    const auto room = [&](int64_t rows, int64_t columns) {
        const int64_t at = p_.packed_memory;
        const int64_t floats =
            op.half ? round_up(rows, kTile) * round_up(columns, 2 * kTile) / 2 : round_up(rows, kRows) * columns;
        p_.packed_memory += round_up(floats, 16);
        return at;
    };
    op.packed = room(op.width, depth);
    if (op.writes[0] != Write::kNone) op.packed_transposed = room(depth, op.width);
    if (!op.half) return;
    op.packed_bias = p_.packed_memory;
    p_.packed_memory += round_up(op.width, kTile) * kTile;
}

int64_t Builder::aux_rows(const Op& op) const {
    if (!op.trained) return 0;
    if (is_elementwise(op.kind) || op.kind == Kind::kSineFilter) return op.width;
    if (op.kind == Kind::kLayerNorm) return op.width + 1;
    if (op.kind == Kind::kTt) return static_cast<int64_t>(op.inputs.size() - 1) * op.ints[0];
    if (op.kind != Kind::kTucker) return 0;
    int64_t rows = 0, rest = op.width;
    for (size_t k = op.inputs.size(); k-- > 1;) rows += rest *= op.in_widths[k];
    return rows;
}

int64_t Builder::scratch_floats(const Op& op) const {
    const int64_t n = p_.tile;
    switch (op.kind) {
        case Kind::kLinear:
            if (op.half) return n * (round_up(op.in_widths[0], 2 * kTile) + round_up(op.width, 2 * kTile));
            return op.trained ? n * round_up(op.in_widths[0], 16) : 0;
        case Kind::kTt: {
            const int64_t kept = static_cast<int64_t>(op.inputs.size() - 1);
            return n * op.ints[0] * (kept > 2 ? kept : 2);
        }
        case Kind::kTucker: {
            int64_t rows = 0, rest = op.width;
            for (size_t k = op.inputs.size(); k-- > 0;) rows += rest *= op.in_widths[k];
            return n * rows;
        }
        default: return 0;
    }
}

// Time 0 loads the points, i + 1 is the forward pass of operation i, then comes the loss and the way back.
void Builder::place() {
    const int64_t count = static_cast<int64_t>(p_.ops.size()), loss = count + 1;
    const auto back = [&](size_t i) { return loss + count - static_cast<int64_t>(i); };
    BufferPlan plan;
    std::vector<int> values, gradients, aux(p_.ops.size(), -1);
    for (size_t v = 0; v < p_.widths.size(); ++v) {
        values.push_back(plan.add(p_.widths[v] * p_.tile));
        gradients.push_back(p_.training && needs_[v] ? plan.add(p_.widths[v] * p_.tile) : -1);
        plan.use(values[v], static_cast<int64_t>(v));
    }
    if (p_.input_gradient && gradients[0] >= 0) plan.use(gradients[0], loss + count + 1);
    for (const int head : p_.heads) {
        plan.use(values[static_cast<size_t>(head)], loss);
        const int gradient = gradients[static_cast<size_t>(head)];
        if (gradient >= 0) plan.use(gradient, loss);
    }
    for (size_t i = 0; i < p_.ops.size(); ++i) {
        const Op& op = p_.ops[i];
        for (const int input : op.inputs) {
            plan.use(values[static_cast<size_t>(input)], static_cast<int64_t>(i) + 1);
            if (op.trained && keeps_inputs(op.kind)) plan.use(values[static_cast<size_t>(input)], back(i));
        }
        if (op.trained) {
            plan.use(gradients[i + 1], back(i));
            if (keeps_output(op.kind)) plan.use(values[i + 1], back(i));
            for (size_t k = 0; k < op.inputs.size(); ++k)
                if (op.writes[k] != Write::kNone) plan.use(gradients[static_cast<size_t>(op.inputs[k])], back(i));
        }
        if (const int64_t rows = aux_rows(op)) {
            aux[i] = plan.add(rows * p_.tile);
            plan.use(aux[i], static_cast<int64_t>(i) + 1);
            plan.use(aux[i], back(i));
        }
        const size_t input = static_cast<size_t>(op.inputs[0]);
        if (!is_elementwise(op.kind) || input == 0 || uses(op.inputs[0]) != 1 || is_head(op.inputs[0])) continue;
        if (keeps_output(p_.ops[input - 1].kind) && p_.training) continue;
        plan.merge(values[input], op.trained ? aux[i] : values[i + 1]);
        if (op.trained && op.writes[0] == Write::kSet) plan.merge(gradients[input], gradients[i + 1]);
    }
    const int targets = plan.add(p_.d_out * p_.tile);
    plan.use(targets, 0);
    plan.use(targets, loss);
    int64_t scratch = 0;
    for (const Op& op : p_.ops) scratch = std::max(scratch, scratch_floats(op));
    p_.scratch = round_up(plan.place(), 16);
    p_.memory = p_.scratch + round_up(scratch, 16);
    p_.targets = plan.offset(targets);
    for (size_t v = 0; v < p_.widths.size(); ++v) {
        p_.values.push_back(plan.offset(values[v]));
        p_.gradients.push_back(gradients[v] < 0 ? -1 : plan.offset(gradients[v]));
    }
    for (size_t i = 0; i < p_.ops.size(); ++i)
        if (aux[i] >= 0) p_.ops[i].aux = plan.offset(aux[i]);
}

// Where a product alone writes the gradient of an elementwise operation's output, it multiplies with the slopes itself.
void Builder::fold() {
    for (Op& op : p_.ops) {
        const int input = op.inputs[0];
        if (op.kind != Kind::kLinear || op.writes[0] != Write::kSet || input == 0 || uses(input) != 1) continue;
        Op& before = p_.ops[static_cast<size_t>(input) - 1];
        if (!is_elementwise(before.kind) || before.writes[0] != Write::kSet) continue;
        if (p_.gradients[static_cast<size_t>(before.inputs[0])] != p_.gradients[static_cast<size_t>(input)]) continue;
        op.slopes = before.aux;
        before.folded = true;
    }
}

void Builder::plan() {
    find_gradients();
    add_parameters();
    place();
    fold();
    if (p_.memory > kMostFloats || p_.gradient_memory > kMostFloats || p_.packed_memory > kMostFloats)
        throw std::invalid_argument("program: a tile needs more than 8 GiB");
    if (p_.training && p_.blocks.empty()) throw std::invalid_argument("program: it has no parameter to train");
}

}  // namespace

const char* kind_name(Kind kind) {
    const int number = static_cast<int>(kind);
    return number >= 0 && number < static_cast<int>(Kind::kCount) ? kNames[number] : "unknown";
}

Program Program::build(std::vector<OpSpec> specs, int64_t d_in, std::vector<int> heads, int64_t n_params, int64_t tile,
                       bool training, bool input_gradient, bool half) {
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
    program.half = half;
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
