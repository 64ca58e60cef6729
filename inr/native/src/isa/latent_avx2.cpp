#define INR_ISA avx2
#include "isa/latent_instance.h"
