#include "CKernelCounter.h"

#include <stdatomic.h>

#include "CKernels.h"

static _Atomic int64_t calls;

#define ROW(kernel, parameters, arguments)                                                                             \
    static void counted_##kernel parameters {                                                                          \
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);                                                    \
        CKernels_laneKernels()->kernel arguments;                                                                      \
    }
CKERNELS_LANES(ROW)
#undef ROW

static const CKernels_LaneKernels table = {
    .name = "counted",
#define ROW(kernel, parameters, arguments) .kernel = counted_##kernel,
    CKERNELS_LANES(ROW)
#undef ROW
};

const void *CKernelCounter_table(void) { return &table; }
int64_t CKernelCounter_calls(void) { return atomic_load(&calls); }
