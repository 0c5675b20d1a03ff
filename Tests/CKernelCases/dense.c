// Linear layers of any size over plain samples.
#include "cases.h"

typedef struct {
    int64_t samples, inputs, outputs, first, count;
} Case;

/// `splitsOutputs`: the part of a call is rows of the weights, otherwise columns.
static Case drawCase(int round, int splitsOutputs) {
    Case c = {randomInt(0, 14), randomInt(1, 90), randomInt(1, 40), 0, 0};
    // More inputs and outputs than one chain takes.
    if (round % 9 == 8) c.samples = 5, c.inputs = CKernels_denseInputs + randomInt(1, 40), c.outputs = randomInt(1, 9);
    if (round % 9 == 7) c.outputs = 2 * CKernels_denseOutputs + randomInt(0, 9);
    int64_t all = splitsOutputs ? c.outputs : c.inputs;
    c.first = splitsOutputs ? randomInt(0, all - 1) : randomInt(0, (all - 1) / L) * L;
    c.count = randomInt(1, all - c.first);
    if (!splitsOutputs && c.first + c.count < all) c.count = (c.count + L - 1) / L * L;
    if (c.first + c.count > all) c.count = all - c.first;
    describe("%lld samples, %lld -> %lld, part %lld + %lld", (long long)c.samples, (long long)c.inputs,
             (long long)c.outputs, (long long)c.first, (long long)c.count);
    return c;
}

PROPERTY(dense_f32_forward) {
    Case c = drawCase(round, 1);
    float *x = randoms(c.samples * c.inputs), *weights = randoms(c.inputs * c.outputs);
    float *bias = randomInt(0, 1) ? randoms(c.outputs) : 0;
    float *y = randoms(c.samples * c.outputs), *expected = floats(c.samples * c.outputs);
    memcpy(expected, y, (size_t)(c.samples * c.outputs) * sizeof(float));
    for (int64_t n = 0; n < c.samples; n++)
        for (int64_t k = c.first; k < c.first + c.count; k++) {
            float sum = bias ? bias[k] : 0;
            for (int64_t first = 0; first < c.inputs; first += CKernels_denseInputs) {
                float chains[L] = {0};
                for (int64_t i = first; i < first + CKernels_denseInputs && i < c.inputs; i++)
                    chains[(i - first) % L] =
                        fmaf(x[n * c.inputs + i], weights[k * c.inputs + i], chains[(i - first) % L]);
                sum += laneTree(chains, L);
            }
            expected[n * c.outputs + k] = sum;
        }
    set->dense_f32_forward(c.samples, c.inputs, c.outputs, c.first, c.count, x, weights, bias, y);
    expectEqual("y", y, expected, c.samples * c.outputs);
    release(x), release(weights), release(y), release(expected);
    if (bias) release(bias);
}

PROPERTY(dense_f32_inputGradient) {
    Case c = drawCase(round, 0);
    float *dy = randoms(c.samples * c.outputs), *weights = randoms(c.inputs * c.outputs);
    float *dx = randoms(c.samples * c.inputs), *expected = floats(c.samples * c.inputs);
    memcpy(expected, dx, (size_t)(c.samples * c.inputs) * sizeof(float));
    for (int64_t n = 0; n < c.samples; n++)
        for (int64_t i = c.first; i < c.first + c.count; i++) {
            float sum = 0;
            for (int64_t first = 0; first < c.outputs; first += CKernels_denseOutputs) {
                float chain = 0;
                for (int64_t k = first; k < first + CKernels_denseOutputs && k < c.outputs; k++)
                    chain = fmaf(dy[n * c.outputs + k], weights[k * c.inputs + i], chain);
                sum += chain;
            }
            expected[n * c.inputs + i] = sum;
        }
    set->dense_f32_inputGradient(c.samples, c.inputs, c.outputs, c.first, c.count, dy, weights, dx);
    expectEqual("dx", dx, expected, c.samples * c.inputs);
    release(dy), release(weights), release(dx), release(expected);
}

PROPERTY(dense_f32_weightGradient) {
    Case c = drawCase(round, 1);
    float *x = randoms(c.samples * c.inputs), *dy = randoms(c.samples * c.outputs);
    float *dWeights = floats(c.count * c.inputs), *expected = floats(c.count * c.inputs);
    for (int64_t k = 0; k < c.count; k++)
        for (int64_t i = 0; i < c.inputs; i++) {
            float chain = 0;
            for (int64_t n = 0; n < c.samples; n++)
                chain = fmaf(dy[n * c.outputs + c.first + k], x[n * c.inputs + i], chain);
            expected[k * c.inputs + i] = chain;
        }
    set->dense_f32_weightGradient(c.samples, c.inputs, c.outputs, c.first, c.count, x, dy, dWeights);
    expectEqual("dWeights", dWeights, expected, c.count * c.inputs);
    release(x), release(dy), release(dWeights), release(expected);
}

#define DENSE_BENCHMARK(kernel, ...)                                                                                   \
    BENCHMARK(kernel) {                                                                                                \
        static const Case cases[] = {                                                                                  \
            {16, 512, 1000, 0, 0}, {16, 2048, 1000, 0, 0}, {8, 4096, 4096, 0, 0}, {32, 9216, 4096, 0, 0}};             \
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {                                                  \
            const Case *c = &cases[i];                                                                                 \
            char label[64];                                                                                            \
            snprintf(label, sizeof label, "%lld of %lld -> %lld", (long long)c->samples, (long long)c->inputs,         \
                     (long long)c->outputs);                                                                           \
            float *x = randoms(c->samples * c->inputs), *y = randoms(c->samples * c->outputs);                         \
            float *weights = randoms(c->inputs * c->outputs);                                                          \
            double flops = 2.0 * (double)c->samples * (double)(c->inputs * c->outputs);                                \
            TIME(kernel, label, flops, c->samples, c->inputs, c->outputs, 0, __VA_ARGS__);                             \
            release(x), release(y), release(weights);                                                                  \
        }                                                                                                              \
    }
DENSE_BENCHMARK(dense_f32_forward, c->outputs, x, weights, 0, y)
DENSE_BENCHMARK(dense_f32_inputGradient, c->inputs, y, weights, x)
DENSE_BENCHMARK(dense_f32_weightGradient, c->outputs, x, y, weights)
