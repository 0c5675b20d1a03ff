// Sums and updates over parameters. No operation is fused, so that every set gives the portable kernels' bits. Included once
// a set.

/// As in the portable kernel: zero below the normal range.
INLINE V settled(V x) { return select(__builtin_elementwise_abs(x) < FLT_MIN, splat(0), x); }

KERNEL(sgd_f32)(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights, float *velocities) {
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->weightDecay, scale = rule->gradientScale;
    const float fresh = rule->fresh;
    const int64_t whole = count & -(int64_t)VW;
    if (momentum == 0) {
        for (int64_t i = 0; i < whole; i += VW) {
            V w = loadUnaligned(weights + i), d = loadUnaligned(gradients + i) * scale + decay * w;
            storeUnaligned(weights + i, w - rate * d);
        }
    } else {
        for (int64_t i = 0; i < whole; i += VW) {
            V w = loadUnaligned(weights + i), d = loadUnaligned(gradients + i) * scale + decay * w;
            V v = settled(momentum * loadUnaligned(velocities + i) + fresh * d);
            storeUnaligned(velocities + i, v);
            storeUnaligned(weights + i, w - rate * (rule->nesterov ? d + momentum * v : v));
        }
    }
    CKernels_sgd_f32__portable(rule, gradients + whole, count - whole, weights + whole, velocities + whole);
}

KERNEL(sumOfSquares_f32)(const float *x, int64_t count, double *sum) {
    typedef double Chains __attribute__((ext_vector_type(8)));
    typedef float Floats __attribute__((ext_vector_type(8), aligned(4)));
    Chains chains = (Chains)0;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        Chains values = __builtin_convertvector(*(const Floats *)(x + i), Chains);
        chains += values * values;
    }
    for (int64_t j = 0; i < count; i++, j++) chains[j] += (double)x[i] * (double)x[i];
    *sum = ((chains[0] + chains[1]) + (chains[2] + chains[3])) + ((chains[4] + chains[5]) + (chains[6] + chains[7]));
}
