// Winograd's convolution over blocks of sixteen channels: packing, forward, input gradient.
#include "cases.h"

typedef CKernels_BlockConvolution Shape;

static Shape shapeOf(int64_t c, int64_t h, int64_t w, int64_t k, int64_t padding) {
    return (Shape){c, h, w, k, h + 2 * padding - 2, w + 2 * padding - 2, 3, 3, 1, 1, 1, 1, padding, padding};
}

static Shape randomShape(int round) {
    // More channels than a chain takes, and more tiles than are multiplied at once.
    if (round % 13 == 12) return shapeOf(16 * randomInt(16, 19), randomInt(3, 6), randomInt(3, 20), 16, 1);
    if (round % 13 == 11) return shapeOf(16, 16 * randomInt(16, 19), 9, 32, 1);
    for (;;) {
        const int64_t padding = randomInt(0, 3), h = randomInt(1, 18), w = randomInt(1, 24);
        if (h + 2 * padding < 3 || w + 2 * padding < 3) continue;
        Shape shape = shapeOf(16 * randomInt(1, 5), h, w, 16 * randomInt(1, 4), padding);
        // Other paddings below and to the right.
        if (randomInt(0, 3) == 0 && shape.outputHeight > 1) shape.outputHeight--;
        return shape;
    }
}

static int64_t place(int64_t height, int64_t width, int64_t c, int64_t h, int64_t w) {
    return ((c / L * height + h) * width + w) * L + c % L;
}

// ---- Definitions ---------------------------------------------------------------------------------------------------

/// y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A of one correlation: what its outputs are, and the kernel that its sources meet.
typedef struct {
    int64_t channels, height, width, outputs, rows, columns, top, left;
    int isGradient;
    const Shape *shape;
} Correlation;

static Correlation correlationOf(const Shape *s, int isGradient) {
    if (!isGradient)
        return (Correlation){
            s->channels,    s->height, s->width, s->outputChannels, s->outputHeight, s->outputWidth, s->paddingTop,
            s->paddingLeft, 0,         s};
    return (Correlation){s->outputChannels, s->outputHeight,   s->outputWidth,     s->channels, s->height,
                         s->width,          2 - s->paddingTop, 2 - s->paddingLeft, 1,           s};
}

static float weightAt(const Correlation *g, const float *weights, int64_t k, int64_t c, int64_t r, int64_t s) {
    if (g->isGradient) return weights[(c * g->outputs + k) * 9 + (2 - r) * 3 + (2 - s)];
    return weights[(k * g->channels + c) * 9 + r * 3 + s];
}

static float sourceAt(const Correlation *g, const float *x, int64_t c, int64_t h, int64_t w) {
    return h < 0 || h >= g->height || w < 0 || w >= g->width ? 0 : x[place(g->height, g->width, c, h, w)];
}

static void sourceLine(const float *d, int step, float *t) {
    float even = fmaf(-4, d[2 * step], d[4 * step]), odd = fmaf(-4, d[step], d[3 * step]);
    float outer = d[4 * step] - d[2 * step], inner = d[3 * step] - d[step];
    t[0] = fmaf(4, d[0], fmaf(-5, d[2 * step], d[4 * step])), t[1] = even + odd, t[2] = even - odd;
    t[3] = fmaf(2, inner, outer), t[4] = fmaf(-2, inner, outer);
    t[5] = fmaf(4, d[step], fmaf(-5, d[3 * step], d[5 * step]));
}

static void weightLine(const float *w, int step, float *u) {
    float outer = w[0] + w[2 * step], far = fmaf(4, w[2 * step], w[0]);
    u[0] = w[0] * 0.25f, u[5] = w[2 * step];
    u[1] = (outer + w[step]) * (-1.0f / 6), u[2] = (outer - w[step]) * (-1.0f / 6);
    u[3] = fmaf(2, w[step], far) * (1.0f / 24), u[4] = fmaf(-2, w[step], far) * (1.0f / 24);
}

static void outputLine(const float *m, int step, float *y) {
    float sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    float farSum = m[3 * step] + m[4 * step], farDifference = m[3 * step] - m[4 * step];
    y[0] = (m[0] + sum) + farSum, y[1] = fmaf(2, farDifference, difference), y[2] = fmaf(4, farSum, sum);
    y[3] = fmaf(8, farDifference, difference) + m[5 * step];
}

/// Columns first, as the kernels have it: `line` makes `out` values of `in`.
#define TRANSFORM(line, in, out, from, to)                                                                             \
    do {                                                                                                               \
        float half[6][6], column[6];                                                                                   \
        for (int j = 0; j < in; j++) {                                                                                 \
            line(&(from)[0][j], 6, column);                                                                            \
            for (int i = 0; i < out; i++) half[i][j] = column[i];                                                      \
        }                                                                                                              \
        for (int i = 0; i < out; i++) line(half[i], 1, (to)[i]);                                                       \
    } while (0)

