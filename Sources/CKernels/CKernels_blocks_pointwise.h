// Values of sixteen channels at every place: layouts, normalisation, pooling. Included once a set.

// ---- Layouts -------------------------------------------------------------------------------------------------------

/// Places that are moved together: their lines stay in a first-level cache while the channels pass.
#define LAYOUT_PLACES 64

KERNEL(blocks_f32_fromPlanes)(int64_t channels, int64_t area, const float *planes, float *blocks) {
    ROLLED for (int64_t c = 0; c < channels; c += CKernels_laneCount, planes += CKernels_laneCount * area) {
        ROLLED for (int64_t i = 0; i < area; i += LAYOUT_PLACES) {
            const int64_t count = area - i < LAYOUT_PLACES ? area - i : LAYOUT_PLACES;
            float *out = blocks + (c * area + i * CKernels_laneCount);
            ROLLED for (int64_t l = 0; l < CKernels_laneCount; l++) {
                const float *in = planes + l * area + i;
                ROLLED for (int64_t j = 0; j < count; j++) out[j * CKernels_laneCount + l] = in[j];
            }
        }
    }
}

KERNEL(blocks_f32_toPlanes)(int64_t channels, int64_t area, const float *blocks, float *planes) {
    ROLLED for (int64_t c = 0; c < channels; c += CKernels_laneCount, planes += CKernels_laneCount * area) {
        ROLLED for (int64_t i = 0; i < area; i += LAYOUT_PLACES) {
            const int64_t count = area - i < LAYOUT_PLACES ? area - i : LAYOUT_PLACES;
            const float *in = blocks + (c * area + i * CKernels_laneCount);
            ROLLED for (int64_t l = 0; l < CKernels_laneCount; l++) {
                float *out = planes + l * area + i;
                ROLLED for (int64_t j = 0; j < count; j++) out[j] = in[j * CKernels_laneCount + l];
            }
        }
    }
}

/// Channel k of the output is channel k − before of the input, or 0.
KERNEL(blockPadChannels_f32_forward)(int64_t channels, int64_t before, int64_t padded, int64_t area, const float *x,
                                     float *y) {
    memset(y, 0, (size_t)(padded * area) * sizeof(float));
    ROLLED for (int64_t c = 0; c < channels; c++) {
        const float *in = x + c / CKernels_laneCount * area * CKernels_laneCount + c % CKernels_laneCount;
        const int64_t k = c + before;
        float *out = y + k / CKernels_laneCount * area * CKernels_laneCount + k % CKernels_laneCount;
        ROLLED for (int64_t i = 0; i < area; i++) out[i * CKernels_laneCount] = in[i * CKernels_laneCount];
    }
}

KERNEL(blockPadChannels_f32_backward)(int64_t channels, int64_t before, int64_t padded, int64_t area, const float *dy,
                                      float *dx) {
    (void)padded;
    ROLLED for (int64_t c = 0; c < channels; c++) {
        float *out = dx + c / CKernels_laneCount * area * CKernels_laneCount + c % CKernels_laneCount;
        const int64_t k = c + before;
        const float *in = dy + k / CKernels_laneCount * area * CKernels_laneCount + k % CKernels_laneCount;
        ROLLED for (int64_t i = 0; i < area; i++) out[i * CKernels_laneCount] = in[i * CKernels_laneCount];
    }
}

// ---- Normalisation, in double --------------------------------------------------------------------------------------

#define HALVES (CKernels_laneCount / DW)

typedef double DU __attribute__((ext_vector_type(DW), aligned(8)));
INLINE D loadDoubles(const double *p) { return *(const DU *)p; }
INLINE void storeDoubles(double *p, D v) { *(DU *)p = v; }
INLINE DF loadHalf(const float *p) { return *(const DF *)p; }
INLINE void storeHalf(float *p, DF v) { *(DF *)p = v; }
INLINE D widened(const float *p) { return __builtin_convertvector(loadHalf(p), D); }

/// dy where what ReLU gave is positive; all of dy where `y` is null.
INLINE DF passedOn(const float *dy, const float *y, int64_t at) {
    DF slope = loadHalf(dy + at);
    if (y) slope = loadHalf(y + at) <= 0 ? (DF)0 : slope;
    return slope;
}

/// Places that pass once for each part of a block's channels: their lines stay in a first-level cache meanwhile. Even, since
/// places take turns between two sums.
#define NORM_PLACES 128

/// A run of at most so many places of an image, and each part of the channels in it.
#define EACH_RUN(images, area)                                                                                         \
    ROLLED for (int64_t n = 0; n < (images); n++)                                                                      \
        ROLLED for (int64_t first = 0, count; first < (area) ? (count = runLength((area) - first), 1) : 0;             \
                    first += count) ROLLED for (int64_t half = 0; half < HALVES; half++)

