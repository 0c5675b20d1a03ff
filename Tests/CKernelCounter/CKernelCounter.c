#include "CKernelCounter.h"

#include <stdatomic.h>

#include "CKernels.h"

static _Atomic int64_t calls;

#define ROW(agreement, kernel, parameters, arguments)                                                                  \
    static void counted_##kernel parameters {                                                                          \
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);                                                    \
        CKernels_setInUse()->kernel arguments;                                                                         \
    }
CKERNELS(ROW)
#undef ROW

static const CKernels_Set table = {.name = "counted",
#define ROW(agreement, kernel, parameters, arguments) .kernel = counted_##kernel,
                                   CKERNELS(ROW)
#undef ROW
};

const void *CKernelCounter_table(void) { return &table; }
int64_t CKernelCounter_calls(void) { return atomic_load(&calls); }
