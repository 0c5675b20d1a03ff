#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

void CKernels_treeSum_f32__portable(float *leafArrays, int64_t leaves, int64_t stride, int64_t count, float *total) {
    for (int64_t distance = 1; distance < leaves; distance *= 2) {
        for (int64_t leaf = 0; leaf < leaves; leaf += 2 * distance) {
            float *left = leafArrays + leaf * stride;
            const float *right = left + distance * stride;
            for (int64_t i = 0; i < count; i++) left[i] = left[i] + right[i];
        }
    }
    for (int64_t i = 0; i < count; i++) total[i] = leafArrays[i];
}

double CKernels_sumOfSquares_f32__portable(const float *x, int64_t count) {
    double chains[8] = {0};
    for (int64_t i = 0; i + 8 <= count; i += 8) {
        for (int64_t j = 0; j < 8; j++) chains[j] += (double)x[i + j] * (double)x[i + j];
    }
    for (int64_t i = count & ~(int64_t)7, j = 0; i < count; i++, j++) chains[j] += (double)x[i] * (double)x[i];
    return ((chains[0] + chains[1]) + (chains[2] + chains[3])) + ((chains[4] + chains[5]) + (chains[6] + chains[7]));
}
