// Values of sixteen channels at every place: layouts, normalisation, pooling.
#include "cases.h"

// ---- Layouts -------------------------------------------------------------------------------------------------------

static int64_t blockPlace(int64_t area, int64_t c, int64_t i) { return (c / L * area + i) * L + c % L; }

/// Draws an image of a few blocks of channels: planes and blocks that hold the same.
static void drawImage(int64_t *channels, int64_t *area, float **planes, float **blocks) {
    *channels = L * randomInt(1, 4), *area = randomInt(1, 200);
    *planes = randoms(*channels * *area), *blocks = floats(*channels * *area);
    for (int64_t c = 0; c < *channels; c++)
        for (int64_t i = 0; i < *area; i++) (*blocks)[blockPlace(*area, c, i)] = (*planes)[c * *area + i];
    describe("%lld channels, %lld places", (long long)*channels, (long long)*area);
}

PROPERTY(blocks_f32_fromPlanes) {
    (void)round;
    int64_t channels, area;
    float *planes, *blocks;
    drawImage(&channels, &area, &planes, &blocks);
    float *found = floats(channels * area);
    set->blocks_f32_fromPlanes(channels, area, planes, found);
    expectEqual("blocks", found, blocks, channels * area);
    release(planes), release(blocks), release(found);
}

PROPERTY(blocks_f32_toPlanes) {
    (void)round;
    int64_t channels, area;
    float *planes, *blocks;
    drawImage(&channels, &area, &planes, &blocks);
    float *found = floats(channels * area);
    set->blocks_f32_toPlanes(channels, area, blocks, found);
    expectEqual("planes", found, planes, channels * area);
    release(planes), release(blocks), release(found);
}

PROPERTY(blockPadChannels_f32_forward) {
    (void)round;
    int64_t channels, area, before = randomInt(0, 40);
    float *planes, *blocks;
    drawImage(&channels, &area, &planes, &blocks);
    int64_t padded = (channels + before + randomInt(0, 20) + L - 1) / L * L;
    float *y = floats(padded * area), *expected = floats(padded * area);
    memset(expected, 0, (size_t)(padded * area) * sizeof(float));
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < area; i++) expected[blockPlace(area, c + before, i)] = planes[c * area + i];
    set->blockPadChannels_f32_forward(channels, before, padded, area, blocks, y);
    expectEqual("y", y, expected, padded * area);
    release(planes), release(blocks), release(y), release(expected);
}

PROPERTY(blockPadChannels_f32_backward) {
    (void)round;
    int64_t channels = L * randomInt(1, 3), area = randomInt(1, 50), before = randomInt(0, 40);
    int64_t padded = (channels + before + randomInt(0, 20) + L - 1) / L * L;
    describe("%lld channels behind %lld", (long long)channels, (long long)before);
    float *dy = randoms(padded * area), *dx = floats(channels * area), *expected = floats(channels * area);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < area; i++) expected[blockPlace(area, c, i)] = dy[blockPlace(area, c + before, i)];
    set->blockPadChannels_f32_backward(channels, before, padded, area, dy, dx);
    expectEqual("dx", dx, expected, channels * area);
    release(dy), release(dx), release(expected);
}

#define LAYOUT_BENCHMARK(kernel, ...)                                                                                  \
    BENCHMARK(kernel) {                                                                                                \
        float *a = randoms(128 * 56 * 56), *b = randoms(128 * 56 * 56);                                                \
        TIME(kernel, "64x56x56", 0, __VA_ARGS__);                                                                      \
        release(a), release(b);                                                                                        \
    }
LAYOUT_BENCHMARK(blocks_f32_fromPlanes, 64, 56 * 56, a, b)
LAYOUT_BENCHMARK(blocks_f32_toPlanes, 64, 56 * 56, a, b)
LAYOUT_BENCHMARK(blockPadChannels_f32_forward, 64, 32, 128, 56 * 56, a, b)
LAYOUT_BENCHMARK(blockPadChannels_f32_backward, 64, 32, 128, 56 * 56, a, b)

// ---- Normalisation -------------------------------------------------------------------------------------------------

/// One block of channels of some images, which lie a stride apart.
typedef struct {
    int64_t images, area, stride;
    float *x, *dy, *y;
    double mean[L], scale[L], shift[L], slope[L];
} Group;

