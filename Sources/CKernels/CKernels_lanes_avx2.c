#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LANES_WIDTH 8
#define LANES_REGISTERS 16
#define LANES_FUSED 1
#define LANES_SET avx2
#include "CKernels_lanes_set.h"
#pragma clang attribute pop
#endif
