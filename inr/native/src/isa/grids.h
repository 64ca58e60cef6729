// Multi-resolution grids of features: gathers in tiles, and the scatter of their gradients level by level afterwards.
// One thread adds up a level, in the order of the samples, so the sums do not depend on the number of threads.
#pragma once

#include "isa/tile.h"

namespace inr {
namespace INR_ISA {

constexpr int kMostCorners = 16;

// Where one vector of samples lies in a level.
struct Corners {
    I index[kMostCorners];  // rows of the level's table
    V weight[kMostCorners];
    V below[4], above[4];  // weights along each axis
    V inside[4];           // 1 where a coordinate moves its sample, 0 where it is held at the border
};

// A row of a level whose nodes all have one, wherever the point lies.
static __attribute__((noinline, cold)) void wrap_rows(const GridLevel& level, const I* node, int corner, int d,
                                                      I& index) {
    for (int lane = 0; lane < kLanes; ++lane) {
        int64_t row = 0;
        for (int k = 0; k < d; ++k)
            row += (static_cast<int64_t>(node[k][lane]) + ((corner >> k) & 1)) * static_cast<int64_t>(level.strides[k]);
        row %= level.entries;
        index[lane] = static_cast<int32_t>(row < 0 ? row + level.entries : row);
    }
}

template <int D>
INR_INLINE void corners(const Op& op, const GridLevel& level, const V* x, Corners& c) {
    const bool clamped = op.ints[3] == 0;
    I node[D], outside{};
    U first[D];
#pragma GCC unroll 4
    for (int k = 0; k < D; ++k) {
        const float extent = static_cast<float>(op.reals[k]);
        V unit = ((extent == 1.0f ? x[k] : x[k] / extent) + 1.0f) * 0.5f;
        c.inside[k] = splat(1.0f);
        if (clamped) {
            const I held = (unit < 0.0f) | (unit > 1.0f);
            c.inside[k] = select(held, V{}, c.inside[k]);
            unit = select(unit > 0.0f, minimum(unit, splat(1.0f)), V{});
        }
        const V position = unit * level.scale[k] + level.shift;
        V cell = floor(position);
        if (clamped)
            cell = minimum(cell, splat(level.last[k]));
        else
            outside |= ~((cell >= 0.0f) & (cell <= level.last[k]));
        c.above[k] = position - cell;
        c.below[k] = 1.0f - c.above[k];
        node[k] = truncate(cell);
        first[k] = reinterpret_cast<U>(node[k]) * level.strides[k];
    }
    const bool far = !level.hashed && !clamped && any(outside);
#pragma GCC unroll 16
    for (int corner = 0; corner < (1 << D); ++corner) {
        U row{};
        V weight = splat(1.0f);
#pragma GCC unroll 4
        for (int k = 0; k < D; ++k) {
            const U step = (corner >> k) & 1 ? first[k] + level.strides[k] : first[k];
            row = level.hashed ? row ^ step : row + step;
            weight *= (corner >> k) & 1 ? c.above[k] : c.below[k];
        }
        const U entries = U{} + static_cast<uint32_t>(level.entries);
        I index = reinterpret_cast<I>(level.hashed ? row & (entries - 1u)
                                                   : row - (reinterpret_cast<U>(row >= entries) & entries));
        if (__builtin_expect(far, 0)) wrap_rows(level, node, corner, D, index);
        c.index[corner] = index;
        c.weight[corner] = weight;
    }
}

// Feature f of a vector of rows.
INR_INLINE V gather(const float* table, I index, int64_t features, int64_t f) {
#if defined(__AVX512F__)
    const __m512i at = _mm512_add_epi32(
        _mm512_mullo_epi32(reinterpret_cast<__m512i>(index), _mm512_set1_epi32(static_cast<int>(features))),
        _mm512_set1_epi32(static_cast<int>(f)));
    return reinterpret_cast<V>(_mm512_i32gather_ps(at, table, 4));
#else
    V v;
    for (int lane = 0; lane < kLanes; ++lane) v[lane] = table[static_cast<int64_t>(index[lane]) * features + f];
    return v;
#endif
}

#if defined(__AVX512F__)
// Both features of a vector of rows of two, mixed with the weights of the corners: one load for each pair.
template <int D>
INR_INLINE void mix_pairs(const float* table, const Corners& c, float* out, int64_t n) {
    V lower{}, upper{};
#pragma GCC unroll 16
    for (int corner = 0; corner < (1 << D); ++corner) {
        const __m512i index = reinterpret_cast<__m512i>(c.index[corner]);
        const __m256i first = _mm512_castsi512_si256(index), second = _mm512_extracti64x4_epi64(index, 1);
        const Interleaved weight = interleave(c.weight[corner], c.weight[corner]);
        lower += weight.lower * reinterpret_cast<V>(_mm512_i32gather_pd(first, table, 8));
        upper += weight.upper * reinterpret_cast<V>(_mm512_i32gather_pd(second, table, 8));
    }
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512 a = reinterpret_cast<__m512>(lower), b = reinterpret_cast<__m512>(upper);
    store(out, reinterpret_cast<V>(_mm512_permutex2var_ps(a, even, b)));
    store(out + n, reinterpret_cast<V>(_mm512_permutex2var_ps(a, odd, b)));
}
#endif

template <int D>
static void grid_forward_level(const Op& op, const GridLevel& level, const Tile& tile, int64_t number) {
    const int64_t n = tile.size(), features = op.ints[1];
    const float* table = tile.params + op.params[0] + level.offset * features;
    float* out = tile.out(op) + number * features * n;
    for (int64_t i = 0; i < n; i += kLanes) {
        V x[D];
        Corners c;
        for (int k = 0; k < D; ++k) x[k] = load(tile.in(op, 0) + k * n + i);
        corners<D>(op, level, x, c);
#if defined(__AVX512F__)
        if (features == 2) {
            mix_pairs<D>(table, c, out + i, n);
            continue;
        }
#endif
        for (int64_t f = 0; f < features; ++f) {
            V total{};
#pragma GCC unroll 16
            for (int corner = 0; corner < (1 << D); ++corner)
                total += c.weight[corner] * gather(table, c.index[corner], features, f);
            store(out + f * n + i, total);
        }
    }
}

// Gradients by the coordinates.
template <int D>
static void grid_backward_level(const Op& op, const GridLevel& level, const Tile& tile, int64_t number, bool add) {
    const int64_t n = tile.size(), features = op.ints[1];
    const float* table = tile.params + op.params[0] + level.offset * features;
    const float* d = tile.d_out(op) + number * features * n;
    float* dx = tile.d_in(op, 0);
    for (int64_t i = 0; i < n; i += kLanes) {
        V x[D], totals[D] = {};
        Corners c;
        for (int k = 0; k < D; ++k) x[k] = load(tile.in(op, 0) + k * n + i);
        corners<D>(op, level, x, c);
        for (int corner = 0; corner < (1 << D); ++corner) {
            V pull{};
            for (int64_t f = 0; f < features; ++f)
                pull += load(d + f * n + i) * gather(table, c.index[corner], features, f);
            for (int k = 0; k < D; ++k) {
                V others = (corner >> k) & 1 ? pull : -pull;
                for (int j = 0; j < D; ++j)
                    if (j != k) others *= (corner >> j) & 1 ? c.above[j] : c.below[j];
                totals[k] += others;
            }
        }
        for (int k = 0; k < D; ++k) {
            const float factor = 0.5f * level.scale[k] / static_cast<float>(op.reals[k]);
            put(dx + k * n + i, factor * c.inside[k] * totals[k], add ? Write::kAdd : Write::kSet);
        }
    }
}

typedef float Two __attribute__((vector_size(8), aligned(4), may_alias));

// Adds weighted gradients of two features to the rows of one corner, lane by lane.
INR_INLINE void scatter_pairs(V weight, I index, V first, V second, float* gradients) {
    alignas(64) int32_t rows[kLanes];
    alignas(64) float parts[2 * kLanes];
    std::memcpy(rows, &index, sizeof(rows));
    const Interleaved pairs = interleave(weight * first, weight * second);
    store(parts, pairs.lower);
    store(parts + kLanes, pairs.upper);
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes; ++lane) {
        Two* row = reinterpret_cast<Two*>(gradients + 2 * static_cast<int64_t>(rows[lane]));
        *row += *reinterpret_cast<const Two*>(parts + 2 * lane);
    }
}

// Adds the gradients of one level's table over some tiles; `saved` is that of the first tile, `step` from one to the
// next.
template <int D>
static void grid_scatter_level(const Op& op, const GridLevel& level, int64_t number, const float* saved, int64_t step,
                               int64_t tiles, int64_t n, float* gradients) {
    const int64_t features = op.ints[1];
    for (int64_t t = 0; t < tiles; ++t) {
        const float *x_rows = saved + t * step, *d = x_rows + (D + number * features) * n;
        for (int64_t i = 0; i < n; i += kLanes) {
            V x[D];
            Corners c;
            for (int k = 0; k < D; ++k) x[k] = load(x_rows + k * n + i);
            corners<D>(op, level, x, c);
            for (int corner = 0; corner < (1 << D); ++corner) {
                if (features == 2) {
                    scatter_pairs(c.weight[corner], c.index[corner], load(d + i), load(d + n + i), gradients);
                    continue;
                }
                alignas(64) int32_t index[kLanes];
                alignas(64) float parts[8][kLanes];
                std::memcpy(index, &c.index[corner], sizeof(index));
                for (int64_t first = 0; first < features; first += 8) {
                    const int64_t count = features - first < 8 ? features - first : 8;
                    for (int64_t f = 0; f < count; ++f)
                        store(parts[f], c.weight[corner] * load(d + (first + f) * n + i));
                    for (int lane = 0; lane < kLanes; ++lane) {
                        float* row = gradients + static_cast<int64_t>(index[lane]) * features + first;
                        for (int64_t f = 0; f < count; ++f) row[f] += parts[f][lane];
                    }
                }
            }
        }
    }
}

INR_INLINE const std::vector<GridLevel>& grid_levels_of(const Op& op, const Tile& tile) {
    return tile.program.grids[static_cast<size_t>(op.output) - 1];
}

#define INR_BY_DIMENSION(call)  \
    switch (op.ints[0]) {       \
        case 1: call(1); break; \
        case 2: call(2); break; \
        case 3: call(3); break; \
        default: call(4);       \
    }

template <>
void forward_of<Kind::kGrid>(const Op& op, const Tile& tile) {
    const std::vector<GridLevel>& levels = grid_levels_of(op, tile);
    for (size_t l = 0; l < levels.size(); ++l) {
        const int64_t number = static_cast<int64_t>(l);
#define INR_CALL(d) grid_forward_level<d>(op, levels[l], tile, number)
        INR_BY_DIMENSION(INR_CALL)
#undef INR_CALL
    }
}

template <>
void backward_of<Kind::kGrid>(const Op& op, const Tile& tile) {
    const std::vector<GridLevel>& levels = grid_levels_of(op, tile);
    const int64_t n = tile.size(), d_in = op.ints[0];
    float* saved = tile.saved + op.saved * n;
    std::memcpy(saved, tile.in(op, 0), d_in * n * sizeof(float));
    std::memcpy(saved + d_in * n, tile.d_out(op), op.width * n * sizeof(float));
    if (tile.d_in(op, 0) == nullptr) return;
    for (size_t l = 0; l < levels.size(); ++l) {
        const int64_t number = static_cast<int64_t>(l);
        const bool add = l > 0 || op.writes[0] == Write::kAdd;
#define INR_CALL(d) grid_backward_level<d>(op, levels[l], tile, number, add)
        INR_BY_DIMENSION(INR_CALL)
#undef INR_CALL
    }
}

static void grid_scatter(const Op& op, const GridLevel& level, int64_t number, const float* saved, int64_t step,
                         int64_t tiles, int64_t n, float* gradients) {
#define INR_CALL(d) grid_scatter_level<d>(op, level, number, saved, step, tiles, n, gradients)
    INR_BY_DIMENSION(INR_CALL)
#undef INR_CALL
}

}  // namespace INR_ISA
}  // namespace inr
