// Compares every kernel of every set that this processor runs with its definition, as the test suite does, but with as many
// rounds as one likes, and prints a digest of what was compared. Usage: check [ROUNDS] [SEED]
#include <stdio.h>
#include <stdlib.h>

#include "CKernelCases.h"
#include "CKernels.h"

int main(int argc, char **argv) {
    int32_t rounds = argc > 1 ? atoi(argv[1]) : 200, failures = 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], 0, 10) : 1;
    for (int32_t i = 0; CKernels_set(i); i++) {
        const char *name = CKernels_set(i)->name;
        if (!CKernels_setNamed(name)) {
            printf("%s: not on this processor\n", name);
            continue;
        }
        for (int32_t row = 0; row < CKernelCases_count(); row++) {
            const char *difference = CKernelCases_check(name, row, rounds, seed);
            printf("%-8s %-32s %016llx %s\n", name, CKernelCases_name(row), (unsigned long long)CKernelCases_digest(),
                   difference ? difference : "ok");
            failures += difference != 0;
        }
    }
    printf("%d kernels failed\n", failures);
    return failures != 0;
}
