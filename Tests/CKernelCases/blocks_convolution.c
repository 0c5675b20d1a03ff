// Convolution over blocks of sixteen channels: packing, forward, input gradient, weight gradient.
#include "cases.h"

typedef CKernels_BlockConvolution Shape;

// ---- Shapes --------------------------------------------------------------------------------------------------------

static Shape shapeOf(int64_t c, int64_t h, int64_t w, int64_t k, int64_t r, int64_t s, int64_t stride, int64_t dilation,
                     int64_t padding) {
    int64_t p = (h + 2 * padding - dilation * (r - 1) - 1) / stride + 1;
    int64_t q = (w + 2 * padding - dilation * (s - 1) - 1) / stride + 1;
    return (Shape){c, h, w, k, p, q, r, s, stride, stride, dilation, dilation, padding, padding};
}

/// Small and odd ones: images narrower than the reach of a kernel, strides beyond the kernel, any channels that fit.
/// `planes` allows fewer than sixteen input channels.
static Shape randomShape(int planes) {
    static const int64_t kernels[] = {1, 1, 2, 3, 3, 3, 4, 5, 7};
    for (;;) {
        int64_t s = kernels[randomInt(0, 8)], r = randomInt(0, 3) ? s : kernels[randomInt(0, 8)];
        int64_t stride = randomInt(0, 1) ? 1 : randomInt(2, 4), dilation = randomInt(0, 2) ? 1 : randomInt(2, 3);
        int64_t padding = randomInt(0, 1) ? 0 : randomInt(1, 4), h = randomInt(1, 16), w = randomInt(1, 31);
        if (h + 2 * padding <= dilation * (r - 1) || w + 2 * padding <= dilation * (s - 1)) continue;
        int64_t c = planes && randomInt(0, 1) ? randomInt(1, 15) : 16 * randomInt(1, 5);
        Shape shape = shapeOf(c, h, w, 16 * randomInt(1, 4), r, s, stride, dilation, padding);
        // Other paddings below and to the right.
        if (randomInt(0, 3) == 0 && shape.outputHeight > 1) shape.outputHeight--;
        return shape;
    }
}

static void describeShape(const Shape *s, int64_t images) {
    describe("%lld images %lldx%lldx%lld -> %lldx%lldx%lld, kernel %lldx%lld stride %lld dilation %lld padding %lld",
             (long long)images, (long long)s->channels, (long long)s->height, (long long)s->width,
             (long long)s->outputChannels, (long long)s->outputHeight, (long long)s->outputWidth,
             (long long)s->kernelHeight, (long long)s->kernelWidth, (long long)s->strideHeight,
             (long long)s->dilationHeight, (long long)s->paddingTop);
}

static int64_t taps(const Shape *s) { return s->kernelHeight * s->kernelWidth; }
static int64_t weightCount(const Shape *s) { return s->outputChannels * s->channels * taps(s); }
static int64_t inputCount(const Shape *s) { return s->channels * s->height * s->width; }
static int64_t outputCount(const Shape *s) { return s->outputChannels * s->outputHeight * s->outputWidth; }

/// Where a channel's place lies in an image.
static int64_t place(int64_t channels, int64_t height, int64_t width, int64_t c, int64_t h, int64_t w) {
    if (channels % L) return (c * height + h) * width + w;
    return ((c / L * height + h) * width + w) * L + c % L;
}

/// Values of all magnitudes now and then: products and sums that underflow, overflow and meet halfway.
static float *draws(int round, int64_t count) {
    float *x = randoms(count);
    if (round % 4) return x;
    for (int64_t i = 0; i < count; i++) {
        int scale = randomInt(0, 1) ? (int)randomInt(-80, -60) : (int)randomInt(-3, 62);
        x[i] = randomInt(0, 9) ? ldexpf(x[i], scale) : (float)randomInt(-2, 2);
    }
    return x;
}

// ---- Definitions ---------------------------------------------------------------------------------------------------

