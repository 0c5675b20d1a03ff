// Convolution, one image a lane: tiles of output channels × output columns held in registers. Included once a set.
//
// A tile is compiled for a kernel width, a stride and the paddings of its row, so that columns outside the image are
// left out while compiling. The input gradient is the same tile over reversed weights: its input dilation is the stride
// of the convolution: only every dilation-th tap meets an output.

/// One row of outputs for a tile's output channels.
typedef struct {
    const float *in;  // plane 0, the first row that a tap meets, column 0
    int64_t inPlane, inRow, inWidth;
    int64_t planes, rows;
    const float *weights;
    int64_t weightsOut, weightsPlane, weightsRow;
    const float *bias;
    float *out;
    int64_t outPlane, width;
    const float *made;  // the value whose activation is differentiated, laid out as `out`; null when not
    CKernels_Activation activation;
    int64_t kernel, stride, dilation, left, right;
} LaneRow;

#define MAXIMUM_TILE_OUTPUTS 8
#define MAXIMUM_TILE_COLUMNS 14

INLINE void finishTile(const LaneRow *row, V value, int64_t at) {
    if (row->made) {
        value = deactivate(value, load(row->made + at), row->activation);
    } else if (row->activation == CKernels_activationReLU) {
        value = relu(value);
    }
    store(row->out + at, value);
}

INLINE void tile(const int outputs, const int columns, const int kernel, const int stride, const int dilation,
                 const int left, const int right, const int atLeft, const int atRight, const LaneRow *row, int64_t x0,
                 int64_t part) {
    V sums[MAXIMUM_TILE_OUTPUTS][MAXIMUM_TILE_COLUMNS];
    FULLY for (int k = 0; k < outputs; k++) {
        V start = splat(row->bias ? row->bias[k] : 0);
        FULLY for (int j = 0; j < columns; j++) sums[k][j] = start;
    }
    const float *plane = row->in + x0 * stride / dilation * CKernels_laneCount + part * VW;
    const float *planeWeights = row->weights;
    const int64_t inRow = row->inRow, weightsRow = row->weightsRow, weightsOut = row->weightsOut, rows = row->rows;
    const int limit = (columns - 1) * stride + kernel - left - right;
    ROLLED for (int64_t c = row->planes; c > 0; c--) {
        const float *in = plane, *weights = planeWeights;
        ROLLED for (int64_t r = rows; r > 0; r--) {
            FULLY for (int s = 0; s < kernel; s++) {
                V factors[MAXIMUM_TILE_OUTPUTS];
                KEEP_LOADS_HERE();
                FULLY for (int k = 0; k < outputs; k++) factors[k] = splat(weights[k * weightsOut + s]);
                FULLY for (int j = 0; j < columns; j++) {
                    const int t = j * stride + s - left;
                    if ((t + 64 * dilation) % dilation != 0 || (atLeft && t < 0) || (atRight && t >= limit)) continue;
                    V x = load(in + t / dilation * CKernels_laneCount);
                    FULLY for (int k = 0; k < outputs; k++) sums[k][j] = multiplyAdd(factors[k], x, sums[k][j]);
                }
            }
            in += inRow;
            weights += weightsRow;
        }
        plane += row->inPlane;
        planeWeights += row->weightsPlane;
    }
    const int64_t at = x0 * CKernels_laneCount + part * VW, outPlane = row->outPlane;
    float *out = row->out + at;
    if (!row->made && row->activation != CKernels_activationReLU) {
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int j = 0; j < columns; j++) store(out + k * outPlane + j * CKernels_laneCount, sums[k][j]);
        }
    } else if (!row->made) {
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int j = 0; j < columns; j++)
                store(out + k * outPlane + j * CKernels_laneCount, relu(sums[k][j]));
        }
    } else {
        const float *made = row->made + at;
        const CKernels_Activation activation = row->activation;
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int j = 0; j < columns; j++) {
                const int64_t place = k * outPlane + j * CKernels_laneCount;
                store(out + place, deactivate(sums[k][j], load(made + place), activation));
            }
        }
    }
}

