#include "CKernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

/// The window of 2 × 2 with stride 2 that lies inside the image: the same choices as the general loop, branch-free.
static void maxpool2x2(const float *top, const float *bottom, int64_t outputs, float *y, uint16_t *winners) {
    for (int64_t q = 0; q < outputs; q++) {
        float best = top[2 * q];
        uint16_t winner = 0;
        const float others[3] = {top[2 * q + 1], bottom[2 * q], bottom[2 * q + 1]};
        for (uint16_t i = 0; i < 3; i++) {
            int wins = !(others[i] <= best) && best == best;
            best = wins ? others[i] : best;
            winner = wins ? (uint16_t)(i + 1) : winner;
        }
        y[q] = best;
        winners[q] = winner;
    }
}

void CKernels_maxpool2d_f32_forward__portable(const CKernels_Window *w, const float *x, float *y, uint16_t *winners) {
    int simple = w->kernelHeight == 2 && w->kernelWidth == 2 && w->strideHeight == 2 && w->strideWidth == 2 &&
                 w->paddingTop == 0 && w->paddingLeft == 0 && 2 * w->outputHeight <= w->height &&
                 2 * w->outputWidth <= w->width;
    for (int64_t c = 0; c < w->channels; c++) {
        const float *plane = x + c * w->height * w->width;
        for (int64_t p = 0; p < w->outputHeight; p++, y += w->outputWidth, winners += w->outputWidth) {
            if (simple) {
                const float *top = plane + 2 * p * w->width;
                maxpool2x2(top, top + w->width, w->outputWidth, y, winners);
                continue;
            }
            for (int64_t q = 0; q < w->outputWidth; q++) {
                int64_t h0 = p * w->strideHeight - w->paddingTop, w0 = q * w->strideWidth - w->paddingLeft;
                float best = 0;
                int64_t winner = -1;
                for (int64_t r = 0; r < w->kernelHeight; r++) {
                    if (h0 + r < 0 || h0 + r >= w->height) continue;
                    for (int64_t s = 0; s < w->kernelWidth; s++) {
                        if (w0 + s < 0 || w0 + s >= w->width) continue;
                        float value = plane[(h0 + r) * w->width + w0 + s];
                        if (winner < 0 || (!(value <= best) && best == best)) {
                            best = value;
                            winner = r * w->kernelWidth + s;
                        }
                    }
                }
                y[q] = best;
                winners[q] = (uint16_t)winner;
            }
        }
    }
}

void CKernels_maxpool2d_f32_backward__portable(const CKernels_Window *w, const float *dy, const uint16_t *winners,
                                               float *dx) {
    memset(dx, 0, (size_t)(w->channels * w->height * w->width) * sizeof(float));
    for (int64_t c = 0; c < w->channels; c++) {
        float *plane = dx + c * w->height * w->width;
        for (int64_t p = 0; p < w->outputHeight; p++, dy += w->outputWidth, winners += w->outputWidth) {
            for (int64_t q = 0; q < w->outputWidth; q++) {
                int64_t r = winners[q] / w->kernelWidth, s = winners[q] % w->kernelWidth;
                int64_t h = p * w->strideHeight - w->paddingTop + r, v = q * w->strideWidth - w->paddingLeft + s;
                plane[h * w->width + v] += dy[q];
            }
        }
    }
}
