// Winograd's convolution F(4×4, 3×3) over blocks of sixteen channels, forward and input gradient: tiles of 6 × 6 places are
// transformed, multiplied place by place with transformed weights by the tiles of CKernels_blocks_convolution.h, and
// transformed back to 4 × 4 outputs. Included once a set.
//
// Matrices as in Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, for the points 0, ±1, ±2.

#define WINOGRAD_SIDE CKernels_winogradSide
#define WINOGRAD_PLACES (WINOGRAD_SIDE * WINOGRAD_SIDE)
#define WINOGRAD_OUT (WINOGRAD_SIDE - 2)

/// What the transformed tiles of a group have in common. All are floats between neighbours.
typedef struct {
    int64_t tilesHigh, tilesWide;  // of an image
    int64_t group;                 // tiles that are multiplied at once
    int64_t source, product;       // between the places of transformed tiles, and of products
} WinogradPlan;

static inline WinogradPlan winogradPlan(const Correlation *g) {
    WinogradPlan plan = {.tilesHigh = (g->rows + WINOGRAD_OUT - 1) / WINOGRAD_OUT,
                         .tilesWide = (g->columns + WINOGRAD_OUT - 1) / WINOGRAD_OUT};
    const int64_t channels = g->channels, outputs = g->outBlocks * CKernels_laneCount;
    plan.group = CKernels_winogradGroup(channels, outputs);
    // A line more than they hold, so that places do not meet in the same sets of a cache.
    plan.source = channels * plan.group + CKernels_laneCount;
    plan.product = outputs * plan.group + CKernels_laneCount;
    return plan;
}

// ---- Transforms ----------------------------------------------------------------------------------------------------

/// Bᵀ d of one line.
INLINE void winogradSource(const V d[6], V t[6]) {
    V even = fused(splat(-4), d[2], d[4]), odd = fused(splat(-4), d[1], d[3]);
    V outer = d[4] - d[2], inner = d[3] - d[1];
    t[0] = fused(splat(4), d[0], fused(splat(-5), d[2], d[4]));
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = fused(splat(2), inner, outer);
    t[4] = fused(splat(-2), inner, outer);
    t[5] = fused(splat(4), d[1], fused(splat(-5), d[3], d[5]));
}

/// Aᵀ m of one line.
INLINE void winogradOutput(const V m[6], V y[4]) {
    V sum = m[1] + m[2], difference = m[1] - m[2], farSum = m[3] + m[4], farDifference = m[3] - m[4];
    y[0] = (m[0] + sum) + farSum;
    y[1] = fused(splat(2), farDifference, difference);
    y[2] = fused(splat(4), farSum, sum);
    y[3] = fused(splat(8), farDifference, difference) + m[5];
}

/// G w of one line.
INLINE void winogradWeight(const V w[3], V u[6]) {
    V outer = w[0] + w[2], far = fused(splat(4), w[2], w[0]);
    u[0] = w[0] * splat(0.25f);
    u[1] = (outer + w[1]) * splat(-1.0f / 6);
    u[2] = (outer - w[1]) * splat(-1.0f / 6);
    u[3] = fused(splat(2), w[1], far) * splat(1.0f / 24);
    u[4] = fused(splat(-2), w[1], far) * splat(1.0f / 24);
    u[5] = w[2];
}

/// Transforms a tile of one block of channels whose lines lie `row` floats apart.
INLINE void winogradTile(const float *in, int64_t row, float *out, int64_t step) {
    V half[6][6];
    ROLLED for (int part = 0; part < PARTS; part++) {
        ROLLED for (int column = 0; column < 6; column++) {
            V d[6], t[6];
            FULLY for (int i = 0; i < 6; i++) d[i] = load(in + i * row + column * CKernels_laneCount + part * VW);
            winogradSource(d, t);
            FULLY for (int i = 0; i < 6; i++) half[i][column] = t[i];
        }
        ROLLED for (int i = 0; i < 6; i++) {
            V t[6];
            winogradSource(half[i], t);
            FULLY for (int j = 0; j < 6; j++) store(out + (i * 6 + j) * step + part * VW, t[j]);
        }
    }
}

