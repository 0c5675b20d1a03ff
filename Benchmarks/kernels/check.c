// Compares every lane kernel of every set with loops that follow the definition word by word, over random shapes: equal
// bits wherever the definition fixes them. Usage: check [ROUNDS] [SEED]
#include "kernels.h"

#pragma STDC FP_CONTRACT OFF

static int fused;
static int failures;
static const char *kernelName;
static char where[256];

static float madd(float a, float b, float c) {
    if (fused) return fmaf(a, b, c);
    float product = a * b;
    return product + c;
}

static void expectEqual(const float *found, const float *expected, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (found[i] == expected[i] || (found[i] != found[i] && expected[i] != expected[i])) continue;
        printf("  %s %s: [%lld] = %.9g, expected %.9g\n", kernelName, where, (long long)i, found[i], expected[i]);
        failures++;
        return;
    }
}
static void expectClose(const float *found, const float *expected, int64_t count, double tolerance) {
    for (int64_t i = 0; i < count; i++) {
        if (fabs((double)found[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))) continue;
        printf("  %s %s: [%lld] = %.9g, expected %.9g\n", kernelName, where, (long long)i, found[i], expected[i]);
        failures++;
        return;
    }
}

static CKernels_LaneConvolution randomShape(void) {
    static const int64_t usual[][8] = {{1, 28, 28, 6, 5, 5, 1, 0},  {6, 12, 12, 16, 5, 5, 1, 0}, {1, 32, 32, 6, 5, 5, 1, 0},
                                       {6, 14, 14, 16, 5, 5, 1, 0}, {1, 28, 28, 4, 3, 3, 1, 1},  {4, 28, 28, 8, 3, 3, 1, 1},
                                       {8, 14, 14, 8, 5, 5, 1, 1},  {8, 12, 12, 8, 5, 5, 1, 1},  {1, 28, 28, 4, 3, 3, 2, 1},
                                       {4, 14, 14, 8, 3, 3, 2, 1},  {8, 7, 7, 16, 3, 3, 2, 1},   {16, 4, 4, 16, 3, 3, 2, 1},
                                       {16, 2, 2, 10, 3, 3, 2, 1},  {3, 9, 11, 5, 5, 5, 1, 2}};
    if (randomInt(0, 3) == 0) {
        const int64_t *u = usual[randomInt(0, sizeof usual / sizeof *usual - 1)];
        return convolution(u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]);
    }
    static const int64_t kernels[] = {1, 2, 3, 3, 3, 5, 5, 5, 7};
    for (;;) {
        int64_t s = kernels[randomInt(0, 8)], r = randomInt(0, 3) ? s : kernels[randomInt(0, 8)];
        int64_t stride = randomInt(0, 2) ? 1 : randomInt(2, 3), padding = randomInt(0, (r < s ? r : s) - 1);
        int64_t h = randomInt(1, 18), w = randomInt(1, 30);
        if (h + 2 * padding < r || w + 2 * padding < s) continue;
        return convolution(randomInt(1, 5), h, w, randomInt(1, 18), r, s, stride, padding);
    }
}
static void describe(const CKernels_LaneConvolution *shape, int64_t lanes) {
    const CKernels_LaneWindow *w = &shape->window;
    snprintf(where, sizeof where, "%lldx%lldx%lld -> %lldx%lldx%lld, kernel %lldx%lld stride %lld padding %lld lanes %lld",
             (long long)w->channels, (long long)w->height, (long long)w->width, (long long)shape->outputChannels,
             (long long)w->outputHeight, (long long)w->outputWidth, (long long)w->kernelHeight, (long long)w->kernelWidth,
             (long long)w->strideHeight, (long long)w->paddingTop, (long long)lanes);
}
static int64_t inputCount(const CKernels_LaneConvolution *s) { return volume(s->window.channels, s->window.height, s->window.width); }
static int64_t outputCount(const CKernels_LaneConvolution *s) { return volume(s->outputChannels, s->window.outputHeight, s->window.outputWidth); }
static int64_t weightCount(const CKernels_LaneConvolution *s) { return s->outputChannels * s->window.channels * s->window.kernelHeight * s->window.kernelWidth; }


