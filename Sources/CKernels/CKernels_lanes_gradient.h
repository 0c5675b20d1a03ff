// Weight gradients of convolutions, one image a lane, and the sum over lanes. Included once a set.
//
// A tile holds output channels × one kernel row of sums and walks over the outputs; sums go to memory between bands of
// rows, which keeps what a band reads in the first-level cache and changes no chain.

/// A band of output rows, for the output channels of one tile.
typedef struct {
    const CKernels_LaneConvolution *shape;
    const float *x;
    const float *dy;  // the tile's first output channel, row `from`
    int64_t dyPlane;
    int64_t from, to;  // rows
    int fresh;         // whether sums start here
    int64_t channels;  // input channels that `sums` holds
    float *sums;       // [tile's outputs, channels, R, S, 16]
    float *biasSums;   // [tile's outputs, 16], or null
    float *results;
} LaneBand;

INLINE void addPixel(const int outputs, const int kernel, const int s0, const int s1, const float *x, const float *dy,
                     int64_t dyPlane, V sums[8][5]) {
    if (outputs < kernel) {
        V gradients[8];
        FULLY for (int k = 0; k < outputs; k++) gradients[k] = load(dy + k * dyPlane);
        FULLY for (int s = 0; s < kernel; s++) {
            if (s < s0 || s >= s1) continue;
            KEEP_LOADS_HERE();
            V value = load(x + s * CKernels_laneCount);
            FULLY for (int k = 0; k < outputs; k++) sums[k][s] = multiplyAdd(gradients[k], value, sums[k][s]);
        }
    } else {
        V values[5];
        FULLY for (int s = 0; s < kernel; s++) {
            if (s >= s0 && s < s1) values[s] = load(x + s * CKernels_laneCount);
        }
        FULLY for (int k = 0; k < outputs; k++) {
            KEEP_LOADS_HERE();
            V gradient = load(dy + k * dyPlane);
            FULLY for (int s = 0; s < kernel; s++) {
                if (s >= s0 && s < s1) sums[k][s] = multiplyAdd(gradient, values[s], sums[k][s]);
            }
        }
    }
}

INLINE void addBand(const int outputs, const int kernel, const int stride, const int left, const int right,
                    const LaneBand *band, int64_t c, int64_t sumsChannel) {
    const CKernels_LaneWindow *w = &band->shape->window;
    const int leftPixels = (left + stride - 1) / stride, rightPixels = (right + stride - 1) / stride;
    const int64_t planeFloats = w->height * w->width * CKernels_laneCount, rowFloats = w->width * CKernels_laneCount;
    const int64_t width = w->outputWidth, dyPlane = band->dyPlane;
    const int64_t outStride = band->channels * w->kernelHeight * kernel * CKernels_laneCount;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        ROLLED for (int64_t r = 0; r < w->kernelHeight; r++) {
            float *at = band->sums + (sumsChannel * w->kernelHeight + r) * kernel * CKernels_laneCount + part * VW;
            V sums[8][5];
            FULLY for (int i = 0; i < outputs; i++) {
                FULLY for (int s = 0; s < kernel; s++) {
                    sums[i][s] = band->fresh ? splat(0) : load(at + i * outStride + s * CKernels_laneCount);
                }
            }
            ROLLED for (int64_t p = band->from; p < band->to; p++) {
                const int64_t h = p * w->strideHeight - w->paddingTop + r;
                if (h < 0 || h >= w->height) continue;
                const float *x = band->x + c * planeFloats + h * rowFloats - left * CKernels_laneCount + part * VW;
                const float *dy = band->dy + (p - band->from) * width * CKernels_laneCount + part * VW;
                FULLY for (int q = 0; q < leftPixels; q++) {
                    addPixel(outputs, kernel, left - q * stride, kernel, x, dy, dyPlane, sums);
                    x += stride * CKernels_laneCount, dy += CKernels_laneCount;
                }
                ROLLED for (int64_t q = width - leftPixels - rightPixels; q > 0; q--) {
                    addPixel(outputs, kernel, 0, kernel, x, dy, dyPlane, sums);
                    x += stride * CKernels_laneCount, dy += CKernels_laneCount;
                }
                FULLY for (int q = rightPixels - 1; q >= 0; q--) {
                    addPixel(outputs, kernel, 0, kernel - right + q * stride, x, dy, dyPlane, sums);
                    x += stride * CKernels_laneCount, dy += CKernels_laneCount;
                }
            }
            FULLY for (int i = 0; i < outputs; i++) {
                FULLY for (int s = 0; s < kernel; s++) store(at + i * outStride + s * CKernels_laneCount, sums[i][s]);
            }
        }
    }
}

