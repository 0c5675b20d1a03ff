// Weight gradients of a convolution over blocks of sixteen channels: tiles of input × output channels held in registers while
// a band of places passes. Included once a set.

#if SET_REGISTERS == 32
#define BLOCK_GRADIENT_CHANNELS 14
#define BLOCK_GRADIENT_OUTPUTS 2
#elif SET_WIDTH == 8
#define BLOCK_GRADIENT_CHANNELS 6
#define BLOCK_GRADIENT_OUTPUTS 1
#else
#define BLOCK_GRADIENT_CHANNELS 2
#define BLOCK_GRADIENT_OUTPUTS 1
#endif

/// What the tiles of a band share.
typedef struct {
    int64_t images, rows, columns;
    int64_t image, row, pixel;        // floats between images, rows and places of the source, as outputs step
    int64_t dyImage, dyRow, dyBlock;  // of the outputs
    int64_t gradientOut;              // between the gradients of neighbouring blocks of outputs
    int isFirst;                      // the band starts the sums, others add to them
} GradientBand;

typedef void GradientTile(const GradientBand *g, const float *x, const float *dy, float *gradient);

INLINE void gradientTile(const int channels, const int outputs, const int64_t fixedPixel, const GradientBand *g,
                         const float *x, const float *dy, float *gradient) {
    V sums[BLOCK_GRADIENT_CHANNELS][BLOCK_GRADIENT_OUTPUTS][PARTS];
    FULLY for (int c = 0; c < channels; c++) {
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int part = 0; part < PARTS; part++) sums[c][k][part] = splat(0);
        }
    }
    const int64_t pixel = fixedPixel ? fixedPixel : g->pixel, dyBlock = g->dyBlock;
    ROLLED for (int64_t i = 0; i < g->images; i++) {
        ROLLED for (int64_t p = 0; p < g->rows; p++) {
            const float *in = x + i * g->image + p * g->row, *slope = dy + i * g->dyImage + p * g->dyRow;
            ROLLED for (int64_t q = g->columns; q > 0; q--, in += pixel, slope += CKernels_laneCount) {
                V slopes[BLOCK_GRADIENT_OUTPUTS][PARTS];
                FULLY for (int k = 0; k < outputs; k++) {
                    FULLY for (int part = 0; part < PARTS; part++) slopes[k][part] =
                        load(slope + k * dyBlock + part * VW);
                }
                FULLY for (int c = 0; c < channels; c++) {
                    V value = splat(in[c]);
                    FULLY for (int k = 0; k < outputs; k++) {
                        FULLY for (int part = 0; part < PARTS; part++) sums[c][k][part] =
                            fused(value, slopes[k][part], sums[c][k][part]);
                    }
                }
            }
        }
    }
    FULLY for (int c = 0; c < channels; c++) {
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int part = 0; part < PARTS; part++) {
                float *out = gradient + c * CKernels_laneCount + k * g->gradientOut + part * VW;
                store(out, g->isFirst ? sums[c][k][part] : load(out) + sums[c][k][part]);
            }
        }
    }
}

// One function for each tile: channels, blocks of outputs, floats between places (0: any).
#define BLOCK_GRADIENT_NAME(channels, outputs, pixel) JOIN(gradientTile_##channels##x##outputs##_##pixel, SET_NAME)
#define BLOCK_GRADIENT_TILE(channels, outputs, pixel)                                                                  \
    static __attribute__((noinline)) void BLOCK_GRADIENT_NAME(channels, outputs, pixel)(                               \
        const GradientBand *g, const float *x, const float *dy, float *gradient) {                                     \
        gradientTile(channels, outputs, pixel, g, x, dy, gradient);                                                    \
    }
#define BLOCK_GRADIENT_NAMED(channels, outputs, pixel)                                                                 \
    [channels - 1][outputs - 1] = BLOCK_GRADIENT_NAME(channels, outputs, pixel),
