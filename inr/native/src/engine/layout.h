// Where everything of a tile lies in a worker's memory, and which operations are done together.
#pragma once

#include "engine/program.h"

namespace inr {

// `needs`: by value, whether its gradient is wanted. Operations know what they read, write and train.
void lay_out(Program& program, const std::vector<bool>& needs);

}  // namespace inr
