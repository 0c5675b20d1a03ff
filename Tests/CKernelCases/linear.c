// Linear layers over images in lanes.
#include "cases.h"

/// The linear layers of the four small networks.
static const int64_t layers[][2] = {{256, 120}, {400, 120}, {120, 84}, {84, 10}, {200, 64}, {64, 10}};

#define EACH_LAYER(kernel, ...)                                                                                        \
    for (uint64_t number = 0; number < sizeof layers / sizeof *layers; number++) {                                     \
        int64_t n = layers[number][0], m = layers[number][1];                                                          \
        char label[64];                                                                                                \
        snprintf(label, sizeof label, "%lld -> %lld", (long long)n, (long long)m);                                     \
        float *x = randoms(n * L), *y = randoms(m * L), *dx = floats(n * L), *weights = randoms(n * m);                \
        float *bias = randoms(m), *workspace = floats(CKernels_laneLinearWorkspace(n));                                \
        TIME(kernel, label, 32.0 * (double)(n * m), __VA_ARGS__);                                                      \
        release(x), release(y), release(dx), release(weights), release(bias), release(workspace);                      \
    }

PROPERTY(linear_f32_forward) {
    int64_t n = randomInt(1, 70), m = randomInt(1, 40);
    CKernels_Activation activation = randomActivation();
    float *x = randoms(n * L), *weights = randoms(n * m), *bias = randoms(m);
    float *y = floats(m * L), *expected = floats(m * L);
    const float *b = randomInt(0, 4) ? bias : 0;
    describe("%lld -> %lld", (long long)n, (long long)m);
    set->linear_f32_forward(n, m, x, weights, b, activation, y);
    for (int64_t k = 0; k < m; k++)
        for (int l = 0; l < L; l++) {
            float sum = b ? b[k] : 0;
            for (int64_t i = 0; i < n; i++) sum = madd(weights[k * n + i], x[i * L + l], sum);
            expected[k * L + l] = sum;
        }
    set->activation_f32_forward(activation, expected, m * L, expected);
    expectEqual("y", y, expected, m * L);
    release(x), release(weights), release(bias), release(y), release(expected);
}
BENCHMARK(linear_f32_forward){EACH_LAYER(linear_f32_forward, n, m, x, weights, bias, CKernels_activationReLU, y)}

PROPERTY(linear_f32_inputGradient) {
    int64_t n = randomInt(1, 70), m = randomInt(1, 40);
    CKernels_Activation activation = randomActivation();
    float *x = randoms(n * L), *weights = randoms(n * m), *dy = randoms(m * L);
    float *dx = floats(n * L), *expected = floats(n * L);
    describe("%lld -> %lld", (long long)n, (long long)m);
    set->linear_f32_inputGradient(n, m, dy, weights, activation, x, dx);
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < L; l++) {
            float sum = 0;
            for (int64_t k = 0; k < m; k++) sum = madd(weights[k * n + i], dy[k * L + l], sum);
            expected[i * L + l] = derivative(activation, sum, x[i * L + l]);
        }
    expectEqual("dx", dx, expected, n * L);
    release(x), release(weights), release(dy), release(dx), release(expected);
}
BENCHMARK(linear_f32_inputGradient){
    EACH_LAYER(linear_f32_inputGradient, n, m, y, weights, CKernels_activationReLU, x, dx)}

PROPERTY(linear_f32_weightGradient) {
    int64_t n = randomInt(1, 150), m = randomInt(1, 40), lanes = 1 << randomInt(0, 4), w = lanes >> randomInt(0, 4);
    if (w < 1) w = 1;
    float *x = randoms(n * L), *dy = randoms(m * L), *dWeights = floats(n * m), *dBias = floats(m);
    float *expected = floats(n * m), *expectedBias = floats(m), *workspace = floats(CKernels_laneLinearWorkspace(n));
    describe("%lld -> %lld, %lld of %lld lanes", (long long)n, (long long)m, (long long)w, (long long)lanes);
    set->linear_f32_weightGradient(n, m, x, dy, w, lanes, workspace, dWeights, dBias);
    for (int64_t k = 0; k < m; k++) {
        expectedBias[k] = laneTree(dy + k * L, lanes);
        for (int64_t i = 0; i < n; i++) {
            float shards[L];
            for (int64_t v = 0; v < lanes / w; v++) {
                shards[v] = 0;
                for (int64_t l = v * w; l < v * w + w; l++) shards[v] = madd(dy[k * L + l], x[i * L + l], shards[v]);
            }
            expected[k * n + i] = laneTree(shards, lanes / w);
        }
    }
    expectEqual("dWeights", dWeights, expected, n * m);
    expectEqual("dBias", dBias, expectedBias, m);
    release(x), release(dy), release(dWeights), release(dBias), release(expected), release(expectedBias);
    release(workspace);
}
BENCHMARK(linear_f32_weightGradient) {
    EACH_LAYER(linear_f32_weightGradient, n, m, x, y, 8, L, workspace, weights, bias)
}