static Group drawGroup(void) {
    Group g = {.images = randomInt(0, 4), .area = randomInt(1, 60)};
    g.stride = (g.area + randomInt(0, 9)) * L;
    describe("%lld images, %lld places", (long long)g.images, (long long)g.area);
    g.x = randoms(g.images * g.stride), g.dy = randoms(g.images * g.stride), g.y = randoms(g.images * g.stride);
    for (int l = 0; l < L; l++)
        g.mean[l] = randomFloat(), g.scale[l] = randomFloat(), g.shift[l] = randomFloat(), g.slope[l] = randomFloat();
    return g;
}

static void releaseGroup(Group *g) { release(g->x), release(g->dy), release(g->y); }

#define EACH_PLACE(g)                                                                                                  \
    for (int64_t n = 0; n < (g).images; n++)                                                                           \
        for (int64_t i = 0; i < (g).area; i++)                                                                         \
            for (int64_t l = 0, at = n * (g).stride + i * L; l < L; l++, at++)

static void expectSums(const double *found, double chains[2][2 * L]) {
    for (int l = 0; l < 2 * L; l++) {
        double expected = chains[0][l] + chains[1][l];
        if (memcmp(&expected, found + l, sizeof(double)))
            fail("sums[%d] = %.17g, expected %.17g", l, found[l], expected);
    }
}

PROPERTY(blockNorm_f32_sums) {
    (void)round;
    Group g = drawGroup();
    double chains[2][2 * L] = {{0}}, found[2 * L];
    EACH_PLACE(g) {
        double d = (double)g.x[at] - g.mean[l], square = d * d;
        chains[i % 2][l] += d, chains[i % 2][L + l] += square;
    }
    set->blockNorm_f32_sums(g.images, g.stride, g.area, g.x, g.mean, found);
    expectSums(found, chains);
    releaseGroup(&g);
}

PROPERTY(blockNorm_f32_forward) {
    (void)round;
    Group g = drawGroup();
    int adds = (int)randomInt(0, 1), rectifies = (int)randomInt(0, 1);
    float *y = randoms(g.images * g.stride), *expected = floats(g.images * g.stride);
    memcpy(expected, y, (size_t)(g.images * g.stride) * sizeof(float));
    EACH_PLACE(g) {
        double d = (double)g.x[at] - g.mean[l], scaled = d * g.scale[l];
        float value = (float)(scaled + g.shift[l]);
        if (adds) value += g.dy[at];
        expected[at] = rectifies && value <= 0 ? 0 : value;
    }
    set->blockNorm_f32_forward(g.images, g.stride, g.area, g.x, g.mean, g.scale, g.shift, adds ? g.dy : 0, rectifies,
                               y);
    expectEqual("y", y, expected, g.images * g.stride);
    release(y), release(expected), releaseGroup(&g);
}

PROPERTY(blockNorm_f32_gradientSums) {
    (void)round;
    Group g = drawGroup();
    int rectifies = (int)randomInt(0, 1), passes = (int)randomInt(0, 2);
    float *expected = floats(g.images * g.stride), *passed = floats(g.images * g.stride);
    double chains[2][2 * L] = {{0}}, found[2 * L];
    memcpy(expected, g.dy, (size_t)(g.images * g.stride) * sizeof(float));
    memcpy(passed, g.dy, (size_t)(g.images * g.stride) * sizeof(float));
    EACH_PLACE(g) {
        float slope = rectifies && g.y[at] <= 0 ? 0 : g.dy[at];
        double centred = (double)g.x[at] - g.mean[l], product = slope * centred;
        chains[i % 2][l] += slope, chains[i % 2][L + l] += product;
        if (passes) expected[at] = slope;
    }
    float *target = passes == 0 ? 0 : passes == 1 ? passed : g.dy;
    set->blockNorm_f32_gradientSums(g.images, g.stride, g.area, g.x, g.dy, rectifies ? g.y : 0, g.mean, target, found);
    expectSums(found, chains);
    if (target) expectEqual("passed", target, expected, g.images * g.stride);
    release(expected), release(passed), releaseGroup(&g);
}

PROPERTY(blockNorm_f32_backward) {
    (void)round;
    Group g = drawGroup();
    float *dx = randoms(g.images * g.stride), *expected = floats(g.images * g.stride);
    memcpy(expected, dx, (size_t)(g.images * g.stride) * sizeof(float));
    EACH_PLACE(g) {
        double d = (double)g.dy[at] - g.shift[l], centred = (double)g.x[at] - g.mean[l], part = centred * g.slope[l];
        double difference = d - part;
        expected[at] = (float)(difference * g.scale[l]);
    }
    set->blockNorm_f32_backward(g.images, g.stride, g.area, g.x, g.dy, g.mean, g.shift, g.slope, g.scale, dx);
    expectEqual("dx", dx, expected, g.images * g.stride);
    release(dx), release(expected), releaseGroup(&g);
}

