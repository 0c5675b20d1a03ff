#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define LANES_WIDTH 16
#define LANES_REGISTERS 32
#define LANES_FUSED 1
#define LANES_SET avx512
#include "CKernels_lanes_set.h"
#pragma clang attribute pop
#endif
