#pragma once
// The activations: functions of one number, applied element by element. A row is all that one needs; one with a parameter is
// given it by a row of the configuration's layers besides.
//
// ROW(function, layer, parameters, readsInput, yOfX, dxOfV)
//   function    its name in C
//   layer       PyTorch's name of the layer
//   parameters  1 where it takes a number `a`, else 0
//   readsInput  1 where the backward pass reads x; the others read y, so that y may take the place of x
//   yOfX        the forward pass
//   dxOfV       the backward pass, of dy and v, which is x or y
// Where a row says nothing else it computes in the element's type, by selection where values are compared: NaN passes both
// ways, as in PyTorch. Longer formulas stand in CKernels_activation.c.

// clang-format off
#define CKERNELS_ACTIVATIONS(ROW)                                                                                      \
    ROW(relu, ReLU, 0, 0, x <= 0 ? 0 : x, v <= 0 ? 0 : dy)                                                             \
    /* With a ≥ 0, so that y tells the sign of x. */                                                                   \
    ROW(leakyRelu, LeakyReLU, 1, 0, x > 0 ? x : a * x, v > 0 ? dy : a * dy)                                            \
    /* In double. */                                                                                                   \
    ROW(tanh, Tanh, 0, 0, CKernels_tanh(x), dy * (1 - v * v))                                                          \
    /* 1 / (1 + e^−x), in double. */                                                                                   \
    ROW(sigmoid, Sigmoid, 0, 0, 1 / (1 + CKernels_exp(-(double)x)), dy * (1 - v) * v)                                  \
    /* x · Φ(x) with the normal distribution function Φ, in double. */                                                 \
    ROW(gelu, GELU, 0, 1, x * normalDistribution(x), dy * geluSlope(v))                                                \
    /* x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), in double. */                                                     \
    ROW(geluTanh, GELU, 0, 1, geluTanh(x), dy * geluTanhSlope(v))
// clang-format on

/// A row's functions; y may be x and dx may be dy.
typedef struct {
    const char *function, *layer;
    int32_t parameters, readsInput;
    void (*forward_f32)(float a, const float *x, int64_t count, float *y);
    void (*backward_f32)(float a, const float *xOrY, const float *dy, int64_t count, float *dx);
    void (*forward_f64)(double a, const double *x, int64_t count, double *y);
    void (*backward_f64)(double a, const double *xOrY, const double *dy, int64_t count, double *dx);
} CKernels_ElementwiseFunction;

/// The functions of the row of that number; null behind the last.
const CKernels_ElementwiseFunction *CKernels_elementwiseFunction(int32_t number);
