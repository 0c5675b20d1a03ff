// Pooling in one to three dimensions for float and double.
#include "CKernels.h"

#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#include "templates/float.h"
#include "templates/pooling.h"
#include "templates/double.h"
#include "templates/pooling.h"