/// Any shape: one tap at a time.
INLINE void addBandOfAny(const int outputs, const LaneBand *band, int64_t c, int64_t sumsChannel) {
    const CKernels_LaneWindow *w = &band->shape->window;
    const int64_t taps = w->kernelHeight * w->kernelWidth, step = w->strideWidth * CKernels_laneCount;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        ROLLED for (int64_t tap = 0; tap < taps; tap++) {
            const int64_t r = tap / w->kernelWidth, s = tap % w->kernelWidth;
            // The outputs q with 0 ≤ q·stride + s − left < W.
            int64_t shift = s - w->paddingLeft, q0 = 0, q1 = w->outputWidth;
            if (shift < 0) q0 = (-shift + w->strideWidth - 1) / w->strideWidth;
            int64_t inside = w->width - shift <= 0 ? 0 : (w->width - shift + w->strideWidth - 1) / w->strideWidth;
            if (q1 > inside) q1 = inside;
            float *at = band->sums + (sumsChannel * taps + tap) * CKernels_laneCount + part * VW;
            const int64_t outStride = band->channels * taps * CKernels_laneCount;
            V sums[8];
            FULLY for (int i = 0; i < outputs; i++) sums[i] = band->fresh ? splat(0) : load(at + i * outStride);
            ROLLED for (int64_t p = band->from; p < band->to; p++) {
                const int64_t h = p * w->strideHeight - w->paddingTop + r;
                if (h < 0 || h >= w->height) continue;
                const float *x = band->x +
                                 ((c * w->height + h) * w->width + q0 * w->strideWidth + shift) * CKernels_laneCount +
                                 part * VW;
                const float *dy = band->dy + ((p - band->from) * w->outputWidth + q0) * CKernels_laneCount + part * VW;
                ROLLED for (int64_t q = q0; q < q1; q++, x += step, dy += CKernels_laneCount) {
                    V value = load(x);
                    FULLY for (int i = 0; i < outputs; i++) {
                        sums[i] = multiplyAdd(load(dy + i * band->dyPlane), value, sums[i]);
                    }
                }
            }
            FULLY for (int i = 0; i < outputs; i++) store(at + i * outStride, sums[i]);
        }
    }
}

// outputs, then kernel, stride, left and right padding.
// clang-format off
#if SET_REGISTERS >= 32
#define BANDS_OF(B, kernel, stride, left, right)                                                                       \
    B(4, kernel, stride, left, right) B(3, kernel, stride, left, right) B(2, kernel, stride, left, right)
#define BANDS(B)                                                                                                       \
    BANDS_OF(B, 5, 1, 0, 0) BANDS_OF(B, 5, 1, 1, 1) BANDS_OF(B, 5, 1, 2, 2)                                            \
    B(8, 3, 1, 0, 0) BANDS_OF(B, 3, 1, 0, 0) B(8, 3, 1, 1, 1) BANDS_OF(B, 3, 1, 1, 1)                                  \
    B(8, 3, 2, 1, 0) BANDS_OF(B, 3, 2, 1, 0) B(8, 3, 2, 1, 1) BANDS_OF(B, 3, 2, 1, 1)
#else
#define BANDS_OF(B, kernel, stride, left, right) B(4, kernel, stride, left, right) B(2, kernel, stride, left, right)
#define BANDS(B)                                                                                                       \
    B(2, 5, 1, 0, 0) B(2, 5, 1, 1, 1) B(2, 5, 1, 2, 2)                                                                 \
    BANDS_OF(B, 3, 1, 0, 0) BANDS_OF(B, 3, 1, 1, 1) BANDS_OF(B, 3, 2, 1, 0) BANDS_OF(B, 3, 2, 1, 1)
#endif
// clang-format on

#define BAND_NAME(outputs, kernel, stride, left, right) band_##outputs##_##kernel##_##stride##_##left##_##right
#define DEFINE_BAND(outputs, kernel, stride, left, right)                                                              \
    static void BAND_NAME(outputs, kernel, stride, left, right)(const LaneBand *band, int64_t c,                       \
                                                                int64_t sumsChannel) {                                 \
        addBand(outputs, kernel, stride, left, right, band, c, sumsChannel);                                           \
    }
BANDS(DEFINE_BAND)
static void band_any8(const LaneBand *band, int64_t c, int64_t sumsChannel) { addBandOfAny(8, band, c, sumsChannel); }
static void band_any4(const LaneBand *band, int64_t c, int64_t sumsChannel) { addBandOfAny(4, band, c, sumsChannel); }
static void band_any1(const LaneBand *band, int64_t c, int64_t sumsChannel) { addBandOfAny(1, band, c, sumsChannel); }

