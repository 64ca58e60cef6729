#define INR_ISA avx512
#include "isa/latent_instance.h"
