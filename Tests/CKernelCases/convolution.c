// Convolution over images in lanes: forward, with pooling, input gradient, weight gradient.
#include "cases.h"

// ---- Shapes --------------------------------------------------------------------------------------------------------

/// A shape from its convolution's usual numbers.
static CKernels_LaneConvolution convolution(int64_t c, int64_t h, int64_t w, int64_t k, int64_t r, int64_t s,
                                            int64_t stride, int64_t padding) {
    int64_t p = (h + 2 * padding - r) / stride + 1, q = (w + 2 * padding - s) / stride + 1;
    CKernels_LaneConvolution shape = {{c, h, w, r, s, stride, stride, padding, padding, p, q}, k};
    return shape;
}

/// The convolutions of the four small networks.
typedef struct {
    const char *name;
    int64_t c, size, k, kernel, stride, padding;
    CKernels_Activation activation;
    int pool;
} Layer;
static const Layer layers[] = {
    {"fashion conv1 1x28 -> 6 5x5", 1, 28, 6, 5, 1, 0, CKernels_activationReLU, 1},
    {"fashion conv2 6x12 -> 16 5x5", 6, 12, 16, 5, 1, 0, CKernels_activationReLU, 1},
    {"lenet5 conv1 1x32 -> 6 5x5", 1, 32, 6, 5, 1, 0, CKernels_activationTanh, 1},
    {"lenet5 conv2 6x14 -> 16 5x5", 6, 14, 16, 5, 1, 0, CKernels_activationTanh, 1},
    {"mnist conv1 1x28 -> 4 3x3 p1", 1, 28, 4, 3, 1, 1, CKernels_activationReLU, 0},
    {"mnist conv2 4x28 -> 8 3x3 p1", 4, 28, 8, 3, 1, 1, CKernels_activationReLU, 1},
    {"mnist conv3 8x14 -> 8 5x5 p1", 8, 14, 8, 5, 1, 1, CKernels_activationReLU, 0},
    {"mnist conv4 8x12 -> 8 5x5 p1", 8, 12, 8, 5, 1, 1, CKernels_activationReLU, 1},
    {"strided conv1 1x28 -> 4 3x3 s2", 1, 28, 4, 3, 2, 1, CKernels_activationReLU, 0},
    {"strided conv2 4x14 -> 8 3x3 s2", 4, 14, 8, 3, 2, 1, CKernels_activationReLU, 0},
    {"strided conv3 8x7 -> 16 3x3 s2", 8, 7, 16, 3, 2, 1, CKernels_activationReLU, 0},
    {"strided conv4 16x4 -> 16 3x3 s2", 16, 4, 16, 3, 2, 1, CKernels_activationReLU, 0},
    {"strided conv5 16x2 -> 10 3x3 s2", 16, 2, 10, 3, 2, 1, CKernels_activationNone, 0},
};
enum { layerCount = sizeof layers / sizeof *layers };

static CKernels_LaneConvolution shapeOf(const Layer *l) {
    return convolution(l->c, l->size, l->size, l->k, l->kernel, l->kernel, l->stride, l->padding);
}

static CKernels_LaneConvolution randomShape(void) {
    if (randomInt(0, 3) == 0) return shapeOf(&layers[randomInt(0, layerCount - 1)]);
    static const int64_t kernels[] = {1, 2, 3, 3, 3, 5, 5, 5, 7};
    for (;;) {
        int64_t s = kernels[randomInt(0, 8)], r = randomInt(0, 3) ? s : kernels[randomInt(0, 8)];
        int64_t stride = randomInt(0, 2) ? 1 : randomInt(2, 3), padding = randomInt(0, (r < s ? r : s) - 1);
        int64_t h = randomInt(1, 18), w = randomInt(1, 30);
        if (h + 2 * padding < r || w + 2 * padding < s) continue;
        return convolution(randomInt(1, 5), h, w, randomInt(1, 18), r, s, stride, padding);
    }
}

