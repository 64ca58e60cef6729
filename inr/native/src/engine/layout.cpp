#include "engine/layout.h"

#include <algorithm>
#include <utility>

#include "engine/buffers.h"

namespace inr {

namespace {

constexpr int64_t kCheap = 4;  // columns of a matrix

// The way back reads the inputs in 32 bits.
bool keeps_inputs(const Op& op) { return facts(op.kind).inputs_kept && !op.bf16; }

bool keeps_output(Kind kind) { return facts(kind).output_kept; }

// Time 0 loads the points, i + 1 is the forward pass of operation i, then comes the loss and the way back.
class Layout {
public:
    Layout(Program& program, const std::vector<bool>& needs)
        : p_(program), needs_(needs), count_(static_cast<int64_t>(program.ops.size())) {}

    void run() {
        join();
        find_halves();
        find_repeated();
        add_buffers();
        for (size_t i = 0; i < p_.ops.size(); ++i) use_operation(i);
        use_halves();
        place();
    }

private:
    void join();
    void find_halves();
    void find_repeated();
    void add_buffers();
    void use_operation(size_t i);
    void use_halves();
    void place();
    int64_t aux_floats(const Op& op) const;
    int64_t scratch_floats(const Op& op) const;
    bool in_place(const Op& op) const;

    int64_t back(size_t i) const { return 2 * count_ + 1 - static_cast<int64_t>(i); }
    static int64_t ahead(size_t i) { return static_cast<int64_t>(i) + 1; }
    // The operation that makes a value, which is no input of the network.
    Op& maker(int value) const { return p_.ops[static_cast<size_t>(value) - 1]; }
    int uses(int value) const {
        int found = 0;
        for (const Op& op : p_.ops) found += static_cast<int>(std::count(op.inputs.begin(), op.inputs.end(), value));
        return found;
    }
    bool is_head(int value) const { return std::find(p_.heads.begin(), p_.heads.end(), value) != p_.heads.end(); }
    // A value that the way back reads in 32 bits.
    bool kept(int value) const {
        for (const Op& op : p_.ops)
            if (op.trained && keeps_inputs(op) && std::count(op.inputs.begin(), op.inputs.end(), value)) return true;
        return false;
    }
    // A value of an elementwise operation that a product makes in blocks.
    bool packed_by_maker(int value) const {
        return value != 0 && maker(value).done && maker(maker(value).inputs[0]).blocks;
    }
    // A value that one operation alone reads.
    bool inner(int value) const { return value != 0 && uses(value) == 1 && !is_head(value); }
    void use_value(int v, int64_t time) {
        if (!p_.bf16_values[static_cast<size_t>(v)].only) plan_.use(values_[static_cast<size_t>(v)], time);
    }
    void use_gradient(int v, int64_t time) {
        const int buffer = gradients_[static_cast<size_t>(v)];
        if (buffer >= 0 && !p_.bf16_gradients[static_cast<size_t>(v)].only) plan_.use(buffer, time);
    }

