// Convolution over blocks of sixteen channels: what is computed from what, and how much of it at once.
#pragma once
#include "CKernels.h"

/// Floats of the padded copies that a call makes at once: what stays in a second-level cache beside the weights. Elements do
/// not depend on it.
#define BLOCK_COPY_FLOATS (128 << 10)

/// A cross-correlation whose outputs are every step of a grid: a convolution, or one phase of its input gradient.
///
/// A tap reads a run of neighbouring floats for each output: the sixteen channels of a block, or, of images of fewer
/// channels than a block holds, all channels of the columns of a kernel row.
typedef struct {
    int64_t blocks, channels;  // of the source; blocks is 0 where it is planes of fewer than sixteen channels
    int64_t height, width;
    int64_t top, left;                  // padding in front of the source
    int64_t strideHeight, strideWidth;  // places of the source between neighbouring outputs
    int64_t reachHeight, reachWidth;    // places of the source from the first to the last tap of an output
    int64_t rows, columns;              // outputs
    int64_t outBlocks;
    int64_t outBlock, outRow, outPixel, outImage;  // floats from one to the next
    int64_t run;
    int64_t taps;
    int64_t allTaps;  // of the convolution, as its weights are packed
    int64_t chunk;    // blocks of the source that one chain takes
    int16_t tapRow[CKernels_blockTaps], tapColumn[CKernels_blockTaps], tapNumber[CKernels_blockTaps];
} Correlation;

static inline int64_t sourceBlocks(const Correlation *g) { return g->blocks ? g->blocks : 1; }
/// Channels that lie beside each other at every place of a copy.
static inline int64_t placeFloats(const Correlation *g) { return g->blocks ? CKernels_laneCount : g->channels; }
static inline int64_t copyWidth(const Correlation *g) { return (g->columns - 1) * g->strideWidth + g->reachWidth; }
static inline int64_t copyRows(const Correlation *g, int64_t rows) {
    return (rows - 1) * g->strideHeight + g->reachHeight;
}
/// Floats of one block of a copy: a line more than it holds, so that blocks do not meet in the same sets of a cache.
static inline int64_t copyBlock(const Correlation *g, int64_t rows) {
    return (copyRows(g, rows) * copyWidth(g) * placeFloats(g) + 31) / 16 * 16;
}
static inline int64_t copyImage(const Correlation *g, int64_t rows) { return sourceBlocks(g) * copyBlock(g, rows); }
/// Whether taps never leave the source, whose blocks can be read where they lie.
static inline int readsSource(const Correlation *g) {
    return g->blocks && g->top == 0 && g->left == 0 && copyWidth(g) <= g->width && copyRows(g, g->rows) <= g->height;
}
static inline int64_t sourceImage(const Correlation *g) { return g->channels * g->height * g->width; }

/// The rows of outputs that a padded copy is made for at once.
static inline int64_t copiedRows(const Correlation *g) {
    int64_t rows = g->rows;
    if (copyImage(g, rows) <= BLOCK_COPY_FLOATS) return rows;
    int64_t line = sourceBlocks(g) * copyWidth(g) * placeFloats(g);
    rows = (BLOCK_COPY_FLOATS / line - g->reachHeight) / g->strideHeight + 1;
    return rows < 1 ? 1 : rows > g->rows ? g->rows : rows;
}