INLINE int64_t runLength(int64_t left) { return left < NORM_PLACES ? left : NORM_PLACES; }

/// Two sums that places take turns in, of two kinds, for each part of the channels.
typedef struct {
    D first[2], second[2];
} NormSums;

INLINE void storeSums(const NormSums *own, double *sums) {
    ROLLED for (int64_t half = 0; half < HALVES; half++) {
        storeDoubles(sums + half * DW, own[half].first[0] + own[half].first[1]);
        storeDoubles(sums + CKernels_laneCount + half * DW, own[half].second[0] + own[half].second[1]);
    }
}

KERNEL(blockNorm_f32_sums)(int64_t images, int64_t stride, int64_t area, const float *x, const double *centres,
                           double *sums) {
    NormSums own[HALVES] = {0};
    EACH_RUN(images, area) {
        const D centre = loadDoubles(centres + half * DW);
        NormSums s = own[half];
        const float *in = x + n * stride + first * CKernels_laneCount + half * DW;
        ROLLED for (int64_t i = 0; i < count; i += 2, in += 2 * CKernels_laneCount) {
            D d = widened(in) - centre;
            s.first[0] += d, s.second[0] += d * d;
            if (i + 1 == count) break;
            d = widened(in + CKernels_laneCount) - centre;
            s.first[1] += d, s.second[1] += d * d;
        }
        own[half] = s;
    }
    storeSums(own, sums);
}

KERNEL(blockNorm_f32_forward)(int64_t images, int64_t stride, int64_t area, const float *x, const double *means,
                              const double *scales, const double *shifts, const float *added, int32_t isRectified,
                              float *y) {
    EACH_RUN(images, area) {
        const D mean = loadDoubles(means + half * DW), scale = loadDoubles(scales + half * DW);
        const D shift = loadDoubles(shifts + half * DW);
        int64_t at = n * stride + first * CKernels_laneCount + half * DW;
        ROLLED for (int64_t i = 0; i < count; i++, at += CKernels_laneCount) {
            DF value = __builtin_convertvector((widened(x + at) - mean) * scale + shift, DF);
            if (added) value = value + loadHalf(added + at);
            if (isRectified) value = value <= 0 ? (DF)0 : value;
            storeHalf(y + at, value);
        }
    }
}

KERNEL(blockNorm_f32_gradientSums)(int64_t images, int64_t stride, int64_t area, const float *x, const float *dy,
                                   const float *y, const double *means, float *passed, double *sums) {
    NormSums own[HALVES] = {0};
    EACH_RUN(images, area) {
        const D mean = loadDoubles(means + half * DW);
        NormSums s = own[half];
        int64_t at = n * stride + first * CKernels_laneCount + half * DW;
        ROLLED for (int64_t i = 0; i < count; i += 2, at += 2 * CKernels_laneCount) {
            DF slope = passedOn(dy, y, at);
            if (passed) storeHalf(passed + at, slope);
            D d = __builtin_convertvector(slope, D);
            s.first[0] += d, s.second[0] += d * (widened(x + at) - mean);
            if (i + 1 == count) break;
            slope = passedOn(dy, y, at + CKernels_laneCount);
            if (passed) storeHalf(passed + at + CKernels_laneCount, slope);
            d = __builtin_convertvector(slope, D);
            s.first[1] += d, s.second[1] += d * (widened(x + at + CKernels_laneCount) - mean);
        }
        own[half] = s;
    }
    storeSums(own, sums);
}

KERNEL(blockNorm_f32_backward)(int64_t images, int64_t stride, int64_t area, const float *x, const float *dy,
                               const double *means, const double *gradientMeans, const double *slopes,
                               const double *scales, float *dx) {
    EACH_RUN(images, area) {
        const D mean = loadDoubles(means + half * DW), gradientMean = loadDoubles(gradientMeans + half * DW);
        const D slope = loadDoubles(slopes + half * DW), scale = loadDoubles(scales + half * DW);
        int64_t at = n * stride + first * CKernels_laneCount + half * DW;
        ROLLED for (int64_t i = 0; i < count; i++, at += CKernels_laneCount) {
            D value = ((widened(dy + at) - gradientMean) - (widened(x + at) - mean) * slope) * scale;
            storeHalf(dx + at, __builtin_convertvector(value, DF));
        }
    }
}

// ---- Pooling -------------------------------------------------------------------------------------------------------

// As CKernels_extremePool_f32 and CKernels_averagePool_f32 define it, channel by channel, of two axes.

