#pragma once
// Counts what a test process asks of the heap. Linked into the tests only: the functions of malloc's family are defined
// in front of glibc's and pass every call on. Swift cannot define C functions that its own runtime is to call.
#include <stdint.h>

/// Calls of malloc, calloc, realloc, aligned_alloc and posix_memalign by any thread since the process began,
/// without those of OpenBLAS: some of its kernels for small products take a buffer and return it in every product (in
/// 0.3.21 the plain one for AVX-512), which no caller can change.
int64_t CAllocationCounter_count(void);