static void transformedWeights(const Correlation *g, const float *weights, int64_t k, int64_t c, float to[6][6]) {
    float w[6][6] = {{0}};
    for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++) w[r][s] = weightAt(g, weights, k, c, r, s);
    TRANSFORM(weightLine, 3, 6, w, to);
}

static void define(const Correlation *g, const float *x, const float *weights, const float *bias, float *y) {
    for (int64_t k = 0; k < g->outputs; k++)
        for (int64_t p = 0; p < g->rows; p += 4)
            for (int64_t q = 0; q < g->columns; q += 4) {
                float sums[6][6] = {{0}}, out[6][6];
                for (int64_t first = 0, step = L * CKernels_blockChain(1); first < g->channels; first += step) {
                    float parts[6][6] = {{0}};
                    for (int64_t c = first; c < first + step && c < g->channels; c++) {
                        float d[6][6], t[6][6], u[6][6];
                        for (int i = 0; i < 6; i++)
                            for (int j = 0; j < 6; j++) d[i][j] = sourceAt(g, x, c, p + i - g->top, q + j - g->left);
                        TRANSFORM(sourceLine, 6, 6, d, t);
                        transformedWeights(g, weights, k, c, u);
                        for (int i = 0; i < 36; i++)
                            (&parts[0][0])[i] = fmaf((&t[0][0])[i], (&u[0][0])[i], (&parts[0][0])[i]);
                    }
                    for (int i = 0; i < 36; i++) (&sums[0][0])[i] += (&parts[0][0])[i];
                }
                TRANSFORM(outputLine, 6, 4, sums, out);
                for (int i = 0; i < 4 && p + i < g->rows; i++)
                    for (int j = 0; j < 4 && q + j < g->columns; j++)
                        y[place(g->rows, g->columns, k, p + i, q + j)] = out[i][j] + (bias ? bias[k] : 0);
            }
}

/// The same correlation in double: what the outputs are meant to be. Returns the RMS of the difference over that of the outputs.
static double distance(const Correlation *g, const float *x, const float *weights, const float *bias, const float *y) {
    double squares = 0, errors = 0;
    for (int64_t k = 0; k < g->outputs; k++)
        for (int64_t p = 0; p < g->rows; p++)
            for (int64_t q = 0; q < g->columns; q++) {
                double sum = bias ? bias[k] : 0;
                for (int64_t c = 0; c < g->channels; c++)
                    for (int r = 0; r < 3; r++)
                        for (int s = 0; s < 3; s++)
                            sum += (double)sourceAt(g, x, c, p + r - g->top, q + s - g->left) *
                                   weightAt(g, weights, k, c, r, s);
                const double error = y[place(g->rows, g->columns, k, p, q)] - sum;
                squares += sum * sum, errors += error * error;
            }
    return sqrt(errors / squares);
}

// ---- Properties ----------------------------------------------------------------------------------------------------

static void checkPacking(Set *set, const Shape *s, int isGradient) {
    Correlation g = correlationOf(s, isGradient);
    const int64_t count = CKernels_winogradWeights(s), size = g.channels * g.outputs;
    float *weights = randoms(size * 9), *packed = floats(count), *expected = floats(count);
    for (int64_t b = 0; b < g.outputs / L; b++)
        (isGradient ? set->winogradConv2d_f32_packTransposed : set->winogradConv2d_f32_pack)(s, b, weights, packed);
    for (int64_t k = 0; k < g.outputs; k++)
        for (int64_t c = 0; c < g.channels; c++) {
            float u[6][6];
            transformedWeights(&g, weights, k, c, u);
            for (int i = 0; i < 36; i++) expected[i * size + (k / L * g.channels + c) * L + k % L] = (&u[0][0])[i];
        }
    expectEqual("packed", packed, expected, count);
    release(weights), release(packed), release(expected);
}

PROPERTY(winogradConv2d_f32_pack) {
    Shape s = randomShape(round);
    describe("%lld -> %lld", (long long)s.channels, (long long)s.outputChannels);
    checkPacking(set, &s, 0);
}

PROPERTY(winogradConv2d_f32_packTransposed) {
    Shape s = randomShape(round);
    describe("%lld -> %lld", (long long)s.channels, (long long)s.outputChannels);
    checkPacking(set, &s, 1);
}