static void naiveForward(const CKernels_LaneConvolution *shape, const float *x, const float *weights, const float *bias, float *y) {
    const CKernels_LaneWindow *w = &shape->window;
    for (int64_t k = 0; k < shape->outputChannels; k++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++)
                for (int l = 0; l < L; l++) {
                    float sum = bias ? bias[k] : 0;
                    for (int64_t c = 0; c < w->channels; c++)
                        for (int64_t r = 0; r < w->kernelHeight; r++)
                            for (int64_t s = 0; s < w->kernelWidth; s++) {
                                int64_t h = p * w->strideHeight - w->paddingTop + r, v = q * w->strideWidth - w->paddingLeft + s;
                                if (h < 0 || h >= w->height || v < 0 || v >= w->width) continue;
                                sum = madd(weights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s],
                                           x[((c * w->height + h) * w->width + v) * L + l], sum);
                            }
                    *y++ = sum;
                }
}

static void applyForward(Set *set, CKernels_Activation activation, float *values, int64_t count) {
    set->activation_f32_forward(activation, values, count, values);
}

static void check_conv2d_f32_forward(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape)), *bias = randoms(shape.outputChannels);
    float *y = floats(outputCount(&shape)), *expected = floats(outputCount(&shape));
    const float *b = randomInt(0, 4) ? bias : 0;
    describe(&shape, L);
    set->conv2d_f32_forward(&shape, x, weights, b, activation, y);
    naiveForward(&shape, x, weights, b, expected);
    applyForward(set, activation, expected, outputCount(&shape));
    expectEqual(y, expected, outputCount(&shape));
    release(x), release(weights), release(bias), release(y), release(expected);
}

static void check_conv2d_pool_f32_forward(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    if (w->outputHeight < 2 || w->outputWidth < 2) return;
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    int64_t pooled = volume(shape.outputChannels, w->outputHeight / 2, w->outputWidth / 2);
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape)), *bias = randoms(shape.outputChannels);
    if (randomInt(0, 3) == 0) for (int64_t i = 0; i < weightCount(&shape); i++) weights[i] = (float)randomInt(-1, 1), bias[0] = 0;
    if (randomInt(0, 3) == 0) for (int64_t i = 0; i < inputCount(&shape); i++) x[i] = (float)randomInt(-1, 1);
    if (randomInt(0, 7) == 0) x[randomInt(0, inputCount(&shape) - 1)] = NAN;
    float *y = floats(pooled), *expected = floats(pooled), *full = floats(outputCount(&shape));
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    uint16_t *winners = (uint16_t *)floats(pooled), *expectedWinners = (uint16_t *)floats(pooled);
    describe(&shape, L);
    set->conv2d_pool_f32_forward(&shape, x, weights, bias, activation, workspace, y, winners);
    naiveForward(&shape, x, weights, bias, full);
    CKernels_LaneWindow pool = {shape.outputChannels, w->outputHeight, w->outputWidth, 2, 2, 2, 2, 0, 0, w->outputHeight / 2, w->outputWidth / 2};
    CKernels_laneKernelsNamed("portable")->maxpool2d_f32_forward(&pool, full, expected, expectedWinners);
    for (int64_t i = 0; i < pooled; i++) {
        if (activation == CKernels_activationReLU && expected[i] <= 0) expectedWinners[i] = 65535;
        if (winners[i] != expectedWinners[i]) {
            printf("  %s %s: winner %lld is %d, expected %d\n", kernelName, where, (long long)i, winners[i], expectedWinners[i]);
            failures++;
            break;
        }
    }
    applyForward(set, activation, expected, pooled);
    expectEqual(y, expected, pooled);
    release(x), release(weights), release(bias), release(y), release(expected), release(full), release(workspace);
    release(winners), release(expectedWinners);
}

static void check_conv2d_f32_flip(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    float *weights = randoms(weightCount(&shape)), *flipped = floats(weightCount(&shape)), *expected = floats(weightCount(&shape));
    describe(&shape, L);
    set->conv2d_f32_flip(&shape, weights, flipped);
    for (int64_t k = 0; k < shape.outputChannels; k++)
        for (int64_t c = 0; c < w->channels; c++)
            for (int64_t r = 0; r < w->kernelHeight; r++)
                for (int64_t s = 0; s < w->kernelWidth; s++)
                    expected[((c * shape.outputChannels + k) * w->kernelHeight + w->kernelHeight - 1 - r) * w->kernelWidth + w->kernelWidth - 1 - s] =
                        weights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s];
    expectEqual(flipped, expected, weightCount(&shape));
    release(weights), release(flipped), release(expected);
}

