// Times every lane kernel of every set over the shapes of the four small networks: GFLOP/s and the share of the fused
// multiply-add peak measured before and after. Usage: bench [SECONDS A ROW] [SET] [KERNEL]
#include "kernels.h"

static double secondsARow = 0.05, peak;
static const char *only;

/// Times calls in bunches of at least 100 µs: the fastest and the median bunch.
#define TIME(label, flops, call)                                                                                       \
    do {                                                                                                               \
        double times[4096];                                                                                            \
        int count = 0, calls = 1;                                                                                      \
        for (;; calls *= 2) {                                                                                          \
            double t = seconds();                                                                                      \
            for (int i = 0; i < calls; i++) call;                                                                      \
            if (seconds() - t > 1e-4) break;                                                                           \
        }                                                                                                              \
        for (double end = seconds() + secondsARow; count < 4096 && (count < 5 || seconds() < end); count++) {          \
            double t = seconds();                                                                                      \
            for (int i = 0; i < calls; i++) call;                                                                      \
            times[count] = (seconds() - t) / calls;                                                                    \
        }                                                                                                              \
        report(set, kernel, label, flops, times, count);                                                               \
    } while (0)

static int ascending(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
static void report(Set *set, const char *kernel, const char *label, double flops, double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, ascending);
    double least = times[0], median = times[count / 2];
    printf("%-8s %-26s %-34s %9.2f µs  median %9.2f", set->name, kernel, label, 1e6 * least, 1e6 * median);
    if (flops > 0) printf("  %6.1f GFLOP/s  %5.1f %%", flops / least * 1e-9, 100 * flops / least * 1e-9 / peak);
    printf("\n");
    fflush(stdout);
}

static double measurePeak(void) {
    double best = 0;
    float sink;
    // Bursts short enough that some of them run undisturbed on a busy machine.
    for (int i = 0; i < 4000; i++) {
        double t = seconds(), flops = CKernels_fusedMultiplyAdds(10000, &sink);
        t = seconds() - t;
        if (flops / t > best) best = flops / t;
    }
    return best * 1e-9;
}

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
static const int64_t linears[][2] = {{256, 120}, {400, 120}, {120, 84}, {84, 10}, {200, 64}, {64, 10}};

#define EACH_LAYER(counts, condition, call)                                                                                  \
    for (uint64_t n = 0; n < sizeof layers / sizeof *layers; n++) {                                                    \
        const Layer *layer = &layers[n];                                                                               \
        if (!(condition)) continue;                                                                                    \
        CKernels_LaneConvolution shape =                                                                               \
            convolution(layer->c, layer->size, layer->size, layer->k, layer->kernel, layer->kernel, layer->stride, layer->padding); \
        int64_t in = volume(layer->c, layer->size, layer->size);                                                       \
        int64_t out = volume(layer->k, shape.window.outputHeight, shape.window.outputWidth);                           \
        int64_t count = layer->k * layer->c * layer->kernel * layer->kernel;                                           \
        float *x = randoms(in), *y = randoms(out), *dy = randoms(out), *dx = floats(in), *weights = randoms(count);    \
        float *bias = randoms(layer->k), *workspace = floats(CKernels_laneConvolutionWorkspace(&shape));               \
        float *dWeights = floats(count), *dBias = floats(layer->k);                                                    \
        uint16_t *winners = (uint16_t *)floats(out);                                                                   \
        for (int64_t i = 0; i < out; i++) winners[i] = (uint16_t)randomInt(0, 3);                                      \
        TIME(layer->name, counts * 32 * multiplyAdds(&shape), call);                                                            \
        release(x), release(y), release(dy), release(dx), release(weights), release(bias), release(workspace);         \
        release(dWeights), release(dBias), release(winners);                                                           \
    }
#define BENCH(name) static void bench_##name(Set *set, const char *kernel)

BENCH(conv2d_f32_forward) { EACH_LAYER(1, !layer->pool, set->conv2d_f32_forward(&shape, x, weights, bias, layer->activation, y)) }
BENCH(conv2d_pool_f32_forward) {
    EACH_LAYER(1, layer->pool, set->conv2d_pool_f32_forward(&shape, x, weights, bias, layer->activation, workspace, y, winners))
}
BENCH(conv2d_f32_flip) {
    EACH_LAYER(0, layer->c == 6 && layer->size == 12, set->conv2d_f32_flip(&shape, weights, dWeights))
}
BENCH(conv2d_f32_inputGradient) {
    EACH_LAYER(1, layer->c > 1, set->conv2d_f32_inputGradient(&shape, dy, weights, layer->pool ? CKernels_activationNone : layer->activation, x, dx))
}
BENCH(conv2d_f32_weightGradient) {
    EACH_LAYER(1, !(layer->pool && layer->c == 1), set->conv2d_f32_weightGradient(&shape, x, dy, 16, workspace, dWeights, dBias))
}
BENCH(conv2d_pool_f32_weightGradient) {
    EACH_LAYER(1, layer->pool, set->conv2d_pool_f32_weightGradient(&shape, x, y, dy, winners, layer->activation, 16, workspace, dWeights, dBias))
}
BENCH(unpool_f32_backward) {
    static float *full;
    if (!full) full = floats(volume(16, 28, 28));
    EACH_LAYER(0, layer->pool, set->unpool_f32_backward(layer->k, shape.window.outputHeight, shape.window.outputWidth, y, dy, winners, layer->activation, full))
}

