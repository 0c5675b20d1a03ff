#pragma once
// Kernels with one image in each lane of a vector, for networks of few channels.
//
// A group holds sixteen lanes, whatever the instruction set. A value of a group is [C, H, W, 16] floats, 64-byte
// aligned; a winner of a maximum pooling is [C, P, Q, 16] of uint16. A shard of b < 16 images takes w lanes, b rounded
// up to a power of two, and a group then holds neighbouring shards; a shard of 16 images or more takes whole groups.
// A lane without an image has zero input and, by selection in the loss, zero gradient.
//
// Forward values and gradients of values are one chain of fused multiply-adds for each element: the bias, then input
// channels, kernel rows and kernel columns in ascending order (gradients of values: output channels, then the outputs'
// rows and columns), places outside the image left out. Tiles never change that order. Gradients of weights are one
// chain a lane over the outputs' rows and columns, then the lanes' sums in a binary tree, neighbours first; those of
// linear layers are one chain over the w lanes of a shard, then a binary tree over the shards of the group.
// The portable set multiplies and adds in two roundings; sets agree to 1e-5 relative, one set repeats bit for bit.

#include <stdint.h>

#define CKernels_laneCount 16

typedef enum {
    CKernels_activationNone = 0,
    CKernels_activationReLU = 1,
    CKernels_activationTanh = 2,
} CKernels_Activation;

/// The extents of a 2-D convolution or pooling of one image.
typedef struct {
    int64_t channels, height, width;               // C, H, W
    int64_t kernelHeight, kernelWidth;             // R, S
    int64_t strideHeight, strideWidth;
    int64_t paddingTop, paddingLeft;               // what lies below and to the right follows from the output extents
    int64_t outputHeight, outputWidth;             // P, Q
} CKernels_LaneWindow;

/// A 2-D convolution: [C, H, W] in the window, weights [K, C, R, S] → [K, P, Q]. Padding below and to the right follows.
typedef struct {
    CKernels_LaneWindow window;
    int64_t outputChannels;
} CKernels_LaneConvolution;

/// One group of lanes: which images they hold.
typedef struct {
    const void *images[CKernels_laneCount];  // null where the lane holds none
    int32_t labels[CKernels_laneCount];      // read where the lane holds an image
    int32_t lanesPerShard;                   // 1, 2, 4, 8 or 16
    int32_t lanes;                           // lanesPerShard times the shards of the group
} CKernels_LaneGroup;

/// What the loss says of each lane; zeros where the lane holds no image.
typedef struct {
    double loss[CKernels_laneCount];
    int32_t correct1[CKernels_laneCount];
    int32_t correct5[CKernels_laneCount];
} CKernels_LaneScores;

/// Stochastic gradient descent in the form of torch.optim.SGD, with a gradient sum that is scaled first:
/// d = g·gradientScale + weightDecay·w; v = momentum·v + fresh·d; w −= rate·(nesterov ? d + momentum·v : v).
/// fresh = 1 − dampening (1 in the first update). With momentum 0 the velocity is neither read nor written; otherwise one
/// below the normal range becomes +0.
typedef struct {
    float rate, momentum, weightDecay, gradientScale, fresh;
    int32_t nesterov;
} CKernels_SGD;

/// Floats of workspace for the convolution kernels of a shape, fused pooling and bias included.
int64_t CKernels_laneConvolutionWorkspace(const CKernels_LaneConvolution *shape);
/// Floats of workspace for the weight gradient of a linear layer.
int64_t CKernels_laneLinearWorkspace(int64_t inputs);

