// Losses for float and double.
#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

#define WEIGHT(k) (weights ? (double)weights[k] : 1.0)
/// What class k's −log p is multiplied with.
#define TARGET(k)                                                                                                      \
    (WEIGHT(k) * ((1 - smoothing) * (target ? (double)target[k] : (k) == label) + smoothing / (double)classes))

#include "templates/float.h"
#include "templates/loss.h"
#include "templates/double.h"
#include "templates/loss.h"