/// Channels of a chain; all where the image is planes.
static int64_t chain(const Shape *s, int64_t channels) {
    return channels % L ? channels : L * CKernels_blockChain(taps(s));
}

static float inputAt(const Shape *s, const float *x, int64_t c, int64_t h, int64_t w) {
    if (h < 0 || h >= s->height || w < 0 || w >= s->width) return 0;
    return x[place(s->channels, s->height, s->width, c, h, w)];
}

static void forward(const Shape *s, const float *x, const float *weights, const float *bias, float *y) {
    for (int64_t k = 0; k < s->outputChannels; k++)
        for (int64_t p = 0; p < s->outputHeight; p++)
            for (int64_t q = 0; q < s->outputWidth; q++) {
                float sum = bias ? bias[k] : 0;
                for (int64_t first = 0, step = chain(s, s->channels); first < s->channels; first += step) {
                    float part = 0;
                    for (int64_t t = 0; t < taps(s); t++)
                        for (int64_t c = first; c < first + step && c < s->channels; c++) {
                            int64_t h = p * s->strideHeight - s->paddingTop + t / s->kernelWidth * s->dilationHeight;
                            int64_t w = q * s->strideWidth - s->paddingLeft + t % s->kernelWidth * s->dilationWidth;
                            part = fmaf(inputAt(s, x, c, h, w), weights[(k * s->channels + c) * taps(s) + t], part);
                        }
                    sum += part;
                }
                y[place(s->outputChannels, s->outputHeight, s->outputWidth, k, p, q)] = sum;
            }
}

static void inputGradient(const Shape *s, const float *dy, const float *weights, float *dx) {
    for (int64_t c = 0; c < s->channels; c++)
        for (int64_t h = 0; h < s->height; h++)
            for (int64_t w = 0; w < s->width; w++) {
                float sum = 0;
                for (int64_t first = 0, step = chain(s, s->outputChannels); first < s->outputChannels; first += step) {
                    float part = 0;
                    for (int64_t t = 0; t < taps(s); t++) {
                        int64_t p = h + s->paddingTop - t / s->kernelWidth * s->dilationHeight;
                        int64_t q = w + s->paddingLeft - t % s->kernelWidth * s->dilationWidth;
                        if (p % s->strideHeight || q % s->strideWidth) continue;
                        p /= s->strideHeight, q /= s->strideWidth;
                        for (int64_t k = first; k < first + step && k < s->outputChannels; k++) {
                            int isInside = p >= 0 && p < s->outputHeight && q >= 0 && q < s->outputWidth;
                            int64_t at =
                                isInside ? place(s->outputChannels, s->outputHeight, s->outputWidth, k, p, q) : 0;
                            float slope = isInside ? dy[at] : 0;
                            part = fmaf(slope, weights[(k * s->channels + c) * taps(s) + t], part);
                        }
                    }
                    sum += part;
                }
                dx[place(s->channels, s->height, s->width, c, h, w)] = sum;
            }
}

/// Adds what bands came to: sixteen in order, then those sums in order.
typedef struct {
    float group, total;
    int64_t bands;
} BandSum;

static void addBand(BandSum *sum, float band) {
    sum->group = sum->bands % CKernels_blockBandsAGroup ? sum->group + band : band;
    sum->bands++;
    if (sum->bands % CKernels_blockBandsAGroup == 0)
        sum->total = sum->bands == CKernels_blockBandsAGroup ? sum->group : sum->total + sum->group;
}

static float totalOfBands(const BandSum *sum) {
    if (sum->bands % CKernels_blockBandsAGroup == 0) return sum->total;
    return sum->bands < CKernels_blockBandsAGroup ? sum->group : sum->total + sum->group;
}