#if SET_REGISTERS == 32
#define BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, channels, pixel) EACH(channels, 1, pixel) EACH(channels, 2, pixel)
// A run of sixteen channels is two tiles of eight.
#define BLOCK_GRADIENT_RUN_TILES(EACH, pixel) BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 8, pixel)
#define BLOCK_GRADIENT_TILES(EACH, pixel)                                                                              \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 1, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 2, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 3, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 4, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 5, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 6, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 7, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 8, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 9, pixel)                                                                       \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 10, pixel)                                                                      \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 11, pixel)                                                                      \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 12, pixel)                                                                      \
    BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 13, pixel) BLOCK_GRADIENT_OUTPUT_COUNTS(EACH, 14, pixel)
#elif SET_WIDTH == 8
// Tiles of six, five and five.
#define BLOCK_GRADIENT_RUN_TILES(EACH, pixel) EACH(5, 1, pixel) EACH(6, 1, pixel)
#define BLOCK_GRADIENT_TILES(EACH, pixel)                                                                              \
    EACH(1, 1, pixel) EACH(2, 1, pixel) EACH(3, 1, pixel) EACH(4, 1, pixel) EACH(5, 1, pixel) EACH(6, 1, pixel)
#else
#define BLOCK_GRADIENT_RUN_TILES(EACH, pixel) EACH(2, 1, pixel)
#define BLOCK_GRADIENT_TILES(EACH, pixel) EACH(1, 1, pixel) EACH(2, 1, pixel)
#endif
BLOCK_GRADIENT_TILES(BLOCK_GRADIENT_TILE, 0)
BLOCK_GRADIENT_RUN_TILES(BLOCK_GRADIENT_TILE, 16)
BLOCK_GRADIENT_RUN_TILES(BLOCK_GRADIENT_TILE, 32)

typedef GradientTile *GradientTiles[BLOCK_GRADIENT_CHANNELS][BLOCK_GRADIENT_OUTPUTS];
static const GradientTiles JOIN(gradientTiles, SET_NAME)[3] = {
    {BLOCK_GRADIENT_TILES(BLOCK_GRADIENT_NAMED, 0)},
    {BLOCK_GRADIENT_RUN_TILES(BLOCK_GRADIENT_NAMED, 16)},
    {BLOCK_GRADIENT_RUN_TILES(BLOCK_GRADIENT_NAMED, 32)},
};

/// The part of a band in the gradients of all weights, in the order of `unpackGradient`.
static void JOIN(gradientBand, SET_NAME)(const Correlation *s, const GradientBand *g, const int64_t *places,
                                         int64_t block, const float *x, const float *dy, float *gradient) {
    const GradientTiles *tiles = &JOIN(gradientTiles, SET_NAME)[!s->blocks       ? 0
                                                                : g->pixel == 16 ? 1
                                                                : g->pixel == 32 ? 2
                                                                                 : 0];
    const int64_t pieces = (s->run + BLOCK_GRADIENT_CHANNELS - 1) / BLOCK_GRADIENT_CHANNELS;
    ROLLED for (int64_t k = 0; k < s->outBlocks;) {
        const int outputs = k + BLOCK_GRADIENT_OUTPUTS <= s->outBlocks ? BLOCK_GRADIENT_OUTPUTS : 1;
        const float *slopes = dy + k * g->dyBlock;
        float *out = gradient + k * g->gradientOut;
        ROLLED for (int64_t b = 0; b < sourceBlocks(s); b++) {
            ROLLED for (int64_t t = 0; t < s->taps; t++) {
                const float *in = x + b * block + places[t];
                ROLLED for (int64_t piece = 0; piece < pieces; piece++) {
                    int64_t count = s->run / pieces + (piece < s->run % pieces);
                    (*tiles)[count - 1][outputs - 1](g, in, slopes, out);
                    in += count, out += count * CKernels_laneCount;
                }
            }
        }
        k += outputs;
    }
}