typedef struct {
    int outputs, kernel, stride, left, right;
    void (*run)(const LaneBand *band, int64_t c, int64_t sumsChannel);
} LaneBandTile;

static const LaneBandTile bandTiles[] = {
#define BAND_ENTRY(outputs, kernel, stride, left, right)                                                               \
    {outputs, kernel, stride, left, right, BAND_NAME(outputs, kernel, stride, left, right)},
    BANDS(BAND_ENTRY)
    // Kernel 0: any.
    {8, 0, 0, 0, 0, band_any8},
    {4, 0, 0, 0, 0, band_any4},
    {1, 0, 0, 0, 0, band_any1},
};

/// The tile for the next of `outputs` remaining channels: one that divides them if there is one, else the largest.
static const LaneBandTile *chooseBandTile(const CKernels_LaneWindow *w, int64_t outputs) {
    int64_t right = (w->outputWidth - 1) * w->strideWidth + w->kernelWidth - w->paddingLeft - w->width;
    if (right < 0) right = 0;
    const LaneBandTile *best = 0;
    for (uint64_t i = 0; i < sizeof bandTiles / sizeof *bandTiles; i++) {
        const LaneBandTile *t = &bandTiles[i];
        int special = t->kernel != 0;
        if (t->outputs > outputs) continue;
        if (special &&
            (t->kernel != w->kernelWidth || t->stride != w->strideWidth || t->left != w->paddingLeft ||
             t->right != right ||
             w->outputWidth < (t->left + t->stride - 1) / t->stride + (t->right + t->stride - 1) / t->stride)) {
            continue;
        }
        if (best && best->kernel && !special) continue;
        int divides = outputs % t->outputs == 0, bestDivides = best && outputs % best->outputs == 0;
        if (!best || divides > bestDivides || (divides == bestDivides && t->outputs > best->outputs)) best = t;
    }
    return best;
}

/// Adds the band's gradients to the sums of a tile's biases: a chain for each channel over the outputs in order.
static void addToBiases(const LaneBand *band, int64_t outputs) {
    const int64_t count = (band->to - band->from) * band->shape->window.outputWidth, plane = band->dyPlane;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        const float *dy = band->dy + part * VW;
        float *at = band->biasSums + part * VW;
        int64_t k = 0;
        for (; k + 4 <= outputs; k += 4, dy += 4 * plane, at += 4 * CKernels_laneCount) {
            V sums[4];
            FULLY for (int i = 0; i < 4; i++) sums[i] = band->fresh ? splat(0) : load(at + i * CKernels_laneCount);
            ROLLED for (int64_t q = 0; q < count; q++) {
                FULLY for (int i = 0; i < 4; i++) sums[i] += load(dy + i * plane + q * CKernels_laneCount);
            }
            FULLY for (int i = 0; i < 4; i++) store(at + i * CKernels_laneCount, sums[i]);
        }
        for (; k < outputs; k++, dy += plane, at += CKernels_laneCount) {
            V sum = band->fresh ? splat(0) : load(at);
            ROLLED for (int64_t q = 0; q < count; q++) sum += load(dy + q * CKernels_laneCount);
            store(at, sum);
        }
    }
}