#define EACH_POOL(call)                                                                                                \
    CKernels_LaneWindow window = {8, 28, 28, 3, 3, 2, 2, 1, 1, 14, 14};                                                    \
    float *x = randoms(volume(8, 28, 28)), *y = randoms(volume(8, 14, 14));                                            \
    uint16_t *winners = (uint16_t *)floats(volume(8, 14, 14));                                                         \
    set->maxpool2d_f32_forward(&window, x, y, winners);                                                                \
    TIME("8x28 3x3 s2 p1", 0, call);                                                                                   \
    release(x), release(y), release(winners)
BENCH(maxpool2d_f32_forward) { EACH_POOL(set->maxpool2d_f32_forward(&window, x, y, winners)); }
BENCH(maxpool2d_f32_backward) { EACH_POOL(set->maxpool2d_f32_backward(&window, y, winners, x)); }
BENCH(avgpool2d_f32_forward) { EACH_POOL(set->avgpool2d_f32_forward(&window, 1, x, y)); }
BENCH(avgpool2d_f32_backward) { EACH_POOL(set->avgpool2d_f32_backward(&window, 1, y, x)); }

#define EACH_VALUE(count, label, call)                                                                                 \
    float *x = randoms(count), *y = randoms(count), *z = randoms(count);                                               \
    TIME(label, 0, call);                                                                                              \
    release(x), release(y), release(z)
BENCH(activation_f32_forward) { EACH_VALUE(1024 * L, "tanh of 1024 x 16", set->activation_f32_forward(CKernels_activationTanh, x, 1024 * L, y)); }
BENCH(activation_f32_backward) { EACH_VALUE(1024 * L, "tanh of 1024 x 16", set->activation_f32_backward(CKernels_activationTanh, x, y, 1024 * L, z)); }
BENCH(add_f32) { EACH_VALUE(44426, "44,426 gradients", set->add_f32(x, y, 44426, z)); }

BENCH(sgd_f32) {
    CKernels_SGD rule = {0.01f, 0.9f, 0, 0.03125f, 1, 0};
    EACH_VALUE(44426, "44,426 parameters", set->sgd_f32(&rule, x, 44426, y, z));
}
BENCH(sumOfSquares_f32) {
    double sum;
    EACH_VALUE(44426, "44,426 gradients", set->sumOfSquares_f32(x, 44426, &sum));
}

#define EACH_LINEAR(call)                                                                                              \
    for (uint64_t n = 0; n < sizeof linears / sizeof *linears; n++) {                                                  \
        int64_t inputs = linears[n][0], outputs = linears[n][1];                                                       \
        char label[64];                                                                                                \
        snprintf(label, sizeof label, "%lld -> %lld", (long long)inputs, (long long)outputs);                          \
        float *x = randoms(inputs * L), *y = randoms(outputs * L), *dx = floats(inputs * L), *weights = randoms(inputs * outputs); \
        float *bias = randoms(outputs), *workspace = floats(CKernels_laneLinearWorkspace(inputs));                     \
        TIME(label, 32.0 * (double)(inputs * outputs), call);                                                          \
        release(x), release(y), release(dx), release(weights), release(bias), release(workspace);                      \
    }
BENCH(linear_f32_forward) { EACH_LINEAR(set->linear_f32_forward(inputs, outputs, x, weights, bias, CKernels_activationReLU, y)) }
BENCH(linear_f32_inputGradient) { EACH_LINEAR(set->linear_f32_inputGradient(inputs, outputs, y, weights, CKernels_activationReLU, x, dx)) }
BENCH(linear_f32_weightGradient) { EACH_LINEAR(set->linear_f32_weightGradient(inputs, outputs, x, y, 8, 16, workspace, weights, bias)) }

#define GROUP                                                                                                          \
    CKernels_LaneGroup group = {.lanesPerShard = 16, .lanes = 16};                                                     \
    float *images = randoms(784 * L), *values = floats(784 * L);                                                       \
    for (int l = 0; l < L; l++) group.images[l] = images + 784 * l, group.labels[l] = l % 10
BENCH(pixels_u8_forward) {
    GROUP;
    TIME("1x28x28", 0, set->pixels_u8_forward(&group, images, 1, 784, values));
    release(images), release(values);
}
BENCH(pixels_f32_forward) {
    GROUP;
    float mean = 0.5f, std = 0.25f;
    TIME("1x28x28", 0, set->pixels_f32_forward(&group, &mean, &std, 1, 784, values));
    release(images), release(values);
}
BENCH(crossEntropy_f32) {
    GROUP;
    CKernels_LaneScores scores;
    TIME("10 classes", 0, set->crossEntropy_f32(&group, images, 10, &scores, values));
    release(images), release(values);
}

int main(int argc, char **argv) {
    if (argc > 1) secondsARow = atof(argv[1]);
    const char *onlySet = argc > 2 ? argv[2] : 0;
    only = argc > 3 ? argv[3] : 0;
    peak = measurePeak();
    printf("peak %.1f GFLOP/s\n", peak);
    const char *names[] = {"avx512", "avx2", "portable"};
    for (int i = 0; i < 3; i++) {
        Set *set = CKernels_laneKernelsNamed(names[i]);
        if (!set || (onlySet && *onlySet && strcmp(onlySet, names[i]) != 0)) continue;
#define ROW(kernel, parameters, arguments)                                                                             \
    if (!only || strstr(#kernel, only)) bench_##kernel(set, #kernel);
        CKERNELS_LANES(ROW)
#undef ROW
    }
    printf("peak afterwards %.1f GFLOP/s\n", measurePeak());
}
