#pragma once
// Everything that a family of processors provides: one row a kernel set, one row a kernel.
//
// A row yields the declaration and the entry in every set; a property test and a benchmark, which stand side by side in
// Tests/CKernelCases and without which nothing links; and the counted twin of Tests/CKernelCounter. Rows come in groups:
// LANES compute sixteen images at once, one in each lane of a vector, BLOCKS sixteen channels of one image, VECTORS run
// over plain arrays.
#include <stdint.h>

#include "CKernels_windows.h"

// ---- Sets ----------------------------------------------------------------------------------------------------------

// One row a set, the widest first: its name, and what the processor must have. CKernels_set_<name>.c compiles it.
#if defined(__x86_64__)
#define CKernels_runsAVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define CKernels_runsAVX512                                                                                            \
    (CKernels_runsAVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&                   \
     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#define CKERNELS_SETS(SET)                                                                                             \
    SET(avx512, CKernels_runsAVX512)                                                                                   \
    SET(avx2, CKernels_runsAVX2)                                                                                       \
    SET(portable, 1)
#else
#define CKERNELS_SETS(SET) SET(portable, 1)
#endif

/// How a row's results in one set compare with those in another.
typedef enum {
    CKernels_agreementExact,  // every set gives the same bits: operations are fused in all sets or in none
    CKernels_agreementFused,  // the same chains of multiply-adds, rounded once or, in sets that do not fuse, twice
    CKernels_agreementClose,  // within the bound that the property states, for it holds an approximation
} CKernels_Agreement;

// ---- Lanes ---------------------------------------------------------------------------------------------------------

// Kernels with one image in each lane of a vector, for networks of few channels.
//
// A group holds sixteen lanes, whatever the instruction set. A value of a group is [C, H, W, 16] floats, 64-byte
// aligned; the argmax of a maximum pooling is [C, P, Q, 16] of uint16. A shard of b < 16 images takes w lanes, b rounded
// up to a power of two, and a group then holds neighbouring shards; a shard of 16 images or more takes whole groups.
// A lane without an image has zero input and, by selection in the loss, zero gradient.
//
// Forward values and gradients of values are one chain of fused multiply-adds for each element: the bias, then input
// channels, kernel rows and kernel columns in ascending order (gradients of values: output channels, then the outputs'
// rows and columns), places outside the image left out. Tiles never change that order. Gradients of weights are one
// chain a lane over the outputs' rows and columns, then the lanes' sums in a binary tree, neighbours first; those of
// linear layers are one chain over the w lanes of a shard, then a binary tree over the shards of the group.

#define CKernels_laneCount 16

typedef enum {
    CKernels_activationNone = 0,
    CKernels_activationReLU = 1,
    CKernels_activationTanh = 2,
} CKernels_Activation;

/// The extents of a 2-D convolution or pooling of one image.
typedef struct {
    int64_t channels, height, width;    // C, H, W
    int64_t kernelHeight, kernelWidth;  // R, S
    int64_t strideHeight, strideWidth;
    int64_t paddingTop, paddingLeft;    // what lies below and to the right follows from the output extents
    int64_t outputHeight, outputWidth;  // P, Q
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

/// Floats of workspace for the convolution kernels of a shape, fused pooling and bias included.
int64_t CKernels_laneConvolutionWorkspace(const CKernels_LaneConvolution *shape);
/// Floats of workspace for the weight gradient of a linear layer.
int64_t CKernels_laneLinearWorkspace(int64_t inputs);

// One row a kernel: how sets agree, name, parameters, names of the parameters.
// clang-format off
#define CKERNELS_LANES(ROW)                                                                                            \
    /* Bytes [H·W, C] of each image → [C, H·W, 16] through one table of 256 values a channel. */                       \
    ROW(Exact, pixels_u8_forward, (const CKernels_LaneGroup *group, const float *table, int64_t channels,              \
                                   int64_t area, float *values), (group, table, channels, area, values))               \
    /* The same for float pixels: (pixel − mean[c]) / std[c]. */                                                       \
    ROW(Exact, pixels_f32_forward, (const CKernels_LaneGroup *group, const float *mean, const float *std,              \
                                    int64_t channels, int64_t area, float *values),                                    \
        (group, mean, std, channels, area, values))                                                                    \
    /* y = activation(convolution + bias); bias may be null. */                                                        \
    ROW(Fused, conv2d_f32_forward, (const CKernels_LaneConvolution *shape, const float *x, const float *weights,       \
                                    const float *bias, CKernels_Activation activation, float *y),                      \
        (shape, x, weights, bias, activation, y))                                                                      \
    /* y [K, P/2, Q/2] = activation(maximum over 2 × 2 of (convolution + bias)), argmax 0 … 3 the first maximum, or    \
       65535 where ReLU let nothing through. The maximum is taken before the activation, which is monotone. */         \
    ROW(Fused, conv2d_pool_f32_forward, (const CKernels_LaneConvolution *shape, const float *x, const float *weights,  \
                                         const float *bias, CKernels_Activation activation, float *workspace,          \
                                         float *y, uint16_t *argmax),                                                  \
        (shape, x, weights, bias, activation, workspace, y, argmax))                                                   \
    /* Weights [K, C, R, S] → [C, K, R, S] with both kernel axes reversed, for the input gradient. */                  \
    ROW(Exact, conv2d_f32_transpose, (const CKernels_LaneConvolution *shape, const float *weights, float *transposed), \
        (shape, weights, transposed))                                                                                  \
    /* dx = gradient of x, times the derivative of the activation that made x (x is read only for that). */            \
    ROW(Fused, conv2d_f32_inputGradient, (const CKernels_LaneConvolution *shape, const float *dy,                      \
                                          const float *transposed, CKernels_Activation activation, const float *x,     \
                                          float *dx), (shape, dy, transposed, activation, x, dx))                      \
    /* dWeights [K, C, R, S] and dBias [K] (or null) of the group's first `lanes` lanes. Overwrites both. */           \
    ROW(Fused, conv2d_f32_weightGradient, (const CKernels_LaneConvolution *shape, const float *x, const float *dy,     \
                                           int64_t lanes, float *workspace, float *dWeights, float *dBias),            \
        (shape, x, dy, lanes, workspace, dWeights, dBias))                                                             \
    /* The same from dy of a fused pooling: y and dy [K, P/2, Q/2] and argmax as conv2d_pool_f32_forward wrote. */     \
    ROW(Fused, conv2d_pool_f32_weightGradient, (const CKernels_LaneConvolution *shape, const float *x,                 \
                                                const float *y, const float *dy, const uint16_t *argmax,               \
                                                CKernels_Activation activation, int64_t lanes, float *workspace,       \
                                                float *dWeights, float *dBias),                                        \
        (shape, x, y, dy, argmax, activation, lanes, workspace, dWeights, dBias))                                      \
    /* Gradient before a fused activation and 2 × 2 pooling: dx [C, H, W]; rows and columns left over get 0. */        \
    ROW(Exact, unpool_f32_backward, (int64_t channels, int64_t height, int64_t width, const float *y,                  \
                                     const float *dy, const uint16_t *argmax, CKernels_Activation activation,          \
                                     float *dx), (channels, height, width, y, dy, argmax, activation, dx))             \
    /* Maximum over any window; the first maximum wins, NaN wins, padding never. */                                    \
    ROW(Exact, maxpool2d_f32_forward, (const CKernels_LaneWindow *window, const float *x, float *y,                    \
                                       uint16_t *argmax), (window, x, y, argmax))                                      \
    ROW(Exact, maxpool2d_f32_backward, (const CKernels_LaneWindow *window, const float *dy, const uint16_t *argmax,    \
                                        float *dx), (window, dy, argmax, dx))                                          \
    /* Mean over any window, rows before columns; padding counts as zeros unless `countsPadding` is 0. */              \
    ROW(Exact, avgpool2d_f32_forward, (const CKernels_LaneWindow *window, int32_t countsPadding, const float *x,       \
                                       float *y), (window, countsPadding, x, y))                                       \
    ROW(Exact, avgpool2d_f32_backward, (const CKernels_LaneWindow *window, int32_t countsPadding, const float *dy,     \
                                        float *dx), (window, countsPadding, dy, dx))                                   \
    /* y = activation(x) and dx = dy · activation′, from y; `count` floats, a multiple of 16. In place is allowed. */  \
    ROW(Close, activation_f32_forward, (CKernels_Activation activation, const float *x, int64_t count, float *y),      \
        (activation, x, count, y))                                                                                     \
    ROW(Exact, activation_f32_backward, (CKernels_Activation activation, const float *y, const float *dy,              \
                                         int64_t count, float *dx), (activation, y, dy, count, dx))                    \
    /* y [M, 16] = activation(weights [M, N] · x [N, 16] + bias [M]); bias may be null. */                             \
    ROW(Fused, linear_f32_forward, (int64_t inputs, int64_t outputs, const float *x, const float *weights,             \
                                    const float *bias, CKernels_Activation activation, float *y),                      \
        (inputs, outputs, x, weights, bias, activation, y))                                                            \
    /* dx [N, 16], times the derivative of the activation that made x. */                                              \
    ROW(Fused, linear_f32_inputGradient, (int64_t inputs, int64_t outputs, const float *dy, const float *weights,      \
                                          CKernels_Activation activation, const float *x, float *dx),                  \
        (inputs, outputs, dy, weights, activation, x, dx))                                                             \
    /* dWeights [M, N] and dBias [M] (or null) of the group. Overwrites both. */                                       \
    ROW(Fused, linear_f32_weightGradient, (int64_t inputs, int64_t outputs, const float *x, const float *dy,           \
                                           int64_t lanesPerShard, int64_t lanes, float *workspace, float *dWeights,    \
                                           float *dBias),                                                              \
        (inputs, outputs, x, dy, lanesPerShard, lanes, workspace, dWeights, dBias))                                    \
    /* Softmax cross-entropy in double: scores of every lane and, unless dlogits is null, the gradient [classes, 16]   \
       of the summed loss. Ranks of labels as in CKernels_crossEntropy_f32. */                                         \
    ROW(Close, crossEntropy_f32, (const CKernels_LaneGroup *group, const float *logits, int64_t classes,               \
                                  CKernels_LaneScores *scores, float *dlogits),                                        \
        (group, logits, classes, scores, dlogits))
// clang-format on

// ---- Blocks --------------------------------------------------------------------------------------------------------

// Kernels with sixteen channels of one image in the lanes of a vector, for networks whose layers have many channels.
//
// A value of an image is [C/16, H, W, 16] floats, 64-byte aligned, and C is a multiple of 16; what goes into a network's first
// convolution may also be planes [C, H, W] of fewer than 16 channels. Multiply-adds are rounded once in every set
// (`fused`), so that all sets give the same bits.
//
// A forward value or a gradient of a value is a sum of chains: each chain takes CKernels_blockChain blocks of channels (of
// input or output), kernel rows and columns outside, channels inside, in ascending order, zeros where a place lies outside
// the image, and starts from +0; the chains are added in order to the bias, or to +0. Planes are one chain: rows, columns,
// channels. A gradient of a weight is a chain over each band of places (CKernels_blockBands), images, rows and columns in
// order; sixteen bands are added in order, then what sixteen bands came to.

/// The most places of a kernel, and the most places of the image from its first to its last one, along an axis.
#define CKernels_blockTaps 128
#define CKernels_blockReach 256

/// A 2-D convolution: x [C, H, W], weights [K, C, R, S] → y [K, P, Q], K a multiple of 16. Padding below and to the right
/// follows.
typedef struct {
    int64_t channels, height, width;                    // C, H, W
    int64_t outputChannels, outputHeight, outputWidth;  // K, P, Q
    int64_t kernelHeight, kernelWidth;                  // R, S
    int64_t strideHeight, strideWidth, dilationHeight, dilationWidth;
    int64_t paddingTop, paddingLeft;
} CKernels_BlockConvolution;

/// Blocks of channels that one chain takes with a kernel of so many places: chains of about 300 multiply-adds lose little
/// to rounding and stay long against what starting and adding them takes.
static inline int64_t CKernels_blockChain(int64_t taps) { return taps >= 18 ? 1 : taps <= 1 ? 16 : 18 / taps; }

/// How the outputs of some images are cut into the bands of a weight gradient: whole images, or rows of one.
typedef struct {
    int64_t images, rows;  // of a band
    int64_t perImage;      // bands of an image, or 1
    int64_t count;
} CKernels_BlockBands;
CKernels_BlockBands CKernels_blockBands(const CKernels_BlockConvolution *shape, int64_t images);
#define CKernels_blockBandsAGroup 16

/// Floats of workspace for the kernels of a shape, and for the weight gradient of up to so many images (0: there is none).
int64_t CKernels_blockConvolutionWorkspace(const CKernels_BlockConvolution *shape, int64_t images);

/// Winograd's convolution takes a kernel of 3 × 3 places with strides and dilations of 1: it computes 4 × 4 outputs from a tile
/// of 6 × 6 places with 36 instead of 144 products a channel, at the cost of a few bits. Its chains take CKernels_blockChain(1)
/// blocks of channels and are added in order, before the transform of the outputs; the bias is added last.
#define CKernels_winogradSide 6
/// Tiles that are multiplied at once: their transforms stay in a second-level cache, or are a part of what the weights take, which
/// pass by once for them. Elements do not depend on it.
static inline int64_t CKernels_winogradGroup(int64_t channels, int64_t outputs) {
    const int64_t places = CKernels_winogradSide * CKernels_winogradSide, weights = places * channels * outputs;
    const int64_t floats = weights / 8 > 262144 ? weights / 8 : 262144;
    const int64_t most = floats / (places * (channels + outputs)) / 14 * 14;
    return most < 14 ? 14 : most > 112 ? 112 : most;
}
/// Floats of transformed weights, and of workspace, for a shape that it takes.
int64_t CKernels_winogradWeights(const CKernels_BlockConvolution *shape);
int64_t CKernels_winogradWorkspace(const CKernels_BlockConvolution *shape);

// clang-format off
#define CKERNELS_BLOCKS(ROW)                                                                                           \
    /* Weights [K, C, R, S] in the order that the forward pass reads; one block of sixteen output channels. */         \
    ROW(Exact, blockConv2d_f32_pack, (const CKernels_BlockConvolution *shape, int64_t block, const float *weights,     \
                                      float *packed), (shape, block, weights, packed))                                 \
    /* The same for the input gradient; one block of input channels. */                                                \
    ROW(Exact, blockConv2d_f32_packTransposed, (const CKernels_BlockConvolution *shape, int64_t block,                 \
                                                const float *weights, float *packed), (shape, block, weights, packed)) \
    /* One block of output channels of a weight gradient, as computed, to [K, C, R, S]. */                             \
    ROW(Exact, blockConv2d_f32_unpackGradient, (const CKernels_BlockConvolution *shape, int64_t block,                 \
                                                const float *packed, float *gradient),                                 \
        (shape, block, packed, gradient))                                                                              \
    /* y of some images, one after the other; bias may be null. */                                                     \
    ROW(Exact, blockConv2d_f32_forward, (const CKernels_BlockConvolution *shape, int64_t images, const float *x,       \
                                         const float *packed, const float *bias, float *workspace, float *y),          \
        (shape, images, x, packed, bias, workspace, y))                                                                \
    ROW(Exact, blockConv2d_f32_inputGradient, (const CKernels_BlockConvolution *shape, int64_t images,                 \
                                               const float *dy, const float *packed, float *workspace, float *dx),     \
        (shape, images, dy, packed, workspace, dx))                                                                    \
    /* dWeights (for `unpackGradient`) and dBias [K] (or null) of some images. Overwrites both. */                     \
    ROW(Exact, blockConv2d_f32_weightGradient, (const CKernels_BlockConvolution *shape, int64_t images,                \
                                                const float *x, const float *dy, float *workspace, float *dWeights,    \
                                                float *dBias), (shape, images, x, dy, workspace, dWeights, dBias))     \
    /* The same by Winograd's convolution, whose weight gradients are those above. */                                  \
    ROW(Exact, winogradConv2d_f32_pack, (const CKernels_BlockConvolution *shape, int64_t block, const float *weights,  \
                                         float *packed), (shape, block, weights, packed))                              \
    ROW(Exact, winogradConv2d_f32_packTransposed, (const CKernels_BlockConvolution *shape, int64_t block,              \
                                                   const float *weights, float *packed),                               \
        (shape, block, weights, packed))                                                                               \
    ROW(Exact, winogradConv2d_f32_forward, (const CKernels_BlockConvolution *shape, int64_t images, const float *x,    \
                                            const float *packed, const float *bias, float *workspace, float *y),       \
        (shape, images, x, packed, bias, workspace, y))                                                                \
    ROW(Exact, winogradConv2d_f32_inputGradient, (const CKernels_BlockConvolution *shape, int64_t images,              \
                                                  const float *dy, const float *packed, float *workspace, float *dx),  \
        (shape, images, dy, packed, workspace, dx))                                                                    \
    /* One image of so many channels and places: planes [C, H·W] to blocks, and back. */                               \
    ROW(Exact, blocks_f32_fromPlanes, (int64_t channels, int64_t area, const float *planes, float *blocks),            \
        (channels, area, planes, blocks))                                                                              \
    ROW(Exact, blocks_f32_toPlanes, (int64_t channels, int64_t area, const float *blocks, float *planes),              \
        (channels, area, blocks, planes))                                                                              \
    /* Channels of zeros in front of and behind those of an image, `padded` in all; and what of dy the image sees. */  \
    ROW(Exact, blockPadChannels_f32_forward, (int64_t channels, int64_t before, int64_t padded, int64_t area,          \
                                              const float *x, float *y), (channels, before, padded, area, x, y))       \
    ROW(Exact, blockPadChannels_f32_backward, (int64_t channels, int64_t before, int64_t padded, int64_t area,         \
                                               const float *dy, float *dx), (channels, before, padded, area, dy, dx))  \
    /* Normalisation of one block of channels of some images, `stride` floats from one to the next; vectors have       \
       sixteen doubles. Σ (x − centre), then Σ (x − centre)²: of each image even places in one chain, odd ones in      \
       another, both through all images, then their sum. */                                                            \
    ROW(Exact, blockNorm_f32_sums, (int64_t images, int64_t stride, int64_t area, const float *x,                      \
                                    const double *centres, double *sums), (images, stride, area, x, centres, sums))    \
    /* y = (x − mean) · scale + shift in double; then + `added` unless it is null; then ReLU if `isRectified`. */      \
    ROW(Exact, blockNorm_f32_forward, (int64_t images, int64_t stride, int64_t area, const float *x,                   \
                                       const double *means, const double *scales, const double *shifts,                \
                                       const float *added, int32_t isRectified, float *y),                             \
        (images, stride, area, x, means, scales, shifts, added, isRectified, y))                                       \
    /* Σ dz, then Σ dz · (x − mean), in the order of `sums`: dz is dy where y > 0, or all of it where y is null. Writes\
       dz to `passed`, which may be dy, unless that is null. */                                                        \
    ROW(Exact, blockNorm_f32_gradientSums, (int64_t images, int64_t stride, int64_t area, const float *x,              \
                                            const float *dy, const float *y, const double *means, float *passed,       \
                                            double *sums), (images, stride, area, x, dy, y, means, passed, sums))      \
    /* dx = ((dy − gradientMean) − (x − mean) · slope) · scale in double. dx may be dy. */                             \
    ROW(Exact, blockNorm_f32_backward, (int64_t images, int64_t stride, int64_t area, const float *x,                  \
                                        const float *dy, const double *means, const double *gradientMeans,             \
                                        const double *slopes, const double *scales, float *dx),                        \
        (images, stride, area, x, dy, means, gradientMeans, slopes, scales, dx))                                       \
    /* Pooling of one image as CKernels_extremePool_f32 and CKernels_averagePool_f32 define it; the first axis is 1. */\
    ROW(Exact, blockMaxPool_f32_forward, (const CKernels_Pooling *pooling, const float *x, float *y, int32_t *argmax), \
        (pooling, x, y, argmax))                                                                                       \
    ROW(Exact, blockMaxPool_f32_backward, (const CKernels_Pooling *pooling, const float *dy, const int32_t *argmax,    \
                                           float *dx), (pooling, dy, argmax, dx))                                      \
    ROW(Exact, blockAveragePool_f32_forward, (const CKernels_Pooling *pooling, const float *x, float *y),              \
        (pooling, x, y))                                                                                               \
    ROW(Exact, blockAveragePool_f32_backward, (const CKernels_Pooling *pooling, const float *dy, float *dx),           \
        (pooling, dy, dx))                                                                                             \
    /* Linear layers over plain samples: x [N, inputs] · weights [outputs, inputs] → y [N, outputs], rows first ..<    \
       first + count of the weights. Blocks of CKernels_denseInputs inputs are added in order to the bias or to +0;    \
       in a block, input i goes to chain i mod 16, and the chains are joined as a binary tree, neighbours first. */    \
    ROW(Exact, dense_f32_forward, (int64_t samples, int64_t inputs, int64_t outputs, int64_t first, int64_t count,     \
                                   const float *x, const float *weights, const float *bias, float *y),                 \
        (samples, inputs, outputs, first, count, x, weights, bias, y))                                                 \
    /* dx of columns first ..< first + count: chains over CKernels_denseOutputs outputs, added in order to +0. */      \
    ROW(Exact, dense_f32_inputGradient, (int64_t samples, int64_t inputs, int64_t outputs, int64_t first,              \
                                         int64_t count, const float *dy, const float *weights, float *dx),             \
        (samples, inputs, outputs, first, count, dy, weights, dx))                                                     \
    /* dWeights [count, inputs] of rows first ..< first + count: one chain over the samples. */                        \
    ROW(Exact, dense_f32_weightGradient, (int64_t samples, int64_t inputs, int64_t outputs, int64_t first,             \
                                          int64_t count, const float *x, const float *dy, float *dWeights),            \
        (samples, inputs, outputs, first, count, x, dy, dWeights))
// clang-format on

/// Inputs of a linear layer whose weights stay in a second-level cache for all samples, and outputs that one chain of an
/// input gradient takes.
#define CKernels_denseInputs 4096
#define CKernels_denseOutputs 64

// ---- Vectors -------------------------------------------------------------------------------------------------------

// What an update remembers (velocities, means, squares) is a normal number or zero: below the normal range it becomes +0.

/// Stochastic gradient descent in the form of torch.optim.SGD, with a gradient sum that is scaled first:
/// d = g·gradientScale + weightDecay·w; v = momentum·v + fresh·d; w −= rate·(nesterov ? d + momentum·v : v).
/// fresh = 1 − dampening (1 in the first update). With momentum 0 the velocity is neither read nor written; otherwise one
/// below the normal range becomes +0.
typedef struct {
    float rate, momentum, weightDecay, gradientScale, fresh;
    int32_t nesterov;
} CKernels_SGD;

/// torch.optim.Adam: d = g·gradientScale + weightDecay·w; w = w·shrink; m = lerp(m, d, 1 − β1);
/// v = β2·v + (1 − β2)·d·d; w −= stepSize·m / (√v / secondCorrection + epsilon).
/// Adam has shrink = 1; AdamW has weightDecay = 0 and shrink = 1 − rate·decay.
typedef struct {
    float stepSize, oneMinusBeta1, beta2, oneMinusBeta2, secondCorrection, epsilon, weightDecay, shrink, gradientScale;
} CKernels_Adam;

/// torch.optim.RMSprop: d = g·gradientScale + weightDecay·w; s = α·s + (1 − α)·d·d; `means` (null unless centered):
/// m = lerp(m, d, 1 − α), and s − m² (0 where rounding makes it negative) in the place of s below; b = momentum·b +
/// d / (√s + epsilon); w −= rate·b. With momentum 0 `velocities` is not touched.
typedef struct {
    float rate, alpha, oneMinusAlpha, epsilon, momentum, weightDecay, gradientScale;
} CKernels_RMSprop;

/// Momentum as You, Gitman and Ginsburg write it, with the rate inside: v = momentum·v + rate·(g·gradientScale +
/// weightDecay·w); w −= v.
typedef struct {
    float rate, momentum, weightDecay, gradientScale;
} CKernels_LARS;

// clang-format off
#define CKERNELS_VECTORS(ROW)                                                                                          \
    /* Pixels of one image, [H·W, C] bytes, to planes [C, H·W] through one table of 256 values a channel. */           \
    ROW(Exact, planes_u8_forward, (const uint8_t *pixels, const float *table, int64_t channels, int64_t area,          \
                                   float *planes), (pixels, table, channels, area, planes))                            \
    /* The same for float pixels: (pixel − mean[c]) / std[c], rounded after each of the two operations. */             \
    ROW(Exact, planes_f32_forward, (const float *pixels, const float *mean, const float *std, int64_t channels,        \
                                    int64_t area, float *planes), (pixels, mean, std, channels, area, planes))         \
    /* sum = a + b. sum may be a or b. */                                                                              \
    ROW(Exact, add_f32, (const float *a, const float *b, int64_t count, float *sum), (a, b, count, sum))               \
    /* Adds `leaves` arrays (a power of two, `stride` elements apart) in one binary tree, neighbours first, the lower one \
       as left operand, for elements 0 ..< count, and writes the sum to `total`. Overwrites the arrays. */             \
    ROW(Exact, treeSum_f32, (float *leafArrays, int64_t leaves, int64_t stride, int64_t count, float *total),          \
        (leafArrays, leaves, stride, count, total))                                                                    \
    /* Σ x² in double, in eight interleaved chains that are joined as a binary tree. */                                \
    ROW(Exact, sumOfSquares_f32, (const float *x, int64_t count, double *sum), (x, count, sum))                        \
    /* The updates of the rules above. */                                                                              \
    ROW(Exact, sgd_f32, (const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights,              \
                         float *velocities), (rule, gradients, count, weights, velocities))                            \
    ROW(Exact, adam_f32, (const CKernels_Adam *rule, const float *gradients, int64_t count, float *weights,            \
                          float *means, float *squares), (rule, gradients, count, weights, means, squares))            \
    ROW(Exact, rmsprop_f32, (const CKernels_RMSprop *rule, const float *gradients, int64_t count, float *weights,      \
                             float *squares, float *means, float *velocities),                                         \
        (rule, gradients, count, weights, squares, means, velocities))                                                 \
    ROW(Exact, lars_f32, (const CKernels_LARS *rule, const float *gradients, int64_t count, float *weights,            \
                          float *velocities), (rule, gradients, count, weights, velocities))                           \
    /* g = (g·scale)·coefficient, then no further from 0 than `limit`. */                                              \
    ROW(Exact, clip_f32, (float scale, float coefficient, float limit, int64_t count, float *gradients),               \
        (scale, coefficient, limit, count, gradients))                                                                 \
    /* average = lerp(average, values, share). */                                                                      \
    ROW(Exact, average_f32, (float share, const float *values, int64_t count, float *average),                         \
        (share, values, count, average))                                                                               \
    /* The yardstick of speed: `rounds` rounds of independent multiply-adds, and how many operations (two a lane and   \
       instruction) that was; `sink` keeps the work from being removed. */                                             \
    ROW(Fused, multiplyAdds_f32, (int64_t rounds, double *operations, float *sink), (rounds, operations, sink))
// clang-format on

// ---- The table -----------------------------------------------------------------------------------------------------

#define CKERNELS(ROW) CKERNELS_LANES(ROW) CKERNELS_BLOCKS(ROW) CKERNELS_VECTORS(ROW)

/// One set of kernels.
typedef struct {
    const char *name;
    int32_t fusesMultiplyAdd;  // 1: a·b + c is rounded once
#define ROW(agreement, kernel, parameters, arguments) void(*kernel) parameters;
    CKERNELS(ROW)
#undef ROW
} CKernels_Set;

/// The set in that row of CKERNELS_SETS, whether or not this processor runs it; null behind the last.
const CKernels_Set *CKernels_set(int32_t number);
/// The set of that name, or null where there is none or the processor cannot run it.
const CKernels_Set *CKernels_setNamed(const char *name);
/// The widest set that the processor can run.
const CKernels_Set *CKernels_widestSet(void);
/// The set in use: the widest, or the one that SWIFT_TRAIN_ISA names. Chosen at the first call.
const CKernels_Set *CKernels_setInUse(void);
