// Times every kernel of every set that this processor runs: microseconds, and for kernels that multiply and add GFLOP/s and
// the share of the peak measured before and after. Usage: bench [SECONDS A ROW] [SET] [KERNEL]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernelCases.h"
#include "CKernels.h"

int main(int argc, char **argv) {
    double secondsEach = argc > 1 ? atof(argv[1]) : 0.05, peak = CKernelCases_peak();
    const char *onlySet = argc > 2 ? argv[2] : "", *onlyKernel = argc > 3 ? argv[3] : "";
    printf("peak %.1f GFLOP/s\n", peak);
    for (int32_t i = 0; CKernels_set(i); i++) {
        const char *name = CKernels_set(i)->name;
        if (!CKernels_setNamed(name) || (*onlySet && strcmp(onlySet, name) != 0)) continue;
        for (int32_t row = 0; row < CKernelCases_count(); row++) {
            if (strstr(CKernelCases_name(row), onlyKernel)) CKernelCases_bench(name, row, secondsEach, peak);
        }
    }
    printf("peak afterwards %.1f GFLOP/s\n", CKernelCases_peak());
}
