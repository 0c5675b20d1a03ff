// Antialiased resizing: a filter stretched by the scale, columns first, then rows, in fixed point.
//
// Source: the definition of Pillow's Image.resize (support, centres, normalised weights, 22 fractional bits, rounding to 8 bits
// after each direction), whose bytes it gives. Catmull-Rom-like cubic with a = -0.5 (Keys 1981).
#include <math.h>
#include <string.h>

#include "CImages.h"

// Weights are the same on every machine: no multiply-add in one rounding.
#pragma STDC FP_CONTRACT OFF

enum { fractionBits = 32 - 8 - 2 };

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double radius(CImages_Filter filter) { return filter == CImages_bicubic ? 2.0 : 1.0; }

/// The weights of one direction: for each output its first input, how many, and that many weights, `stride` apart.
typedef struct {
    int32_t *bounds;   // [outputs, 2]
    int32_t *weights;  // [outputs, stride]
    int32_t stride;
} Taps;

static int32_t tapStride(double from, double to, int32_t outputs, CImages_Filter filter) {
    double scale = (to - from) / outputs;
    return (int32_t)ceil(radius(filter) * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
}

static void makeTaps(Taps taps, double from, double to, int32_t inputs, int32_t outputs, CImages_Filter filter) {
    double scale = (to - from) / outputs;
    double filterScale = scale < 1.0 ? 1.0 : scale;
    double support = radius(filter) * filterScale;
    double inverse = 1.0 / filterScale;
    for (int32_t output = 0; output < outputs; output++) {
        double centre = from + (output + 0.5) * scale;
        int32_t first = (int32_t)(centre - support + 0.5);
        if (first < 0) first = 0;
        int32_t end = (int32_t)(centre + support + 0.5);
        if (end > inputs) end = inputs;
        int32_t count = end - first;
        int32_t *weights = taps.weights + (size_t)output * (size_t)taps.stride;
        // Twice the same numbers: once for their sum, once divided by it.
        double sum = 0.0;
        for (int32_t i = 0; i < count; i++) {
            double x = (i + first - centre + 0.5) * inverse;
            sum += filter == CImages_bicubic ? cubic(x) : triangle(x);
        }
        for (int32_t i = 0; i < count; i++) {
            double x = (i + first - centre + 0.5) * inverse;
            double weight = filter == CImages_bicubic ? cubic(x) : triangle(x);
            if (sum != 0.0) weight /= sum;
            double scaled = weight * (1 << fractionBits);
            weights[i] = (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
        }
        memset(weights + count, 0, (size_t)(taps.stride - count) * sizeof *weights);
        taps.bounds[2 * output] = first;
        taps.bounds[2 * output + 1] = count;
    }
}

static uint8_t rounded(int32_t sum) {
    int32_t value = sum >> fractionBits;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// One row to its new width.
static void resizeRow(const uint8_t *restrict source, uint8_t *restrict target, int32_t outputs, int32_t channels,
                      Taps taps) {
    for (int32_t output = 0; output < outputs; output++) {
        const int32_t *weights = taps.weights + (size_t)output * (size_t)taps.stride;
        const uint8_t *place = source + (size_t)taps.bounds[2 * output] * (size_t)channels;
        int32_t count = taps.bounds[2 * output + 1];
        if (channels == 3) {
            int32_t red = 1 << (fractionBits - 1), green = red, blue = red;
            for (int32_t i = 0; i < count; i++, place += 3) {
                red += place[0] * weights[i];
                green += place[1] * weights[i];
                blue += place[2] * weights[i];
            }
            target[0] = rounded(red);
            target[1] = rounded(green);
            target[2] = rounded(blue);
            target += 3;
        } else {
            for (int32_t c = 0; c < channels; c++) {
                int32_t sum = 1 << (fractionBits - 1);
                for (int32_t i = 0; i < count; i++) sum += place[(size_t)i * (size_t)channels + (size_t)c] * weights[i];
                *target++ = rounded(sum);
            }
        }
    }
}

/// One row of the result from the rows of its filter; rows lie `rowBytes` apart.
__attribute__((target_clones("avx512bw", "avx2", "default"))) static void
mixRows(const uint8_t *restrict source, size_t rowBytes, const int32_t *restrict weights, int32_t count,
        uint8_t *restrict target, int32_t *restrict sums) {
    for (size_t x = 0; x < rowBytes; x++) sums[x] = 1 << (fractionBits - 1);
    for (int32_t i = 0; i < count; i++) {
        const uint8_t *row = source + (size_t)i * rowBytes;
        int32_t weight = weights[i];
        for (size_t x = 0; x < rowBytes; x++) sums[x] += row[x] * weight;
    }
    for (size_t x = 0; x < rowBytes; x++) {
        int32_t value = sums[x] >> fractionBits;
        target[x] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

/// The parts of the scratch, and which direction comes first.
typedef struct {
    size_t columnBounds, columnWeights, rowBounds, rowWeights, sums, between, end;
    int rowsFirst;
} Layout;

static size_t aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static Layout layout(int32_t height, int32_t width, int32_t channels, CImages_Box box, int32_t newHeight,
                     int32_t newWidth, CImages_Filter filter) {
    Layout l;
    size_t columnStride = (size_t)tapStride(box.left, box.right, newWidth, filter);
    size_t rowStride = (size_t)tapStride(box.top, box.bottom, newHeight, filter);
    // Each direction rounds to 8 bits, so the order shows in the result: Pillow's rule since version 13, before that columns first.
    l.rowsFirst = height > newHeight && (int64_t)height - newHeight > 2 * ((int64_t)width - newWidth);
    l.columnBounds = 0;
    l.columnWeights = l.columnBounds + aligned((size_t)newWidth * 2 * sizeof(int32_t));
    l.rowBounds = l.columnWeights + aligned((size_t)newWidth * columnStride * sizeof(int32_t));
    l.rowWeights = l.rowBounds + aligned((size_t)newHeight * 2 * sizeof(int32_t));
    l.sums = l.rowWeights + aligned((size_t)newHeight * rowStride * sizeof(int32_t));
    size_t rowPixels = (size_t)(l.rowsFirst ? width : newWidth);
    l.between = l.sums + aligned(rowPixels * (size_t)channels * sizeof(int32_t));
    l.end = l.between + aligned((size_t)(l.rowsFirst ? newHeight : height) * rowPixels * (size_t)channels);
    return l;
}

size_t CImages_resizeScratchBytes(int32_t height, int32_t width, int32_t channels, CImages_Box box, int32_t newHeight,
                                  int32_t newWidth, CImages_Filter filter) {
    return layout(height, width, channels, box, newHeight, newWidth, filter).end;
}

/// Columns of some rows to their new number.
static void resizeColumns(const uint8_t *source, size_t sourceBytes, uint8_t *target, size_t targetBytes, int32_t first,
                          int32_t end, int32_t newWidth, int32_t channels, Taps taps) {
    for (int32_t y = first; y < end; y++) {
        resizeRow(source + (size_t)y * sourceBytes, target + (size_t)y * targetBytes, newWidth, channels, taps);
    }
}

/// Rows of `rowBytes` to their new number.
static void resizeRows(const uint8_t *source, size_t rowBytes, uint8_t *target, int32_t newHeight, Taps taps,
                       int32_t *sums) {
    for (int32_t y = 0; y < newHeight; y++) {
        mixRows(source + (size_t)taps.bounds[2 * y] * rowBytes, rowBytes,
                taps.weights + (size_t)y * (size_t)taps.stride, taps.bounds[2 * y + 1], target + (size_t)y * rowBytes,
                sums);
    }
}

void CImages_resize(const uint8_t *source, int32_t height, int32_t width, int32_t channels, CImages_Box box,
                    uint8_t *target, int32_t newHeight, int32_t newWidth, CImages_Filter filter, void *scratch) {
    uint8_t *base = scratch;
    Layout l = layout(height, width, channels, box, newHeight, newWidth, filter);
    Taps columns = {(int32_t *)(base + l.columnBounds), (int32_t *)(base + l.columnWeights),
                    tapStride(box.left, box.right, newWidth, filter)};
    Taps rows = {(int32_t *)(base + l.rowBounds), (int32_t *)(base + l.rowWeights),
                 tapStride(box.top, box.bottom, newHeight, filter)};
    int32_t *sums = (int32_t *)(base + l.sums);
    uint8_t *between = base + l.between;
    size_t oldBytes = (size_t)width * (size_t)channels, newBytes = (size_t)newWidth * (size_t)channels;
    int changesColumns = newWidth != width || box.left != 0 || box.right != width;
    int changesRows = newHeight != height || box.top != 0 || box.bottom != height;
    if (changesColumns) makeTaps(columns, box.left, box.right, width, newWidth, filter);
    if (changesRows) makeTaps(rows, box.top, box.bottom, height, newHeight, filter);
    if (!changesColumns && !changesRows) {
        memcpy(target, source, (size_t)height * oldBytes);
    } else if (!changesRows) {
        resizeColumns(source, oldBytes, target, newBytes, 0, height, newWidth, channels, columns);
    } else if (!changesColumns) {
        resizeRows(source, oldBytes, target, newHeight, rows, sums);
    } else if (l.rowsFirst) {
        resizeRows(source, oldBytes, between, newHeight, rows, sums);
        resizeColumns(between, oldBytes, target, newBytes, 0, newHeight, newWidth, channels, columns);
    } else {
        // Only the rows that a filter reaches.
        int32_t end = rows.bounds[2 * newHeight - 2] + rows.bounds[2 * newHeight - 1];
        resizeColumns(source, oldBytes, between, newBytes, rows.bounds[0], end, newWidth, channels, columns);
        resizeRows(between, newBytes, target, newHeight, rows, sums);
    }
}
