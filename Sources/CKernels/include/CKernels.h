#pragma once
// Kernels of the reference engine. Names: operation, element type, pass, then the instruction set after two
// underscores. The portable kernels are the definition of each operation's arithmetic: every element is one chain of
// IEEE operations in a fixed order, no operation is contracted, and no function of libm is called, so that any
// compiler and any x86-64 or AArch64 machine gives the same bits.
//
// Images are N, C, H, W (channels outer to rows), weights K, C, R, S; pointers to different buffers do not overlap
// unless a note says so.
#include "CKernels_lanes.h"
#include "CKernels_window.h"

#include <stdint.h>

// ---- Elementary functions ------------------------------------------------------------------------------------------

/// e to the x, within one unit in the last place; overflow gives infinity, NaN stays NaN.
double CKernels_exp(double x);
/// Natural logarithm, within one unit in the last place; 0 gives −infinity, negative numbers and NaN give NaN.
double CKernels_log(double x);

// ---- Input ---------------------------------------------------------------------------------------------------------

/// Pixels of one image, [H·W, C] bytes, to planes [C, H·W] of floats through one table of 256 values a channel.
void CKernels_pixels_u8_forward__portable(const uint8_t *pixels, const float *table, int64_t channels, int64_t area,
                                          float *planes);
/// The same for float pixels: (pixel − mean[c]) / std[c], rounded after each of the two operations.
void CKernels_pixels_f32_forward__portable(const float *pixels, const float *mean, const float *std, int64_t channels,
                                           int64_t area, float *planes);

// ---- Convolution ---------------------------------------------------------------------------------------------------

/// Unfolds one image [C, H, W] into columns [C·R·S, P·Q]; padded places are 0.
void CKernels_im2col_f32__portable(const CKernels_Window *window, const float *image, float *columns);
/// Folds columns [C·R·S, P·Q] into an image [C, H, W]: every place is the sum of its column entries, in the order of
/// the rows of `columns`, starting from +0.
void CKernels_col2im_f32__portable(const CKernels_Window *window, const float *columns, float *image);
/// y[k, i] = bias[k] for i in 0 ..< area.
void CKernels_fillRows_f32__portable(const float *bias, int64_t rows, int64_t area, float *y);
/// sums[k] += Σ dy[k, i], in eight interleaved chains that are joined as a binary tree.
void CKernels_addRowSums_f32__portable(const float *dy, int64_t rows, int64_t area, float *sums);
/// sums[k] += Σ dy[i, k] over i in 0 ..< rows, in that order; dy has `stride` elements a row.
void CKernels_addColumnSums_f32__portable(const float *dy, int64_t rows, int64_t columns, int64_t stride, float *sums);

// ---- Pooling -------------------------------------------------------------------------------------------------------

/// The maximum of each window of one image and the index r·S + s of its first maximum; padding never wins, NaN does.
void CKernels_maxpool2d_f32_forward__portable(const CKernels_Window *window, const float *x, float *y,
                                              uint16_t *winners);
/// dx = Σ dy of the windows that the place has won, in the order of the windows, starting from +0.
void CKernels_maxpool2d_f32_backward__portable(const CKernels_Window *window, const float *dy, const uint16_t *winners,
                                               float *dx);

// ---- Activation ----------------------------------------------------------------------------------------------------

/// y = x where x > 0 or x is NaN, else +0. x and y may be one buffer.
void CKernels_relu_f32_forward__portable(const float *x, int64_t count, float *y);
/// dx = dy where y > 0, else +0, by selection. dy and dx may be one buffer.
void CKernels_relu_f32_backward__portable(const float *y, const float *dy, int64_t count, float *dx);

// ---- Loss ----------------------------------------------------------------------------------------------------------

/// What a group of samples adds up to.
typedef struct {
    double loss;       // Σ of the samples' losses
    double divisor;    // what the sum is divided by for a mean
    double samples;
    double correct1;   // samples whose label has the highest logit
    double correct5;   // samples whose label is among the five highest logits
} CKernels_Score;

/// Softmax cross-entropy of `samples` rows of logits [samples, classes] with one label each: adds to `score`, and
/// writes d(Σ loss)/d(logits) unless `dlogits` is null, and each sample's loss unless `losses` is null. Computed in double, sample after sample; gradients are rounded
/// once. The rank of a label counts logits that are larger, or equal with a lower index; a NaN logit makes it wrong.
void CKernels_crossEntropy_f32__portable(const float *logits, const int32_t *labels, int64_t samples, int64_t classes,
                                         CKernels_Score *score, float *dlogits, double *losses);

// ---- Element by element --------------------------------------------------------------------------------------------

/// sum = a + b. sum may be a or b.
void CKernels_add_f32__portable(const float *a, const float *b, int64_t count, float *sum);

// ---- Sums over shards and over parameters --------------------------------------------------------------------------

/// Adds `leaves` arrays (a power of two, `stride` elements apart) in one binary tree, neighbours first, the lower one as
/// left operand, for elements 0 ..< count, and writes the sum to `total`. Overwrites the arrays.
void CKernels_treeSum_f32__portable(float *leafArrays, int64_t leaves, int64_t stride, int64_t count, float *total);
/// Σ x² of one block in double, in eight interleaved chains that are joined as a binary tree.
double CKernels_sumOfSquares_f32__portable(const float *x, int64_t count);

// ---- Update --------------------------------------------------------------------------------------------------------

/// Stochastic gradient descent in the form of torch.optim.SGD, with a gradient sum that is scaled first:
/// d = g·gradientScale + weightDecay·w; v = momentum·v + d; w −= rate·(nesterov ? d + momentum·v : v).
/// With momentum 0 the velocity is neither read nor written.
typedef struct {
    float rate, momentum, weightDecay, gradientScale;
    int32_t nesterov;
} CKernels_SGD;
void CKernels_sgd_f32__portable(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights,
                                float *velocities);

// ---- Comparison ----------------------------------------------------------------------------------------------------

/// 64 bits that differ, almost surely, between any two different runs of words: to compare ranks, not against malice.
uint64_t CKernels_hash(const uint32_t *words, int64_t count);

// ---- Waiting -------------------------------------------------------------------------------------------------------

/// Tells the processor that this thread waits in a loop. Swift has no such intrinsic.
static inline void CKernels_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// ---- Yardstick -----------------------------------------------------------------------------------------------------

/// Runs `rounds` rounds of independent fused multiply-adds on the widest vectors of this processor and returns how many
/// floating-point operations (two a lane and instruction) that was; `sink` keeps the work from being removed.
double CKernels_fusedMultiplyAdds(int64_t rounds, float *sink);
