// What the properties and the benchmarks of kernels share.
#pragma once
#include "CKernelCases.h"
#include "CKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define L CKernels_laneCount
typedef const CKernels_Set Set;

/// A row without these two does not link. A property compares one call over a random shape with loops that follow the
/// definition word by word; `round` counts calls from 0.
#define PROPERTY(kernel) void property_##kernel(Set *set, int round)
#define BENCHMARK(kernel) void benchmark_##kernel(Set *set)
#define ROW(agreement, kernel, parameters, arguments)                                                                  \
    PROPERTY(kernel);                                                                                                  \
    BENCHMARK(kernel);
CKERNELS(ROW)
#undef ROW

// ---- Random values -------------------------------------------------------------------------------------------------

/// low ... high.
int64_t randomInt(int64_t low, int64_t high);
/// −1 ..< 1.
float randomFloat(void);
/// Memory for `count` floats with 4 KiB of NaN on both sides, which nobody may read into a result.
float *floats(int64_t count);
float *randoms(int64_t count);
void release(void *p);

// ---- Comparison ----------------------------------------------------------------------------------------------------

/// Says which shape is being compared.
void describe(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Equal bits; any NaN equals any other.
void expectEqual(const char *what, const float *found, const float *expected, int64_t count);
void expectClose(const char *what, const float *found, const float *expected, int64_t count, double tolerance);
void expectWinners(const uint16_t *found, const uint16_t *expected, int64_t count);
/// a · b + c, rounded as the row and the set that is being compared round it.
float madd(float a, float b, float c);

// ---- Definitions that several rows share -----------------------------------------------------------------------------

static inline int64_t volume(int64_t c, int64_t h, int64_t w) { return c * h * w * L; }
CKernels_Activation randomActivation(void);
/// The gradient before an activation, from what it gave.
float derivative(CKernels_Activation activation, float dy, float y);
/// The sum over a power of two of lanes, neighbours first.
float laneTree(const float *v, int64_t lanes);
/// One lane of a value as a plain array.
void takeLane(const float *values, int64_t count, int lane, float *plain);
/// The maximum of every window of one image and where it came from: the first of equal values, a NaN over numbers.
void maximumPool(const CKernels_LaneWindow *w, const float *x, float *y, uint16_t *argmax);

// ---- Time ------------------------------------------------------------------------------------------------------------

double seconds(void);
/// Whether the benchmark of a shape goes on after `count` measurements that began at `start`.
int measures(int count, double start);
void report(Set *set, const char *kernel, const char *label, double flops, double *times, int count);

/// Times calls in bunches of at least 100 µs: the fastest and the median bunch.
#define TIME(kernel, label, flops, ...)                                                                                \
    do {                                                                                                               \
        double times[4096];                                                                                            \
        int count = 0, calls = 1;                                                                                      \
        for (;; calls *= 2) {                                                                                          \
            double t = seconds();                                                                                      \
            for (int call = 0; call < calls; call++) set->kernel(__VA_ARGS__);                                         \
            if (seconds() - t > 1e-4) break;                                                                           \
        }                                                                                                              \
        for (double start = seconds(); count < 4096 && measures(count, start); count++) {                              \
            double t = seconds();                                                                                      \
            for (int call = 0; call < calls; call++) set->kernel(__VA_ARGS__);                                         \
            times[count] = (seconds() - t) / calls;                                                                    \
        }                                                                                                              \
        report(set, #kernel, label, flops, times, count);                                                              \
    } while (0)
