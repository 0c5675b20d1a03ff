// The limit that speeds are measured against: sixteen independent chains of fused multiply-adds, enough to hide the
// latency of two units at four or five cycles each.
#include "CKernels.h"

#define CHAINS 16

#define FUSED_MULTIPLY_ADDS(name, lanes, attribute)                                                                   \
    typedef float name##_vector __attribute__((ext_vector_type(lanes)));                                              \
    attribute static double name(int64_t rounds, float *sink) {                                                       \
        name##_vector chains[CHAINS];                                                                                 \
        for (int j = 0; j < CHAINS; j++) chains[j] = (name##_vector)(float)j;                                         \
        name##_vector factor = (name##_vector)0.999f, term = (name##_vector)0.001f;                                   \
        for (int64_t i = 0; i < rounds; i++) {                                                                        \
            _Pragma("clang loop unroll(full)") for (int j = 0; j < CHAINS; j++) {                                     \
                chains[j] = __builtin_elementwise_fma(chains[j], factor, term);                                       \
            }                                                                                                         \
        }                                                                                                             \
        name##_vector sum = (name##_vector)0.0f;                                                                      \
        for (int j = 0; j < CHAINS; j++) sum += chains[j];                                                            \
        *sink = sum[0];                                                                                               \
        return 2.0 * lanes * CHAINS * (double)rounds;                                                                 \
    }

#if defined(__x86_64__)
FUSED_MULTIPLY_ADDS(fma512, 16, __attribute__((target("avx512f"))))
FUSED_MULTIPLY_ADDS(fma256, 8, __attribute__((target("avx2,fma"))))
#elif defined(__aarch64__)
FUSED_MULTIPLY_ADDS(fma128, 4, )
#endif

/// Processors without fused multiply-add: separate multiplications and additions, counted alike.
static double separate(int64_t rounds, float *sink) {
    float chains[CHAINS] = {0};
    for (int64_t i = 0; i < rounds; i++) {
        for (int j = 0; j < CHAINS; j++) chains[j] = chains[j] * 0.999f + 0.001f;
    }
    *sink = chains[0];
    return 2.0 * CHAINS * (double)rounds;
}

double CKernels_fusedMultiplyAdds(int64_t rounds, float *sink) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return fma512(rounds, sink);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fma256(rounds, sink);
#elif defined(__aarch64__)
    return fma128(rounds, sink);
#endif
    return separate(rounds, sink);
}