static void describeShape(const CKernels_LaneConvolution *shape, int64_t lanes) {
    const CKernels_LaneWindow *w = &shape->window;
    describe("%lldx%lldx%lld -> %lldx%lldx%lld, kernel %lldx%lld stride %lld padding %lld lanes %lld",
             (long long)w->channels, (long long)w->height, (long long)w->width, (long long)shape->outputChannels,
             (long long)w->outputHeight, (long long)w->outputWidth, (long long)w->kernelHeight,
             (long long)w->kernelWidth, (long long)w->strideHeight, (long long)w->paddingTop, (long long)lanes);
}

static int64_t inputCount(const CKernels_LaneConvolution *s) {
    return volume(s->window.channels, s->window.height, s->window.width);
}
static int64_t outputCount(const CKernels_LaneConvolution *s) {
    return volume(s->outputChannels, s->window.outputHeight, s->window.outputWidth);
}
static int64_t pooledCount(const CKernels_LaneConvolution *s) {
    return volume(s->outputChannels, s->window.outputHeight / 2, s->window.outputWidth / 2);
}
static int64_t weightCount(const CKernels_LaneConvolution *s) {
    return s->outputChannels * s->window.channels * s->window.kernelHeight * s->window.kernelWidth;
}

/// Multiply-adds that touch no padding, of one image.
static double multiplyAdds(const CKernels_LaneConvolution *shape) {
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

// ---- Definitions ---------------------------------------------------------------------------------------------------

static void forward(const CKernels_LaneConvolution *shape, const float *x, const float *weights, const float *bias,
                    float *y) {
    const CKernels_LaneWindow *w = &shape->window;
    for (int64_t k = 0; k < shape->outputChannels; k++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++)
                for (int l = 0; l < L; l++) {
                    float sum = bias ? bias[k] : 0;
                    for (int64_t c = 0; c < w->channels; c++)
                        for (int64_t r = 0; r < w->kernelHeight; r++)
                            for (int64_t s = 0; s < w->kernelWidth; s++) {
                                int64_t h = p * w->strideHeight - w->paddingTop + r;
                                int64_t v = q * w->strideWidth - w->paddingLeft + s;
                                if (h < 0 || h >= w->height || v < 0 || v >= w->width) continue;
                                sum = madd(weights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s],
                                           x[((c * w->height + h) * w->width + v) * L + l], sum);
                            }
                    *y++ = sum;
                }
}

static void weightGradient(const CKernels_LaneConvolution *shape, const float *x, const float *dy, int64_t lanes,
                           float *dWeights, float *dBias) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t places = w->outputHeight * w->outputWidth;
    for (int64_t k = 0; k < shape->outputChannels; k++) {
        float sums[L] = {0};
        for (int64_t i = 0; i < places; i++)
            for (int l = 0; l < L; l++) sums[l] += dy[(k * places + i) * L + l];
        dBias[k] = laneTree(sums, lanes);
        for (int64_t c = 0; c < w->channels; c++)
            for (int64_t r = 0; r < w->kernelHeight; r++)
                for (int64_t s = 0; s < w->kernelWidth; s++) {
                    float lane[L] = {0};
                    for (int64_t p = 0; p < w->outputHeight; p++)
                        for (int64_t q = 0; q < w->outputWidth; q++) {
                            int64_t h = p * w->strideHeight - w->paddingTop + r;
                            int64_t v = q * w->strideWidth - w->paddingLeft + s;
                            if (h < 0 || h >= w->height || v < 0 || v >= w->width) continue;
                            for (int l = 0; l < L; l++)
                                lane[l] = madd(dy[(k * places + p * w->outputWidth + q) * L + l],
                                               x[((c * w->height + h) * w->width + v) * L + l], lane[l]);
                        }
                    *dWeights++ = laneTree(lane, lanes);
                }
    }
}

static void unpool(int64_t channels, int64_t height, int64_t width, const float *y, const float *dy,
                   const uint16_t *argmax, CKernels_Activation activation, float *dx) {
    memset(dx, 0, (size_t)volume(channels, height, width) * sizeof(float));
    for (int64_t c = 0; c < channels; c++)
        for (int64_t p = 0; p < height / 2; p++)
            for (int64_t q = 0; q < width / 2; q++)
                for (int l = 0; l < L; l++, y++, dy++, argmax++) {
                    if (*argmax > 3) continue;
                    int64_t row = 2 * p + *argmax / 2, column = 2 * q + *argmax % 2;
                    dx[((c * height + row) * width + column) * L + l] =
                        activation == CKernels_activationTanh ? derivative(activation, *dy, *y) : *dy;
                }
}

