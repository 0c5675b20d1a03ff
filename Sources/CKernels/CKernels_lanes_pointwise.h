// Input, pooling and activations, one image a lane. Included once a set.

KERNEL(pixels_u8_forward)(const CKernels_LaneGroup *group, const float *table, int64_t channels, int64_t area,
                          float *values) {
    for (int64_t c = 0; c < channels; c++) {
        const float *colours = table + c * 256;
        float *plane = values + c * area * CKernels_laneCount;
        // Four lanes at once: what is written stays within one cache line a pixel.
        for (int l = 0; l < CKernels_laneCount; l += 4) {
            const uint8_t *images[4];
            int present = 0;
            for (int j = 0; j < 4; j++) {
                images[j] = group->images[l + j];
                present += images[j] != 0;
            }
            if (present == 4) {
                const uint8_t *a = images[0] + c, *b = images[1] + c, *d = images[2] + c, *e = images[3] + c;
                for (int64_t i = 0; i < area; i++) {
                    float *to = plane + i * CKernels_laneCount + l;
                    to[0] = colours[a[i * channels]];
                    to[1] = colours[b[i * channels]];
                    to[2] = colours[d[i * channels]];
                    to[3] = colours[e[i * channels]];
                }
                continue;
            }
            for (int j = 0; j < 4; j++) {
                for (int64_t i = 0; i < area; i++) {
                    plane[i * CKernels_laneCount + l + j] = images[j] ? colours[images[j][i * channels + c]] : 0;
                }
            }
        }
    }
}

KERNEL(pixels_f32_forward)(const CKernels_LaneGroup *group, const float *mean, const float *std, int64_t channels,
                           int64_t area, float *values) {
    for (int64_t c = 0; c < channels; c++) {
        for (int l = 0; l < CKernels_laneCount; l++) {
            const float *image = group->images[l];
            float *to = values + c * area * CKernels_laneCount + l;
            for (int64_t i = 0; i < area; i++) {
                to[i * CKernels_laneCount] = image ? (image[i * channels + c] - mean[c]) / std[c] : 0;
            }
        }
    }
}

/// The rows or columns of a window that lie inside the image, as first ..< last taps.
INLINE void insideTaps(int64_t start, int64_t taps, int64_t extent, int64_t *first, int64_t *last) {
    *first = start < 0 ? -start : 0;
    *last = start + taps > extent ? extent - start : taps;
}

KERNEL(maxpool2d_f32_forward)(const CKernels_LaneWindow *w, const float *x, float *y, uint16_t *argmax) {
    const int64_t places = w->outputHeight * w->outputWidth;
    for (int64_t at = 0; at < w->channels * places; at++) {
        const int64_t c = at / places, p = at % places / w->outputWidth, q = at % w->outputWidth;
        const int64_t h0 = p * w->strideHeight - w->paddingTop, w0 = q * w->strideWidth - w->paddingLeft;
        int64_t r0, r1, s0, s1;
        insideTaps(h0, w->kernelHeight, w->height, &r0, &r1);
        insideTaps(w0, w->kernelWidth, w->width, &s0, &s1);
        const float *plane = x + c * w->height * w->width * CKernels_laneCount;
        for (int64_t part = 0; part < PARTS; part++) {
            const float *origin = plane + (h0 * w->width + w0) * CKernels_laneCount + part * VW;
            V best = load(origin + (r0 * w->width + s0) * CKernels_laneCount);
            VI index = (VI)(int32_t)(r0 * w->kernelWidth + s0);
            for (int64_t r = r0; r < r1; r++) {
                for (int64_t s = s0; s < s1; s++) {
                    V value = load(origin + (r * w->width + s) * CKernels_laneCount);
                    VI wins = ~(value <= best) & (best == best);
                    best = select(wins, value, best);
                    index = wins ? (VI)(int32_t)(r * w->kernelWidth + s) : index;
                }
            }
            store(y + at * CKernels_laneCount + part * VW, best);
            *(VS *)(argmax + at * CKernels_laneCount + part * VW) = __builtin_convertvector(index, VS);
        }
    }
}

