// Vectors of floats, as wide as the instruction set of the translation unit: GCC's and Clang's vector extensions.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#ifndef INR_ISA
#error "INR_ISA names the namespace of an instruction set"
#endif

namespace inr {
namespace INR_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kVectors = 4;  // of a register block of a matrix product
#elif defined(__AVX2__)
constexpr int kLanes = 8;
constexpr int kVectors = 2;
#else
constexpr int kLanes = 4;
constexpr int kVectors = 2;
#endif

typedef float V __attribute__((vector_size(kLanes * 4)));
typedef int32_t I __attribute__((vector_size(kLanes * 4)));
typedef uint32_t U __attribute__((vector_size(kLanes * 4)));
typedef float Unaligned __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef float Aligned __attribute__((vector_size(kLanes * 4), may_alias));

#define INR_INLINE static inline __attribute__((always_inline))
#define INR_INLINE_MEMBER inline __attribute__((always_inline))

INR_INLINE V load(const float* p) { return *reinterpret_cast<const Aligned*>(p); }
INR_INLINE V load_any(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
INR_INLINE void store(float* p, V v) { *reinterpret_cast<Aligned*>(p) = v; }
INR_INLINE void store_any(float* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
INR_INLINE V splat(float x) { return x - V{}; }  // x + 0 would not be x for -0, and cost an addition
INR_INLINE I as_int(V v) { return reinterpret_cast<I>(v); }
INR_INLINE V as_float(I v) { return reinterpret_cast<V>(v); }
INR_INLINE V to_float(I v) { return __builtin_convertvector(v, V); }
INR_INLINE I truncate(V v) { return __builtin_convertvector(v, I); }
INR_INLINE V select(I mask, V yes, V no) { return as_float((mask & as_int(yes)) | (~mask & as_int(no))); }
INR_INLINE V absolute(V v) { return as_float(as_int(v) & 0x7fffffff); }
// a b + c, rounded once where the machine can (kFused), which no rearrangement of the compiler undoes.
#if defined(__AVX512F__)
constexpr bool kFused = true;
INR_INLINE V multiply_add(V a, V b, V c) {
    return reinterpret_cast<V>(
        _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
}
#elif defined(__AVX2__)
constexpr bool kFused = true;
INR_INLINE V multiply_add(V a, V b, V c) {
    return reinterpret_cast<V>(
        _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
constexpr bool kFused = true;
INR_INLINE V multiply_add(V a, V b, V c) {
    return reinterpret_cast<V>(vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a),
                                         reinterpret_cast<float32x4_t>(b)));
}
#else
constexpr bool kFused = false;
INR_INLINE V multiply_add(V a, V b, V c) { return a * b + c; }
#endif

INR_INLINE V minimum(V a, V b) { return a < b ? a : b; }
INR_INLINE V maximum(V a, V b) { return a > b ? a : b; }

// Nearest integer of numbers below 2^22.
INR_INLINE V nearest(V v) {
    const float magic = 12582912.0f;  // 1.5 2^23
    return (v + magic) - magic;
}

INR_INLINE V floor(V v) {
    const V whole = to_float(truncate(v));
    return whole - as_float((whole > v) & as_int(splat(1.0f)));
}

INR_INLINE V square_root(V v) {
#if defined(__AVX512F__)
    return reinterpret_cast<V>(_mm512_sqrt_ps(reinterpret_cast<__m512>(v)));
#elif defined(__AVX2__)
    return reinterpret_cast<V>(_mm256_sqrt_ps(reinterpret_cast<__m256>(v)));
#elif defined(__SSE2__)
    return reinterpret_cast<V>(_mm_sqrt_ps(reinterpret_cast<__m128>(v)));
#else
    for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
}

// Whether any lane of a comparison is true.
INR_INLINE bool any(I mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(mask), reinterpret_cast<__m512i>(mask)) != 0;
#elif defined(__AVX2__)
    return !_mm256_testz_si256(reinterpret_cast<__m256i>(mask), reinterpret_cast<__m256i>(mask));
#else
    int32_t all = 0;
    for (int i = 0; i < kLanes; ++i) all |= mask[i];
    return all != 0;
#endif
}

// Sum of the lanes, always in the same order.
INR_INLINE float sum(V v) {
    float parts[kLanes];
    std::memcpy(parts, &v, sizeof(v));
    for (int half = kLanes / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) parts[i] += parts[i + half];
    return parts[0];
}

// Row i of a matrix of kLanes rows becomes column i.
template <int Step>
INR_INLINE void exchange(V& a, V& b) {
    I first{}, second{};
    for (int j = 0; j < kLanes; ++j) {
        first[j] = (j & Step) ? kLanes + j - Step : j;
        second[j] = (j & Step) ? kLanes + j : j + Step;
    }
#if defined(__clang__)
    V x{}, y{};
    for (int j = 0; j < kLanes; ++j) {
        x[j] = (j & Step) ? b[j - Step] : a[j];
        y[j] = (j & Step) ? b[j] : a[j + Step];
    }
#else
    const V x = __builtin_shuffle(a, b, first), y = __builtin_shuffle(a, b, second);
#endif
    a = x;
    b = y;
}

template <int Step>
INR_INLINE void exchange_rows(V* rows) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
        if (!(i & Step)) exchange<Step>(rows[i], rows[i + Step]);
}

INR_INLINE void transpose_square(V* rows) {
    if constexpr (kLanes > 8) exchange_rows<8>(rows);
    if constexpr (kLanes > 4) exchange_rows<4>(rows);
    exchange_rows<2>(rows);
    exchange_rows<1>(rows);
}

// a0 b0 a1 b1 ..., the lower and the upper half of it.
struct Interleaved {
    V lower, upper;
};

INR_INLINE Interleaved interleave(V a, V b) {
#if defined(__clang__)
    V lower{}, upper{};
    for (int j = 0; j < kLanes; ++j) {
        lower[j] = (j & 1) ? b[j / 2] : a[j / 2];
        upper[j] = (j & 1) ? b[kLanes / 2 + j / 2] : a[kLanes / 2 + j / 2];
    }
    return {lower, upper};
#else
    I first{}, second{};
    for (int j = 0; j < kLanes; ++j) {
        first[j] = j / 2 + (j & 1) * kLanes;
        second[j] = first[j] + kLanes / 2;
    }
    return {__builtin_shuffle(a, b, first), __builtin_shuffle(a, b, second)};
#endif
}

// Sums of the lanes of kLanes vectors, always in the same order.
INR_INLINE V sums(V* vectors) {
    transpose_square(vectors);
#pragma GCC unroll 4
    for (int step = kLanes / 2; step > 0; step /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < step; ++i) vectors[i] += vectors[i + step];
    return vectors[0];
}

}  // namespace INR_ISA
}  // namespace inr
