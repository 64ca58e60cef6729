#define INR_ISA portable
#include "isa/instance.h"