static float derivative(CKernels_Activation activation, float dy, float y) {
    if (activation == CKernels_activationReLU) return y <= 0 ? 0 : dy;
    if (activation == CKernels_activationTanh) {
        float square = y * y;
        float slope = 1.0f - square;
        return dy * slope;
    }
    return dy;
}

static void check_conv2d_f32_inputGradient(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape)), *dy = randoms(outputCount(&shape));
    float *flipped = floats(weightCount(&shape)), *dx = floats(inputCount(&shape)), *expected = floats(inputCount(&shape));
    describe(&shape, L);
    set->conv2d_f32_flip(&shape, weights, flipped);
    set->conv2d_f32_inputGradient(&shape, dy, flipped, activation, x, dx);
    float *to = expected;
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t h = 0; h < w->height; h++)
            for (int64_t v = 0; v < w->width; v++)
                for (int l = 0; l < L; l++) {
                    float sum = 0;
                    for (int64_t k = 0; k < shape.outputChannels; k++)
                        for (int64_t p = 0; p < w->outputHeight; p++)
                            for (int64_t q = 0; q < w->outputWidth; q++) {
                                int64_t r = h + w->paddingTop - p * w->strideHeight, s = v + w->paddingLeft - q * w->strideWidth;
                                if (r < 0 || r >= w->kernelHeight || s < 0 || s >= w->kernelWidth) continue;
                                sum = madd(weights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s],
                                           dy[((k * w->outputHeight + p) * w->outputWidth + q) * L + l], sum);
                            }
                    *to = derivative(activation, sum, x[to - expected]);
                    to++;
                }
    expectEqual(dx, expected, inputCount(&shape));
    release(x), release(weights), release(dy), release(flipped), release(dx), release(expected);
}

static float laneTree(const float *v, int64_t lanes) {
    return lanes == 1 ? v[0] : laneTree(v, lanes / 2) + laneTree(v + lanes / 2, lanes / 2);
}
static void naiveWeightGradient(const CKernels_LaneConvolution *shape, const float *x, const float *dy, int64_t lanes, float *dWeights, float *dBias) {
    const CKernels_LaneWindow *w = &shape->window;
    for (int64_t k = 0; k < shape->outputChannels; k++) {
        float sums[L] = {0};
        for (int64_t i = 0; i < w->outputHeight * w->outputWidth; i++)
            for (int l = 0; l < L; l++) sums[l] += dy[(k * w->outputHeight * w->outputWidth + i) * L + l];
        dBias[k] = laneTree(sums, lanes);
        for (int64_t c = 0; c < w->channels; c++)
            for (int64_t r = 0; r < w->kernelHeight; r++)
                for (int64_t s = 0; s < w->kernelWidth; s++) {
                    float lane[L] = {0};
                    for (int64_t p = 0; p < w->outputHeight; p++)
                        for (int64_t q = 0; q < w->outputWidth; q++) {
                            int64_t h = p * w->strideHeight - w->paddingTop + r, v = q * w->strideWidth - w->paddingLeft + s;
                            if (h < 0 || h >= w->height || v < 0 || v >= w->width) continue;
                            for (int l = 0; l < L; l++)
                                lane[l] = madd(dy[((k * w->outputHeight + p) * w->outputWidth + q) * L + l], x[((c * w->height + h) * w->width + v) * L + l], lane[l]);
                        }
                    dWeights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s] = laneTree(lane, lanes);
                }
    }
}

static void check_conv2d_f32_weightGradient(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    int64_t lanes = 1 << randomInt(0, 4);
    float *x = randoms(inputCount(&shape)), *dy = randoms(outputCount(&shape));
    float *dWeights = floats(weightCount(&shape)), *dBias = floats(shape.outputChannels);
    float *expected = floats(weightCount(&shape)), *expectedBias = floats(shape.outputChannels);
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    describe(&shape, lanes);
    set->conv2d_f32_weightGradient(&shape, x, dy, lanes, workspace, dWeights, dBias);
    naiveWeightGradient(&shape, x, dy, lanes, expected, expectedBias);
    expectEqual(dWeights, expected, weightCount(&shape));
    expectEqual(dBias, expectedBias, shape.outputChannels);
    release(x), release(dy), release(dWeights), release(dBias), release(expected), release(expectedBias), release(workspace);
}

