#define INR_ISA portable
#include "isa/table.h"