    Program& p_;
    const std::vector<bool>& needs_;
    const int64_t count_;
    BufferPlan plan_;
    std::vector<int> values_, gradients_, aux_;
    std::vector<std::pair<int, int>> repeated_;          // values, and numbers of their buffers on the way back
    std::vector<std::pair<int64_t*, int>> half_places_;  // to be filled in, and numbers of their buffers
};

// The gradient of an elementwise operation's input takes the place of its output's.
bool Layout::in_place(const Op& op) const {
    return is_elementwise(op.kind) && inner(op.inputs[0]) && op.trained && op.writes[0] == Write::kSet &&
           !keeps_output(maker(op.inputs[0]).kind);
}

// An elementwise operation is done with the sums of the product before it. Where a product alone writes the gradient
// of its output, that product multiplies with the slopes.
void Layout::join() {
    for (Op& op : p_.ops) {
        const int input = op.inputs[0];
        const bool odd = p_.bf16 && facts(op.kind).coarse_if_positive && op.reals[0] <= 0;
        if (is_elementwise(op.kind) && op.live && !odd && inner(input) && maker(input).kind == Kind::kLinear) {
            maker(input).function = op.output - 1;
            op.done = true;
        }
        if (op.kind != Kind::kLinear || op.writes[0] != Write::kSet || input == 0 || uses(input) != 1) continue;
        if (!in_place(maker(input))) continue;
        op.undone = input - 1;
        maker(input).folded = true;
    }
    for (Op& op : p_.ops) {
        // What is not above zero must not have become so: with a slope below zero it would.
        const bool sign = facts(op.kind).slope_of_sign && (op.reals.empty() || op.reals[0] > 0);
        op.from_output = sign && op.trained && !op.folded && kept(op.output);
    }
}

// A factor that costs a few products of the coordinates is made again rather than kept.
void Layout::find_repeated() {
    for (Op& op : p_.ops) {
        if (!facts(op.kind).inputs_factors || !op.trained) continue;
        for (const int input : op.inputs) {
            if (op.again >= 0 || !inner(input)) continue;
            const Op& factor = maker(input);
            if (factor.kind == Kind::kLinear && factor.inputs[0] == 0 && factor.in_widths[0] <= kCheap)
                op.again = input - 1;
        }
    }
}

// Which values and gradients are packed for 16-bit products, and who packs them.
void Layout::find_halves() {
    p_.bf16_values.resize(p_.widths.size());
    p_.bf16_gradients.resize(p_.widths.size());
    for (Op& op : p_.ops) {
        if (op.kind != Kind::kLinear || !op.live) continue;
        const int input = op.inputs[0];
        op.blocks = op.bf16;
        for (const Op& other : p_.ops)
            if (op.function >= 0 && other.bf16 && other.live && other.inputs[0] == op.function + 1) op.blocks = true;
        if (op.bf16) {
            op.packs_gradient = op.trained;
            op.packs_input = !packed_by_maker(input);
            for (const Op& other : p_.ops)
                if (other.output < op.output && other.bf16 && other.live && other.inputs[0] == input)
                    op.packs_input = false;
        }
        if (!packed_by_maker(input)) continue;
        bool only = op.bf16 && !is_head(input);
        for (const Op& other : p_.ops)
            for (const int read : other.inputs) only = only && (read != input || other.bf16 || !other.live);
        p_.bf16_values[static_cast<size_t>(input)].only = only;
        if (op.undone < 0) continue;
        const int sums = maker(input).inputs[0];
        maker(input).bf16_slopes = true;
        p_.bf16_gradients[static_cast<size_t>(input)].only = maker(sums).bf16;
        p_.bf16_gradients[static_cast<size_t>(sums)].only = maker(sums).bf16;
    }
    for (Op& op : p_.ops) {
        if (p_.bf16_gradients[static_cast<size_t>(op.output)].only) op.packs_gradient = false;
        if (!op.packs_gradient || op.function < 0) continue;
        Op& function = p_.ops[static_cast<size_t>(op.function)];
        op.packs_slopes = in_place(function);
        function.folded = op.packs_slopes;
    }
}

void Layout::add_buffers() {
    for (size_t v = 0; v < p_.widths.size(); ++v) {
        values_.push_back(plan_.add(p_.widths[v] * p_.tile));
        gradients_.push_back(p_.training && needs_[v] ? plan_.add(p_.widths[v] * p_.tile) : -1);
    }
    for (const Op& op : p_.ops) {
        const int64_t floats = aux_floats(op);
        aux_.push_back(floats > 0 ? plan_.add(floats) : -1);
    }
    const int64_t loss = count_ + 1;
    use_value(0, 0);
    if (p_.input_gradient) use_gradient(0, back(0) + 1);
    for (const int head : p_.heads) {
        use_value(head, loss);
        use_gradient(head, loss);
    }
}

void Layout::use_operation(size_t i) {
    const Op& op = p_.ops[i];
    // What is done by the product before is written in its time, and the sums go nowhere.
    const int64_t time = op.done ? ahead(static_cast<size_t>(op.inputs[0]) - 1) : ahead(i);
    const bool later = op.done && maker(op.inputs[0]).packs_slopes;
    const int64_t undone = later ? back(static_cast<size_t>(op.inputs[0]) - 1) : back(i);
    if (op.function < 0) use_value(op.output, time);
    for (const int input : op.inputs) {
        if (op.done) break;
        use_value(input, time);
        if (!op.trained || !keeps_inputs(op)) continue;
        if (op.again >= 0 && op.again == input - 1) {
            const int buffer = plan_.add(p_.widths[static_cast<size_t>(input)] * p_.tile);
            plan_.use(buffer, back(i));
            repeated_.emplace_back(input, buffer);
            use_value(maker(input).inputs[0], back(i));
        } else {
            use_value(input, back(i));
        }
    }
    if (op.trained) {
        use_gradient(op.output, back(i));
        if (keeps_output(op.kind)) use_value(op.output, back(i));
        if (op.from_output) use_value(op.output, undone);
        for (size_t k = 0; k < op.inputs.size(); ++k)
            if (op.writes[k] != Write::kNone) use_gradient(op.inputs[k], back(i));
    }
    if (aux_[i] >= 0) {
        plan_.use(aux_[i], time);
        plan_.use(aux_[i], undone);
    }
    const size_t input = static_cast<size_t>(op.inputs[0]);
    if (in_place(op)) plan_.merge(gradients_[input], gradients_[i + 1]);
    if (facts(op.kind).inputs_factors && op.inputs.size() == 2 && op.inputs[0] != op.inputs[1] &&
        op.writes[0] == Write::kSet)
        plan_.merge(gradients_[input], gradients_[i + 1]);
    if (op.done || !is_elementwise(op.kind) || !inner(op.inputs[0])) return;
    if (keeps_output(maker(op.inputs[0]).kind) && p_.training) return;
    plan_.merge(values_[input], aux_[i] >= 0 ? aux_[i] : values_[i + 1]);
}

void Layout::use_halves() {
    const auto floats = [&](int v) { return round_up(p_.widths[static_cast<size_t>(v)], kBf16Rows) * p_.tile / 2; };
    const auto use = [&](int64_t& place, int v, int64_t first, int64_t last) {
        if (place < 0) {
            place = plan_.add(floats(v));  // the number of the buffer, until all have their places
            half_places_.emplace_back(&place, static_cast<int>(place));
        }
        plan_.use(static_cast<int>(place), first);
        plan_.use(static_cast<int>(place), last);
    };
    std::vector<int64_t> packed(p_.widths.size(), 0);  // by value: when its first reader packs it
    for (size_t i = 0; i < p_.ops.size(); ++i) {
        const Op& op = p_.ops[i];
        if (!op.bf16 || !op.live) continue;
        const int input = op.inputs[0];
        if (op.packs_input) packed[static_cast<size_t>(input)] = ahead(i);
        const int64_t made = packed_by_maker(input) ? ahead(static_cast<size_t>(maker(input).inputs[0]) - 1)
                                                    : packed[static_cast<size_t>(input)];
        Bf16Places& value = p_.bf16_values[static_cast<size_t>(input)];
        use(value.features, input, made, ahead(i));
        if (!op.trained) continue;
        use(value.samples, input, made, back(i));
        Bf16Places& gradient = p_.bf16_gradients[static_cast<size_t>(op.output)];
        int64_t known = back(i);
        for (size_t j = i; gradient.only && j < p_.ops.size(); ++j)
            if (p_.ops[j].undone >= 0 && p_.ops[j].undone == op.function) known = back(j);
        use(gradient.samples, op.output, known, back(i));
        if (op.writes[0] != Write::kNone) use(gradient.features, op.output, known, back(i));
    }
}

int64_t Layout::aux_floats(const Op& op) const {
    if (!op.trained) return 0;
    if (op.from_output) return 0;
    if (op.bf16_slopes) return round_up(op.width, kBf16Rows) * p_.tile / 2;
    if (is_elementwise(op.kind)) return op.width * p_.tile;
    const Facts& known = facts(op.kind);
    return known.kept_rows_rule == nullptr ? 0 : known.kept_rows_rule(op) * p_.tile;
}

int64_t Layout::scratch_floats(const Op& op) const {
    if (op.kind == Kind::kLinear) {
        const int64_t depth = op.in_widths[0];
        if (!op.trained) return 0;
        return op.bf16 ? round_up(depth, kBf16Rows) * 16 : p_.tile * round_up(depth, 16);
    }
    const Facts& known = facts(op.kind);
    return known.scratch_rows_rule == nullptr ? 0 : known.scratch_rows_rule(op) * p_.tile;
}

void Layout::place() {
    const int targets = plan_.add(p_.d_out * p_.tile);
    plan_.use(targets, 0);
    plan_.use(targets, count_ + 1);
    int64_t scratch = 0;
    for (const Op& op : p_.ops) scratch = std::max(scratch, scratch_floats(op));
    p_.scratch = round_up(plan_.place(), 16);
    p_.memory = p_.scratch + round_up(scratch, 16);
    p_.targets = plan_.offset(targets);
    for (size_t v = 0; v < p_.widths.size(); ++v) {
        p_.values.push_back(plan_.offset(values_[v]));
        p_.gradients.push_back(gradients_[v] < 0 ? -1 : plan_.offset(gradients_[v]));
    }
    p_.values_back = p_.values;
    for (const auto& [value, buffer] : repeated_) p_.values_back[static_cast<size_t>(value)] = plan_.offset(buffer);
    for (size_t i = 0; i < p_.ops.size(); ++i)
        if (aux_[i] >= 0) p_.ops[i].aux = plan_.offset(aux_[i]);
    for (const auto& [place, buffer] : half_places_) *place = plan_.offset(buffer);
}

}  // namespace

void lay_out(Program& program, const std::vector<bool>& needs) { Layout(program, needs).run(); }

}  // namespace inr