static void naiveUnpool(int64_t channels, int64_t height, int64_t width, const float *y, const float *dy, const uint16_t *winners, CKernels_Activation activation, float *dx) {
    memset(dx, 0, (size_t)volume(channels, height, width) * 4);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t p = 0; p < height / 2; p++)
            for (int64_t q = 0; q < width / 2; q++)
                for (int l = 0; l < L; l++, y++, dy++, winners++) {
                    if (*winners > 3) continue;
                    dx[((c * height + 2 * p + *winners / 2) * width + 2 * q + *winners % 2) * L + l] =
                        activation == CKernels_activationTanh ? derivative(activation, *dy, *y) : *dy;
                }
}
static uint16_t *randomWinners(int64_t count, CKernels_Activation activation) {
    uint16_t *winners = (uint16_t *)floats(count);
    for (int64_t i = 0; i < count; i++) winners[i] = activation == CKernels_activationReLU && randomInt(0, 1) ? 65535 : (uint16_t)randomInt(0, 3);
    return winners;
}

static void check_conv2d_pool_f32_weightGradient(Set *set) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    if (w->outputHeight < 2 || w->outputWidth < 2) return;
    int64_t lanes = 1 << randomInt(0, 4), pooled = volume(shape.outputChannels, w->outputHeight / 2, w->outputWidth / 2);
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *x = randoms(inputCount(&shape)), *y = randoms(pooled), *dy = randoms(pooled), *full = floats(outputCount(&shape));
    uint16_t *winners = randomWinners(pooled, activation);
    float *dWeights = floats(weightCount(&shape)), *dBias = floats(shape.outputChannels);
    float *expected = floats(weightCount(&shape)), *expectedBias = floats(shape.outputChannels);
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    describe(&shape, lanes);
    set->conv2d_pool_f32_weightGradient(&shape, x, y, dy, winners, activation, lanes, workspace, dWeights, dBias);
    naiveUnpool(shape.outputChannels, w->outputHeight, w->outputWidth, y, dy, winners, activation, full);
    naiveWeightGradient(&shape, x, full, lanes, expected, expectedBias);
    expectEqual(dWeights, expected, weightCount(&shape));
    expectEqual(dBias, expectedBias, shape.outputChannels);
    release(x), release(y), release(dy), release(full), release(winners), release(dWeights), release(dBias), release(expected), release(expectedBias), release(workspace);
}

static void check_unpool_f32_backward(Set *set) {
    int64_t c = randomInt(1, 5), h = randomInt(1, 15), w = randomInt(1, 15), pooled = volume(c, h / 2, w / 2);
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *y = randoms(pooled), *dy = randoms(pooled), *dx = floats(volume(c, h, w)), *expected = floats(volume(c, h, w));
    uint16_t *winners = randomWinners(pooled, activation);
    snprintf(where, sizeof where, "%lldx%lldx%lld", (long long)c, (long long)h, (long long)w);
    set->unpool_f32_backward(c, h, w, y, dy, winners, activation, dx);
    naiveUnpool(c, h, w, y, dy, winners, activation, expected);
    expectEqual(dx, expected, volume(c, h, w));
    release(y), release(dy), release(dx), release(expected), release(winners);
}

static CKernels_LaneWindow randomWindow(void) {
    for (;;) {
        int64_t r = randomInt(1, 4), s = randomInt(1, 4), h = randomInt(1, 12), w = randomInt(1, 12), stride = randomInt(1, 3);
        int64_t padding = randomInt(0, (r < s ? r : s) / 2);
        if (h + 2 * padding < r || w + 2 * padding < s) continue;
        CKernels_LaneWindow window = {randomInt(1, 4), h, w, r, s, stride, stride, padding, padding, (h + 2 * padding - r) / stride + 1, (w + 2 * padding - s) / stride + 1};
        snprintf(where, sizeof where, "%lldx%lldx%lld kernel %lldx%lld stride %lld padding %lld", (long long)window.channels, (long long)h, (long long)w, (long long)r, (long long)s, (long long)stride, (long long)padding);
        return window;
    }
}
/// One lane of a value as a plain image.
static void takeLane(const float *values, int64_t count, int lane, float *plain) {
    for (int64_t i = 0; i < count; i++) plain[i] = values[i * L + lane];
}