static uint16_t *randomWinners(int64_t count, CKernels_Activation activation) {
    uint16_t *argmax = (uint16_t *)floats(count);
    for (int64_t i = 0; i < count; i++) {
        int isClosed = activation == CKernels_activationReLU && randomInt(0, 1);
        argmax[i] = isClosed ? 65535 : (uint16_t)randomInt(0, 3);
    }
    return argmax;
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

/// Benchmarks a kernel over the layers that a condition picks; `counts`: 1 where it does the layer's multiply-adds.
#define EACH_LAYER(counts, condition, kernel, ...)                                                                     \
    for (const Layer *layer = layers; layer < layers + layerCount; layer++) {                                          \
        if (!(condition)) continue;                                                                                    \
        CKernels_LaneConvolution shape = shapeOf(layer);                                                               \
        float *x = randoms(inputCount(&shape)), *dx = floats(inputCount(&shape));                                      \
        float *y = randoms(outputCount(&shape)), *dy = randoms(outputCount(&shape)),                                   \
              *full = floats(outputCount(&shape));                                                                     \
        float *weights = randoms(weightCount(&shape)), *dWeights = floats(weightCount(&shape));                        \
        float *bias = randoms(layer->k), *dBias = floats(layer->k);                                                    \
        float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));                                          \
        uint16_t *argmax = randomWinners(outputCount(&shape), CKernels_activationNone);                                \
        (void)dx, (void)full, (void)dWeights, (void)dBias, (void)weights;                                              \
        TIME(kernel, layer->name, counts * 32 * multiplyAdds(&shape), __VA_ARGS__);                                    \
        release(x), release(dx), release(y), release(dy), release(full), release(weights), release(dWeights);          \
        release(bias), release(dBias), release(workspace), release(argmax);                                            \
    }

PROPERTY(conv2d_f32_forward) {
    CKernels_LaneConvolution shape = randomShape();
    CKernels_Activation activation = randomActivation();
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape));
    float *bias = randoms(shape.outputChannels);
    float *y = floats(outputCount(&shape)), *expected = floats(outputCount(&shape));
    const float *b = randomInt(0, 4) ? bias : 0;
    describeShape(&shape, L);
    set->conv2d_f32_forward(&shape, x, weights, b, activation, y);
    forward(&shape, x, weights, b, expected);
    set->activation_f32_forward(activation, expected, outputCount(&shape), expected);
    expectEqual("y", y, expected, outputCount(&shape));
    release(x), release(weights), release(bias), release(y), release(expected);
}
BENCHMARK(conv2d_f32_forward){
    EACH_LAYER(1, !layer->pool, conv2d_f32_forward, &shape, x, weights, bias, layer->activation, y)}