/// The gradient of a weight, or with c < 0 of a bias.
static float gradientOf(const Shape *s, int64_t images, const float *x, const float *dy, int64_t k, int64_t c,
                        int64_t t) {
    CKernels_BlockBands bands = CKernels_blockBands(s, images);
    BandSum sum = {0};
    for (int64_t band = 0; band < bands.count; band++) {
        float part = 0;
        int64_t image = band / bands.perImage * bands.images, row = band % bands.perImage * bands.rows;
        for (int64_t i = image; i < image + bands.images && i < images; i++)
            for (int64_t p = row; p < row + bands.rows && p < s->outputHeight; p++)
                for (int64_t q = 0; q < s->outputWidth; q++) {
                    float slope =
                        dy[i * outputCount(s) + place(s->outputChannels, s->outputHeight, s->outputWidth, k, p, q)];
                    int64_t h = p * s->strideHeight - s->paddingTop + t / s->kernelWidth * s->dilationHeight;
                    int64_t w = q * s->strideWidth - s->paddingLeft + t % s->kernelWidth * s->dilationWidth;
                    part = c < 0 ? part + slope : fmaf(inputAt(s, x + i * inputCount(s), c, h, w), slope, part);
                }
        addBand(&sum, part);
    }
    return totalOfBands(&sum);
}

static void pack(Set *set, const Shape *s, const float *weights, float *packed) {
    for (int64_t b = 0; b < s->outputChannels / L; b++) set->blockConv2d_f32_pack(s, b, weights, packed);
}

// ---- Properties ----------------------------------------------------------------------------------------------------

static void expectPermutation(const float *weights, const float *packed, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (packed[i] != packed[i]) fail("packed[%lld] was not written", (long long)i);
    }
    double sum = 0, expected = 0;
    for (int64_t i = 0; i < count; i++) sum += packed[i], expected += weights[i];
    if (fabs(sum - expected) > 1e-9 * (double)count) fail("packed weights add up to %g, expected %g", sum, expected);
}

// The order is the forward pass's own matter; its property and the input gradient's read packed weights.
PROPERTY(blockConv2d_f32_pack) {
    (void)round;
    Shape s = randomShape(1);
    describeShape(&s, 1);
    float *weights = randoms(weightCount(&s)), *packed = floats(weightCount(&s));
    pack(set, &s, weights, packed);
    expectPermutation(weights, packed, weightCount(&s));
    release(weights), release(packed);
}

PROPERTY(blockConv2d_f32_packTransposed) {
    (void)round;
    Shape s = randomShape(0);
    describeShape(&s, 1);
    float *weights = randoms(weightCount(&s)), *packed = floats(weightCount(&s));
    for (int64_t b = 0; b < s.channels / L; b++) set->blockConv2d_f32_packTransposed(&s, b, weights, packed);
    expectPermutation(weights, packed, weightCount(&s));
    release(weights), release(packed);
}

PROPERTY(blockConv2d_f32_unpackGradient) {
    (void)round;
    Shape s = randomShape(1);
    describeShape(&s, 1);
    float *packed = randoms(weightCount(&s)), *gradient = floats(weightCount(&s));
    for (int64_t b = 0; b < s.outputChannels / L; b++) set->blockConv2d_f32_unpackGradient(&s, b, packed, gradient);
    expectPermutation(packed, gradient, weightCount(&s));
    release(packed), release(gradient);
}

/// Strides far beyond the image, and kernels that reach as far as any may.
static void takeExtreme(int64_t round, Shape *s) {
    if (round % 13 == 11) *s = shapeOf(16, 5, 7, 16, 3, 3, 1000000, 1, 1);
    if (round % 13 == 10) *s = shapeOf(16, 6, 5, 16, 2, 2, 1, CKernels_blockReach - 1, CKernels_blockReach / 2);
}

