#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

void CKernels_relu_f32_forward__portable(const float *x, int64_t count, float *y) {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

void CKernels_relu_f32_backward__portable(const float *y, const float *dy, int64_t count, float *dx) {
    for (int64_t i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void CKernels_add_f32__portable(const float *a, const float *b, int64_t count, float *sum) {
    for (int64_t i = 0; i < count; i++) sum[i] = a[i] + b[i];
}
