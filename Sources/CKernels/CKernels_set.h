// One set of kernels: every row of the table compiled for one kind of processor. The including file defines what
// CKernels_set_vector.h asks for.
#include "CKernels_blocks_geometry.h"
#include "CKernels_set_vector.h"

#include "CKernels_blocks_packing.h"
#include "CKernels_blocks_convolution.h"
#include "CKernels_blocks_gradient.h"
#include "CKernels_blocks_winograd.h"
#include "CKernels_blocks_pointwise.h"
#include "CKernels_dense.h"
#include "CKernels_lanes_convolution.h"
#include "CKernels_lanes_gradient.h"
#include "CKernels_lanes_linear.h"
#include "CKernels_lanes_loss.h"
#include "CKernels_lanes_pointwise.h"
#include "CKernels_vectors_elements.h"
#include "CKernels_vectors_update.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)
// clang-format off
const CKernels_Set JOIN(CKernels_set, SET_NAME) = {
    .name = STRING(SET_NAME),
    .fusesMultiplyAdd = SET_FUSED,
#define ROW(agreement, kernel, parameters, arguments) .kernel = JOIN(kernel, SET_NAME),
    CKERNELS(ROW)
#undef ROW
};
// clang-format on
