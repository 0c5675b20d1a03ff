// Linear layers, one image a lane. Included once a set.

#if SET_REGISTERS >= 32
#define LINEAR_TILES(T) T(16) T(14) T(12) T(10) T(8) T(4) T(2) T(1)
#define GRADIENT_OUTPUTS 4
#define GRADIENT_VECTORS 4
#else
#define LINEAR_TILES(T) T(10) T(8) T(4) T(2) T(1)
#define GRADIENT_OUTPUTS 5
#define GRADIENT_VECTORS 2
#endif

typedef struct {
    int64_t inputs, outputs;
    const float *from, *weights, *bias, *made;
    CKernels_Activation activation;
    float *to;
} LaneLinear;

INLINE void linearRows(const int rows, const LaneLinear *a, int64_t at) {
    const int64_t stride = a->inputs;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        V sums[16];
        FULLY for (int k = 0; k < rows; k++) sums[k] = splat(a->bias ? a->bias[at + k] : 0);
        const float *weights = a->weights + at * stride, *x = a->from + part * VW;
        // Four inputs a turn: the rows' addresses are worked out once for all of them.
        int64_t i = 0;
        ROLLED for (; i + 4 <= stride; i += 4, x += 4 * CKernels_laneCount, weights += 4) {
            FULLY for (int j = 0; j < 4; j++) {
                KEEP_LOADS_HERE();
                V value = load(x + j * CKernels_laneCount);
                FULLY for (int k = 0; k < rows; k++) sums[k] =
                    multiplyAdd(splat(weights[k * stride + j]), value, sums[k]);
            }
        }
        ROLLED for (; i < stride; i++, x += CKernels_laneCount, weights++) {
            V value = load(x);
            FULLY for (int k = 0; k < rows; k++) sums[k] = multiplyAdd(splat(weights[k * stride]), value, sums[k]);
        }
        FULLY for (int k = 0; k < rows; k++) {
            store(a->to + (at + k) * CKernels_laneCount + part * VW, activate(sums[k], a->activation));
        }
    }
}

INLINE void linearColumns(const int columns, const LaneLinear *a, int64_t at) {
    const int64_t stride = a->inputs;
    ROLLED for (int64_t part = 0; part < PARTS; part++) {
        V sums[16];
        FULLY for (int k = 0; k < columns; k++) sums[k] = splat(0);
        const float *weights = a->weights + at, *dy = a->from + part * VW;
        ROLLED for (int64_t o = 0; o < a->outputs; o++, dy += CKernels_laneCount, weights += stride) {
            V value = load(dy);
            // Each row of weights is another line of the second-level cache, too far apart for the hardware to foresee.
            __builtin_prefetch(weights + 12 * stride);
            FULLY for (int k = 0; k < columns; k++) sums[k] = multiplyAdd(splat(weights[k]), value, sums[k]);
        }
        FULLY for (int k = 0; k < columns; k++) {
            int64_t place = (at + k) * CKernels_laneCount + part * VW;
            V sum = sums[k];
            if (a->made) sum = deactivate(sum, load(a->made + place), a->activation);
            store(a->to + place, sum);
        }
    }
}

#define DEFINE_LINEAR(n)                                                                                               \
    static void linearRows_##n(const LaneLinear *a, int64_t at) { linearRows(n, a, at); }                              \
    static void linearColumns_##n(const LaneLinear *a, int64_t at) { linearColumns(n, a, at); }
LINEAR_TILES(DEFINE_LINEAR)

typedef struct {
    int count;
    void (*rows)(const LaneLinear *a, int64_t at);
    void (*columns)(const LaneLinear *a, int64_t at);
} LaneLinearTile;
static const LaneLinearTile linearTiles[] = {
#define LINEAR_ENTRY(n) {n, linearRows_##n, linearColumns_##n},
    LINEAR_TILES(LINEAR_ENTRY)};

/// The tile that covers `count` with least waste, the widest of equals; the last tile overlaps its neighbour.
static LaneLinearTile chooseLinearTile(int64_t count) {
    LaneLinearTile best = linearTiles[sizeof linearTiles / sizeof *linearTiles - 1];
    int64_t bestCost = INT64_MAX;
    for (uint64_t i = 0; i < sizeof linearTiles / sizeof *linearTiles; i++) {
        LaneLinearTile t = linearTiles[i];
        if (t.count > count) continue;
        // Fewer than eight chains wait for their own results.
        int64_t cost = (count + t.count - 1) / t.count * ((t.count > 8 ? t.count : 8) + 1);
        if (cost < bestCost) best = t, bestCost = cost;
    }
    return best;
}

KERNEL(linear_f32_forward)(int64_t inputs, int64_t outputs, const float *x, const float *weights, const float *bias,
                           CKernels_Activation activation, float *y) {
    LaneLinear a = {inputs, outputs, x, weights, bias, 0, activation, y};
    LaneLinearTile tile = chooseLinearTile(outputs);
    for (int64_t k = 0; k < outputs; k += tile.count) {
        if (k > outputs - tile.count) k = outputs - tile.count;
        tile.rows(&a, k);
    }
}

KERNEL(linear_f32_inputGradient)(int64_t inputs, int64_t outputs, const float *dy, const float *weights,
                                 CKernels_Activation activation, const float *x, float *dx) {
    LaneLinear a = {inputs, outputs, dy, weights, 0, activation == CKernels_activationNone ? 0 : x, activation, dx};
    LaneLinearTile tile = chooseLinearTile(inputs);
    for (int64_t i = 0; i < inputs; i += tile.count) {
        if (i > inputs - tile.count) i = inputs - tile.count;
        tile.columns(&a, i);
    }
}

