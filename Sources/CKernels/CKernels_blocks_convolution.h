// Convolution over blocks of sixteen channels, forward and input gradient: tiles of places × output channels held in
// registers. Included once a set.

// Places of a tile and its blocks of output channels: their sums leave room for the weights and one place. With fewer than
// the least, a multiply-add waits for the one before it in its chain.
#if SET_REGISTERS == 32
#define BLOCK_COLUMNS 14
#define BLOCK_LEAST_COLUMNS 4
#define BLOCK_OUTPUTS 2
#elif SET_WIDTH == 8
#define BLOCK_COLUMNS 6
#define BLOCK_LEAST_COLUMNS 4
#define BLOCK_OUTPUTS 1
#else
#define BLOCK_COLUMNS 2
#define BLOCK_LEAST_COLUMNS 1
#define BLOCK_OUTPUTS 1
#endif

/// What the tiles of a chunk share.
typedef struct {
    int64_t taps, blocks, run;
    int64_t place[CKernels_blockTaps];    // floats from a tile's first place to that of each tap
    int64_t weights[CKernels_blockTaps];  // floats from a block of outputs' first weight to those of each tap
    int64_t block, row, pixel;            // floats between blocks, rows and places of the source
    int64_t weightsOut;                   // between the weights of neighbouring blocks of outputs
    int64_t outBlock, outRow, outPixel;
    const float *bias;  // of the first block of outputs; null where there is none
    int isFirst;        // the chunk starts the outputs, others add to them
} BlockChunk;

typedef void BlockTile(const BlockChunk *g, const float *x, const float *weights, float *y);

INLINE void blockTile(const int rows, const int columns, const int outputs, const int64_t fixedPixel,
                      const BlockChunk *g, const float *x, const float *weights, float *y) {
    V sums[2 * BLOCK_COLUMNS][BLOCK_OUTPUTS][PARTS];
    FULLY for (int i = 0; i < rows * columns; i++) {
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int part = 0; part < PARTS; part++) sums[i][k][part] = splat(0);
        }
    }
    const int64_t row = rows > 1 ? g->row : 0, pixel = fixedPixel ? fixedPixel : g->pixel;
    const int64_t weightsOut = g->weightsOut, block = g->block, run = g->run;
    ROLLED for (int64_t t = 0; t < g->taps; t++) {
        const float *in = x + g->place[t], *w = weights + g->weights[t];
        ROLLED for (int64_t b = g->blocks; b > 0; b--, in += block) {
            const float *value = in;
            ROLLED for (int64_t c = run; c > 0; c--, value++, w += CKernels_laneCount) {
                V factors[BLOCK_OUTPUTS][PARTS];
                FULLY for (int k = 0; k < outputs; k++) {
                    FULLY for (int part = 0; part < PARTS; part++) factors[k][part] =
                        load(w + k * weightsOut + part * VW);
                }
                FULLY for (int i = 0; i < rows * columns; i++) {
                    V place = splat(value[i / columns * row + i % columns * pixel]);
                    FULLY for (int k = 0; k < outputs; k++) {
                        FULLY for (int part = 0; part < PARTS; part++) sums[i][k][part] =
                            fused(place, factors[k][part], sums[i][k][part]);
                    }
                }
            }
        }
    }
    FULLY for (int k = 0; k < outputs; k++) {
        FULLY for (int part = 0; part < PARTS; part++) {
            V bias = g->bias ? loadUnaligned(g->bias + k * CKernels_laneCount + part * VW) : splat(0);
            FULLY for (int i = 0; i < rows * columns; i++) {
                float *out = y + k * g->outBlock + i / columns * g->outRow + i % columns * g->outPixel + part * VW;
                V start = g->isFirst ? bias : load(out);
                store(out, start + sums[i][k][part]);
            }
        }
    }
}

