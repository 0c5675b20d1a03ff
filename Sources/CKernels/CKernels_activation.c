// Activations, masks and sums, element by element, for float and double.
#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

static const double inverseRoot2Pi = 0.39894228040143267794;
static const double inverseRoot2 = 0.70710678118654752440;
static const double root2OverPi = 0.79788456080286535588;
/// The coefficient of GELU's cubic term in its form with tanh (Hendrycks, Gimpel 2016).
static const double cubic = 0.044715;

static double normalDistribution(double x) { return 0.5 * CKernels_erfc(-x * inverseRoot2); }

#include "templates/float.h"
#include "templates/activation.h"
#include "templates/double.h"
#include "templates/activation.h"
