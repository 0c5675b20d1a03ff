#include "CKernels.h"
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))),                   \
                             apply_to = function)
#define SET_WIDTH 16
#define SET_REGISTERS 32
#define SET_FUSED 1
#define SET_NAME avx512
#include "CKernels_set.h"
#pragma clang attribute pop
#endif
