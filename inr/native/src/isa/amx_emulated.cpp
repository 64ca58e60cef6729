#define INR_ISA amx_emulated
#define INR_TILES 2
#include "isa/instance.h"