/// Adds the slopes of a band place by place, and the sums to those of earlier bands.
INLINE void biasBand(const Correlation *s, const GradientBand *g, const float *dy, float *gradient) {
    ROLLED for (int64_t k = 0; k < s->outBlocks; k++) {
        ROLLED for (int part = 0; part < PARTS; part++) {
            V sum = splat(0);
            ROLLED for (int64_t i = 0; i < g->images; i++) {
                ROLLED for (int64_t p = 0; p < g->rows; p++) {
                    const float *slope = dy + k * g->dyBlock + i * g->dyImage + p * g->dyRow + part * VW;
                    ROLLED for (int64_t q = 0; q < g->columns; q++) sum += load(slope + q * CKernels_laneCount);
                }
            }
            float *out = gradient + k * CKernels_laneCount + part * VW;
            store(out, g->isFirst ? sum : load(out) + sum);
        }
    }
}

KERNEL(blockConv2d_f32_weightGradient)(const CKernels_BlockConvolution *shape, int64_t images, const float *x,
                                       const float *dy, float *workspace, float *dWeights, float *dBias) {
    Correlation s;
    forwardCorrelation(shape, &s);
    const CKernels_BlockBands bands = CKernels_blockBands(shape, images);
    const int64_t weights = s.outBlocks * sourceBlocks(&s) * s.allTaps * s.run * CKernels_laneCount;
    const int64_t count = weights + (dBias ? shape->outputChannels : 0);
    if (images == 0) {
        memset(dWeights, 0, (size_t)weights * sizeof(float));
        if (dBias) memset(dBias, 0, (size_t)shape->outputChannels * sizeof(float));
        return;
    }
    const int64_t place = placeFloats(&s), step = copyImage(&s, bands.rows);
    const int direct = readsSource(&s), isCascade = bands.count > CKernels_blockBandsAGroup;
    float *sums = isCascade ? workspace : dWeights, *biasSums = isCascade ? workspace + weights : dBias;
    float *copy = isCascade ? workspace + (count + 15) / 16 * 16 : workspace;
    ROLLED for (int64_t band = 0; band < bands.count; band++) {
        const int64_t image = band / bands.perImage * bands.images, p = band % bands.perImage * bands.rows;
        GradientBand g = {.columns = s.columns, .dyImage = s.outImage, .dyRow = s.outRow, .dyBlock = s.outBlock};
        g.images = images - image < bands.images ? images - image : bands.images;
        g.rows = s.rows - p < bands.rows ? s.rows - p : bands.rows;
        g.isFirst = band % CKernels_blockBandsAGroup == 0;
        g.gradientOut = weights / s.outBlocks;
        int64_t line = copyWidth(&s) * place, block = copyBlock(&s, bands.rows), places[CKernels_blockTaps];
        const float *in = copy;
        g.image = step;
        if (direct) {
            line = s.width * place, block = s.height * line, g.image = sourceImage(&s);
            in = x + image * g.image + p * s.strideHeight * line;
        } else {
            // The last band of an image may have fewer rows; its blocks lie as far apart as others'.
            ROLLED for (int64_t i = 0; i < g.images; i++)
                copyPlaces(&s, x + (image + i) * sourceImage(&s), p, bands.rows, copy + i * step);
        }
        g.row = s.strideHeight * line, g.pixel = s.strideWidth * place;
        ROLLED for (int64_t t = 0; t < s.taps; t++) places[t] = s.tapRow[t] * line + s.tapColumn[t] * place;
        const float *slopes = dy + image * s.outImage + p * s.outRow;
        JOIN(gradientBand, SET_NAME)(&s, &g, places, block, in, slopes, sums);
        if (dBias) biasBand(&s, &g, slopes, biasSums);
        if (!isCascade || (band + 1 < bands.count && (band + 1) % CKernels_blockBandsAGroup != 0)) continue;
        // A group of bands is whole.
        const int isFirst = band < CKernels_blockBandsAGroup;
        ROLLED for (int64_t i = 0; i < weights; i += VW) {
            V sum = load(sums + i);
            store(dWeights + i, isFirst ? sum : load(dWeights + i) + sum);
        }
        ROLLED for (int64_t i = 0; dBias && i < shape->outputChannels; i += VW) {
            V sum = load(biasSums + i);
            storeUnaligned(dBias + i, isFirst ? sum : loadUnaligned(dBias + i) + sum);
        }
    }
}
