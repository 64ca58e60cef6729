// Which instruction sets this build and this machine have.
#include <cstdlib>
#include <stdexcept>

#include "isa/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace inr {

namespace portable {
extern const Isa table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Isa table;
}
namespace avx512 {
extern const Isa table;
}
namespace amx {
extern const Isa table;
}
namespace amx_emulated {
extern const Isa table;
}

namespace {

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

// The processor has tiles of 16-bit numbers, and the system lets this process use them.
bool has_amx() {
#if defined(__linux__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    if (!(d >> 22 & 1) || !(d >> 24 & 1)) return false;
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

}  // namespace
#endif

const std::vector<const Isa*>& available() {
    static const std::vector<const Isa*> found = [] {
        std::vector<const Isa*> list;
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (has_amx()) list.push_back(&amx::table);
        if (has_avx512()) list.push_back(&avx512::table);
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list.push_back(&avx2::table);
#endif
        list.push_back(&portable::table);
        return list;
    }();
    return found;
}

const Isa& selected() {
    const char* wanted = std::getenv("INR_ISA");
    if (wanted == nullptr || *wanted == '\0') return *available().front();
    std::string known;
    for (const Isa* isa : available()) {
        if (wanted == std::string(isa->name)) return *isa;
        known += std::string(known.empty() ? "" : ", ") + isa->name;
    }
#if defined(__x86_64__)
    if (wanted == std::string(amx_emulated::table.name) && has_avx512()) return amx_emulated::table;
#endif
    throw std::invalid_argument("INR_ISA: this machine has " + known + "; got " + wanted);
}

}  // namespace inr