// One row a kernel: its name, its parameters, the names of the parameters. A row yields the declarations, the entry of
// each kernel set, the property test and the microbenchmark.
#define CKERNELS_LANES(ROW)                                                                                            \
    /* Bytes [H·W, C] of each image → [C, H·W, 16] through one table of 256 values a channel. */                       \
    ROW(pixels_u8_forward, (const CKernels_LaneGroup *group, const float *table, int64_t channels, int64_t area,       \
                            float *values), (group, table, channels, area, values))                                    \
    /* The same for float pixels: (pixel − mean[c]) / std[c]. */                                                       \
    ROW(pixels_f32_forward, (const CKernels_LaneGroup *group, const float *mean, const float *std, int64_t channels,   \
                             int64_t area, float *values), (group, mean, std, channels, area, values))                 \
    /* y = activation(convolution + bias); bias may be null. */                                                        \
    ROW(conv2d_f32_forward, (const CKernels_LaneConvolution *shape, const float *x, const float *weights,              \
                             const float *bias, CKernels_Activation activation, float *y),                             \
        (shape, x, weights, bias, activation, y))                                                                      \
    /* y [K, P/2, Q/2] = activation(maximum over 2 × 2 of (convolution + bias)), winners 0 … 3 the first maximum, or   \
       65535 where ReLU let nothing through. The maximum is taken before the activation, which is monotone. */         \
    ROW(conv2d_pool_f32_forward, (const CKernels_LaneConvolution *shape, const float *x, const float *weights,         \
                                  const float *bias, CKernels_Activation activation, float *workspace, float *y,       \
                                  uint16_t *winners),                                                                  \
        (shape, x, weights, bias, activation, workspace, y, winners))                                                  \
    /* Weights [K, C, R, S] → [C, K, R, S] with both kernel axes reversed, for the input gradient. */                  \
    ROW(conv2d_f32_flip, (const CKernels_LaneConvolution *shape, const float *weights, float *flipped),                \
        (shape, weights, flipped))                                                                                     \
    /* dx = gradient of x, times the derivative of the activation that made x (x is read only for that). */            \
    ROW(conv2d_f32_inputGradient, (const CKernels_LaneConvolution *shape, const float *dy, const float *flipped,       \
                                   CKernels_Activation activation, const float *x, float *dx),                         \
        (shape, dy, flipped, activation, x, dx))                                                                       \
    /* dWeights [K, C, R, S] and dBias [K] (or null) of the group's first `lanes` lanes. Overwrites both. */           \
    ROW(conv2d_f32_weightGradient, (const CKernels_LaneConvolution *shape, const float *x, const float *dy,            \
                                    int64_t lanes, float *workspace, float *dWeights, float *dBias),                   \
        (shape, x, dy, lanes, workspace, dWeights, dBias))                                                             \
    /* The same from dy of a fused pooling: y and dy [K, P/2, Q/2] and winners as conv2d_pool_f32_forward wrote. */    \
    ROW(conv2d_pool_f32_weightGradient, (const CKernels_LaneConvolution *shape, const float *x, const float *y,        \
                                         const float *dy, const uint16_t *winners, CKernels_Activation activation,     \
                                         int64_t lanes, float *workspace, float *dWeights, float *dBias),              \
        (shape, x, y, dy, winners, activation, lanes, workspace, dWeights, dBias))                                     \
    /* Gradient before a fused activation and 2 × 2 pooling: dx [C, H, W]; rows and columns left over get 0. */        \
    ROW(unpool_f32_backward, (int64_t channels, int64_t height, int64_t width, const float *y, const float *dy,        \
                              const uint16_t *winners, CKernels_Activation activation, float *dx),                     \
        (channels, height, width, y, dy, winners, activation, dx))                                                     \
    /* Maximum over any window; the first maximum wins, NaN wins, padding never. */                                    \
    ROW(maxpool2d_f32_forward, (const CKernels_LaneWindow *window, const float *x, float *y, uint16_t *winners),           \
        (window, x, y, winners))                                                                                       \
    ROW(maxpool2d_f32_backward, (const CKernels_LaneWindow *window, const float *dy, const uint16_t *winners, float *dx),  \
        (window, dy, winners, dx))                                                                                     \
    /* Mean over any window, rows before columns; padding counts as zeros unless `countsPadding` is 0. */              \
    ROW(avgpool2d_f32_forward, (const CKernels_LaneWindow *window, int32_t countsPadding, const float *x, float *y),       \
        (window, countsPadding, x, y))                                                                                 \
    ROW(avgpool2d_f32_backward, (const CKernels_LaneWindow *window, int32_t countsPadding, const float *dy, float *dx),    \
        (window, countsPadding, dy, dx))                                                                               \
    /* y = activation(x) and dx = dy · activation′, from y; `count` floats, a multiple of 16. In place is allowed. */  \
    ROW(activation_f32_forward, (CKernels_Activation activation, const float *x, int64_t count, float *y),             \
        (activation, x, count, y))                                                                                     \
    ROW(activation_f32_backward, (CKernels_Activation activation, const float *y, const float *dy, int64_t count,      \
                                  float *dx), (activation, y, dy, count, dx))                                          \
    /* y [M, 16] = activation(weights [M, N] · x [N, 16] + bias [M]); bias may be null. */                             \
    ROW(linear_f32_forward, (int64_t inputs, int64_t outputs, const float *x, const float *weights, const float *bias, \
                             CKernels_Activation activation, float *y),                                                \
        (inputs, outputs, x, weights, bias, activation, y))                                                            \
    /* dx [N, 16], times the derivative of the activation that made x. */                                              \
    ROW(linear_f32_inputGradient, (int64_t inputs, int64_t outputs, const float *dy, const float *weights,             \
                                   CKernels_Activation activation, const float *x, float *dx),                         \
        (inputs, outputs, dy, weights, activation, x, dx))                                                             \
    /* dWeights [M, N] and dBias [M] (or null) of the group. Overwrites both. */                                       \
    ROW(linear_f32_weightGradient, (int64_t inputs, int64_t outputs, const float *x, const float *dy,                  \
                                    int64_t lanesPerShard, int64_t lanes, float *workspace, float *dWeights,           \
                                    float *dBias),                                                                     \
        (inputs, outputs, x, dy, lanesPerShard, lanes, workspace, dWeights, dBias))                                    \
    /* Softmax cross-entropy in double: scores of every lane and, unless dlogits is null, the gradient [classes, 16]   \
       of the summed loss. Ranks of labels as in CKernels_crossEntropy_f32. */                                         \
    ROW(crossEntropy_f32, (const CKernels_LaneGroup *group, const float *logits, int64_t classes,                      \
                           CKernels_LaneScores *scores, float *dlogits), (group, logits, classes, scores, dlogits))    \
    /* sum = a + b, for the tree over groups and shards. sum may be a or b. */                                         \
    ROW(add_f32, (const float *a, const float *b, int64_t count, float *sum), (a, b, count, sum))                      \
    /* Over parameters, not lanes; the bits of CKernels_sgd_f32__portable and CKernels_sumOfSquares_f32__portable. */  \
    ROW(sgd_f32, (const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights, float *velocities), \
        (rule, gradients, count, weights, velocities))                                                                 \
    ROW(sumOfSquares_f32, (const float *x, int64_t count, double *sum), (x, count, sum))

/// One set of kernels.
typedef struct {
    const char *name;  // avx512, avx2 or portable
#define ROW(kernel, parameters, arguments) void(*kernel) parameters;
    CKERNELS_LANES(ROW)
#undef ROW
} CKernels_LaneKernels;

/// The set of that name, or null where the processor cannot run it.
const CKernels_LaneKernels *CKernels_laneKernelsNamed(const char *name);
/// The set in use: the widest the processor can run, or the one SWIFT_TRAIN_ISA names. Settled at the first call.
const CKernels_LaneKernels *CKernels_laneKernels(void);

#define ROW(kernel, parameters, arguments)                                                                             \
    static inline void CKernels_lanes_##kernel parameters { CKernels_laneKernels()->kernel arguments; }
CKERNELS_LANES(ROW)
#undef ROW