KERNEL(blockMaxPool_f32_forward)(const CKernels_Pooling *p, const float *x, float *y, int32_t *argmax) {
    const int64_t area = p->input[1] * p->input[2] * CKernels_laneCount;
    ROLLED for (int64_t c = 0; c < p->channels; c += CKernels_laneCount, x += area) {
        ROLLED for (int64_t r = 0; r < p->output[1]; r++) {
            const CKernels_Span rows = p->spans[1][r];
            ROLLED for (int64_t q = 0; q < p->output[2]; q++, y += CKernels_laneCount, argmax += CKernels_laneCount) {
                const CKernels_Span columns = p->spans[2][q];
                FULLY for (int part = 0; part < PARTS; part++) {
                    V best = splat(-INFINITY);
                    VI place = (VI)-1;
                    ROLLED for (int64_t h = rows.first; h < rows.last; h += rows.step) {
                        ROLLED for (int64_t w = columns.first; w < columns.last; w += columns.step) {
                            const int64_t at = h * p->input[2] + w;
                            V value = load(x + at * CKernels_laneCount + part * VW);
                            VI wins = (place < 0) | ((best == best) & ~(value <= best));
                            best = select(wins, value, best);
                            place = wins ? (VI)(int32_t)at : place;
                        }
                    }
                    store(y + part * VW, best);
                    *(VI *)(argmax + part * VW) = place;
                }
            }
        }
    }
}

KERNEL(blockMaxPool_f32_backward)(const CKernels_Pooling *p, const float *dy, const int32_t *argmax, float *dx) {
    const int64_t area = p->input[1] * p->input[2] * CKernels_laneCount;
    memset(dx, 0, (size_t)(p->channels / CKernels_laneCount * area) * sizeof(float));
    ROLLED for (int64_t c = 0; c < p->channels; c += CKernels_laneCount, dx += area) {
        ROLLED for (int64_t r = 0; r < p->output[1]; r++) {
            const CKernels_Span rows = p->spans[1][r];
            ROLLED for (int64_t q = 0; q < p->output[2]; q++, dy += CKernels_laneCount, argmax += CKernels_laneCount) {
                const CKernels_Span columns = p->spans[2][q];
                FULLY for (int part = 0; part < PARTS; part++) {
                    const V slope = load(dy + part * VW);
                    const VI place = *(const VI *)(argmax + part * VW);
                    ROLLED for (int64_t h = rows.first; h < rows.last; h += rows.step) {
                        ROLLED for (int64_t w = columns.first; w < columns.last; w += columns.step) {
                            const int64_t at = h * p->input[2] + w;
                            float *out = dx + at * CKernels_laneCount + part * VW;
                            V sum = load(out);
                            store(out, select(place == (VI)(int32_t)at, sum + slope, sum));
                        }
                    }
                }
            }
        }
    }
}

INLINE float divisor(CKernels_Span rows, CKernels_Span columns) {
    return (float)((int64_t)rows.divisor * columns.divisor);
}

KERNEL(blockAveragePool_f32_forward)(const CKernels_Pooling *p, const float *x, float *y) {
    const int64_t area = p->input[1] * p->input[2] * CKernels_laneCount;
    ROLLED for (int64_t c = 0; c < p->channels; c += CKernels_laneCount, x += area) {
        ROLLED for (int64_t r = 0; r < p->output[1]; r++) {
            const CKernels_Span rows = p->spans[1][r];
            ROLLED for (int64_t q = 0; q < p->output[2]; q++, y += CKernels_laneCount) {
                const CKernels_Span columns = p->spans[2][q];
                FULLY for (int part = 0; part < PARTS; part++) {
                    V sum = splat(0);
                    ROLLED for (int64_t h = rows.first; h < rows.last; h += rows.step) {
                        ROLLED for (int64_t w = columns.first; w < columns.last; w += columns.step) sum +=
                            load(x + (h * p->input[2] + w) * CKernels_laneCount + part * VW);
                    }
                    store(y + part * VW, sum / divisor(rows, columns));
                }
            }
        }
    }
}

KERNEL(blockAveragePool_f32_backward)(const CKernels_Pooling *p, const float *dy, float *dx) {
    const int64_t area = p->input[1] * p->input[2] * CKernels_laneCount;
    memset(dx, 0, (size_t)(p->channels / CKernels_laneCount * area) * sizeof(float));
    ROLLED for (int64_t c = 0; c < p->channels; c += CKernels_laneCount, dx += area) {
        ROLLED for (int64_t r = 0; r < p->output[1]; r++) {
            const CKernels_Span rows = p->spans[1][r];
            ROLLED for (int64_t q = 0; q < p->output[2]; q++, dy += CKernels_laneCount) {
                const CKernels_Span columns = p->spans[2][q];
                FULLY for (int part = 0; part < PARTS; part++) {
                    const V share = load(dy + part * VW) / divisor(rows, columns);
                    ROLLED for (int64_t h = rows.first; h < rows.last; h += rows.step) {
                        ROLLED for (int64_t w = columns.first; w < columns.last; w += columns.step) {
                            float *out = dx + (h * p->input[2] + w) * CKernels_laneCount + part * VW;
                            store(out, load(out) + share);
                        }
                    }
                }
            }
        }
    }
}