static void checkPass(Set *set, int round, int isGradient) {
    Shape s = randomShape(round);
    const int64_t images = randomInt(1, 3);
    Correlation g = correlationOf(&s, isGradient);
    const int64_t inputs = g.channels * g.height * g.width, outputs = g.outputs * g.rows * g.columns;
    describe("%lld images %lldx%lldx%lld -> %lldx%lldx%lld padding %lld", (long long)images, (long long)s.channels,
             (long long)s.height, (long long)s.width, (long long)s.outputChannels, (long long)s.outputHeight,
             (long long)s.outputWidth, (long long)s.paddingTop);
    float *x = randoms(images * inputs), *weights = randoms(g.channels * g.outputs * 9);
    float *bias = !isGradient && randomInt(0, 1) ? randoms(g.outputs) : 0;
    float *packed = floats(CKernels_winogradWeights(&s)), *workspace = floats(CKernels_winogradWorkspace(&s));
    float *y = floats(images * outputs), *expected = floats(images * outputs);
    for (int64_t b = 0; b < g.outputs / L; b++)
        (isGradient ? set->winogradConv2d_f32_packTransposed : set->winogradConv2d_f32_pack)(&s, b, weights, packed);
    if (isGradient)
        set->winogradConv2d_f32_inputGradient(&s, images, x, packed, workspace, y);
    else
        set->winogradConv2d_f32_forward(&s, images, x, packed, bias, workspace, y);
    for (int64_t i = 0; i < images; i++) define(&g, x + i * inputs, weights, bias, expected + i * outputs);
    expectEqual("y", y, expected, images * outputs);
    const float error = (float)distance(&g, x, weights, bias, y), none = 0;
    expectClose("RMS of the error over that of the outputs", &error, &none, 1, 5e-6);
    release(x), release(weights), release(packed), release(workspace), release(y), release(expected);
    if (bias) release(bias);
}

PROPERTY(winogradConv2d_f32_forward) { checkPass(set, round, 0); }
PROPERTY(winogradConv2d_f32_inputGradient) { checkPass(set, round, 1); }

// ---- Benchmarks ----------------------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    int64_t c, size, k, images;
} Layer;
static const Layer layers[] = {
    {"resnet 64x56 -> 64 3x3", 64, 56, 64, 1},     {"resnet 128x28 -> 128 3x3", 128, 28, 128, 4},
    {"resnet 256x14 -> 256 3x3", 256, 14, 256, 4}, {"resnet 512x7 -> 512 3x3", 512, 7, 512, 4},
    {"vgg 64x224 -> 64 3x3", 64, 224, 64, 1},      {"vgg 256x28 -> 512 3x3", 256, 28, 512, 2},
    {"vgg 512x14 -> 512 3x3", 512, 14, 512, 2},    {"alexnet 192x13 -> 384 3x3", 192, 13, 384, 4},
    {"cifar 16x32 -> 16 3x3", 16, 32, 16, 8},      {"cifar 32x16 -> 32 3x3", 32, 16, 32, 8},
    {"cifar 64x8 -> 64 3x3", 64, 8, 64, 8},
};

/// The products of the direct convolution count, so that a share of the peak may be above one.
#define LAYERS(...)                                                                                                    \
    for (unsigned i = 0; i < sizeof layers / sizeof *layers; i++) {                                                    \
        const Layer *l = &layers[i];                                                                                   \
        const int64_t images = l->images;                                                                              \
        Shape s = shapeOf(l->c, l->size, l->size, l->k, 1);                                                            \
        const double flops = 18.0 * (double)(images * l->c * l->k * l->size * l->size);                                \
        float *x = randoms(images * l->c * l->size * l->size), *y = randoms(images * l->k * l->size * l->size);        \
        float *weights = randoms(l->c * l->k * 9), *packed = randoms(CKernels_winogradWeights(&s));                    \
        float *workspace = floats(CKernels_winogradWorkspace(&s));                                                     \
        (void)flops;                                                                                                   \
        __VA_ARGS__;                                                                                                   \
        release(x), release(y), release(weights), release(packed), release(workspace);                                 \
    }

BENCHMARK(winogradConv2d_f32_pack){LAYERS(TIME(winogradConv2d_f32_pack, l->name, 0, &s, 0, weights, packed))} BENCHMARK(
    winogradConv2d_f32_packTransposed){LAYERS(TIME(winogradConv2d_f32_packTransposed, l->name, 0, &s, 0, weights,
                                                   packed))} BENCHMARK(winogradConv2d_f32_forward){
    LAYERS(TIME(winogradConv2d_f32_forward, l->name, flops, &s, images, x, packed, 0, workspace,
                y))} BENCHMARK(winogradConv2d_f32_inputGradient) {
    LAYERS(TIME(winogradConv2d_f32_inputGradient, l->name, flops, &s, images, y, packed, workspace, x))
}
