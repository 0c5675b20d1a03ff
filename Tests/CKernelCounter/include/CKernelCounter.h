#pragma once
#include <stdint.h>

/// The lane kernels in use, each of which counts its calls; a `CKernels_LaneKernels`.
const void *CKernelCounter_table(void);
/// How many kernels have been called through the table so far.
int64_t CKernelCounter_calls(void);