/// Tiles `first`… of all images, of all blocks: [places][blocks][tiles][16].
INLINE void winogradSources(const Correlation *g, const WinogradPlan *plan, const float *x, int64_t first,
                            int64_t count, float *out) {
    const int64_t line = g->width * CKernels_laneCount, area = g->height * line,
                  tiles = plan->tilesHigh * plan->tilesWide;
    _Alignas(64) float edge[WINOGRAD_PLACES * CKernels_laneCount];
    ROLLED for (int64_t tile = 0; tile < count; tile++) {
        const int64_t image = (first + tile) / tiles, inside = (first + tile) % tiles;
        const int64_t top = inside / plan->tilesWide * WINOGRAD_OUT - g->top;
        const int64_t left = inside % plan->tilesWide * WINOGRAD_OUT - g->left;
        const int isInside = top >= 0 && left >= 0 && top + 6 <= g->height && left + 6 <= g->width;
        const float *source = x + image * g->blocks * area;
        ROLLED for (int64_t b = 0; b < g->blocks; b++) {
            float *to = out + (b * count + tile) * CKernels_laneCount;
            if (isInside) {
                winogradTile(source + b * area + top * line + left * CKernels_laneCount, line, to, plan->source);
                continue;
            }
            ROLLED for (int64_t i = 0; i < 6; i++) {
                ROLLED for (int64_t j = 0; j < 6; j++) {
                    const int64_t h = top + i, w = left + j;
                    float *place = edge + (i * 6 + j) * CKernels_laneCount;
                    if (h >= 0 && h < g->height && w >= 0 && w < g->width)
                        memcpy(place, source + b * area + h * line + w * CKernels_laneCount, 16 * sizeof(float));
                    else
                        memset(place, 0, 16 * sizeof(float));
                }
            }
            winogradTile(edge, 6 * CKernels_laneCount, to, plan->source);
        }
    }
}

/// Outputs of the same tiles, as far as they lie in the image.
INLINE void winogradOutputs(const Correlation *g, const WinogradPlan *plan, const float *products, const float *bias,
                            int64_t first, int64_t count, float *y) {
    const int64_t tiles = plan->tilesHigh * plan->tilesWide;
    ROLLED for (int64_t tile = 0; tile < count; tile++) {
        const int64_t image = (first + tile) / tiles, inside = (first + tile) % tiles;
        const int64_t top = inside / plan->tilesWide * WINOGRAD_OUT, left = inside % plan->tilesWide * WINOGRAD_OUT;
        const int64_t rows = g->rows - top < WINOGRAD_OUT ? g->rows - top : WINOGRAD_OUT;
        const int64_t columns = g->columns - left < WINOGRAD_OUT ? g->columns - left : WINOGRAD_OUT;
        ROLLED for (int64_t k = 0; k < g->outBlocks; k++) {
            const float *in = products + (k * count + tile) * CKernels_laneCount;
            float *out = y + image * g->outImage + k * g->outBlock + top * g->outRow + left * g->outPixel;
            ROLLED for (int part = 0; part < PARTS; part++) {
                V half[4][6], start = bias ? loadUnaligned(bias + k * CKernels_laneCount + part * VW) : splat(0);
                ROLLED for (int column = 0; column < 6; column++) {
                    V m[6], t[4];
                    FULLY for (int i = 0; i < 6; i++) m[i] = load(in + (i * 6 + column) * plan->product + part * VW);
                    winogradOutput(m, t);
                    FULLY for (int i = 0; i < 4; i++) half[i][column] = t[i];
                }
                ROLLED for (int64_t i = 0; i < rows; i++) {
                    V t[4];
                    float *place = out + i * g->outRow + part * VW;
                    winogradOutput(half[i], t);
                    FULLY for (int j = 0; j < 4; j++) {
                        if (j < columns) store(place + j * g->outPixel, t[j] + start);
                    }
                }
            }
        }
    }
}

// ---- Weights -------------------------------------------------------------------------------------------------------