/// A row as tiles: the last one overlaps its neighbour, where every element has the same chain.
INLINE void tiledRow(const int outputs, const int columns, const int kernel, const int stride, const int dilation,
                     const int left, const int right, const LaneRow *row) {
    const int64_t last = row->width - columns;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        if (left <= 0 && right <= 0) {
            ROLLED for (int64_t x0 = 0;; x0 += columns) {
                if (x0 > last) x0 = last;
                tile(outputs, columns, kernel, stride, dilation, left, right, 0, 0, row, x0, part);
                if (x0 == last) break;
            }
            continue;
        }
        if (last == 0) {
            tile(outputs, columns, kernel, stride, dilation, left, right, 1, 1, row, 0, part);
            continue;
        }
        tile(outputs, columns, kernel, stride, dilation, left, right, 1, 0, row, 0, part);
        const int rightColumns = right > 0 ? (right + stride - 1) / stride : 0;
        ROLLED for (int64_t x0 = columns; x0 <= last - rightColumns; x0 += columns) {
            tile(outputs, columns, kernel, stride, dilation, left, right, 0, 0, row, x0, part);
        }
        tile(outputs, columns, kernel, stride, dilation, left, right, 0, 1, row, last, part);
    }
}

/// A row of any shape, one column at a time.
INLINE void anyRow(const int outputs, const LaneRow *row) {
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        ROLLED for (int64_t x = 0; x < row->width; x++) {
            // The taps s with 0 ≤ x·stride + s − left < inWidth·dilation, a multiple of dilation.
            int64_t first = x * row->stride - row->left, s0 = 0, s1 = row->kernel;
            if (first < 0) s0 = -first;
            s0 += (row->dilation - (first + s0) % row->dilation) % row->dilation;
            int64_t end = (row->inWidth - 1) * row->dilation + 1;
            if (first + s1 > end) s1 = end - first;
            V sums[MAXIMUM_TILE_OUTPUTS];
            FULLY for (int k = 0; k < outputs; k++) sums[k] = splat(row->bias ? row->bias[k] : 0);
            const float *plane = row->in + (first + s0) / row->dilation * CKernels_laneCount + part * VW;
            ROLLED for (int64_t c = 0; c < row->planes; c++) {
                ROLLED for (int64_t r = 0; r < row->rows; r++) {
                    const float *in = plane + c * row->inPlane + r * row->inRow;
                    const float *weights = row->weights + c * row->weightsPlane + r * row->weightsRow;
                    ROLLED for (int64_t s = s0; s < s1; s += row->dilation, in += CKernels_laneCount) {
                        V value = load(in);
                        FULLY for (int k = 0; k < outputs; k++) {
                            sums[k] = multiplyAdd(splat(weights[k * row->weightsOut + s]), value, sums[k]);
                        }
                    }
                }
            }
            FULLY for (int k = 0; k < outputs; k++) {
                finishTile(row, sums[k], k * row->outPlane + x * CKernels_laneCount + part * VW);
            }
        }
    }
}

