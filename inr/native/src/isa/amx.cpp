#define INR_ISA amx
#define INR_TILES 1
#include "isa/instance.h"