#define NORM_BENCHMARK(kernel, ...)                                                                                    \
    BENCHMARK(kernel) {                                                                                                \
        const int64_t area = 56 * 56, stride = 4 * area * L;                                                           \
        float *x = randoms(4 * stride), *dy = randoms(4 * stride), *y = randoms(4 * stride);                           \
        double v[L] = {0}, sums[2 * L];                                                                                \
        (void)dy, (void)y, (void)sums;                                                                                 \
        TIME(kernel, "4 images of 16x56x56", 0, 4, stride, area, __VA_ARGS__);                                         \
        release(x), release(dy), release(y);                                                                           \
    }
NORM_BENCHMARK(blockNorm_f32_sums, x, v, sums)
NORM_BENCHMARK(blockNorm_f32_forward, x, v, v, v, dy, 1, y)
NORM_BENCHMARK(blockNorm_f32_gradientSums, x, dy, y, v, dy, sums)
NORM_BENCHMARK(blockNorm_f32_backward, x, dy, v, v, v, v, y)

// ---- Pooling -------------------------------------------------------------------------------------------------------

typedef struct {
    CKernels_Pooling pooling;
    CKernels_Span spans[3][64];
    int64_t area, outputs;
} Windows;

/// A sliding window with padding and dilation, or parts of about equal length.
static int64_t drawSpans(int64_t input, CKernels_Span *spans) {
    int64_t count = 0;
    if (randomInt(0, 3) == 0) {
        count = randomInt(1, input);
        for (int64_t o = 0; o < count; o++) {
            int64_t first = o * input / count, last = ((o + 1) * input + count - 1) / count;
            spans[o] = (CKernels_Span){(int32_t)first, (int32_t)last, 1, (int32_t)(last - first)};
        }
        return count;
    }
    int64_t kernel = randomInt(1, 4), stride = randomInt(1, 3), dilation = randomInt(1, 2), padding = kernel / 2;
    for (int64_t start = -padding; count == 0 || start + dilation * (kernel - 1) < input + padding; start += stride) {
        int64_t first = start, last = start + dilation * (kernel - 1) + 1;
        while (first < 0) first += dilation;
        spans[count++] =
            (CKernels_Span){(int32_t)first, (int32_t)(last < input ? last : input), (int32_t)dilation, (int32_t)kernel};
        if (count == 60) break;
    }
    return count;
}

static void drawWindows(Windows *w) {
    int64_t h = randomInt(1, 14), v = randomInt(1, 14);
    w->spans[0][0] = (CKernels_Span){0, 1, 1, 1};
    int64_t p = drawSpans(h, w->spans[1]), q = drawSpans(v, w->spans[2]);
    w->pooling = (CKernels_Pooling){L * randomInt(1, 3), {1, h, v}, {1, p, q}, {w->spans[0], w->spans[1], w->spans[2]}};
    w->area = h * v, w->outputs = p * q;
    describe("%lld channels, %lldx%lld -> %lldx%lld", (long long)w->pooling.channels, (long long)h, (long long)v,
             (long long)p, (long long)q);
}

static float *asPlanes(const float *blocks, int64_t channels, int64_t area) {
    float *planes = floats(channels * area);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < area; i++) planes[c * area + i] = blocks[blockPlace(area, c, i)];
    return planes;
}

static void expectBlocks(const char *what, const float *blocks, const float *planes, int64_t channels, int64_t area) {
    float *found = asPlanes(blocks, channels, area);
    expectEqual(what, found, planes, channels * area);
    release(found);
}

/// Values with ties, NaN and infinities among them.
static float *drawTies(int64_t count) {
    float *x = randoms(count);
    for (int64_t i = 0; i < count; i++) {
        if (randomInt(0, 1)) x[i] = (float)randomInt(-2, 2);
        if (randomInt(0, 40) == 0) x[i] = randomInt(0, 1) ? NAN : -INFINITY;
    }
    return x;
}

