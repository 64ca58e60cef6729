#define INR_ISA avx2
#include "isa/latent/instance.h"