/// The maximum of every window and where it came from, the plain way: the first of equal values, a NaN over numbers.
static void naiveMaximumPool(const CKernels_LaneWindow *w, const float *x, float *y, uint16_t *winners) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++, y++, winners++) {
                int found = 0;
                for (int64_t tap = 0; tap < w->kernelHeight * w->kernelWidth; tap++) {
                    int64_t i = p * w->strideHeight - w->paddingTop + tap / w->kernelWidth, j = q * w->strideWidth - w->paddingLeft + tap % w->kernelWidth;
                    if (i < 0 || j < 0 || i >= w->height || j >= w->width) continue;
                    float value = x[(c * w->height + i) * w->width + j];
                    if (!found || value > *y || (value != value && *y == *y)) *y = value, *winners = (uint16_t)tap;
                    found = 1;
                }
            }
}
static void naiveMaximumPoolBackward(const CKernels_LaneWindow *w, const float *dy, const uint16_t *winners, float *dx) {
    memset(dx, 0, (size_t)(w->channels * w->height * w->width) * sizeof(float));
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++, dy++, winners++) {
                int64_t i = p * w->strideHeight - w->paddingTop + *winners / w->kernelWidth, j = q * w->strideWidth - w->paddingLeft + *winners % w->kernelWidth;
                dx[(c * w->height + i) * w->width + j] += *dy;
            }
}

static void check_maxpool2d_f32_forward(Set *set) {
    CKernels_LaneWindow w = randomWindow();
    int64_t in = w.channels * w.height * w.width, out = w.channels * w.outputHeight * w.outputWidth;
    float *x = randoms(in * L), *y = floats(out * L), *plain = floats(in), *expected = floats(out), *found = floats(out);
    for (int64_t i = 0; i < in * L; i++) x[i] = randomInt(0, 20) ? (float)randomInt(-2, 2) : NAN;
    uint16_t *winners = (uint16_t *)floats(out * L), *expectedWinners = (uint16_t *)floats(out);
    set->maxpool2d_f32_forward(&w, x, y, winners);
    for (int l = 0; l < L; l++) {
        takeLane(x, in, l, plain), takeLane(y, out, l, found);
        naiveMaximumPool(&w, plain, expected, expectedWinners);
        expectEqual(found, expected, out);
        for (int64_t i = 0; i < out; i++) failures += winners[i * L + l] != expectedWinners[i];
    }
    release(x), release(y), release(plain), release(expected), release(found), release(winners), release(expectedWinners);
}
static void check_maxpool2d_f32_backward(Set *set) {
    CKernels_LaneWindow w = randomWindow();
    int64_t in = w.channels * w.height * w.width, out = w.channels * w.outputHeight * w.outputWidth;
    float *x = randoms(in * L), *y = floats(out * L), *dy = randoms(out * L), *dx = floats(in * L), *plain = floats(out), *expected = floats(in), *found = floats(in);
    uint16_t *winners = (uint16_t *)floats(out * L), *plainWinners = (uint16_t *)floats(out);
    set->maxpool2d_f32_forward(&w, x, y, winners);
    set->maxpool2d_f32_backward(&w, dy, winners, dx);
    for (int l = 0; l < L; l++) {
        takeLane(dy, out, l, plain), takeLane(dx, in, l, found);
        for (int64_t i = 0; i < out; i++) plainWinners[i] = winners[i * L + l];
        naiveMaximumPoolBackward(&w, plain, plainWinners, expected);
        expectEqual(found, expected, in);
    }
    release(x), release(y), release(dy), release(dx), release(plain), release(expected), release(found), release(winners), release(plainWinners);
}
static void checkAveragePool(Set *set, int backward) {
    CKernels_LaneWindow w = randomWindow();
    int32_t counts = (int32_t)randomInt(0, 1);
    int64_t in = w.channels * w.height * w.width * L, out = w.channels * w.outputHeight * w.outputWidth * L;
    float *x = randoms(in), *y = floats(out), *dy = randoms(out), *dx = floats(in), *expected = floats(out), *expectedX = floats(in);
    memset(expectedX, 0, (size_t)in * 4);
    set->avgpool2d_f32_forward(&w, counts, x, y);
    set->avgpool2d_f32_backward(&w, counts, dy, dx);
    for (int64_t c = 0; c < w.channels; c++)
        for (int64_t p = 0; p < w.outputHeight; p++)
            for (int64_t q = 0; q < w.outputWidth; q++)
                for (int l = 0; l < L; l++) {
                    float sum = 0, n = 0;
                    int64_t at = ((c * w.outputHeight + p) * w.outputWidth + q) * L + l;
                    for (int pass = 0; pass < 2; pass++) {
                        for (int64_t r = 0; r < w.kernelHeight; r++)
                            for (int64_t s = 0; s < w.kernelWidth; s++) {
                                int64_t h = p * w.strideHeight - w.paddingTop + r, v = q * w.strideWidth - w.paddingLeft + s;
                                int inside = h >= 0 && h < w.height && v >= 0 && v < w.width;
                                int64_t from = ((c * w.height + h) * w.width + v) * L + l;
                                if (pass == 0) n += inside || counts;
                                if (pass == 0 && inside) sum += x[from];
                                if (pass == 1 && inside) expectedX[from] += dy[at] / n;
                            }
                    }
                    expected[at] = sum / n;
                }
    if (backward) expectEqual(dx, expectedX, in); else expectEqual(y, expected, out);
    release(x), release(y), release(dy), release(dx), release(expected), release(expectedX);
}
static void check_avgpool2d_f32_forward(Set *set) { checkAveragePool(set, 0); }
static void check_avgpool2d_f32_backward(Set *set) { checkAveragePool(set, 1); }

