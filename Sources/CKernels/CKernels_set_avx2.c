#include "CKernels.h"
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define SET_WIDTH 8
#define SET_REGISTERS 16
#define SET_FUSED 1
#define SET_NAME avx2
#include "CKernels_set.h"
#pragma clang attribute pop
#endif