PROPERTY(blockConv2d_f32_forward) {
    Shape s = randomShape(1);
    int64_t images = randomInt(1, 3);
    // Wide enough that copies are made in bands of rows.
    if (round % 13 == 12) s = shapeOf(64, 24, 150, 16, 3, 3, 1, 1, 1), images = 1;
    takeExtreme(round, &s);
    describeShape(&s, images);
    float *x = draws(round, images * inputCount(&s)), *weights = draws(round, weightCount(&s));
    float *bias = randomInt(0, 1) ? draws(round, s.outputChannels) : 0, *packed = floats(weightCount(&s));
    float *y = floats(images * outputCount(&s)), *expected = floats(images * outputCount(&s));
    float *workspace = floats(CKernels_blockConvolutionWorkspace(&s, images));
    pack(set, &s, weights, packed);
    set->blockConv2d_f32_forward(&s, images, x, packed, bias, workspace, y);
    for (int64_t i = 0; i < images; i++)
        forward(&s, x + i * inputCount(&s), weights, bias, expected + i * outputCount(&s));
    expectEqual("y", y, expected, images * outputCount(&s));
    release(x), release(weights), release(packed), release(y), release(expected), release(workspace);
    if (bias) release(bias);
}

PROPERTY(blockConv2d_f32_inputGradient) {
    Shape s = randomShape(0);
    int64_t images = randomInt(1, 3);
    if (round % 13 == 12) s = shapeOf(16, 24, 150, 64, 3, 3, 1, 1, 1), images = 1;
    takeExtreme(round, &s);
    describeShape(&s, images);
    float *dy = draws(round, images * outputCount(&s)), *weights = draws(round, weightCount(&s));
    float *packed = floats(weightCount(&s)), *workspace = floats(CKernels_blockConvolutionWorkspace(&s, images));
    float *dx = floats(images * inputCount(&s)), *expected = floats(images * inputCount(&s));
    for (int64_t b = 0; b < s.channels / L; b++) set->blockConv2d_f32_packTransposed(&s, b, weights, packed);
    set->blockConv2d_f32_inputGradient(&s, images, dy, packed, workspace, dx);
    for (int64_t i = 0; i < images; i++)
        inputGradient(&s, dy + i * outputCount(&s), weights, expected + i * inputCount(&s));
    expectEqual("dx", dx, expected, images * inputCount(&s));
    release(dy), release(weights), release(packed), release(workspace), release(dx), release(expected);
}

PROPERTY(blockConv2d_f32_weightGradient) {
    Shape s = randomShape(1);
    int64_t images = randomInt(0, 5);
    // Many bands.
    if (round % 8 == 7) s = shapeOf(3, 40, 120, 16, 3, 3, 1, 1, 1), images = 1;
    takeExtreme(round, &s);
    describeShape(&s, images);
    float *x = draws(round, images * inputCount(&s)), *dy = draws(round, images * outputCount(&s));
    float *workspace = floats(CKernels_blockConvolutionWorkspace(&s, images));
    float *packed = floats(weightCount(&s)), *found = floats(weightCount(&s));
    float *dBias = randomInt(0, 1) ? floats(s.outputChannels) : 0;
    set->blockConv2d_f32_weightGradient(&s, images, x, dy, workspace, packed, dBias);
    for (int64_t b = 0; b < s.outputChannels / L; b++) set->blockConv2d_f32_unpackGradient(&s, b, packed, found);
    float *expected = floats(weightCount(&s));
    for (int64_t i = 0; i < weightCount(&s); i++)
        expected[i] = gradientOf(&s, images, x, dy, i / taps(&s) / s.channels, i / taps(&s) % s.channels, i % taps(&s));
    expectEqual("dWeights", found, expected, weightCount(&s));
    for (int64_t k = 0; dBias && k < s.outputChannels; k++) {
        float bias = gradientOf(&s, images, x, dy, k, -1, 0);
        expectEqual("dBias", dBias + k, &bias, 1);
    }
    release(x), release(dy), release(workspace), release(packed), release(found), release(expected);
    if (dBias) release(dBias);
}

