#define INR_ISA portable
#include "isa/latent/instance.h"
