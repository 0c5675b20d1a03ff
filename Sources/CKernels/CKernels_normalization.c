// Sums and affine maps of batch normalisation for float and double.
#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

static double joined(const double chains[8]) {
    return ((chains[0] + chains[1]) + (chains[2] + chains[3])) + ((chains[4] + chains[5]) + (chains[6] + chains[7]));
}

#include "templates/float.h"
#include "templates/normalization.h"
#include "templates/double.h"
#include "templates/normalization.h"