// outputs, columns, then kernel, stride, dilation, left and right padding (0 where nothing sticks out).
// clang-format off
#if SET_REGISTERS >= 32
#define TILES(T)                                                                                                       \
    T(3, 8, 5, 1, 1, 0, 0) T(3, 7, 5, 1, 1, 0, 0) T(4, 6, 5, 1, 1, 0, 0) T(4, 5, 5, 1, 1, 0, 0) T(4, 4, 5, 1, 1, 0, 0) \
    T(2, 8, 5, 1, 1, 0, 0)                                                                                             \
    T(4, 6, 5, 1, 1, 1, 1) T(4, 5, 5, 1, 1, 1, 1) T(4, 4, 5, 1, 1, 1, 1)                                               \
    T(4, 6, 5, 1, 1, 2, 2) T(4, 4, 5, 1, 1, 2, 2) T(3, 7, 5, 1, 1, 2, 2)                                               \
    T(2, 12, 5, 1, 1, 4, 4) T(2, 14, 5, 1, 1, 4, 4) T(3, 6, 5, 1, 1, 4, 4) T(3, 7, 5, 1, 1, 4, 4)                      \
    T(4, 6, 5, 1, 1, 4, 4)                                                                                             \
    T(2, 12, 5, 1, 1, 3, 3) T(2, 14, 5, 1, 1, 3, 3) T(4, 6, 5, 1, 1, 3, 3) T(3, 7, 5, 1, 1, 3, 3)                      \
    T(4, 6, 3, 1, 1, 1, 1) T(4, 5, 3, 1, 1, 1, 1) T(4, 4, 3, 1, 1, 1, 1) T(3, 7, 3, 1, 1, 1, 1)                        \
    T(4, 6, 3, 1, 1, 0, 0) T(4, 5, 3, 1, 1, 0, 0) T(4, 4, 3, 1, 1, 0, 0)                                               \
    T(4, 6, 3, 1, 1, 2, 2) T(4, 5, 3, 1, 1, 2, 2) T(4, 4, 3, 1, 1, 2, 2)                                               \
    T(4, 5, 3, 2, 1, 1, 0) T(4, 4, 3, 2, 1, 1, 0) T(3, 7, 3, 2, 1, 1, 0) T(4, 2, 3, 2, 1, 1, 0)                        \
    T(4, 4, 3, 2, 1, 1, 1) T(3, 7, 3, 2, 1, 1, 1)                                                                      \
    T(2, 14, 3, 1, 2, 1, 2) T(4, 4, 3, 1, 2, 1, 2) T(4, 6, 3, 1, 2, 1, 2) T(4, 2, 3, 1, 2, 1, 2) T(3, 7, 3, 1, 2, 1, 1)
#else
// 2 × 6 sums, two weights and a value leave one register of sixteen; clang spills 3 × 4 and three weights.
#define TILES(T)                                                                                                       \
    T(2, 6, 5, 1, 1, 0, 0) T(2, 5, 5, 1, 1, 0, 0) T(2, 4, 5, 1, 1, 0, 0)                                               \
    T(2, 6, 5, 1, 1, 1, 1) T(2, 5, 5, 1, 1, 1, 1) T(2, 4, 5, 1, 1, 1, 1)                                               \
    T(2, 5, 5, 1, 1, 2, 2) T(2, 4, 5, 1, 1, 2, 2)                                                                      \
    T(2, 6, 5, 1, 1, 4, 4) T(2, 5, 5, 1, 1, 4, 4)                                                                      \
    T(2, 6, 5, 1, 1, 3, 3) T(2, 5, 5, 1, 1, 3, 3)                                                                      \
    T(2, 6, 3, 1, 1, 1, 1) T(2, 5, 3, 1, 1, 1, 1) T(2, 4, 3, 1, 1, 1, 1)                                               \
    T(2, 6, 3, 1, 1, 0, 0) T(2, 5, 3, 1, 1, 0, 0) T(2, 4, 3, 1, 1, 0, 0)                                               \
    T(2, 6, 3, 1, 1, 2, 2) T(2, 5, 3, 1, 1, 2, 2) T(2, 4, 3, 1, 1, 2, 2)                                               \
    T(2, 5, 3, 2, 1, 1, 0) T(2, 4, 3, 2, 1, 1, 0) T(4, 2, 3, 2, 1, 1, 0)                                               \
    T(2, 4, 3, 2, 1, 1, 1)                                                                                             \
    T(2, 6, 3, 1, 2, 1, 2) T(2, 4, 3, 1, 2, 1, 2) T(4, 2, 3, 1, 2, 1, 2) T(1, 7, 3, 1, 2, 1, 1)
#endif
// clang-format on

#define ROW_NAME(outputs, columns, kernel, stride, dilation, left, right)                                              \
    row_##outputs##x##columns##_##kernel##_##stride##_##dilation##_##left##_##right
