#define INR_ISA portable
#include "isa/latent_instance.h"
