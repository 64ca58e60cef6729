#define INR_ISA avx512
#include "isa/instance.h"
