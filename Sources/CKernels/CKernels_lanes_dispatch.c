#include "CKernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const CKernels_LaneKernels CKernels_lanes__portable;
#if defined(__x86_64__)
extern const CKernels_LaneKernels CKernels_lanes__avx512, CKernels_lanes__avx2;
#endif

const CKernels_LaneKernels *CKernels_laneKernelsNamed(const char *name) {
#if defined(__x86_64__)
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && strcmp(name, CKernels_lanes__avx512.name) == 0) return &CKernels_lanes__avx512;
    if (avx2 && strcmp(name, CKernels_lanes__avx2.name) == 0) return &CKernels_lanes__avx2;
#endif
    return strcmp(name, CKernels_lanes__portable.name) == 0 ? &CKernels_lanes__portable : 0;
}

const CKernels_LaneKernels *CKernels_laneKernels(void) {
    static _Atomic(const CKernels_LaneKernels *) inUse;
    const CKernels_LaneKernels *set = atomic_load_explicit(&inUse, memory_order_acquire);
    if (set) return set;
    const char *wanted = getenv("SWIFT_TRAIN_ISA");
    if (wanted && *wanted) set = CKernels_laneKernelsNamed(wanted);
    const char *order[] = {"avx512", "avx2", "portable"};
    for (int i = 0; !set; i++) set = CKernels_laneKernelsNamed(order[i]);
    atomic_store_explicit(&inUse, set, memory_order_release);
    return set;
}

int64_t CKernels_laneConvolutionWorkspace(const CKernels_LaneConvolution *shape) {
    const CKernels_LaneWindow *w = &shape->window;
    // Lane sums and what they come to, biases, two rows of every output channel.
    int64_t count = shape->outputChannels * w->channels * w->kernelHeight * w->kernelWidth + CKernels_laneCount;
    return count * (CKernels_laneCount + 1) + shape->outputChannels * (1 + 2 * w->outputWidth) * CKernels_laneCount;
}

int64_t CKernels_laneLinearWorkspace(int64_t inputs) {
    return (inputs + CKernels_laneCount - 1) / CKernels_laneCount * CKernels_laneCount * CKernels_laneCount;
}