PROPERTY(conv2d_pool_f32_forward) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    if (w->outputHeight < 2 || w->outputWidth < 2) return;
    CKernels_Activation activation = randomActivation();
    const int64_t pooled = pooledCount(&shape), plainCount = pooled / L;
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape));
    float *bias = randoms(shape.outputChannels);
    // Small whole numbers make maxima that several places reach.
    if (randomInt(0, 3) == 0) {
        for (int64_t i = 0; i < weightCount(&shape); i++) weights[i] = (float)randomInt(-1, 1);
        bias[0] = 0;
    }
    if (randomInt(0, 3) == 0) {
        for (int64_t i = 0; i < inputCount(&shape); i++) x[i] = (float)randomInt(-1, 1);
    }
    if (randomInt(0, 7) == 0) x[randomInt(0, inputCount(&shape) - 1)] = NAN;
    float *y = floats(pooled), *expected = floats(pooled), *full = floats(outputCount(&shape));
    float *plain = floats(outputCount(&shape) / L), *maxima = floats(plainCount);
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    uint16_t *argmax = (uint16_t *)floats(pooled), *expectedWinners = (uint16_t *)floats(pooled);
    uint16_t *places = (uint16_t *)floats(plainCount);
    describeShape(&shape, L);
    set->conv2d_pool_f32_forward(&shape, x, weights, bias, activation, workspace, y, argmax);
    forward(&shape, x, weights, bias, full);
    CKernels_LaneWindow pool = {shape.outputChannels, w->outputHeight,   w->outputWidth, 2, 2, 2, 2, 0, 0,
                                w->outputHeight / 2,  w->outputWidth / 2};
    for (int l = 0; l < L; l++) {
        takeLane(full, outputCount(&shape) / L, l, plain);
        maximumPool(&pool, plain, maxima, places);
        for (int64_t i = 0; i < plainCount; i++) {
            int isClosed = activation == CKernels_activationReLU && maxima[i] <= 0;
            expected[i * L + l] = maxima[i];
            expectedWinners[i * L + l] = isClosed ? 65535 : places[i];
        }
    }
    set->activation_f32_forward(activation, expected, pooled, expected);
    expectWinners(argmax, expectedWinners, pooled);
    expectEqual("y", y, expected, pooled);
    release(x), release(weights), release(bias), release(y), release(expected), release(full), release(plain);
    release(maxima), release(workspace), release(argmax), release(expectedWinners), release(places);
}
BENCHMARK(conv2d_pool_f32_forward){EACH_LAYER(1, layer->pool, conv2d_pool_f32_forward, &shape, x, weights, bias,
                                              layer->activation, workspace, y, argmax)}

PROPERTY(conv2d_f32_transpose) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    const int64_t taps = w->kernelHeight * w->kernelWidth;
    float *weights = randoms(weightCount(&shape)), *transposed = floats(weightCount(&shape));
    float *expected = floats(weightCount(&shape));
    describeShape(&shape, L);
    set->conv2d_f32_transpose(&shape, weights, transposed);
    for (int64_t k = 0; k < shape.outputChannels; k++)
        for (int64_t c = 0; c < w->channels; c++)
            for (int64_t tap = 0; tap < taps; tap++)
                expected[(c * shape.outputChannels + k) * taps + taps - 1 - tap] =
                    weights[(k * w->channels + c) * taps + tap];
    expectEqual("transposed", transposed, expected, weightCount(&shape));
    release(weights), release(transposed), release(expected);
}
BENCHMARK(conv2d_f32_transpose){
    EACH_LAYER(0, layer->c == 6 && layer->size == 12, conv2d_f32_transpose, &shape, weights, dWeights)}

PROPERTY(conv2d_f32_inputGradient) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    CKernels_Activation activation = randomActivation();
    float *x = randoms(inputCount(&shape)), *weights = randoms(weightCount(&shape));
    float *dy = randoms(outputCount(&shape)), *transposed = floats(weightCount(&shape));
    float *dx = floats(inputCount(&shape)), *expected = floats(inputCount(&shape));
    describeShape(&shape, L);
    set->conv2d_f32_transpose(&shape, weights, transposed);
    set->conv2d_f32_inputGradient(&shape, dy, transposed, activation, x, dx);
    float *to = expected;
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t h = 0; h < w->height; h++)
            for (int64_t v = 0; v < w->width; v++)
                for (int l = 0; l < L; l++, to++) {
                    float sum = 0;
                    for (int64_t k = 0; k < shape.outputChannels; k++)
                        for (int64_t p = 0; p < w->outputHeight; p++)
                            for (int64_t q = 0; q < w->outputWidth; q++) {
                                int64_t r = h + w->paddingTop - p * w->strideHeight;
                                int64_t s = v + w->paddingLeft - q * w->strideWidth;
                                if (r < 0 || r >= w->kernelHeight || s < 0 || s >= w->kernelWidth) continue;
                                sum = madd(weights[((k * w->channels + c) * w->kernelHeight + r) * w->kernelWidth + s],
                                           dy[((k * w->outputHeight + p) * w->outputWidth + q) * L + l], sum);
                            }
                    *to = derivative(activation, sum, x[to - expected]);
                }
    expectEqual("dx", dx, expected, inputCount(&shape));
    release(x), release(weights), release(dy), release(transposed), release(dx), release(expected);
}
BENCHMARK(conv2d_f32_inputGradient){EACH_LAYER(1, layer->c > 1, conv2d_f32_inputGradient, &shape, dy, weights,
                                               layer->pool ? CKernels_activationNone : layer->activation, x, dx)}