#define DEFINE_ROW(outputs, columns, kernel, stride, dilation, left, right)                                            \
    static void ROW_NAME(outputs, columns, kernel, stride, dilation, left, right)(const LaneRow *row) {                \
        tiledRow(outputs, columns, kernel, stride, dilation, left, right, row);                                        \
    }
TILES(DEFINE_ROW)
static void row_any8(const LaneRow *row) { anyRow(8, row); }
static void row_any4(const LaneRow *row) { anyRow(4, row); }
static void row_any2(const LaneRow *row) { anyRow(2, row); }
static void row_any1(const LaneRow *row) { anyRow(1, row); }

typedef struct {
    int outputs, columns, kernel, stride, dilation, left, right;
    void (*run)(const LaneRow *row);
} LaneTile;

static const LaneTile laneTiles[] = {
#define TILE_ENTRY(outputs, columns, kernel, stride, dilation, left, right)                                            \
    {outputs,  columns, kernel, stride,                                                                                \
     dilation, left,    right,  ROW_NAME(outputs, columns, kernel, stride, dilation, left, right)},
    TILES(TILE_ENTRY)};
static const LaneTile anyTiles[] = {
    {8, 1, 0, 0, 0, 0, 0, row_any8},
    {4, 1, 0, 0, 0, 0, 0, row_any4},
    {2, 1, 0, 0, 0, 0, 0, row_any2},
    {1, 1, 0, 0, 0, 0, 0, row_any1},
};

/// Whether tiles of so many columns cover a row with the edges they are compiled for.
static int covers(const LaneTile *t, int64_t width) {
    int64_t columns = t->columns, last = width - columns;
    if (last < 0 || (t->dilation > 1 && last % t->dilation != 0)) return 0;
    if (last == 0 || (t->left == 0 && t->right == 0)) return 1;
    int64_t leftColumns = (t->left + t->stride - 1) / t->stride, rightColumns = (t->right + t->stride - 1) / t->stride;
    if (columns < leftColumns || last < leftColumns || last < rightColumns) return 0;
    if (t->dilation > 1 && columns % t->dilation != 0) return 0;
    int64_t x0 = columns;
    while (x0 <= last - rightColumns) x0 += columns;
    return width - x0 <= columns;
}

/// The tile that wastes least for a row: by shape alone, so that the choice never depends on anything else.
static LaneTile chooseTile(const LaneRow *row, int64_t outputs) {
    int64_t right = row->right > 0 ? row->right : 0;
    const LaneTile *best = 0;
    int64_t bestCost = 0;
    for (uint64_t i = 0; i < sizeof laneTiles / sizeof *laneTiles; i++) {
        const LaneTile *t = &laneTiles[i];
        if (t->kernel != row->kernel || t->stride != row->stride || t->dilation != row->dilation ||
            t->left != row->left || t->right != right || t->outputs > outputs || !covers(t, row->width)) {
            continue;
        }
        int64_t tiles = (outputs + t->outputs - 1) / t->outputs * ((row->width + t->columns - 1) / t->columns);
        // Multiply-adds and, at half their price, loads; a tile of few chains waits for its own results.
        int64_t work = 2 * t->outputs * t->columns, floor = SET_REGISTERS >= 32 ? 22 : 18;
        int64_t cost = tiles * ((work > floor ? work : floor) + t->outputs + t->columns);
        if (!best || cost < bestCost) best = t, bestCost = cost;
    }
    if (best) return *best;
    for (int i = 0; i < 3; i++) {
        if (outputs >= anyTiles[i].outputs) return anyTiles[i];
    }
    return anyTiles[3];
}

/// Runs a row of all output channels: the last tile of channels overlaps its neighbour.
INLINE void runRow(const LaneTile *tile, LaneRow *row, int64_t outputs, float *out, const float *made,
                   const float *weights, const float *bias) {
    ROLLED for (int64_t k = 0; k < outputs; k += tile->outputs) {
        if (k > outputs - tile->outputs) k = outputs - tile->outputs;
        row->weights = weights + k * row->weightsOut;
        row->bias = bias ? bias + k : 0;
        row->out = out + k * row->outPlane;
        row->made = made ? made + k * row->outPlane : 0;
        tile->run(row);
    }
}