/// A forward pass as a correlation.
static inline void forwardCorrelation(const CKernels_BlockConvolution *s, Correlation *g) {
    *g = (Correlation){.channels = s->channels, .height = s->height, .width = s->width};
    g->blocks = s->channels % CKernels_laneCount ? 0 : s->channels / CKernels_laneCount;
    g->top = s->paddingTop, g->left = s->paddingLeft;
    g->strideHeight = s->strideHeight, g->strideWidth = s->strideWidth;
    g->reachHeight = (s->kernelHeight - 1) * s->dilationHeight + 1;
    g->reachWidth = (s->kernelWidth - 1) * s->dilationWidth + 1;
    g->rows = s->outputHeight, g->columns = s->outputWidth;
    g->outBlocks = s->outputChannels / CKernels_laneCount;
    g->outPixel = CKernels_laneCount, g->outRow = g->columns * g->outPixel, g->outBlock = g->rows * g->outRow;
    g->outImage = g->outBlocks * g->outBlock;
    int joinsColumns = !g->blocks && s->dilationWidth == 1;
    g->run = g->blocks ? CKernels_laneCount : joinsColumns ? s->kernelWidth * s->channels : s->channels;
    for (int64_t r = 0; r < s->kernelHeight; r++)
        for (int64_t c = 0; c < (joinsColumns ? 1 : s->kernelWidth); c++, g->taps++) {
            g->tapRow[g->taps] = (int16_t)(r * s->dilationHeight);
            g->tapColumn[g->taps] = (int16_t)(c * s->dilationWidth);
            g->tapNumber[g->taps] = (int16_t)g->taps;
        }
    g->allTaps = g->taps;
    g->chunk = g->blocks ? CKernels_blockChain(s->kernelHeight * s->kernelWidth) : 1;
}

static inline int64_t floorDivide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/// The input gradient at the places (row, column) modulo the strides, inside the image. Outputs without a tap become zeros.
static inline void phaseCorrelation(const CKernels_BlockConvolution *s, int64_t row, int64_t column, Correlation *g) {
    *g = (Correlation){.channels = s->outputChannels, .height = s->outputHeight, .width = s->outputWidth};
    g->blocks = s->outputChannels / CKernels_laneCount;
    g->strideHeight = g->strideWidth = 1;
    g->rows = (s->height - row + s->strideHeight - 1) / s->strideHeight;
    g->columns = (s->width - column + s->strideWidth - 1) / s->strideWidth;
    g->outBlocks = s->channels / CKernels_laneCount;
    g->outPixel = s->strideWidth * CKernels_laneCount, g->outRow = s->strideHeight * s->width * CKernels_laneCount;
    g->outBlock = s->height * s->width * CKernels_laneCount, g->outImage = g->outBlocks * g->outBlock;
    g->run = CKernels_laneCount;
    g->allTaps = s->kernelHeight * s->kernelWidth;
    g->chunk = CKernels_blockChain(g->allTaps);
    int64_t top = 0, left = 0, bottom = 0, right = 0, places[2][CKernels_blockTaps];
    for (int64_t r = 0; r < s->kernelHeight; r++)
        for (int64_t c = 0; c < s->kernelWidth; c++) {
            int64_t h = row + s->paddingTop - r * s->dilationHeight, w = column + s->paddingLeft - c * s->dilationWidth;
            int64_t p = floorDivide(h, s->strideHeight), q = floorDivide(w, s->strideWidth);
            if (p * s->strideHeight != h || q * s->strideWidth != w) continue;
            places[0][g->taps] = p, places[1][g->taps] = q;
            g->tapNumber[g->taps++] = (int16_t)(r * s->kernelWidth + c);
            if (p < top || g->taps == 1) top = p;
            if (q < left || g->taps == 1) left = q;
            if (p > bottom || g->taps == 1) bottom = p;
            if (q > right || g->taps == 1) right = q;
        }
    g->top = -top, g->left = -left;
    g->reachHeight = bottom - top + 1, g->reachWidth = right - left + 1;
    for (int64_t t = 0; t < g->taps; t++) {
        g->tapRow[t] = (int16_t)(places[0][t] - top), g->tapColumn[t] = (int16_t)(places[1][t] - left);
    }
}

/// Phases of an input gradient that hold places of the image.
static inline int64_t rowPhases(const CKernels_BlockConvolution *s) {
    return s->strideHeight < s->height ? s->strideHeight : s->height;
}
static inline int64_t columnPhases(const CKernels_BlockConvolution *s) {
    return s->strideWidth < s->width ? s->strideWidth : s->width;
}