static void check_activation_f32_forward(Set *set) {
    static int done;
    static const char *last;
    float *x = floats(1024), *y = floats(1024);
    snprintf(where, sizeof where, "special values");
    x[0] = -0.0f, x[1] = NAN, x[2] = -INFINITY, x[3] = INFINITY, x[4] = 3, x[5] = -3;
    for (int i = 6; i < L; i++) x[i] = randomFloat();
    set->activation_f32_forward(CKernels_activationReLU, x, L, y);
    if (signbit(y[0]) || y[1] == y[1] || y[2] != 0 || y[3] != INFINITY || y[4] != 3 || y[5] != 0) failures++, printf("  ReLU of special values\n");
    set->activation_f32_forward(CKernels_activationTanh, x, L, y);
    if (!signbit(y[0]) || y[1] == y[1] || y[2] != -1 || y[3] != 1) failures++, printf("  tanh of special values\n");
    // Every 1,009th float, once a set: distance to the true value in units of the last place.
    if (last != set->name) done = 0, last = set->name;
    if (!done) {
        double worst = 0;
        float at = 0;
        uint64_t bits = 0;
        while (bits < 0x41800000u) {
            for (int i = 0; i < 1024; i++, bits += 1009) {
                uint32_t b = (uint32_t)bits;
                memcpy(x + i, &b, 4);
            }
            set->activation_f32_forward(CKernels_activationTanh, x, 1024, y);
            for (int i = 0; i < 1024; i++) {
                double expected = tanh((double)x[i]);
                double ulp = ldexp(1, ilogb(expected == 0 ? 1e-45 : expected) < -126 ? -149 : ilogb(expected) - 23);
                double error = fabs(y[i] - expected) / ulp;
                if (error > worst) worst = error, at = x[i];
            }
        }
        printf("  tanh: at most %.2f ulp (at %.9g)\n", worst, at);
        failures += worst > 2.5;
        done = 1;
    }
    release(x), release(y);
}
static void check_activation_f32_backward(Set *set) {
    float *y = randoms(160), *dy = randoms(160), *dx = floats(160), *expected = floats(160);
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    y[3] = 0, y[4] = -0.0f;
    set->activation_f32_backward(activation, y, dy, 160, dx);
    for (int i = 0; i < 160; i++) expected[i] = derivative(activation, dy[i], y[i]);
    expectEqual(dx, expected, 160);
    release(y), release(dy), release(dx), release(expected);
}

