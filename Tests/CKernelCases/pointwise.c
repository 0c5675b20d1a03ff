// Pixels, pooling, activations and the loss over images in lanes.
#include "cases.h"

// ---- Pixels --------------------------------------------------------------------------------------------------------

/// Images of one channel in every lane, as the benchmarks take them.
#define IMAGES                                                                                                         \
    CKernels_LaneGroup group = {.lanesPerShard = L, .lanes = L};                                                       \
    float *images = randoms(784 * L), *values = floats(784 * L), mean = 0.5f, std = 0.25f;                             \
    for (int l = 0; l < L; l++) group.images[l] = images + 784 * l, group.labels[l] = l % 10;                          \
    (void)mean, (void)std

static void checkPixels(Set *set, int areBytes) {
    int64_t channels = randomInt(1, 3), area = randomInt(1, 70), count = channels * area;
    float *table = randoms(256 * channels), *mean = randoms(channels), *std = randoms(channels);
    float *images = randoms(count * L), *values = floats(count * L), *expected = floats(count * L);
    uint8_t *bytes = (uint8_t *)floats(count * L);
    for (int64_t i = 0; i < count * L; i++) bytes[i] = (uint8_t)randomInt(0, 255);
    CKernels_LaneGroup group = {.lanesPerShard = L, .lanes = L};
    for (int l = 0; l < L; l++) {
        const float *floatImage = images + l * count;
        const uint8_t *byteImage = bytes + l * count;
        group.images[l] = !randomInt(0, 7) ? 0 : areBytes ? (const void *)byteImage : (const void *)floatImage;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < area; i++) {
                int64_t from = i * channels + c;
                float value = areBytes ? table[c * 256 + byteImage[from]] : (floatImage[from] - mean[c]) / std[c];
                expected[(c * area + i) * L + l] = group.images[l] ? value : 0;
            }
    }
    describe("%lld channels of %lld pixels", (long long)channels, (long long)area);
    if (areBytes) {
        set->pixels_u8_forward(&group, table, channels, area, values);
    } else {
        set->pixels_f32_forward(&group, mean, std, channels, area, values);
    }
    expectEqual("values", values, expected, count * L);
    release(table), release(mean), release(std), release(values), release(expected), release(images), release(bytes);
}

PROPERTY(pixels_u8_forward) { checkPixels(set, 1); }
BENCHMARK(pixels_u8_forward) {
    IMAGES;
    TIME(pixels_u8_forward, "1x28x28", 0, &group, images, 1, 784, values);
    release(images), release(values);
}

PROPERTY(pixels_f32_forward) { checkPixels(set, 0); }
BENCHMARK(pixels_f32_forward) {
    IMAGES;
    TIME(pixels_f32_forward, "1x28x28", 0, &group, &mean, &std, 1, 784, values);
    release(images), release(values);
}

// ---- Pooling -------------------------------------------------------------------------------------------------------

static CKernels_LaneWindow randomWindow(void) {
    for (;;) {
        int64_t r = randomInt(1, 4), s = randomInt(1, 4), h = randomInt(1, 12), w = randomInt(1, 12);
        int64_t stride = randomInt(1, 3), padding = randomInt(0, (r < s ? r : s) / 2);
        if (h + 2 * padding < r || w + 2 * padding < s) continue;
        CKernels_LaneWindow window = {randomInt(1, 4),
                                      h,
                                      w,
                                      r,
                                      s,
                                      stride,
                                      stride,
                                      padding,
                                      padding,
                                      (h + 2 * padding - r) / stride + 1,
                                      (w + 2 * padding - s) / stride + 1};
        describe("%lldx%lldx%lld kernel %lldx%lld stride %lld padding %lld", (long long)window.channels, (long long)h,
                 (long long)w, (long long)r, (long long)s, (long long)stride, (long long)padding);
        return window;
    }
}
static int64_t inputs(const CKernels_LaneWindow *w) { return w->channels * w->height * w->width; }
static int64_t outputs(const CKernels_LaneWindow *w) { return w->channels * w->outputHeight * w->outputWidth; }