PROPERTY(conv2d_f32_weightGradient) {
    CKernels_LaneConvolution shape = randomShape();
    int64_t lanes = 1 << randomInt(0, 4);
    float *x = randoms(inputCount(&shape)), *dy = randoms(outputCount(&shape));
    float *dWeights = floats(weightCount(&shape)), *dBias = floats(shape.outputChannels);
    float *expected = floats(weightCount(&shape)), *expectedBias = floats(shape.outputChannels);
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    describeShape(&shape, lanes);
    set->conv2d_f32_weightGradient(&shape, x, dy, lanes, workspace, dWeights, dBias);
    weightGradient(&shape, x, dy, lanes, expected, expectedBias);
    expectEqual("dWeights", dWeights, expected, weightCount(&shape));
    expectEqual("dBias", dBias, expectedBias, shape.outputChannels);
    release(x), release(dy), release(dWeights), release(dBias), release(expected), release(expectedBias);
    release(workspace);
}
BENCHMARK(conv2d_f32_weightGradient){EACH_LAYER(1, !(layer->pool && layer->c == 1), conv2d_f32_weightGradient, &shape,
                                                x, dy, L, workspace, dWeights, dBias)}

PROPERTY(conv2d_pool_f32_weightGradient) {
    CKernels_LaneConvolution shape = randomShape();
    const CKernels_LaneWindow *w = &shape.window;
    if (w->outputHeight < 2 || w->outputWidth < 2) return;
    int64_t lanes = 1 << randomInt(0, 4), pooled = pooledCount(&shape);
    CKernels_Activation activation = randomActivation();
    float *x = randoms(inputCount(&shape)), *y = randoms(pooled), *dy = randoms(pooled);
    float *full = floats(outputCount(&shape));
    uint16_t *argmax = randomWinners(pooled, activation);
    float *dWeights = floats(weightCount(&shape)), *dBias = floats(shape.outputChannels);
    float *expected = floats(weightCount(&shape)), *expectedBias = floats(shape.outputChannels);
    float *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));
    describeShape(&shape, lanes);
    set->conv2d_pool_f32_weightGradient(&shape, x, y, dy, argmax, activation, lanes, workspace, dWeights, dBias);
    unpool(shape.outputChannels, w->outputHeight, w->outputWidth, y, dy, argmax, activation, full);
    weightGradient(&shape, x, full, lanes, expected, expectedBias);
    expectEqual("dWeights", dWeights, expected, weightCount(&shape));
    expectEqual("dBias", dBias, expectedBias, shape.outputChannels);
    release(x), release(y), release(dy), release(full), release(argmax), release(dWeights), release(dBias);
    release(expected), release(expectedBias), release(workspace);
}
BENCHMARK(conv2d_pool_f32_weightGradient){EACH_LAYER(1, layer->pool, conv2d_pool_f32_weightGradient, &shape, x, y, dy,
                                                     argmax, layer->activation, L, workspace, dWeights, dBias)}

PROPERTY(unpool_f32_backward) {
    int64_t c = randomInt(1, 5), h = randomInt(1, 15), w = randomInt(1, 15), pooled = volume(c, h / 2, w / 2);
    CKernels_Activation activation = randomActivation();
    float *y = randoms(pooled), *dy = randoms(pooled);
    float *dx = floats(volume(c, h, w)), *expected = floats(volume(c, h, w));
    uint16_t *argmax = randomWinners(pooled, activation);
    describe("%lldx%lldx%lld", (long long)c, (long long)h, (long long)w);
    set->unpool_f32_backward(c, h, w, y, dy, argmax, activation, dx);
    unpool(c, h, w, y, dy, argmax, activation, expected);
    expectEqual("dx", dx, expected, volume(c, h, w));
    release(y), release(dy), release(dx), release(expected), release(argmax);
}
BENCHMARK(unpool_f32_backward) {
    EACH_LAYER(0, layer->pool, unpool_f32_backward, layer->k, shape.window.outputHeight, shape.window.outputWidth, y,
               dy, argmax, layer->activation, full)
}
