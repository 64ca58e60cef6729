#define INR_ISA avx2
#include "isa/instance.h"
