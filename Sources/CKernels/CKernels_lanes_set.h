// One set of lane kernels. The including file defines what CKernels_lanes_vector.h asks for.
#include "CKernels_lanes_vector.h"

#include "CKernels_lanes_convolution.h"
#include "CKernels_lanes_gradient.h"
#include "CKernels_lanes_linear.h"
#include "CKernels_lanes_loss.h"
#include "CKernels_lanes_pointwise.h"
#include "CKernels_lanes_update.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)
const CKernels_LaneKernels JOIN(CKernels_lanes, LANES_SET) = {
    .name = STRING(LANES_SET),
#define ROW(kernel, parameters, arguments) .kernel = JOIN(kernel, LANES_SET),
    CKERNELS_LANES(ROW)
#undef ROW
};
