#pragma once
// A property and a benchmark for every row of the kernel table.
#include <stdint.h>

int32_t CKernelCases_count(void);
/// The kernel of a row, 0 ..< count.
const char *CKernelCases_name(int32_t row);

/// Compares a kernel of a set that this processor runs with its definition, `rounds` times over random shapes and values:
/// equal bits where the table says so. Returns null, or a line on the first difference, valid until this thread checks again.
const char *CKernelCases_check(const char *set, int32_t row, int32_t rounds, uint64_t seed);
/// Of all floats that this thread's last check has compared bit by bit: the same on every processor.
uint64_t CKernelCases_digest(void);

/// Prints how long a kernel takes for each of its usual shapes, measured for so many seconds each; `peak`: GFLOP/s.
void CKernelCases_bench(const char *set, int32_t row, double secondsEach, double peak);
/// The multiply-add peak of this processor, in GFLOP/s.
double CKernelCases_peak(void);
