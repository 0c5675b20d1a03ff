// What the property checks and the microbenchmarks of the lane kernels share.
#pragma once
#include "CKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define L CKernels_laneCount
typedef const CKernels_LaneKernels Set;

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t randomState = 88172645463325252ull;
static inline uint64_t randomBits(void) {
    randomState ^= randomState << 13;
    randomState ^= randomState >> 7;
    return randomState ^= randomState << 17;
}
/// low ... high.
static inline int64_t randomInt(int64_t low, int64_t high) {
    return low + (int64_t)(randomBits() % (uint64_t)(high - low + 1));
}
static inline float randomFloat(void) { return (float)((double)(randomBits() >> 40) / 8388608.0 - 1.0); }

/// Memory for `count` floats with 4 KiB of NaN on both sides, which nobody may read into a result.
static inline float *floats(int64_t count) {
    int64_t bytes = (count * 4 + 63) / 64 * 64 + 8192;
    char *base = aligned_alloc(4096, (size_t)((bytes + 4095) / 4096 * 4096));
    memset(base, 0xff, (size_t)((bytes + 4095) / 4096 * 4096));
    return (float *)(base + 4096);
}
static inline float *randoms(int64_t count) {
    float *p = floats(count);
    for (int64_t i = 0; i < count; i++) p[i] = randomFloat();
    return p;
}
static inline void release(void *p) { free((char *)p - 4096); }

static inline int64_t volume(int64_t c, int64_t h, int64_t w) { return c * h * w * L; }

/// A shape from its convolution's usual numbers.
static inline CKernels_LaneConvolution convolution(int64_t c, int64_t h, int64_t w, int64_t k, int64_t r, int64_t s,
                                                   int64_t stride, int64_t padding) {
    CKernels_LaneConvolution shape = {
        {c, h, w, r, s, stride, stride, padding, padding, (h + 2 * padding - r) / stride + 1, (w + 2 * padding - s) / stride + 1}, k};
    return shape;
}
/// Multiply-adds that touch no padding, of one image.
static inline double multiplyAdds(const CKernels_LaneConvolution *shape) {
    const CKernels_LaneWindow *w = &shape->window;
    double rows = 0, columns = 0;
    for (int64_t p = 0; p < w->outputHeight; p++)
        for (int64_t r = 0; r < w->kernelHeight; r++) {
            int64_t h = p * w->strideHeight - w->paddingTop + r;
            rows += h >= 0 && h < w->height;
        }
    for (int64_t q = 0; q < w->outputWidth; q++)
        for (int64_t s = 0; s < w->kernelWidth; s++) {
            int64_t x = q * w->strideWidth - w->paddingLeft + s;
            columns += x >= 0 && x < w->width;
        }
    return rows * columns * (double)(w->channels * shape->outputChannels);
}
