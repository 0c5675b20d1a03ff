// Turns the names of a template into those of the float kernels.
#undef REAL
#undef NAME
#undef PASS
#define REAL float
#define NAME(operation) CKernels_##operation##_f32__reference
#define PASS(operation, pass) CKernels_##operation##_f32_##pass##__reference
