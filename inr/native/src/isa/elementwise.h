// Elementwise operations: the forward pass leaves the derivative in the operation's own memory, which may be the memory
// of its input, and the backward pass is one product.
#pragma once

#include <type_traits>

#include "isa/formulas.h"

namespace inr {
namespace INR_ISA {

INR_INLINE void store_pair(const Pair& pair, float* out, float* slopes, int64_t i) {
    store(out + i, pair.value);
    if (slopes != nullptr) store(slopes + i, pair.slope);
}

template <typename Function, typename = void>
struct HasSlow : std::false_type {};
template <typename Function>
struct HasSlow<Function, std::void_t<decltype(&Function::slow)>> : std::true_type {};

// out = f(in) and, if wanted, slopes = f'(in); either may be where the input is. n is a multiple of kVectors * kLanes.
template <typename Function>
static std::enable_if_t<!HasSlow<Function>::value> apply(const Function f, const float* in, float* out, float* slopes,
                                                         int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_pair(f(load(in + i)), out, slopes, i);
}

template <typename Function>
static std::enable_if_t<HasSlow<Function>::value> apply(const Function f, const float* in, float* out, float* slopes,
                                                        int64_t n) {
    constexpr int kGroup = kVectors;  // what a register block of a product has in a row
    for (int64_t i = 0; i < n; i += kGroup * kLanes) {
        V x[kGroup];
        I far{};
#pragma GCC unroll 4
        for (int k = 0; k < kGroup; ++k) {
            x[k] = load(in + i + k * kLanes);
            far |= f.far(x[k]);
        }
        if (__builtin_expect(any(far), 0)) {
            for (int k = 0; k < kGroup; ++k) store_pair(f.slow(x[k]), out, slopes, i + k * kLanes);
            continue;
        }
#pragma GCC unroll 4
        for (int k = 0; k < kGroup; ++k) store_pair(f(x[k]), out, slopes, i + k * kLanes);
    }
}

// Of an operation whose slopes are known from the signs of its output.
INR_INLINE V slope_of_output(const Op& op, V y) {
    return select(y > 0.0f, splat(1.0f), splat(op.reals.empty() ? 0.0f : static_cast<float>(op.reals[0])));
}

static void elementwise_backward(const Op& op, const Tile& tile) {
    const float *d = tile.d_out(op), *slopes = tile.aux(op);
    float* dx = tile.d_in(op, 0);
    if (dx == nullptr) return;
    if (op.from_output) {
        const float* y = tile.out(op);
        for (int64_t i = 0; i < op.width * tile.size(); i += kLanes)
            put(dx + i, load(d + i) * slope_of_output(op, load(y + i)), op.writes[0]);
        return;
    }
    for (int64_t i = 0; i < op.width * tile.size(); i += kLanes)
        put(dx + i, load(d + i) * load(slopes + i), op.writes[0]);
}

// How operations of each nature run (ops/table.h).
template <Kind kind>
struct Elementwise {
    static void forward(const Op& op, const Tile& tile) {
        if (op.done) return;
        apply(Formula<kind>(op), tile.in(op, 0), tile.out(op), tile.aux(op), op.width * tile.size());
    }
    static void backward(const Op& op, const Tile& tile) {
        if (!op.folded) elementwise_backward(op, tile);
    }
    template <typename Use>
    static void with_formula(const Op& op, Use use) {
        use(Formula<kind>(op));
    }
#if defined(__AVX512F__)
    template <typename Use>
    static void with_coarse_formula(const Op& op, Use use) {
        use(CoarseFormula<kind>(op));
    }
    static float coarse_scale(const Op& op) { return CoarseFormula<kind>::scale(op); }
#endif
};

// Those without a formula.
struct Whole {
    template <typename Use>
    static void with_formula(const Op&, Use) {}
#if defined(__AVX512F__)
    template <typename Use>
    static void with_coarse_formula(const Op&, Use) {}
    static float coarse_scale(const Op&) { return 1.0f; }
#endif
};

template <Kind kind>
struct General : Whole {
    static void forward(const Op& op, const Tile& tile) { forward_of<kind>(op, tile); }
    static void backward(const Op& op, const Tile& tile) { backward_of<kind>(op, tile); }
};

template <Kind kind>
struct Given : Whole {
    static void forward(const Op& op, const Tile& tile) { forward_of<kind>(op, tile); }
    static void backward(const Op&, const Tile&) {}
};

// Calls `use` with the formula of an elementwise operation.
template <typename Use>
INR_INLINE void with_formula(const Op& op, Use use) {
    switch (op.kind) {
#define INR_OPERATION(kind, nature, facts) \
    case Kind::k##kind: return nature<Kind::k##kind>::with_formula(op, use);
#include "ops/table.h"
#undef INR_OPERATION
    }
}

#if defined(__AVX512F__)
// The same with its formula for sums of products in a network that has 16-bit ones.
template <typename Use>
INR_INLINE void with_coarse_formula(const Op& op, Use use) {
    switch (op.kind) {
#define INR_OPERATION(kind, nature, facts) \
    case Kind::k##kind: return nature<Kind::k##kind>::with_coarse_formula(op, use);
#include "ops/table.h"
#undef INR_OPERATION
    }
}

// What those sums are multiplied with before.
INR_INLINE float coarse_scale(const Op& op) {
    switch (op.kind) {
#define INR_OPERATION(kind, nature, facts) \
    case Kind::k##kind: return nature<Kind::k##kind>::coarse_scale(op);
#include "ops/table.h"
#undef INR_OPERATION
    }
    return 1.0f;
}
#endif

}  // namespace INR_ISA
}  // namespace inr
