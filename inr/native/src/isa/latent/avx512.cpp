#define INR_ISA avx512
#include "isa/latent/instance.h"