KERNEL(maxpool2d_f32_backward)(const CKernels_LaneWindow *w, const float *dy, const uint16_t *argmax, float *dx) {
    const int64_t places = w->outputHeight * w->outputWidth, plane = w->height * w->width * CKernels_laneCount;
    memset(dx, 0, (size_t)(w->channels * plane) * sizeof(float));
    for (int64_t at = 0; at < w->channels * places; at++) {
        const int64_t c = at / places, p = at % places / w->outputWidth, q = at % w->outputWidth;
        const int64_t h0 = p * w->strideHeight - w->paddingTop, w0 = q * w->strideWidth - w->paddingLeft;
        int64_t r0, r1, s0, s1;
        insideTaps(h0, w->kernelHeight, w->height, &r0, &r1);
        insideTaps(w0, w->kernelWidth, w->width, &s0, &s1);
        for (int64_t part = 0; part < PARTS; part++) {
            float *origin = dx + c * plane + (h0 * w->width + w0) * CKernels_laneCount + part * VW;
            VI index = __builtin_convertvector(*(const VS *)(argmax + at * CKernels_laneCount + part * VW), VI);
            V gradient = load(dy + at * CKernels_laneCount + part * VW);
            for (int64_t r = r0; r < r1; r++) {
                for (int64_t s = s0; s < s1; s++) {
                    float *place = origin + (r * w->width + s) * CKernels_laneCount;
                    V sum = load(place);
                    store(place, select(index == (int32_t)(r * w->kernelWidth + s), sum + gradient, sum));
                }
            }
        }
    }
}

/// How many places the mean of a window is taken over.
INLINE float windowCount(const CKernels_LaneWindow *w, int32_t countsPadding, int64_t r0, int64_t r1, int64_t s0,
                         int64_t s1) {
    return countsPadding ? (float)(w->kernelHeight * w->kernelWidth) : (float)((r1 - r0) * (s1 - s0));
}

KERNEL(avgpool2d_f32_forward)(const CKernels_LaneWindow *w, int32_t countsPadding, const float *x, float *y) {
    const int64_t places = w->outputHeight * w->outputWidth;
    for (int64_t at = 0; at < w->channels * places; at++) {
        const int64_t c = at / places, p = at % places / w->outputWidth, q = at % w->outputWidth;
        const int64_t h0 = p * w->strideHeight - w->paddingTop, w0 = q * w->strideWidth - w->paddingLeft;
        int64_t r0, r1, s0, s1;
        insideTaps(h0, w->kernelHeight, w->height, &r0, &r1);
        insideTaps(w0, w->kernelWidth, w->width, &s0, &s1);
        const float count = windowCount(w, countsPadding, r0, r1, s0, s1);
        for (int64_t part = 0; part < PARTS; part++) {
            const float *origin = x + (c * w->height * w->width + h0 * w->width + w0) * CKernels_laneCount + part * VW;
            V sum = splat(0);
            for (int64_t r = r0; r < r1; r++) {
                for (int64_t s = s0; s < s1; s++) sum += load(origin + (r * w->width + s) * CKernels_laneCount);
            }
            store(y + at * CKernels_laneCount + part * VW, sum / count);
        }
    }
}

KERNEL(avgpool2d_f32_backward)(const CKernels_LaneWindow *w, int32_t countsPadding, const float *dy, float *dx) {
    const int64_t places = w->outputHeight * w->outputWidth, plane = w->height * w->width * CKernels_laneCount;
    memset(dx, 0, (size_t)(w->channels * plane) * sizeof(float));
    for (int64_t at = 0; at < w->channels * places; at++) {
        const int64_t c = at / places, p = at % places / w->outputWidth, q = at % w->outputWidth;
        const int64_t h0 = p * w->strideHeight - w->paddingTop, w0 = q * w->strideWidth - w->paddingLeft;
        int64_t r0, r1, s0, s1;
        insideTaps(h0, w->kernelHeight, w->height, &r0, &r1);
        insideTaps(w0, w->kernelWidth, w->width, &s0, &s1);
        const float count = windowCount(w, countsPadding, r0, r1, s0, s1);
        for (int64_t part = 0; part < PARTS; part++) {
            float *origin = dx + c * plane + (h0 * w->width + w0) * CKernels_laneCount + part * VW;
            V gradient = load(dy + at * CKernels_laneCount + part * VW) / count;
            for (int64_t r = r0; r < r1; r++) {
                for (int64_t s = s0; s < s1; s++) {
                    float *place = origin + (r * w->width + s) * CKernels_laneCount;
                    store(place, load(place) + gradient);
                }
            }
        }
    }
}

KERNEL(activation_f32_forward)(CKernels_Activation activation, const float *x, int64_t count, float *y) {
    for (int64_t i = 0; i < count; i += VW) store(y + i, activate(load(x + i), activation));
}

KERNEL(activation_f32_backward)(CKernels_Activation activation, const float *y, const float *dy, int64_t count,
                                float *dx) {
    for (int64_t i = 0; i < count; i += VW) store(dx + i, deactivate(load(dy + i), load(y + i), activation));
}