static LaneRow forwardRow(const CKernels_LaneConvolution *shape) {
    const CKernels_LaneWindow *w = &shape->window;
    LaneRow row = {
        .inPlane = w->height * w->width * CKernels_laneCount,
        .inRow = w->width * CKernels_laneCount,
        .inWidth = w->width,
        .planes = w->channels,
        .weightsOut = w->channels * w->kernelHeight * w->kernelWidth,
        .weightsPlane = w->kernelHeight * w->kernelWidth,
        .weightsRow = w->kernelWidth,
        .width = w->outputWidth,
        .kernel = w->kernelWidth,
        .stride = w->strideWidth,
        .dilation = 1,
        .left = w->paddingLeft,
        .right = (w->outputWidth - 1) * w->strideWidth + w->kernelWidth - w->paddingLeft - w->width,
    };
    return row;
}

/// Points a row at the image rows that output row p meets; returns the offset of the first tap in the weights.
static int64_t aimForward(LaneRow *row, const CKernels_LaneWindow *w, const float *x, int64_t p) {
    int64_t first = p * w->strideHeight - w->paddingTop;
    int64_t r0 = first < 0 ? -first : 0;
    int64_t r1 = first + w->kernelHeight > w->height ? w->height - first : w->kernelHeight;
    row->rows = r1 > r0 ? r1 - r0 : 0;
    row->in = x + (first + r0) * row->inRow;
    return r0 * w->kernelWidth;
}

KERNEL(conv2d_f32_forward)(const CKernels_LaneConvolution *shape, const float *x, const float *weights,
                           const float *bias, CKernels_Activation activation, float *y) {
    const CKernels_LaneWindow *w = &shape->window;
    LaneRow row = forwardRow(shape);
    row.outPlane = w->outputHeight * w->outputWidth * CKernels_laneCount;
    row.activation = activation;
    LaneTile tile = chooseTile(&row, shape->outputChannels);
    for (int64_t p = 0; p < w->outputHeight; p++) {
        int64_t tap = aimForward(&row, w, x, p);
        float *out = y + p * w->outputWidth * CKernels_laneCount;
        runRow(&tile, &row, shape->outputChannels, out, 0, weights + tap, bias);
        if (activation != CKernels_activationTanh) continue;
        for (int64_t k = 0; k < shape->outputChannels; k++) {
            float *values = out + k * row.outPlane;
            for (int64_t i = 0; i < w->outputWidth * CKernels_laneCount; i += VW) {
                store(values + i, hyperbolicTangent(load(values + i)));
            }
        }
    }
}

/// The maximum of 2 × 2 values and which of them it is, then the activation.
INLINE void poolPair(const float *top, const float *bottom, int64_t outputs, CKernels_Activation activation, float *y,
                     uint16_t *argmax) {
    for (int64_t q = 0; q < outputs; q++) {
        ROLLED for (int64_t part = 0; part < PARTS; part++) {
            int64_t from = 2 * q * CKernels_laneCount + part * VW, to = q * CKernels_laneCount + part * VW;
            V best = load(top + from);
            VI place = (VI)0;
            const V others[3] = {load(top + from + CKernels_laneCount), load(bottom + from),
                                 load(bottom + from + CKernels_laneCount)};
            FULLY for (int i = 0; i < 3; i++) {
                VI wins = ~(others[i] <= best) & (best == best);
                best = select(wins, others[i], best);
                place = wins ? (VI)(i + 1) : place;
            }
            if (activation == CKernels_activationReLU) {
                // NaN passes, forward and backward.
                place = best <= 0 ? (VI)65535 : place;
            }
            store(y + to, activate(best, activation));
            *(VS *)(argmax + to) = __builtin_convertvector(place, VS);
        }
    }
}