PROPERTY(blockMaxPool_f32_forward) {
    (void)round;
    Windows w;
    drawWindows(&w);
    const int64_t c = w.pooling.channels;
    float *x = drawTies(c * w.area), *planes = asPlanes(x, c, w.area);
    float *y = floats(c * w.outputs), *expected = floats(c * w.outputs);
    int32_t *argmax = (int32_t *)floats(c * w.outputs), *places = (int32_t *)floats(c * w.outputs);
    set->blockMaxPool_f32_forward(&w.pooling, x, y, argmax);
    CKernels_extremePool_f32_forward__reference(&w.pooling, 1, planes, expected, places);
    expectBlocks("y", y, expected, c, w.outputs);
    for (int64_t k = 0; k < c; k++)
        for (int64_t i = 0; i < w.outputs; i++) {
            int32_t found = argmax[blockPlace(w.outputs, k, i)], wanted = places[k * w.outputs + i];
            if (found != wanted)
                fail("argmax of channel %lld, %lld: %d, expected %d", (long long)k, (long long)i, found, wanted);
        }
    release(x), release(planes), release(y), release(expected), release(argmax), release(places);
}

PROPERTY(blockMaxPool_f32_backward) {
    (void)round;
    Windows w;
    drawWindows(&w);
    const int64_t c = w.pooling.channels;
    float *x = drawTies(c * w.area), *planes = asPlanes(x, c, w.area), *y = floats(c * w.outputs);
    float *dy = randoms(c * w.outputs), *dyPlanes = asPlanes(dy, c, w.outputs);
    float *dx = floats(c * w.area), *expected = floats(c * w.area);
    int32_t *argmax = (int32_t *)floats(c * w.outputs), *places = (int32_t *)floats(c * w.outputs);
    set->blockMaxPool_f32_forward(&w.pooling, x, y, argmax);
    CKernels_extremePool_f32_forward__reference(&w.pooling, 1, planes, y, places);
    set->blockMaxPool_f32_backward(&w.pooling, dy, argmax, dx);
    CKernels_extremePool_f32_backward__reference(&w.pooling, dyPlanes, places, expected);
    expectBlocks("dx", dx, expected, c, w.area);
    release(x), release(planes), release(y), release(dy), release(dyPlanes), release(dx), release(expected);
    release(argmax), release(places);
}

PROPERTY(blockAveragePool_f32_forward) {
    (void)round;
    Windows w;
    drawWindows(&w);
    const int64_t c = w.pooling.channels;
    float *x = randoms(c * w.area), *planes = asPlanes(x, c, w.area);
    float *y = floats(c * w.outputs), *expected = floats(c * w.outputs);
    set->blockAveragePool_f32_forward(&w.pooling, x, y);
    CKernels_averagePool_f32_forward__reference(&w.pooling, planes, expected);
    expectBlocks("y", y, expected, c, w.outputs);
    release(x), release(planes), release(y), release(expected);
}

PROPERTY(blockAveragePool_f32_backward) {
    (void)round;
    Windows w;
    drawWindows(&w);
    const int64_t c = w.pooling.channels;
    float *dy = randoms(c * w.outputs), *planes = asPlanes(dy, c, w.outputs);
    float *dx = floats(c * w.area), *expected = floats(c * w.area);
    set->blockAveragePool_f32_backward(&w.pooling, dy, dx);
    CKernels_averagePool_f32_backward__reference(&w.pooling, planes, expected);
    expectBlocks("dx", dx, expected, c, w.area);
    release(dy), release(planes), release(dx), release(expected);
}

/// ResNet's first pooling: windows of three places, two apart.
#define POOL_BENCHMARK(kernel, ...)                                                                                    \
    BENCHMARK(kernel) {                                                                                                \
        CKernels_Span one = {0, 1, 1, 1}, spans[56];                                                                   \
        for (int32_t o = 0; o < 56; o++) spans[o] = (CKernels_Span){o ? 2 * o - 1 : 0, 2 * o + 2, 1, 3};               \
        CKernels_Pooling p = {64, {1, 112, 112}, {1, 56, 56}, {&one, spans, spans}};                                   \
        float *x = randoms(64 * 112 * 112), *y = randoms(64 * 56 * 56);                                                \
        int32_t *argmax = (int32_t *)floats(64 * 56 * 56);                                                             \
        memset(argmax, 0, 64 * 56 * 56 * sizeof(int32_t));                                                             \
        TIME(kernel, "64x112x112, 3x3 s2", 0, __VA_ARGS__);                                                            \
        release(x), release(y), release(argmax);                                                                       \
    }
POOL_BENCHMARK(blockMaxPool_f32_forward, &p, x, y, argmax)
POOL_BENCHMARK(blockMaxPool_f32_backward, &p, y, argmax, x)
POOL_BENCHMARK(blockAveragePool_f32_forward, &p, x, y)
POOL_BENCHMARK(blockAveragePool_f32_backward, &p, y, x)
