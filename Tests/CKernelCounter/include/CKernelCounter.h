#pragma once
#include <stdint.h>

/// The kernels in use, each of which counts its calls; a `CKernels_Set`.
const void *CKernelCounter_table(void);
/// How many kernels have been called through the table so far.
int64_t CKernelCounter_calls(void);
