// Activations, masks and sums, element by element, for float and double.
#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

static const double inverseRoot2Pi = 0.39894228040143267794;
static const double inverseRoot2 = 0.70710678118654752440;
static const double root2OverPi = 0.79788456080286535588;
/// The coefficient of GELU's cubic term in its form with tanh (Hendrycks, Gimpel 2016).
static const double cubic = 0.044715;

static double normalDistribution(double x) { return 0.5 * CKernels_erfc(-x * inverseRoot2); }

static double geluSlope(double x) {
    // Where the density underflows the product with an infinite x would be NaN.
    const double density = x - x == 0 ? x * inverseRoot2Pi * CKernels_exp(-0.5 * x * x) : 0;
    return normalDistribution(x) + density;
}

static double geluTanh(double x) { return 0.5 * x * (1 + CKernels_tanh(root2OverPi * (x + cubic * x * x * x))); }

static double geluTanhSlope(double x) {
    const double t = CKernels_tanh(root2OverPi * (x + cubic * x * x * x));
    const double slope = (1 - t * t) * root2OverPi * (1 + 3 * cubic * x * x);
    return 0.5 * (1 + t) + 0.5 * x * slope;
}

#include "templates/float.h"
#include "templates/activation.h"
#include "templates/double.h"
#include "templates/activation.h"

#define FUNCTION(function, type, pass) CKernels_##function##_##type##_##pass##__reference
static const CKernels_ElementwiseFunction functions[] = {
#define ROW(function, layer, parameters, readsInput, yOfX, dxOfV)                                                      \
    {#function,                                                                                                        \
     #layer,                                                                                                           \
     parameters,                                                                                                       \
     readsInput,                                                                                                       \
     FUNCTION(function, f32, forward),                                                                                 \
     FUNCTION(function, f32, backward),                                                                                \
     FUNCTION(function, f64, forward),                                                                                 \
     FUNCTION(function, f64, backward)},
    CKERNELS_ACTIVATIONS(ROW)
#undef ROW
};

const CKernels_ElementwiseFunction *CKernels_elementwiseFunction(int32_t number) {
    return number < 0 || number >= (int32_t)(sizeof functions / sizeof *functions) ? 0 : &functions[number];
}
