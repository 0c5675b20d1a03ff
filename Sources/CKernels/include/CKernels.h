#pragma once
// The table of kernel sets (CKernels_table.h), and the kernels of the reference engine, which have one form.
//
// Names of the latter: operation, element type, pass, then "reference" after two underscores. They are the definition of
// each operation's arithmetic: every element is one chain of IEEE operations in a fixed order, no operation is
// contracted, and no function of libm is called, so that any compiler and any x86-64 or AArch64 machine gives the same
// bits. Images are N, C, D, H, W (channels outer to rows), weights K, C and the kernel's extents; pointers to different
// buffers do not overlap unless a note says so.
#include <stdint.h>

#include "CKernels_activations.h"
#include "CKernels_table.h"
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

// ---- Loss ----------------------------------------------------------------------------------------------------------

/// What a group of samples adds up to.
typedef struct {
    double loss;     // Σ of the samples' losses
    double divisor;  // what the sum is divided by for a mean
    double samples;
    double correct1;  // samples whose label has the highest logit
    double correct5;  // samples whose label is among the five highest logits
} CKernels_Score;

/// What cross-entropy is asked for beyond labels.
typedef struct {
    double labelSmoothing;      // ε of Szegedy et al. 2016
    const float *classWeights;  // [classes], or null
} CKernels_CrossEntropy;

// ---- Kernels for float and double ----------------------------------------------------------------------------------

#define REAL float
#define NAME(operation) CKernels_##operation##_f32__reference
#define PASS(operation, pass) CKernels_##operation##_f32_##pass##__reference
#include "CKernels_elements.h"
#undef REAL
#undef NAME
#undef PASS
#define REAL double
#define NAME(operation) CKernels_##operation##_f64__reference
#define PASS(operation, pass) CKernels_##operation##_f64_##pass##__reference
#include "CKernels_elements.h"
#undef REAL
#undef NAME
#undef PASS

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