static void check_linear_f32_forward(Set *set) {
    int64_t n = randomInt(1, 70), m = randomInt(1, 40);
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *x = randoms(n * L), *weights = randoms(n * m), *bias = randoms(m), *y = floats(m * L), *expected = floats(m * L);
    const float *b = randomInt(0, 4) ? bias : 0;
    snprintf(where, sizeof where, "%lld -> %lld", (long long)n, (long long)m);
    set->linear_f32_forward(n, m, x, weights, b, activation, y);
    for (int64_t k = 0; k < m; k++)
        for (int l = 0; l < L; l++) {
            float sum = b ? b[k] : 0;
            for (int64_t i = 0; i < n; i++) sum = madd(weights[k * n + i], x[i * L + l], sum);
            expected[k * L + l] = sum;
        }
    applyForward(set, activation, expected, m * L);
    expectEqual(y, expected, m * L);
    release(x), release(weights), release(bias), release(y), release(expected);
}
static void check_linear_f32_inputGradient(Set *set) {
    int64_t n = randomInt(1, 70), m = randomInt(1, 40);
    CKernels_Activation activation = (CKernels_Activation)randomInt(0, 2);
    float *x = randoms(n * L), *weights = randoms(n * m), *dy = randoms(m * L), *dx = floats(n * L), *expected = floats(n * L);
    snprintf(where, sizeof where, "%lld -> %lld", (long long)n, (long long)m);
    set->linear_f32_inputGradient(n, m, dy, weights, activation, x, dx);
    for (int64_t i = 0; i < n; i++)
        for (int l = 0; l < L; l++) {
            float sum = 0;
            for (int64_t k = 0; k < m; k++) sum = madd(weights[k * n + i], dy[k * L + l], sum);
            expected[i * L + l] = derivative(activation, sum, x[i * L + l]);
        }
    expectEqual(dx, expected, n * L);
    release(x), release(weights), release(dy), release(dx), release(expected);
}
static void check_linear_f32_weightGradient(Set *set) {
    int64_t n = randomInt(1, 150), m = randomInt(1, 40), lanes = 1 << randomInt(0, 4), w = lanes >> randomInt(0, 4);
    if (w < 1) w = 1;
    float *x = randoms(n * L), *dy = randoms(m * L), *dWeights = floats(n * m), *dBias = floats(m);
    float *expected = floats(n * m), *expectedBias = floats(m), *workspace = floats(CKernels_laneLinearWorkspace(n));
    snprintf(where, sizeof where, "%lld -> %lld, %lld of %lld lanes", (long long)n, (long long)m, (long long)w, (long long)lanes);
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
    expectEqual(dWeights, expected, n * m);
    expectEqual(dBias, expectedBias, m);
    release(x), release(dy), release(dWeights), release(dBias), release(expected), release(expectedBias), release(workspace);
}

static void check_crossEntropy_f32(Set *set) {
    int64_t classes = randomInt(1, 14);
    float *logits = randoms(classes * L), *dlogits = floats(classes * L), *plain = floats(classes), *expected = floats(classes), *found = floats(classes);
    for (int64_t i = 0; i < classes * L; i++) logits[i] *= randomInt(0, 3) ? 10 : 400;
    CKernels_LaneGroup group = {.lanesPerShard = 16, .lanes = 16};
    for (int l = 0; l < L; l++) group.images[l] = randomInt(0, 5) ? logits : 0, group.labels[l] = group.images[l] ? (int32_t)randomInt(0, classes - 1) : -7;
    int tie = (int)randomInt(0, L - 1);
    for (int64_t k = 0; k < classes; k++) logits[k * L + tie] = 1;
    CKernels_LaneScores scores;
    snprintf(where, sizeof where, "%lld classes", (long long)classes);
    set->crossEntropy_f32(&group, logits, classes, &scores, dlogits);
    for (int l = 0; l < L; l++) {
        CKernels_Score score = {0};
        const CKernels_CrossEntropy options = {0, 0};
        takeLane(logits, classes, l, plain), takeLane(dlogits, classes, l, found);
        memset(expected, 0, (size_t)classes * 4);
        if (group.images[l]) CKernels_crossEntropy_f32__portable(&options, plain, &group.labels[l], 0, 1, classes, &score, expected, 0);
        expectClose(found, expected, classes, 1e-7);
        if (fabs(scores.loss[l] - score.loss) > 1e-13 * fmax(1, score.loss) || scores.correct1[l] != (int)score.correct1 || scores.correct5[l] != (int)score.correct5) {
            printf("  %s lane %d: loss %.17g, expected %.17g; correct %d %d\n", kernelName, l, scores.loss[l], score.loss, scores.correct1[l], scores.correct5[l]);
            failures++;
        }
    }
    release(logits), release(dlogits), release(plain), release(expected), release(found);
}

