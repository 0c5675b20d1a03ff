#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

void CKernels_pixels_u8_forward__portable(const uint8_t *pixels, const float *table, int64_t channels, int64_t area,
                                          float *planes) {
    for (int64_t c = 0; c < channels; c++) {
        const float *values = table + c * 256;
        for (int64_t i = 0; i < area; i++) planes[c * area + i] = values[pixels[i * channels + c]];
    }
}

void CKernels_pixels_f32_forward__portable(const float *pixels, const float *mean, const float *std, int64_t channels,
                                           int64_t area, float *planes) {
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < area; i++) planes[c * area + i] = (pixels[i * channels + c] - mean[c]) / std[c];
    }
}