KERNEL(conv2d_pool_f32_forward)(const CKernels_LaneConvolution *shape, const float *x, const float *weights,
                                const float *bias, CKernels_Activation activation, float *workspace, float *y,
                                uint16_t *argmax) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t pooledHeight = w->outputHeight / 2, pooledWidth = w->outputWidth / 2;
    const int64_t rowFloats = w->outputWidth * CKernels_laneCount,
                  pooledPlane = pooledHeight * pooledWidth * CKernels_laneCount;
    LaneRow row = forwardRow(shape);
    row.outPlane = 2 * rowFloats;
    LaneTile tile = chooseTile(&row, shape->outputChannels);
    for (int64_t p = 0; p < pooledHeight; p++) {
        for (int64_t i = 0; i < 2; i++) {
            int64_t tap = aimForward(&row, w, x, 2 * p + i);
            runRow(&tile, &row, shape->outputChannels, workspace + i * rowFloats, 0, weights + tap, bias);
        }
        for (int64_t k = 0; k < shape->outputChannels; k++) {
            const float *top = workspace + k * row.outPlane;
            int64_t to = k * pooledPlane + p * pooledWidth * CKernels_laneCount;
            poolPair(top, top + rowFloats, pooledWidth, activation, y + to, argmax + to);
        }
    }
}

KERNEL(conv2d_f32_transpose)(const CKernels_LaneConvolution *shape, const float *weights, float *transposed) {
    const int64_t inputs = shape->window.channels, outputs = shape->outputChannels;
    const int64_t taps = shape->window.kernelHeight * shape->window.kernelWidth;
    for (int64_t c = 0; c < inputs; c++) {
        for (int64_t k = 0; k < outputs; k++) {
            const float *from = weights + (k * inputs + c) * taps;
            for (int64_t t = 0; t < taps; t++) *transposed++ = from[taps - 1 - t];
        }
    }
}

KERNEL(conv2d_f32_inputGradient)(const CKernels_LaneConvolution *shape, const float *dy, const float *transposed,
                                 CKernels_Activation activation, const float *x, float *dx) {
    const CKernels_LaneWindow *w = &shape->window;
    const int64_t left = w->kernelWidth - 1 - w->paddingLeft, top = w->kernelHeight - 1 - w->paddingTop;
    LaneRow row = {
        .inPlane = w->outputHeight * w->outputWidth * CKernels_laneCount,
        .inRow = w->outputWidth * CKernels_laneCount,
        .inWidth = w->outputWidth,
        .planes = shape->outputChannels,
        .weightsOut = shape->outputChannels * w->kernelHeight * w->kernelWidth,
        .weightsPlane = w->kernelHeight * w->kernelWidth,
        .weightsRow = w->strideHeight * w->kernelWidth,
        .outPlane = w->height * w->width * CKernels_laneCount,
        .width = w->width,
        .activation = activation,
        .kernel = w->kernelWidth,
        .stride = 1,
        .dilation = w->strideWidth,
        .left = left,
        .right = w->kernelWidth - left - 2 - ((w->outputWidth - 1) * w->strideWidth - w->width),
    };
    LaneTile tile = chooseTile(&row, w->channels);
    const float *made = activation == CKernels_activationNone ? 0 : x;
    for (int64_t h = 0; h < w->height; h++) {
        // The reversed taps r with 0 ≤ h − top + r < P·stride, a multiple of the stride.
        int64_t first = h - top, stride = w->strideHeight;
        int64_t r0 = first < 0 ? -first : 0;
        r0 += (stride - (first + r0) % stride) % stride;
        int64_t end = (w->outputHeight - 1) * stride + 1;
        int64_t r1 = first + w->kernelHeight > end ? end - first : w->kernelHeight;
        row.rows = r1 > r0 ? (r1 - r0 + stride - 1) / stride : 0;
        row.in = dy + (first + r0) / stride * row.inRow;
        int64_t at = h * w->width * CKernels_laneCount;
        runRow(&tile, &row, w->channels, dx + at, made ? made + at : 0, transposed + r0 * w->kernelWidth, 0);
    }
}