static void maximumPoolBackward(const CKernels_LaneWindow *w, const float *dy, const uint16_t *argmax, float *dx) {
    memset(dx, 0, (size_t)inputs(w) * sizeof(float));
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++, dy++, argmax++) {
                int64_t i = p * w->strideHeight - w->paddingTop + *argmax / w->kernelWidth;
                int64_t j = q * w->strideWidth - w->paddingLeft + *argmax % w->kernelWidth;
                dx[(c * w->height + i) * w->width + j] += *dy;
            }
}

#define POOL(kernel, ...)                                                                                              \
    CKernels_LaneWindow window = {8, 28, 28, 3, 3, 2, 2, 1, 1, 14, 14};                                                \
    float *x = randoms(volume(8, 28, 28)), *y = randoms(volume(8, 14, 14));                                            \
    uint16_t *argmax = (uint16_t *)floats(volume(8, 14, 14));                                                          \
    set->maxpool2d_f32_forward(&window, x, y, argmax);                                                                 \
    TIME(kernel, "8x28 3x3 s2 p1", 0, __VA_ARGS__);                                                                    \
    release(x), release(y), release(argmax)

PROPERTY(maxpool2d_f32_forward) {
    CKernels_LaneWindow w = randomWindow();
    int64_t in = inputs(&w), out = outputs(&w);
    float *x = floats(in * L), *y = floats(out * L), *plain = floats(in), *expected = floats(out), *found = floats(out);
    for (int64_t i = 0; i < in * L; i++) x[i] = randomInt(0, 20) ? (float)randomInt(-2, 2) : NAN;
    uint16_t *argmax = (uint16_t *)floats(out * L), *own = (uint16_t *)floats(out);
    uint16_t *expectedWinners = (uint16_t *)floats(out);
    set->maxpool2d_f32_forward(&w, x, y, argmax);
    for (int l = 0; l < L; l++) {
        takeLane(x, in, l, plain), takeLane(y, out, l, found);
        for (int64_t i = 0; i < out; i++) own[i] = argmax[i * L + l];
        maximumPool(&w, plain, expected, expectedWinners);
        expectEqual("y", found, expected, out);
        expectWinners(own, expectedWinners, out);
    }
    release(x), release(y), release(plain), release(expected), release(found), release(argmax), release(own);
    release(expectedWinners);
}
BENCHMARK(maxpool2d_f32_forward) { POOL(maxpool2d_f32_forward, &window, x, y, argmax); }

PROPERTY(maxpool2d_f32_backward) {
    CKernels_LaneWindow w = randomWindow();
    int64_t in = inputs(&w), out = outputs(&w);
    float *x = randoms(in * L), *y = floats(out * L), *dy = randoms(out * L), *dx = floats(in * L);
    float *plain = floats(out), *expected = floats(in), *found = floats(in);
    uint16_t *argmax = (uint16_t *)floats(out * L), *own = (uint16_t *)floats(out);
    set->maxpool2d_f32_forward(&w, x, y, argmax);
    set->maxpool2d_f32_backward(&w, dy, argmax, dx);
    for (int l = 0; l < L; l++) {
        takeLane(dy, out, l, plain), takeLane(dx, in, l, found);
        for (int64_t i = 0; i < out; i++) own[i] = argmax[i * L + l];
        maximumPoolBackward(&w, plain, own, expected);
        expectEqual("dx", found, expected, in);
    }
    release(x), release(y), release(dy), release(dx), release(plain), release(expected), release(found);
    release(argmax), release(own);
}
BENCHMARK(maxpool2d_f32_backward) { POOL(maxpool2d_f32_backward, &window, y, argmax, x); }

/// Calls `visit(place of the input, is inside)` for every tap of a window.
#define EACH_TAP(w, p, q, from, isInside, ...)                                                                         \
    for (int64_t r = 0; r < (w).kernelHeight; r++)                                                                     \
        for (int64_t s = 0; s < (w).kernelWidth; s++) {                                                                \
            int64_t h = p * (w).strideHeight - (w).paddingTop + r, v = q * (w).strideWidth - (w).paddingLeft + s;      \
            int isInside = h >= 0 && h < (w).height && v >= 0 && v < (w).width;                                        \
            int64_t from = h * (w).width + v;                                                                          \
            __VA_ARGS__                                                                                                \
        }

