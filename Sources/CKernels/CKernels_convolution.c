#include "CKernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/// The outputs i with 0 ≤ i·stride + offset < extent, as first ..< last, cut to 0 ..< outputs.
static void insideRange(int64_t offset, int64_t stride, int64_t extent, int64_t outputs, int64_t *first, int64_t *last) {
    int64_t low = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int64_t high = extent - offset <= 0 ? 0 : (extent - offset + stride - 1) / stride;
    *first = clamp(low, 0, outputs);
    *last = clamp(high, *first, outputs);
}

void CKernels_im2col_f32__portable(const CKernels_Window *w, const float *image, float *columns) {
    for (int64_t c = 0; c < w->channels; c++) {
        const float *plane = image + c * w->height * w->width;
        for (int64_t r = 0; r < w->kernelHeight; r++) {
            int64_t top, bottom;
            insideRange(r - w->paddingTop, w->strideHeight, w->height, w->outputHeight, &top, &bottom);
            for (int64_t s = 0; s < w->kernelWidth; s++) {
                int64_t left, right;
                int64_t shift = s - w->paddingLeft;
                insideRange(shift, w->strideWidth, w->width, w->outputWidth, &left, &right);
                int64_t columnsWide = w->outputWidth;
                memset(columns, 0, (size_t)(top * columnsWide) * sizeof(float));
                float *to = columns + top * columnsWide;
                for (int64_t p = top; p < bottom; p++, to += columnsWide) {
                    const float *row = plane + (p * w->strideHeight + r - w->paddingTop) * w->width;
                    for (int64_t q = 0; q < left; q++) to[q] = 0;
                    if (w->strideWidth == 1) {
                        const float *from = row + shift;
                        for (int64_t q = left; q < right; q++) to[q] = from[q];
                    } else {
                        for (int64_t q = left; q < right; q++) to[q] = row[q * w->strideWidth + shift];
                    }
                    for (int64_t q = right; q < columnsWide; q++) to[q] = 0;
                }
                memset(to, 0, (size_t)((w->outputHeight - bottom) * columnsWide) * sizeof(float));
                columns += w->outputHeight * columnsWide;
            }
        }
    }
}

void CKernels_col2im_f32__portable(const CKernels_Window *w, const float *columns, float *image) {
    memset(image, 0, (size_t)(w->channels * w->height * w->width) * sizeof(float));
    for (int64_t c = 0; c < w->channels; c++) {
        float *plane = image + c * w->height * w->width;
        for (int64_t r = 0; r < w->kernelHeight; r++) {
            int64_t top, bottom;
            insideRange(r - w->paddingTop, w->strideHeight, w->height, w->outputHeight, &top, &bottom);
            for (int64_t s = 0; s < w->kernelWidth; s++) {
                int64_t left, right;
                int64_t shift = s - w->paddingLeft;
                insideRange(shift, w->strideWidth, w->width, w->outputWidth, &left, &right);
                for (int64_t p = top; p < bottom; p++) {
                    float *row = plane + (p * w->strideHeight + r - w->paddingTop) * w->width;
                    const float *from = columns + p * w->outputWidth;
                    if (w->strideWidth == 1) {
                        float *to = row + shift;
                        for (int64_t q = left; q < right; q++) to[q] += from[q];
                    } else {
                        for (int64_t q = left; q < right; q++) row[q * w->strideWidth + shift] += from[q];
                    }
                }
                columns += w->outputHeight * w->outputWidth;
            }
        }
    }
}

void CKernels_fillRows_f32__portable(const float *bias, int64_t rows, int64_t area, float *y) {
    for (int64_t k = 0; k < rows; k++) {
        for (int64_t i = 0; i < area; i++) y[k * area + i] = bias[k];
    }
}

void CKernels_addRowSums_f32__portable(const float *dy, int64_t rows, int64_t area, float *sums) {
    for (int64_t k = 0; k < rows; k++) {
        const float *row = dy + k * area;
        float chains[8] = {0};
        for (int64_t i = 0; i + 8 <= area; i += 8) {
            for (int64_t j = 0; j < 8; j++) chains[j] += row[i + j];
        }
        for (int64_t i = area & ~(int64_t)7, j = 0; i < area; i++, j++) chains[j] += row[i];
        sums[k] += ((chains[0] + chains[1]) + (chains[2] + chains[3])) +
                   ((chains[4] + chains[5]) + (chains[6] + chains[7]));
    }
}

void CKernels_addColumnSums_f32__portable(const float *dy, int64_t rows, int64_t columns, int64_t stride, float *sums) {
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = 0; k < columns; k++) sums[k] += dy[i * stride + k];
    }
}