static void checkPixels(Set *set, int bytes) {
    int64_t channels = randomInt(1, 3), area = randomInt(1, 70), count = channels * area;
    float *table = randoms(256 * channels), *mean = randoms(channels), *std = randoms(channels), *values = floats(count * L), *expected = floats(count * L);
    float *images = randoms(count * L);
    uint8_t *pixels = (uint8_t *)floats(count * L);
    for (int64_t i = 0; i < count * L; i++) pixels[i] = (uint8_t)randomInt(0, 255);
    CKernels_LaneGroup group = {.lanesPerShard = 16, .lanes = 16};
    for (int l = 0; l < L; l++) {
        group.images[l] = randomInt(0, 7) ? (bytes ? (const void *)(pixels + l * count) : (const void *)(images + l * count)) : 0;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < area; i++) {
                float value = bytes ? table[c * 256 + pixels[l * count + i * channels + c]] : (images[l * count + i * channels + c] - mean[c]) / std[c];
                expected[(c * area + i) * L + l] = group.images[l] ? value : 0;
            }
    }
    if (bytes) set->pixels_u8_forward(&group, table, channels, area, values);
    else set->pixels_f32_forward(&group, mean, std, channels, area, values);
    expectEqual(values, expected, count * L);
    release(table), release(mean), release(std), release(values), release(expected), release(images), release(pixels);
}
static void check_pixels_u8_forward(Set *set) { checkPixels(set, 1); }
static void check_pixels_f32_forward(Set *set) { checkPixels(set, 0); }

static void check_add_f32(Set *set) {
    int64_t n = randomInt(1, 100);
    float *a = randoms(n), *b = randoms(n), *expected = floats(n);
    for (int64_t i = 0; i < n; i++) expected[i] = a[i] + b[i];
    set->add_f32(a, b, n, a);
    expectEqual(a, expected, n);
    release(a), release(b), release(expected);
}

static void check_sgd_f32(Set *set) {
    int64_t n = randomInt(1, 100);
    CKernels_SGD rule = {0.1f, randomInt(0, 1) ? 0.9f : 0, 0.01f, 0.25f, 0.75f, (int32_t)randomInt(0, 1)};
    float *g = randoms(n), *w = randoms(n), *v = randoms(n), *expectedW = floats(n), *expectedV = floats(n);
    // Some velocities decay below the normal range.
    for (int64_t i = 0; i < n; i += 3) g[i] = w[i] = 0, v[i] *= 2e-38f;
    memcpy(expectedW, w, (size_t)n * 4), memcpy(expectedV, v, (size_t)n * 4);
    snprintf(where, sizeof where, "%lld elements", (long long)n);
    set->sgd_f32(&rule, g, n, w, v);
    CKernels_sgd_f32__portable(&rule, g, n, expectedW, expectedV);
    expectEqual(w, expectedW, n);
    expectEqual(v, expectedV, n);
    release(g), release(w), release(v), release(expectedW), release(expectedV);
}

static void check_sumOfSquares_f32(Set *set) {
    int64_t n = randomInt(1, 100);
    float *x = randoms(n);
    double sum;
    set->sumOfSquares_f32(x, n, &sum);
    if (sum != CKernels_sumOfSquares_f32__portable(x, n)) {
        printf("  %s: %lld elements\n", kernelName, (long long)n);
        failures++;
    }
    release(x);
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    const char *names[] = {"avx512", "avx2", "portable"};
    for (int i = 0; i < 3; i++) {
        Set *set = CKernels_laneKernelsNamed(names[i]);
        if (!set) {
            printf("%s: not on this processor\n", names[i]);
            continue;
        }
        fused = strcmp(set->name, "portable") != 0;
        if (argc > 2) randomState = strtoull(argv[2], 0, 10) * 2654435761u + 1;
#define ROW(kernel, parameters, arguments)                                                                             \
    {                                                                                                                  \
        int before = failures;                                                                                         \
        kernelName = #kernel;                                                                                          \
        for (int round = 0; round < rounds && failures < before + 5; round++) check_##kernel(set);                     \
        printf("%-8s %-30s %s\n", set->name, #kernel, failures == before ? "ok" : "FAILED");                           \
    }
        CKERNELS_LANES(ROW)
#undef ROW
    }
    printf("%d failures\n", failures);
    return failures != 0;
}
