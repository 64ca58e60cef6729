// Products of 16-bit tiles: the instructions of AMX, or the same in ordinary code, so that what is written for them can
// be tested on every machine. A tile has 16 rows of 64 bytes.
#pragma once

#include "isa/simd.h"

#if INR_TILES == 1

#include <immintrin.h>

namespace inr {
namespace INR_ISA {

// gcc 12 does not know that a tile load reads memory.
#define INR_FENCE asm volatile("" ::: "memory")
#define INR_TILE_LOAD(n, from, stride) _tile_loadd(n, from, stride)
#define INR_TILE_STORE(n, to, stride) _tile_stored(n, to, stride)
#define INR_TILE_ZERO(n) _tile_zero(n)
#define INR_TILE_PRODUCT(c, a, b) _tile_dpbf16ps(c, a, b)

// Tiles are a thread's own: each thread says how large they are before it works, and lets them go afterwards.
class TileUse {
public:
    TileUse() {
        alignas(64) uint8_t config[64] = {};
        config[0] = 1;
        for (int tile = 0; tile < 8; ++tile) {
            config[16 + 2 * tile] = 64;  // bytes of a row
            config[48 + tile] = 16;      // rows
        }
        INR_FENCE;
        _tile_loadconfig(config);
    }
    ~TileUse() { _tile_release(); }
    TileUse(const TileUse&) = delete;
    TileUse& operator=(const TileUse&) = delete;
};

}  // namespace INR_ISA
}  // namespace inr

#elif INR_TILES == 2

namespace inr {
namespace INR_ISA {

alignas(64) static thread_local uint32_t tiles[8][16][16];

static void tile_load(int n, const void* from, int64_t stride) {
    for (int row = 0; row < 16; ++row) std::memcpy(tiles[n][row], static_cast<const char*>(from) + row * stride, 64);
}

static void tile_store(int n, void* to, int64_t stride) {
    for (int row = 0; row < 16; ++row) std::memcpy(static_cast<char*>(to) + row * stride, tiles[n][row], 64);
}

// c[m][n] += sum over pairs p of a[m][p] . b[p][n], each a product of two pairs of 16-bit numbers.
static void tile_product(int c, int a, int b) {
    V low[16], high[16];
    for (int p = 0; p < 16; ++p) {
        U words;
        std::memcpy(&words, tiles[b][p], sizeof(words));
        low[p] = as_float(reinterpret_cast<I>(words << 16));
        high[p] = as_float(reinterpret_cast<I>(words & 0xffff0000u));
    }
    for (int m = 0; m < 16; ++m) {
        V total;
        std::memcpy(&total, tiles[c][m], sizeof(total));
        for (int p = 0; p < 16; ++p) {
            const uint32_t bits[2] = {tiles[a][m][p] << 16, tiles[a][m][p] & 0xffff0000u};
            float x[2];
            std::memcpy(x, bits, sizeof(x));
            total += x[0] * low[p];
            total += x[1] * high[p];
        }
        std::memcpy(tiles[c][m], &total, sizeof(total));
    }
}

#define INR_FENCE
#define INR_TILE_LOAD(n, from, stride) tile_load(n, from, stride)
#define INR_TILE_STORE(n, to, stride) tile_store(n, to, stride)
#define INR_TILE_ZERO(n) std::memset(tiles[n], 0, sizeof(tiles[n]))
#define INR_TILE_PRODUCT(c, a, b) tile_product(c, a, b)

struct TileUse {
    TileUse() {}
    ~TileUse() {}
};

}  // namespace INR_ISA
}  // namespace inr

#endif
