#pragma once
// OpenBLAS through its C interface. Nothing here works around Swift: the enumerations and functions import as they are.
#include <cblas.h>

// Declared in no installed header of OpenBLAS 0.3.21, though exported by the library since 0.2.
char *openblas_get_corename(void);
char *openblas_get_config(void);