/// [count, 16] → [16, stride] with stride a multiple of 16; what lies beyond count is 0.
static void transposeLanes(const float *x, int64_t count, int64_t stride, float *to) {
    typedef float Q __attribute__((ext_vector_type(4)));
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
        FULLY for (int l = 0; l < CKernels_laneCount; l += 4) {
            const float *p = x + i * CKernels_laneCount + l;
            Q a = *(const Q *)p, b = *(const Q *)(p + 16), c = *(const Q *)(p + 32), d = *(const Q *)(p + 48);
            Q ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            Q cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            *(Q *)(to + (l + 0) * stride + i) = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
            *(Q *)(to + (l + 1) * stride + i) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
            *(Q *)(to + (l + 2) * stride + i) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
            *(Q *)(to + (l + 3) * stride + i) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
        }
    }
    for (; i < stride; i++) {
        for (int64_t l = 0; l < CKernels_laneCount; l++)
            to[l * stride + i] = i < count ? x[i * CKernels_laneCount + l] : 0;
    }
}

typedef struct {
    int64_t inputs, lanesPerShard, lanes, stride;
    const float *x;   // [16, stride]
    const float *dy;  // of the tile's first output
    float *to;        // of the tile's first weight
    int64_t whole;    // floats to store in each row
} LaneOuter;

/// One tile of Σ over lanes of dy ⊗ x: shards one after the other, their sums joined like the digits of a counter.
INLINE void outerTile(const int outputs, const int vectors, const LaneOuter *a) {
    V held[4][GRADIENT_OUTPUTS * GRADIENT_VECTORS];
    V sums[GRADIENT_OUTPUTS][GRADIENT_VECTORS];
    const int64_t stride = a->stride, shards = a->lanes / a->lanesPerShard;
    const float *x = a->x, *dy = a->dy;
    ROLLED for (int64_t shard = 0; shard < shards; shard++) {
        FULLY for (int k = 0; k < outputs; k++) { FULLY for (int j = 0; j < vectors; j++) sums[k][j] = splat(0); }
        ROLLED for (int64_t lane = a->lanesPerShard; lane > 0; lane--, x += stride, dy++) {
            V values[GRADIENT_VECTORS];
            FULLY for (int j = 0; j < vectors; j++) values[j] = loadUnaligned(x + j * VW);
            FULLY for (int k = 0; k < outputs; k++) {
                V factor = splat(dy[k * CKernels_laneCount]);
                FULLY for (int j = 0; j < vectors; j++) sums[k][j] = multiplyAdd(factor, values[j], sums[k][j]);
            }
        }
        int64_t level = 0;
        ROLLED for (int64_t ones = shard; ones & 1; ones >>= 1, level++) {
            FULLY for (int k = 0; k < outputs; k++) {
                FULLY for (int j = 0; j < vectors; j++) sums[k][j] = held[level][k * vectors + j] + sums[k][j];
            }
        }
        if (shard + 1 == shards) break;
        FULLY for (int k = 0; k < outputs; k++) {
            FULLY for (int j = 0; j < vectors; j++) held[level][k * vectors + j] = sums[k][j];
        }
    }
    FULLY for (int k = 0; k < outputs; k++) {
        float *to = a->to + k * a->inputs;
        if (a->whole == vectors * VW) {
            FULLY for (int j = 0; j < vectors; j++) storeUnaligned(to + j * VW, sums[k][j]);
        } else {
            float rest[VW * GRADIENT_VECTORS];
            FULLY for (int j = 0; j < vectors; j++) storeUnaligned(rest + j * VW, sums[k][j]);
            memcpy(to, rest, (size_t)a->whole * sizeof(float));
        }
    }
}
static void outer_whole(const LaneOuter *a) { outerTile(GRADIENT_OUTPUTS, GRADIENT_VECTORS, a); }
static void outer_narrow(const LaneOuter *a) { outerTile(GRADIENT_OUTPUTS, 1, a); }
static void outer_low(const LaneOuter *a) { outerTile(1, GRADIENT_VECTORS, a); }
static void outer_single(const LaneOuter *a) { outerTile(1, 1, a); }

KERNEL(linear_f32_weightGradient)(int64_t inputs, int64_t outputs, const float *x, const float *dy,
                                  int64_t lanesPerShard, int64_t lanes, float *workspace, float *dWeights,
                                  float *dBias) {
    const int64_t stride = (inputs + CKernels_laneCount - 1) / CKernels_laneCount * CKernels_laneCount;
    transposeLanes(x, inputs, stride, workspace);
    LaneOuter a = {.inputs = inputs, .lanesPerShard = lanesPerShard, .lanes = lanes, .stride = stride};
    const int vectors = inputs >= GRADIENT_VECTORS * VW ? GRADIENT_VECTORS : 1;
    for (int64_t i = 0; i < inputs; i += vectors * VW) {
        // The last wide tile overlaps its neighbour and computes the same again.
        if (vectors > 1 && i > inputs - vectors * VW) i = inputs - vectors * VW;
        a.x = workspace + i;
        a.whole = vectors * VW < inputs - i ? vectors * VW : inputs - i;
        for (int64_t k = 0; k < outputs;) {
            const int tall = outputs >= GRADIENT_OUTPUTS;
            if (tall && k > outputs - GRADIENT_OUTPUTS) k = outputs - GRADIENT_OUTPUTS;
            a.dy = dy + k * CKernels_laneCount;
            a.to = dWeights + k * inputs + i;
            if (vectors == 1) {
                (tall ? outer_narrow : outer_single)(&a);
            } else {
                (tall ? outer_whole : outer_low)(&a);
            }
            k += tall ? GRADIENT_OUTPUTS : 1;
        }
    }
    if (dBias) sumLanes(dy, outputs, lanes, dBias);
}
