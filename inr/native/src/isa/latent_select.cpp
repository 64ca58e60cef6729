// Which kernels for latents go with the instruction set that is chosen.
#include <string>

#include "isa/isa.h"
#include "isa/latent.h"

namespace inr {

namespace portable {
extern const LatentKernels latent_table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const LatentKernels latent_table;
}
namespace avx512 {
extern const LatentKernels latent_table;
}
#endif

const LatentKernels& latent_kernels() {
    const std::string name = selected().name;
    if (name == portable::latent_table.name) return portable::latent_table;
#if defined(__x86_64__)
    if (name == avx2::latent_table.name) return avx2::latent_table;
    return avx512::latent_table;  // amx and its emulation have these vectors
#else
    return portable::latent_table;
#endif
}

}  // namespace inr