// One function for each tile: rows, columns, blocks of outputs, floats between places (0: any).
#define BLOCK_TILE_NAME(rows, columns, outputs, pixel)                                                                 \
    JOIN(blockTile_##rows##x##columns##x##outputs##_##pixel, SET_NAME)
#define BLOCK_TILE(rows, columns, outputs, pixel)                                                                      \
    static __attribute__((noinline)) void BLOCK_TILE_NAME(rows, columns, outputs, pixel)(                              \
        const BlockChunk *g, const float *x, const float *weights, float *y) {                                         \
        blockTile(rows, columns, outputs, pixel, g, x, weights, y);                                                    \
    }
#define BLOCK_NAMED(rows, columns, outputs, pixel)                                                                     \
    [rows - 1][columns - 1][outputs - 1] = BLOCK_TILE_NAME(rows, columns, outputs, pixel),
#if SET_REGISTERS == 32
#define BLOCK_OUTPUT_COUNTS(EACH, rows, columns, pixel) EACH(rows, columns, 1, pixel) EACH(rows, columns, 2, pixel)
#define BLOCK_TILES(EACH, pixel)                                                                                       \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 1, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 2, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 3, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 4, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 5, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 6, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 7, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 8, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 9, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 10, pixel)                                                                            \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 11, pixel)                                                                            \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 12, pixel)                                                                            \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 13, pixel)                                                                            \
    BLOCK_OUTPUT_COUNTS(EACH, 1, 14, pixel)                                                                            \
    BLOCK_OUTPUT_COUNTS(EACH, 2, 1, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 2, 2, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 2, 3, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 2, 4, pixel)                                                                             \
    BLOCK_OUTPUT_COUNTS(EACH, 2, 5, pixel) BLOCK_OUTPUT_COUNTS(EACH, 2, 6, pixel) BLOCK_OUTPUT_COUNTS(EACH, 2, 7, pixel)
#elif SET_WIDTH == 8
#define BLOCK_TILES(EACH, pixel)                                                                                       \
    EACH(1, 1, 1, pixel)                                                                                               \
    EACH(1, 2, 1, pixel)                                                                                               \
    EACH(1, 3, 1, pixel)                                                                                               \
    EACH(1, 4, 1, pixel)                                                                                               \
    EACH(1, 5, 1, pixel) EACH(1, 6, 1, pixel) EACH(2, 1, 1, pixel) EACH(2, 2, 1, pixel) EACH(2, 3, 1, pixel)
#else
#define BLOCK_TILES(EACH, pixel) EACH(1, 1, 1, pixel) EACH(1, 2, 1, pixel) EACH(2, 1, 1, pixel)
#endif
BLOCK_TILES(BLOCK_TILE, 0)
BLOCK_TILES(BLOCK_TILE, 16)
BLOCK_TILES(BLOCK_TILE, 32)

typedef BlockTile *BlockTiles[2][BLOCK_COLUMNS][BLOCK_OUTPUTS];
static const BlockTiles JOIN(blockTiles, SET_NAME)[3] = {
    {BLOCK_TILES(BLOCK_NAMED, 0)},
    {BLOCK_TILES(BLOCK_NAMED, 16)},
    {BLOCK_TILES(BLOCK_NAMED, 32)},
};

/// Outputs of `rows` rows for some blocks of outputs and one chunk of the source.
static void JOIN(blockRows, SET_NAME)(const BlockChunk *g, int64_t rows, int64_t columns, int64_t rowStep,
                                      int64_t pixelStep, int outputs, const float *x, const float *weights, float *y) {
    const BlockTiles *tiles = &JOIN(blockTiles, SET_NAME)[g->pixel == 16 ? 1 : g->pixel == 32 ? 2 : 0];
    // Rows in pairs where one alone would leave tiles too narrow to keep the multipliers busy.
    const int64_t alone = (columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    const int pairs = 2 * columns <= BLOCK_COLUMNS || columns / alone < BLOCK_LEAST_COLUMNS;
    const int64_t together = 2 * columns <= BLOCK_COLUMNS ? 1 : (columns + BLOCK_COLUMNS / 2 - 1) / (BLOCK_COLUMNS / 2);
    ROLLED for (int64_t p = 0; p < rows;) {
        const int pair = pairs && p + 1 < rows;
        const int64_t count = pair ? together : alone;
        ROLLED for (int64_t tile = 0, q = 0; tile < count; tile++) {
            // Tiles of about equal widths.
            int64_t width = columns / count + (tile < columns % count);
            (*tiles)[pair][width - 1][outputs - 1](g, x + p * rowStep + q * pixelStep, weights,
                                                   y + p * g->outRow + q * g->outPixel);
            q += width;
        }
        p += pair ? 2 : 1;
    }
}

static void JOIN(correlate, SET_NAME)(const Correlation *g, int64_t images, const float *source, const float *packed,
                                      const float *bias, float *copy, float *out) {
    const int direct = readsSource(g);
    const int64_t band = copiedRows(g), image = copyImage(g, band);
    int64_t group = band == g->rows ? BLOCK_COPY_FLOATS / image : 1;
    if (group < 1) group = 1;
    const int64_t place = placeFloats(g), blocks = sourceBlocks(g), length = blocks * g->allTaps * g->run;
    BlockChunk chunk = {.taps = g->taps,
                        .run = g->run,
                        .outBlock = g->outBlock,
                        .outRow = g->outRow,
                        .outPixel = g->outPixel,
                        .weightsOut = length * CKernels_laneCount};
    ROLLED for (int64_t first = 0; first < images; first += group) {
        const int64_t count = images - first < group ? images - first : group;
        ROLLED for (int64_t p = 0; p < g->rows; p += band) {
            const int64_t rows = g->rows - p < band ? g->rows - p : band;
            const float *x = copy;
            int64_t line = copyWidth(g) * place, block = copyBlock(g, rows), step = copyImage(g, rows);
            if (direct) {
                line = g->width * place, block = g->height * line, step = sourceImage(g);
                x = source + first * step + p * g->strideHeight * line;
            } else {
                ROLLED for (int64_t i = 0; i < count; i++)
                    copyPlaces(g, source + (first + i) * sourceImage(g), p, rows, copy + i * step);
            }
            ROLLED for (int64_t t = 0; t < g->taps; t++) chunk.place[t] = g->tapRow[t] * line + g->tapColumn[t] * place;
            chunk.block = block, chunk.row = g->strideHeight * line, chunk.pixel = g->strideWidth * place;
            ROLLED for (int64_t k = 0; k < g->outBlocks;) {
                const int outputs = k + BLOCK_OUTPUTS <= g->outBlocks ? BLOCK_OUTPUTS : 1;
                chunk.bias = bias ? bias + k * CKernels_laneCount : 0;
                ROLLED for (int64_t b = 0; b < blocks; b += g->chunk) {
                    chunk.blocks = blocks - b < g->chunk ? blocks - b : g->chunk;
                    chunk.isFirst = b == 0;
                    ROLLED for (int64_t t = 0; t < g->taps; t++) chunk.weights[t] =
                        g->tapNumber[t] * chunk.blocks * g->run * CKernels_laneCount;
                    const float *weights = packed + (k * length + b * g->allTaps * g->run) * CKernels_laneCount;
                    ROLLED for (int64_t i = 0; i < count; i++) {
                        JOIN(blockRows, SET_NAME)(&chunk, rows, g->columns, chunk.row, chunk.pixel, outputs,
                                                  x + i * step + b * block, weights,
                                                  out + (first + i) * g->outImage + k * g->outBlock + p * g->outRow);
                    }
                }
                k += outputs;
            }
        }
    }
}

KERNEL(blockConv2d_f32_forward)(const CKernels_BlockConvolution *shape, int64_t images, const float *x,
                                const float *packed, const float *bias, float *workspace, float *y) {
    Correlation g;
    forwardCorrelation(shape, &g);
    JOIN(correlate, SET_NAME)(&g, images, x, packed, bias, workspace, y);
}

KERNEL(blockConv2d_f32_inputGradient)(const CKernels_BlockConvolution *shape, int64_t images, const float *dy,
                                      const float *packed, float *workspace, float *dx) {
    ROLLED for (int64_t row = 0; row < rowPhases(shape); row++) {
        ROLLED for (int64_t column = 0; column < columnPhases(shape); column++) {
            Correlation g;
            phaseCorrelation(shape, row, column, &g);
            float *out = dx + (row * shape->width + column) * CKernels_laneCount;
            JOIN(correlate, SET_NAME)(&g, images, dy, packed, 0, workspace, out);
        }
    }
}