static void checkAveragePool(Set *set, int isBackward) {
    CKernels_LaneWindow w = randomWindow();
    int32_t counts = (int32_t)randomInt(0, 1);
    const int64_t area = w.height * w.width;
    float *x = randoms(inputs(&w) * L), *y = floats(outputs(&w) * L), *dy = randoms(outputs(&w) * L);
    float *dx = floats(inputs(&w) * L), *means = floats(outputs(&w) * L), *gradients = floats(inputs(&w) * L);
    memset(gradients, 0, (size_t)inputs(&w) * L * sizeof(float));
    for (int64_t c = 0; c < w.channels; c++)
        for (int64_t p = 0; p < w.outputHeight; p++)
            for (int64_t q = 0; q < w.outputWidth; q++)
                for (int l = 0; l < L; l++) {
                    float sum = 0, n = 0;
                    int64_t at = ((c * w.outputHeight + p) * w.outputWidth + q) * L + l;
                    EACH_TAP(w, p, q, from, isInside, {
                        n += isInside || counts;
                        if (isInside) sum += x[(c * area + from) * L + l];
                    })
                    EACH_TAP(w, p, q, from, isInside, if (isInside) gradients[(c * area + from) * L + l] += dy[at] / n;)
                    means[at] = sum / n;
                }
    if (isBackward) {
        set->avgpool2d_f32_backward(&w, counts, dy, dx);
        expectEqual("dx", dx, gradients, inputs(&w) * L);
    } else {
        set->avgpool2d_f32_forward(&w, counts, x, y);
        expectEqual("y", y, means, outputs(&w) * L);
    }
    release(x), release(y), release(dy), release(dx), release(means), release(gradients);
}

PROPERTY(avgpool2d_f32_forward) { checkAveragePool(set, 0); }
BENCHMARK(avgpool2d_f32_forward) { POOL(avgpool2d_f32_forward, &window, 1, x, y); }

PROPERTY(avgpool2d_f32_backward) { checkAveragePool(set, 1); }
BENCHMARK(avgpool2d_f32_backward) { POOL(avgpool2d_f32_backward, &window, 1, y, x); }

// ---- Activations ---------------------------------------------------------------------------------------------------

/// Every 1,009th float of a magnitude that does not saturate: distance to the true value in units of the last place.
static void checkAccuracyOfTanh(Set *set) {
    float *x = floats(1024), *y = floats(1024);
    double worst = 0;
    float at = 0;
    for (uint64_t bits = 0; bits < 0x41800000u;) {
        for (int i = 0; i < 1024; i++, bits += 1009) {
            uint32_t b = (uint32_t)bits;
            memcpy(x + i, &b, sizeof b);
        }
        set->activation_f32_forward(CKernels_activationTanh, x, 1024, y);
        for (int i = 0; i < 1024; i++) {
            double expected = tanh((double)x[i]);
            int exponent = ilogb(expected == 0 ? 1e-45 : expected);
            double error = fabs(y[i] - expected) / ldexp(1, exponent < -126 ? -149 : exponent - 23);
            if (error > worst) worst = error, at = x[i];
        }
    }
    if (!(worst <= 2.5)) fail("tanh is off by %.2f units in the last place at %.9g", worst, at);
    release(x), release(y);
}

PROPERTY(activation_f32_forward) {
    const float x[L] __attribute__((aligned(64))) = {-0.0f, NAN, -INFINITY, INFINITY, 3, -3, randomFloat(), -1e-30f};
    float y[L] __attribute__((aligned(64)));
    describe("special values");
    set->activation_f32_forward(CKernels_activationNone, x, L, y);
    expectEqual("y", y, x, L);
    set->activation_f32_forward(CKernels_activationReLU, x, L, y);
    for (int i = 0; i < L; i++) {
        float expected = x[i] <= 0 ? 0 : x[i];
        expectEqual("ReLU", y + i, &expected, 1);
    }
    set->activation_f32_forward(CKernels_activationTanh, x, L, y);
    if (!signbit(y[0]) || y[1] == y[1] || y[2] != -1 || y[3] != 1 || y[4] != -y[5]) {
        fail("tanh of −0, NaN, −∞, ∞, 3, −3 is %g %g %g %g %g %g", y[0], y[1], y[2], y[3], y[4], y[5]);
    }
    if (round == 0) checkAccuracyOfTanh(set);
}
BENCHMARK(activation_f32_forward) {
    float *x = randoms(1024 * L), *y = floats(1024 * L);
    TIME(activation_f32_forward, "tanh of 1024 x 16", 0, CKernels_activationTanh, x, 1024 * L, y);
    release(x), release(y);
}

