// The set that runs everywhere and defines each operation: multiplications and additions in two roundings.
#include "CKernels.h"
#define SET_WIDTH 4
#define SET_REGISTERS 16
#define SET_FUSED 0
#define SET_NAME portable
#include "CKernels_set.h"
