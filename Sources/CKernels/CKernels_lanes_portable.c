// The set that runs everywhere and defines each operation: multiplications and additions in two roundings.
#define LANES_WIDTH 4
#define LANES_REGISTERS 16
#define LANES_FUSED 0
#define LANES_SET portable
#include "CKernels_lanes_set.h"