PROPERTY(activation_f32_backward) {
    const int64_t count = randomInt(1, 12) * L;
    float *y = randoms(count), *dy = randoms(count), *dx = floats(count), *expected = floats(count);
    CKernels_Activation activation = randomActivation();
    y[3] = 0, y[4] = -0.0f, y[5] = NAN;
    describe("activation %d of %lld", activation, (long long)count);
    set->activation_f32_backward(activation, y, dy, count, dx);
    for (int64_t i = 0; i < count; i++) expected[i] = derivative(activation, dy[i], y[i]);
    expectEqual("dx", dx, expected, count);
    release(y), release(dy), release(dx), release(expected);
}
BENCHMARK(activation_f32_backward) {
    float *y = randoms(1024 * L), *dy = randoms(1024 * L), *dx = floats(1024 * L);
    TIME(activation_f32_backward, "tanh of 1024 x 16", 0, CKernels_activationTanh, y, dy, 1024 * L, dx);
    release(y), release(dy), release(dx);
}

// ---- Loss ----------------------------------------------------------------------------------------------------------

PROPERTY(crossEntropy_f32) {
    int64_t classes = randomInt(1, 14);
    float *logits = randoms(classes * L), *dlogits = floats(classes * L);
    float *plain = floats(classes), *expected = floats(classes), *found = floats(classes);
    for (int64_t i = 0; i < classes * L; i++) logits[i] *= randomInt(0, 3) ? 10 : 400;
    CKernels_LaneGroup group = {.lanesPerShard = L, .lanes = L};
    for (int l = 0; l < L; l++) {
        group.images[l] = randomInt(0, 5) ? logits : 0;
        group.labels[l] = group.images[l] ? (int32_t)randomInt(0, classes - 1) : -7;
    }
    int tie = (int)randomInt(0, L - 1);
    for (int64_t k = 0; k < classes; k++) logits[k * L + tie] = 1;
    CKernels_LaneScores scores;
    describe("%lld classes", (long long)classes);
    set->crossEntropy_f32(&group, logits, classes, &scores, dlogits);
    for (int l = 0; l < L; l++) {
        CKernels_Score score = {0};
        const CKernels_CrossEntropy options = {0, 0};
        takeLane(logits, classes, l, plain), takeLane(dlogits, classes, l, found);
        memset(expected, 0, (size_t)classes * sizeof(float));
        if (group.images[l]) {
            CKernels_crossEntropy_f32__reference(&options, plain, &group.labels[l], 0, 1, classes, &score, expected, 0);
        }
        // Both compute in double with polynomials of the same degree, rounded differently where one of them fuses.
        expectClose("dlogits", found, expected, classes, 1e-7);
        if (!(fabs(scores.loss[l] - score.loss) <= 1e-13 * fmax(1, score.loss))) {
            fail("loss of lane %d is %.17g, expected %.17g", l, scores.loss[l], score.loss);
        }
        if (scores.correct1[l] != (int)score.correct1 || scores.correct5[l] != (int)score.correct5) {
            fail("lane %d is correct %d %d", l, scores.correct1[l], scores.correct5[l]);
        }
    }
    release(logits), release(dlogits), release(plain), release(expected), release(found);
}
BENCHMARK(crossEntropy_f32) {
    IMAGES;
    CKernels_LaneScores scores;
    TIME(crossEntropy_f32, "10 classes", 0, &group, images, 10, &scores, values);
    release(images), release(values);
}