// ---- Benchmarks ----------------------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    int64_t c, size, k, kernel, stride, padding, images;
} Layer;
static const Layer layers[] = {
    {"resnet 3x224 -> 64 7x7 s2", 3, 224, 64, 7, 2, 3, 1},
    {"resnet 64x56 -> 64 3x3", 64, 56, 64, 3, 1, 1, 1},
    {"resnet 64x56 -> 128 3x3 s2", 64, 56, 128, 3, 2, 1, 1},
    {"resnet 128x28 -> 128 3x3", 128, 28, 128, 3, 1, 1, 4},
    {"resnet 256x14 -> 256 3x3", 256, 14, 256, 3, 1, 1, 4},
    {"resnet 512x7 -> 512 3x3", 512, 7, 512, 3, 1, 1, 4},
    {"resnet50 64x56 -> 256 1x1", 64, 56, 256, 1, 1, 0, 1},
    {"resnet50 256x56 -> 64 1x1", 256, 56, 64, 1, 1, 0, 1},
    {"resnet50 256x56 -> 512 1x1 s2", 256, 56, 512, 1, 2, 0, 1},
    {"resnet50 1024x14 -> 256 1x1", 1024, 14, 256, 1, 1, 0, 4},
    {"resnet50 512x7 -> 2048 1x1", 512, 7, 2048, 1, 1, 0, 4},
    {"vgg 3x224 -> 64 3x3", 3, 224, 64, 3, 1, 1, 1},
    {"vgg 64x224 -> 64 3x3", 64, 224, 64, 3, 1, 1, 1},
    {"vgg 256x28 -> 512 3x3", 256, 28, 512, 3, 1, 1, 2},
    {"alexnet 3x224 -> 64 11x11 s4", 3, 224, 64, 11, 4, 2, 1},
    {"alexnet 64x27 -> 192 5x5", 64, 27, 192, 5, 1, 2, 2},
    {"cifar 16x32 -> 16 3x3", 16, 32, 16, 3, 1, 1, 8},
    {"cifar 32x16 -> 32 3x3", 32, 16, 32, 3, 1, 1, 8},
    {"cifar 64x8 -> 64 3x3", 64, 8, 64, 3, 1, 1, 8},
};

#define LAYERS(isTaken, ...)                                                                                           \
    for (unsigned i = 0; i < sizeof layers / sizeof *layers; i++) {                                                    \
        const Layer *l = &layers[i];                                                                                   \
        if (!(isTaken)) continue;                                                                                      \
        const int64_t images = l->images;                                                                              \
        Shape s = shapeOf(l->c, l->size, l->size, l->k, l->kernel, l->kernel, l->stride, 1, l->padding);               \
        const double flops = 2.0 * (double)(images * weightCount(&s)) * (double)(s.outputHeight * s.outputWidth);      \
        float *x = randoms(images * inputCount(&s)), *y = randoms(images * outputCount(&s));                           \
        float *weights = randoms(weightCount(&s)), *packed = randoms(weightCount(&s));                                 \
        float *workspace = floats(CKernels_blockConvolutionWorkspace(&s, images));                                     \
        (void)flops;                                                                                                   \
        __VA_ARGS__;                                                                                                   \
        release(x), release(y), release(weights), release(packed), release(workspace);                                 \
    }

BENCHMARK(blockConv2d_f32_pack){LAYERS(1, TIME(blockConv2d_f32_pack, l->name, 0, &s, 0, weights,
                                               packed))} BENCHMARK(blockConv2d_f32_packTransposed){
    LAYERS(l->c % L == 0, TIME(blockConv2d_f32_packTransposed, l->name, 0, &s, 0, weights,
                               packed))} BENCHMARK(blockConv2d_f32_unpackGradient){
    LAYERS(1, TIME(blockConv2d_f32_unpackGradient, l->name, 0, &s, 0, packed,
                   weights))} BENCHMARK(blockConv2d_f32_forward){
    LAYERS(1, TIME(blockConv2d_f32_forward, l->name, flops, &s, images, x, packed, 0, workspace,
                   y))} BENCHMARK(blockConv2d_f32_inputGradient){
    LAYERS(l->c % L == 0, TIME(blockConv2d_f32_inputGradient, l->name, flops, &s, images, y, packed, workspace,
                               x))} BENCHMARK(blockConv2d_f32_weightGradient) {
    LAYERS(1, TIME(blockConv2d_f32_weightGradient, l->name, flops, &s, images, x, y, workspace, packed, 0))
}
