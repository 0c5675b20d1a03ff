// Turns the names of a template into those of the double kernels.
#undef REAL
#undef NAME
#undef PASS
#define REAL double
#define NAME(operation) CKernels_##operation##_f64__reference
#define PASS(operation, pass) CKernels_##operation##_f64_##pass##__reference