/// Transforms the weights of one block of outputs for all channels of the source: [places][blocks of outputs][channels][16].
/// `kernel` and `channel` are floats between the kernels of neighbouring outputs and channels.
INLINE void winogradWeights(const Correlation *g, int64_t block, const float *weights, int64_t kernel, int64_t channel,
                            float *packed) {
    const int64_t place = g->channels * g->outBlocks * CKernels_laneCount;
    ROLLED for (int64_t c = 0; c < g->channels; c++) {
        _Alignas(64) float taps[9][CKernels_laneCount];
        const float *in = weights + block * CKernels_laneCount * kernel + c * channel;
        ROLLED for (int64_t lane = 0; lane < CKernels_laneCount; lane++) {
            ROLLED for (int64_t t = 0; t < 9; t++) taps[g->tapRow[t] * 3 + g->tapColumn[t]][lane] =
                in[lane * kernel + g->tapNumber[t]];
        }
        float *out = packed + (block * g->channels + c) * CKernels_laneCount;
        ROLLED for (int part = 0; part < PARTS; part++) {
            V half[6][3];
            FULLY for (int column = 0; column < 3; column++) {
                V w[3], u[6];
                FULLY for (int i = 0; i < 3; i++) w[i] = load(taps[i * 3 + column] + part * VW);
                winogradWeight(w, u);
                FULLY for (int i = 0; i < 6; i++) half[i][column] = u[i];
            }
            FULLY for (int i = 0; i < 6; i++) {
                V u[6];
                winogradWeight(half[i], u);
                FULLY for (int j = 0; j < 6; j++) store(out + (i * 6 + j) * place + part * VW, u[j]);
            }
        }
    }
}

KERNEL(winogradConv2d_f32_pack)(const CKernels_BlockConvolution *s, int64_t block, const float *weights,
                                float *packed) {
    Correlation g;
    forwardCorrelation(s, &g);
    winogradWeights(&g, block, weights, s->channels * 9, 9, packed);
}

KERNEL(winogradConv2d_f32_packTransposed)(const CKernels_BlockConvolution *s, int64_t block, const float *weights,
                                          float *packed) {
    Correlation g;
    phaseCorrelation(s, 0, 0, &g);
    winogradWeights(&g, block, weights, 9, s->channels * 9, packed);
}

// ---- Passes --------------------------------------------------------------------------------------------------------

static void JOIN(winograd, SET_NAME)(const Correlation *g, int64_t images, const float *x, const float *packed,
                                     const float *bias, float *workspace, float *y) {
    const WinogradPlan plan = winogradPlan(g);
    const int64_t tiles = images * plan.tilesHigh * plan.tilesWide, outputs = g->outBlocks * CKernels_laneCount;
    float *sources = workspace, *products = workspace + WINOGRAD_PLACES * plan.source;
    const int64_t chain = CKernels_blockChain(1);
    BlockChunk chunk = {.taps = 1,
                        .run = CKernels_laneCount,
                        .pixel = CKernels_laneCount,
                        .outPixel = CKernels_laneCount,
                        .weightsOut = g->channels * CKernels_laneCount};
    ROLLED for (int64_t first = 0; first < tiles; first += plan.group) {
        const int64_t count = tiles - first < plan.group ? tiles - first : plan.group;
        winogradSources(g, &plan, x, first, count, sources);
        chunk.block = chunk.outBlock = count * CKernels_laneCount;
        ROLLED for (int64_t place = 0; place < WINOGRAD_PLACES; place++) {
            const float *in = sources + place * plan.source, *weights = packed + place * g->channels * outputs;
            float *out = products + place * plan.product;
            ROLLED for (int64_t k = 0; k < g->outBlocks;) {
                const int blocks = k + BLOCK_OUTPUTS <= g->outBlocks ? BLOCK_OUTPUTS : 1;
                ROLLED for (int64_t b = 0; b < g->blocks; b += chain) {
                    chunk.blocks = g->blocks - b < chain ? g->blocks - b : chain;
                    chunk.isFirst = b == 0;
                    JOIN(blockRows, SET_NAME)(&chunk, 1, count, 0, CKernels_laneCount, blocks, in + b * chunk.block,
                                              weights + (k * g->channels + b * CKernels_laneCount) * CKernels_laneCount,
                                              out + k * chunk.outBlock);
                }
                k += blocks;
            }
        }
        winogradOutputs(g, &plan, products, bias, first, count, y);
    }
}

KERNEL(winogradConv2d_f32_forward)(const CKernels_BlockConvolution *shape, int64_t images, const float *x,
                                   const float *packed, const float *bias, float *workspace, float *y) {
    Correlation g;
    forwardCorrelation(shape, &g);
    JOIN(winograd, SET_NAME)(&g, images, x, packed, bias, workspace, y);
}

KERNEL(winogradConv2d_f32_inputGradient)(const CKernels_BlockConvolution *shape, int64_t images, const float *dy,
                                         const float *packed, float *workspace, float *dx) {
    Correlation g;
    phaseCorrelation(shape, 0, 0, &g);
    JOIN(winograd, SET_NAME)(&g, images, dy, packed, 0, workspace, dx);
}
