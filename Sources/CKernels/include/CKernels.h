#pragma once
// Kernels of the reference engine. Names: operation, element type, pass, then the instruction set after two
// underscores. The portable kernels are the definition of each operation's arithmetic: every element is one chain of
// IEEE operations in a fixed order, no operation is contracted, and no function of libm is called, so that any
// compiler and any x86-64 or AArch64 machine gives the same bits.
//
// Images are N, C, D, H, W (channels outer to rows), weights K, C and the kernel's extents; pointers to different buffers do
// not overlap unless a note says so.
#include <stdint.h>

#include "CKernels_lanes.h"
#include "CKernels_windows.h"

// ---- Elementary functions ------------------------------------------------------------------------------------------

/// e to the x, within one unit in the last place; overflow gives infinity, NaN stays NaN.
double CKernels_exp(double x);
/// Natural logarithm, within one unit in the last place; 0 gives −infinity, negative numbers and NaN give NaN.
double CKernels_log(double x);
/// Cosine of π·x, within two units in the last place: exact at whole and half numbers; NaN for infinities and NaN.
double CKernels_cosPi(double x);
/// Hyperbolic tangent, within 1e-14 of its value; NaN stays NaN.
double CKernels_tanh(double x);
/// 1 − erf x, within 2e-13 of its value; NaN stays NaN.
double CKernels_erfc(double x);

// ---- Input ---------------------------------------------------------------------------------------------------------

/// Pixels of one image, [H·W, C] bytes, to planes [C, H·W] of floats through one table of 256 values a channel.
void CKernels_pixels_u8_forward__portable(const uint8_t *pixels, const float *table, int64_t channels, int64_t area,
                                          float *planes);
/// The same for float pixels: (pixel − mean[c]) / std[c], rounded after each of the two operations.
void CKernels_pixels_f32_forward__portable(const float *pixels, const float *mean, const float *std, int64_t channels,
                                           int64_t area, float *planes);

// ---- Loss ----------------------------------------------------------------------------------------------------------

/// What a group of samples adds up to.
typedef struct {
    double loss;       // Σ of the samples' losses
    double divisor;    // what the sum is divided by for a mean
    double samples;
    double correct1;   // samples whose label has the highest logit
    double correct5;   // samples whose label is among the five highest logits
} CKernels_Score;

/// What cross-entropy is asked for beyond labels.
typedef struct {
    double labelSmoothing;       // ε of Szegedy et al. 2016
    const float *classWeights;   // [classes], or null
} CKernels_CrossEntropy;

// ---- Kernels for float and double ----------------------------------------------------------------------------------

#define REAL float
#define NAME(operation) CKernels_##operation##_f32__portable
#define PASS(operation, pass) CKernels_##operation##_f32_##pass##__portable
#include "CKernels_elements.h"
#undef REAL
#undef NAME
#undef PASS
#define REAL double
#define NAME(operation) CKernels_##operation##_f64__portable
#define PASS(operation, pass) CKernels_##operation##_f64_##pass##__portable
#include "CKernels_elements.h"
#undef REAL
#undef NAME
#undef PASS

// ---- Sums over shards and over parameters --------------------------------------------------------------------------

/// Adds `leaves` arrays (a power of two, `stride` elements apart) in one binary tree, neighbours first, the lower one as
/// left operand, for elements 0 ..< count, and writes the sum to `total`. Overwrites the arrays.
void CKernels_treeSum_f32__portable(float *leafArrays, int64_t leaves, int64_t stride, int64_t count, float *total);
/// Σ x² of one block in double, in eight interleaved chains that are joined as a binary tree.
double CKernels_sumOfSquares_f32__portable(const float *x, int64_t count);

// ---- Update --------------------------------------------------------------------------------------------------------

// What an update remembers (velocities, means, squares) is a normal number or zero: below the normal range it becomes +0.

/// In the form of torch.optim.SGD.
void CKernels_sgd_f32__portable(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights,
                                float *velocities);

/// torch.optim.Adam: d = g·gradientScale + weightDecay·w; w = w·shrink; m = lerp(m, d, 1 − β1);
/// v = β2·v + (1 − β2)·d·d; w −= stepSize·m / (√v / secondCorrection + epsilon).
/// Adam has shrink = 1; AdamW has weightDecay = 0 and shrink = 1 − rate·decay.
typedef struct {
    float stepSize, oneMinusBeta1, beta2, oneMinusBeta2, secondCorrection, epsilon, weightDecay, shrink, gradientScale;
} CKernels_Adam;
void CKernels_adam_f32__portable(const CKernels_Adam *rule, const float *gradients, int64_t count, float *weights,
                                 float *means, float *squares);

/// torch.optim.RMSprop: d = g·gradientScale + weightDecay·w; s = α·s + (1 − α)·d·d; `means` (null unless centered):
/// m = lerp(m, d, 1 − α), and s − m² (0 where rounding makes it negative) in the place of s below; b = momentum·b +
/// d / (√s + epsilon); w −= rate·b. With momentum 0 `velocities` is not touched.
typedef struct {
    float rate, alpha, oneMinusAlpha, epsilon, momentum, weightDecay, gradientScale;
} CKernels_RMSprop;
void CKernels_rmsprop_f32__portable(const CKernels_RMSprop *rule, const float *gradients, int64_t count,
                                    float *weights, float *squares, float *means, float *velocities);

/// Momentum as You, Gitman and Ginsburg write it, with the rate inside: v = momentum·v + rate·(g·gradientScale +
/// weightDecay·w); w −= v.
typedef struct {
    float rate, momentum, weightDecay, gradientScale;
} CKernels_LARS;
void CKernels_lars_f32__portable(const CKernels_LARS *rule, const float *gradients, int64_t count, float *weights,
                                 float *velocities);

/// g = (g·scale)·coefficient, then no further from 0 than `limit`.
void CKernels_clip_f32__portable(float scale, float coefficient, float limit, int64_t count, float *gradients);

/// average = lerp(average, values, share).
void CKernels_average_f32__portable(float share, const float *values, int64_t count, float *average);

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
