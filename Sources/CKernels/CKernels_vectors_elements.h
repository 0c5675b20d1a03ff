// Pixels, sums and the yardstick over plain arrays. Included once a set.

KERNEL(planes_u8_forward)(const uint8_t *pixels, const float *table, int64_t channels, int64_t area, float *planes) {
    for (int64_t c = 0; c < channels; c++) {
        const float *values = table + c * 256;
        for (int64_t i = 0; i < area; i++) planes[c * area + i] = values[pixels[i * channels + c]];
    }
}

KERNEL(planes_f32_forward)(const float *pixels, const float *mean, const float *std, int64_t channels, int64_t area,
                           float *planes) {
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < area; i++) planes[c * area + i] = (pixels[i * channels + c] - mean[c]) / std[c];
    }
}

INLINE void add(const float *a, const float *b, int64_t count, float *sum) {
    int64_t i = 0;
    for (; i + VW <= count; i += VW) storeUnaligned(sum + i, loadUnaligned(a + i) + loadUnaligned(b + i));
    for (; i < count; i++) sum[i] = a[i] + b[i];
}

KERNEL(add_f32)(const float *a, const float *b, int64_t count, float *sum) { add(a, b, count, sum); }

KERNEL(treeSum_f32)(float *leafArrays, int64_t leaves, int64_t stride, int64_t count, float *total) {
    for (int64_t distance = 1; distance < leaves; distance *= 2) {
        for (int64_t leaf = 0; leaf < leaves; leaf += 2 * distance) {
            float *lower = leafArrays + leaf * stride;
            add(lower, lower + distance * stride, count, 2 * distance == leaves ? total : lower);
        }
    }
    if (leaves == 1 && total != leafArrays) memcpy(total, leafArrays, (size_t)count * sizeof(float));
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

/// Independent chains: enough to hide the latency of two units at four or five cycles each, few enough for sixteen registers.
#define CHAINS 12

KERNEL(multiplyAdds_f32)(int64_t rounds, double *operations, float *sink) {
    V chains[CHAINS];
    FULLY for (int j = 0; j < CHAINS; j++) chains[j] = splat((float)j);
    for (int64_t i = 0; i < rounds; i++) {
        FULLY for (int j = 0; j < CHAINS; j++) {
#if defined(__aarch64__)
            // Fused everywhere, whatever the set's definition of an operation.
            chains[j] = __builtin_elementwise_fma(chains[j], splat(0.999f), splat(0.001f));
#else
            chains[j] = multiplyAdd(chains[j], splat(0.999f), splat(0.001f));
#endif
        }
    }
    V sum = splat(0);
    FULLY for (int j = 0; j < CHAINS; j++) sum += chains[j];
    *sink = sum[0];
    *operations = 2.0 * VW * CHAINS * (double)rounds;
}