typedef float V16 __attribute__((ext_vector_type(16)));
typedef float V8 __attribute__((ext_vector_type(8)));
typedef float V4 __attribute__((ext_vector_type(4)));
INLINE V16 pairs16(V16 a, V16 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
INLINE V8 pairs8(V8 a, V8 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
INLINE V4 pairs4(V4 a, V4 b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

/// The neighbour tree of lanes 0 ..< 16 of sixteen vectors.
INLINE V16 tree16(const float *p) {
    V16 v[16];
    FULLY for (int i = 0; i < 16; i++) v[i] = *(const V16 *)(p + i * CKernels_laneCount);
    FULLY for (int n = 8; n > 0; n /= 2) { FULLY for (int i = 0; i < n; i++) v[i] = pairs16(v[2 * i], v[2 * i + 1]); }
    return v[0];
}
/// The same of eight lanes of eight vectors, and of four of four.
INLINE V8 tree8(const float *p) {
    V8 v[8];
    FULLY for (int i = 0; i < 8; i++) v[i] = *(const V8 *)(p + i * CKernels_laneCount);
    FULLY for (int n = 4; n > 0; n /= 2) { FULLY for (int i = 0; i < n; i++) v[i] = pairs8(v[2 * i], v[2 * i + 1]); }
    return v[0];
}
INLINE V4 tree4(const float *p) {
    V4 v[4];
    FULLY for (int i = 0; i < 4; i++) v[i] = *(const V4 *)(p + i * CKernels_laneCount);
    FULLY for (int n = 2; n > 0; n /= 2) { FULLY for (int i = 0; i < n; i++) v[i] = pairs4(v[2 * i], v[2 * i + 1]); }
    return v[0];
}

/// to[i] = the sum of the first `lanes` lanes of vector i in a binary tree, neighbours first. A caller with room for it
/// rounds `count` up to a multiple of 16.
static void sumLanes(const float *from, int64_t count, int64_t lanes, float *to) {
    typedef float U16 __attribute__((ext_vector_type(16), aligned(4)));
    typedef float U8 __attribute__((ext_vector_type(8), aligned(4)));
    typedef float U4 __attribute__((ext_vector_type(4), aligned(4)));
    int64_t i = 0;
    if (VW == 16 && lanes == 16) {
        for (; i + 16 <= count; i += 16) *(U16 *)(to + i) = tree16(from + i * CKernels_laneCount);
    } else if (VW >= 8 && lanes >= 8) {
        for (; i + 8 <= count; i += 8) {
            const float *p = from + i * CKernels_laneCount;
            V8 sum = tree8(p);
            *(U8 *)(to + i) = lanes == 16 ? sum + tree8(p + 8) : sum;
        }
    } else if (lanes >= 4) {
        for (; i + 4 <= count; i += 4) {
            const float *p = from + i * CKernels_laneCount;
            V4 sum = tree4(p);
            if (lanes >= 8) sum += tree4(p + 4);
            *(U4 *)(to + i) = lanes == 16 ? sum + (tree4(p + 8) + tree4(p + 12)) : sum;
        }
    }
    for (; i < count; i++) {
        float v[CKernels_laneCount];
        memcpy(v, from + i * CKernels_laneCount, sizeof v);
        for (int64_t n = lanes / 2; n > 0; n /= 2) {
            for (int64_t j = 0; j < n; j++) v[j] = v[2 * j] + v[2 * j + 1];
        }
        to[i] = v[0];
    }
}

static int64_t roundedUp(int64_t count) {
    return (count + CKernels_laneCount - 1) / CKernels_laneCount * CKernels_laneCount;
}

/// The sums over lanes of a tile's sums: [outputs, channels, taps] to its places in [K, C, taps].
static void finishTileSums(const LaneBand *band, int64_t outputs, int64_t k, int64_t c, int64_t lanes,
                           float *dWeights) {
    const CKernels_LaneWindow *w = &band->shape->window;
    const int64_t taps = w->kernelHeight * w->kernelWidth, run = band->channels * taps;
    sumLanes(band->sums, roundedUp(outputs * run), lanes, band->results);
    for (int64_t i = 0; i < outputs; i++) {
        memcpy(dWeights + ((k + i) * w->channels + c) * taps, band->results + i * run, (size_t)run * sizeof(float));
    }
}

/// Parts of the workspace: lane sums and their results for `channels` input channels of every output, biases, the rest.
static LaneBand startGradient(const CKernels_LaneConvolution *shape, const float *x, int64_t channels,
                              float **workspace) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t count = roundedUp(shape->outputChannels * channels * w->kernelHeight * w->kernelWidth);
    LaneBand band = {.shape = shape, .x = x, .channels = channels};
    band.sums = *workspace;
    band.results = band.sums + count * CKernels_laneCount;
    band.biasSums = band.results + count;
    *workspace = band.biasSums + shape->outputChannels * CKernels_laneCount;
    return band;
}

/// Bytes of output gradients in a band of rows: what is read once for each kernel row stays in a cache of 32 KiB.
#define BAND_BYTES 17000

KERNEL(conv2d_f32_weightGradient)(const CKernels_LaneConvolution *shape, const float *x, const float *dy, int64_t lanes,
                                  float *workspace, float *dWeights, float *dBias) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t rowFloats = w->outputWidth * CKernels_laneCount, plane = w->outputHeight * rowFloats;
    LaneBand band = startGradient(shape, x, 1, &workspace);
    band.dyPlane = plane;
    for (int64_t k = 0; k < shape->outputChannels;) {
        const LaneBandTile *tile = chooseBandTile(w, shape->outputChannels - k);
        int64_t rows = BAND_BYTES / (tile->outputs * rowFloats * (int64_t)sizeof(float));
        if (rows < 1) rows = 1;
        for (int64_t c = 0; c < w->channels; c++) {
            band.fresh = 1;
            for (int64_t p = 0; p < w->outputHeight; p += rows, band.fresh = 0) {
                band.from = p;
                band.to = p + rows < w->outputHeight ? p + rows : w->outputHeight;
                band.dy = dy + k * plane + p * rowFloats;
                tile->run(&band, c, 0);
                if (c == 0 && dBias) addToBiases(&band, tile->outputs);
            }
            finishTileSums(&band, tile->outputs, k, c, lanes, dWeights);
        }
        if (dBias) sumLanes(band.biasSums, tile->outputs, lanes, dBias + k);
        k += tile->outputs;
    }
}

/// Two rows of gradients from one row behind a 2 × 2 pooling.
INLINE void unpoolRow(int64_t width, const float *y, const float *dy, const uint16_t *argmax,
                      CKernels_Activation activation, float *top, float *bottom) {
    const int64_t pooled = width / 2;
    for (int64_t q = 0; q < pooled; q++) {
        ROLLED for (int64_t part = 0; part < PARTS; part++) {
            int64_t from = q * CKernels_laneCount + part * VW, to = 2 * q * CKernels_laneCount + part * VW;
            VI place = __builtin_convertvector(*(const VS *)(argmax + from), VI);
            V gradient = load(dy + from);
            // What ReLU blocked has no place.
            if (activation == CKernels_activationTanh) gradient = deactivate(gradient, load(y + from), activation);
            store(top + to, select(place == 0, gradient, splat(0)));
            store(top + to + CKernels_laneCount, select(place == 1, gradient, splat(0)));
            store(bottom + to, select(place == 2, gradient, splat(0)));
            store(bottom + to + CKernels_laneCount, select(place == 3, gradient, splat(0)));
        }
    }
    if (width % 2 == 1) {
        memset(top + 2 * pooled * CKernels_laneCount, 0, CKernels_laneCount * sizeof(float));
        memset(bottom + 2 * pooled * CKernels_laneCount, 0, CKernels_laneCount * sizeof(float));
    }
}

KERNEL(conv2d_pool_f32_weightGradient)(const CKernels_LaneConvolution *shape, const float *x, const float *y,
                                       const float *dy, const uint16_t *argmax, CKernels_Activation activation,
                                       int64_t lanes, float *workspace, float *dWeights, float *dBias) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t rowFloats = w->outputWidth * CKernels_laneCount, pooledHeight = w->outputHeight / 2;
    const int64_t pooledRow = w->outputWidth / 2 * CKernels_laneCount, pooledPlane = pooledHeight * pooledRow;
    LaneBand band = startGradient(shape, x, w->channels, &workspace);
    band.dyPlane = 2 * rowFloats;
    band.dy = workspace;
    for (int64_t k = 0; k < shape->outputChannels;) {
        const LaneBandTile *tile = chooseBandTile(w, shape->outputChannels - k);
        band.fresh = 1;
        for (int64_t p = 0; p < pooledHeight; p++, band.fresh = 0) {
            for (int64_t i = 0; i < tile->outputs; i++) {
                int64_t at = (k + i) * pooledPlane + p * pooledRow;
                float *top = workspace + i * band.dyPlane;
                unpoolRow(w->outputWidth, y + at, dy + at, argmax + at, activation, top, top + rowFloats);
            }
            band.from = 2 * p;
            band.to = 2 * p + 2;
            for (int64_t c = 0; c < w->channels; c++) tile->run(&band, c, c);
            if (dBias) addToBiases(&band, tile->outputs);
        }
        finishTileSums(&band, tile->outputs, k, 0, lanes, dWeights);
        if (dBias) sumLanes(band.biasSums, tile->outputs, lanes, dBias + k);
        k += tile->outputs;
    }
}

KERNEL(unpool_f32_backward)(int64_t channels, int64_t height, int64_t width, const float *y, const float *dy,
                            const uint16_t *argmax, CKernels_Activation activation, float *dx) {
    const int64_t rowFloats = width * CKernels_laneCount, pooledRow = width / 2 * CKernels_laneCount;
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t p = 0; p < height / 2; p++) {
            unpoolRow(width, y, dy, argmax, activation, dx, dx + rowFloats);
            y += pooledRow, dy += pooledRow, argmax += pooledRow, dx += 2 * rowFloats;
        }
        if (height % 2 == 1) {
            memset(dx, 0, (size_t)rowFloats * sizeof(float));
            dx += rowFloats;
        }
    }
}
