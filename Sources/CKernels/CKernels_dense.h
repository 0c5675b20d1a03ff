// Linear layers of any size over plain samples [N, features], sixteen features at a time. Included once a set.

// Samples × rows (or vectors of columns) of a tile: sums beside what they are made of.
#if SET_REGISTERS == 32
#define DENSE_SAMPLES 4
#define DENSE_ROWS 6
#define DENSE_GRADIENT_SAMPLES 6
#define DENSE_GRADIENT_VECTORS 4
#define DENSE_WEIGHT_ROWS 4
#define DENSE_WEIGHT_VECTORS 4
#else
#define DENSE_SAMPLES 2
#define DENSE_ROWS 3
#define DENSE_GRADIENT_SAMPLES 3
#define DENSE_GRADIENT_VECTORS 3
#define DENSE_WEIGHT_ROWS 3
#define DENSE_WEIGHT_VECTORS 3
#endif

/// Up to sixteen floats and zeros behind them.
INLINE void loadSome(const float *p, int64_t count, float *sixteen) {
    memset(sixteen, 0, CKernels_laneCount * sizeof(float));
    memcpy(sixteen, p, (size_t)count * sizeof(float));
}

/// The sum of sixteen lanes as a binary tree, neighbours first. Overwrites them.
INLINE float lanesJoined(float *lanes) {
    FULLY for (int width = 1; width < CKernels_laneCount; width *= 2) {
        FULLY for (int l = 0; l < CKernels_laneCount; l += 2 * width) lanes[l] += lanes[l + width];
    }
    return lanes[0];
}

/// Adds to y [samples, outputs] what a block of inputs gives some rows of weights.
INLINE void denseTile(const int samples, const int rows, int64_t inputs, int64_t outputs, int64_t count, const float *x,
                      const float *weights, float *y) {
    V sums[DENSE_SAMPLES][DENSE_ROWS][PARTS];
    FULLY for (int n = 0; n < samples; n++) {
        FULLY for (int k = 0; k < rows; k++) {
            FULLY for (int part = 0; part < PARTS; part++) sums[n][k][part] = splat(0);
        }
    }
    int64_t i = 0;
    ROLLED for (; i + CKernels_laneCount <= count; i += CKernels_laneCount) {
        FULLY for (int part = 0; part < PARTS; part++) {
            V values[DENSE_SAMPLES];
            FULLY for (int n = 0; n < samples; n++) values[n] = loadUnaligned(x + n * inputs + i + part * VW);
            FULLY for (int k = 0; k < rows; k++) {
                V row = loadUnaligned(weights + k * inputs + i + part * VW);
                FULLY for (int n = 0; n < samples; n++) sums[n][k][part] = fused(values[n], row, sums[n][k][part]);
            }
        }
    }
    // What follows goes through memory, so that calls for the last inputs do not push sums of the loop above to the stack.
    float lanes[DENSE_SAMPLES][DENSE_ROWS][CKernels_laneCount];
    FULLY for (int n = 0; n < samples; n++) {
        FULLY for (int k = 0; k < rows; k++) {
            FULLY for (int part = 0; part < PARTS; part++) storeUnaligned(lanes[n][k] + part * VW, sums[n][k][part]);
        }
    }
    KEEP_LOADS_HERE();
    ROLLED for (int n = 0; n < samples; n++) {
        ROLLED for (int k = 0; k < rows; k++) {
            float value[CKernels_laneCount], row[CKernels_laneCount], *sum = lanes[n][k];
            if (i < count) {
                loadSome(x + n * inputs + i, count - i, value);
                loadSome(weights + k * inputs + i, count - i, row);
                ROLLED for (int at = 0; at < CKernels_laneCount; at += VW) {
                    V part = fused(loadUnaligned(value + at), loadUnaligned(row + at), loadUnaligned(sum + at));
                    storeUnaligned(sum + at, part);
                }
            }
            y[n * outputs + k] += lanesJoined(sum);
        }
    }
}

KERNEL(dense_f32_forward)(int64_t samples, int64_t inputs, int64_t outputs, int64_t first, int64_t count,
                          const float *x, const float *weights, const float *bias, float *y) {
    ROLLED for (int64_t n = 0; n < samples; n++) {
        ROLLED for (int64_t k = first; k < first + count; k++) y[n * outputs + k] = bias ? bias[k] : 0;
    }
    ROLLED for (int64_t k = first; k < first + count;) {
        const int64_t rows = first + count - k >= DENSE_ROWS ? DENSE_ROWS : 1;
        ROLLED for (int64_t i = 0; i < inputs; i += CKernels_denseInputs) {
            const int64_t length = inputs - i < CKernels_denseInputs ? inputs - i : CKernels_denseInputs;
            const float *block = weights + k * inputs + i;
            ROLLED for (int64_t n = 0; n < samples;) {
                const float *own = x + n * inputs + i;
                float *out = y + n * outputs + k;
                if (n + DENSE_SAMPLES <= samples && rows > 1) {
                    denseTile(DENSE_SAMPLES, DENSE_ROWS, inputs, outputs, length, own, block, out);
                    n += DENSE_SAMPLES;
                } else if (rows > 1) {
                    denseTile(1, DENSE_ROWS, inputs, outputs, length, own, block, out);
                    n++;
                } else {
                    denseTile(1, 1, inputs, outputs, length, own, block, out);
                    n++;
                }
            }
        }
        k += rows;
    }
}

/// Adds to dx [samples, inputs] what some outputs give to some vectors of columns.
INLINE void denseGradientTile(const int samples, const int vectors, int64_t inputs, int64_t outputs, int64_t count,
                              const float *dy, const float *weights, float *dx, int isFirst) {
    V sums[DENSE_GRADIENT_SAMPLES][DENSE_GRADIENT_VECTORS];
    FULLY for (int n = 0; n < samples; n++) { FULLY for (int j = 0; j < vectors; j++) sums[n][j] = splat(0); }
    ROLLED for (int64_t k = 0; k < count; k++, weights += inputs) {
        V row[DENSE_GRADIENT_VECTORS];
        FULLY for (int j = 0; j < vectors; j++) row[j] = loadUnaligned(weights + j * VW);
        FULLY for (int n = 0; n < samples; n++) {
            V slope = splat(dy[n * outputs + k]);
            FULLY for (int j = 0; j < vectors; j++) sums[n][j] = fused(slope, row[j], sums[n][j]);
        }
    }
    FULLY for (int n = 0; n < samples; n++) {
        FULLY for (int j = 0; j < vectors; j++) {
            float *out = dx + n * inputs + j * VW;
            storeUnaligned(out, (isFirst ? splat(0) : loadUnaligned(out)) + sums[n][j]);
        }
    }
}

/// The same for columns that fill no vector.
INLINE void denseGradientRest(int64_t columns, int64_t inputs, int64_t count, const float *dy, const float *weights,
                              float *dx, int isFirst) {
    float row[CKernels_laneCount], out[CKernels_laneCount];
    V sums = splat(0);
    ROLLED for (int64_t k = 0; k < count; k++) {
        loadSome(weights + k * inputs, columns, row);
        sums = fused(splat(dy[k]), loadUnaligned(row), sums);
    }
    loadSome(dx, columns, out);
    storeUnaligned(out, (isFirst ? splat(0) : loadUnaligned(out)) + sums);
    memcpy(dx, out, (size_t)columns * sizeof(float));
}

KERNEL(dense_f32_inputGradient)(int64_t samples, int64_t inputs, int64_t outputs, int64_t first, int64_t count,
                                const float *dy, const float *weights, float *dx) {
    ROLLED for (int64_t k = 0; k < outputs; k += CKernels_denseOutputs) {
        const int64_t chain = outputs - k < CKernels_denseOutputs ? outputs - k : CKernels_denseOutputs;
        ROLLED for (int64_t i = first; i < first + count;) {
            const int64_t left = first + count - i;
            const int64_t width = left >= DENSE_GRADIENT_VECTORS * VW ? DENSE_GRADIENT_VECTORS * VW
                                  : left < VW                         ? left
                                                                      : VW;
            const float *block = weights + k * inputs + i;
            ROLLED for (int64_t n = 0; n < samples;) {
                const float *own = dy + n * outputs + k;
                float *out = dx + n * inputs + i;
                if (width < VW) {
                    denseGradientRest(width, inputs, chain, own, block, out, k == 0);
                    n++;
                } else if (width == VW) {
                    denseGradientTile(1, 1, inputs, outputs, chain, own, block, out, k == 0);
                    n++;
                } else if (n + DENSE_GRADIENT_SAMPLES <= samples) {
                    denseGradientTile(DENSE_GRADIENT_SAMPLES, DENSE_GRADIENT_VECTORS, inputs, outputs, chain, own,
                                      block, out, k == 0);
                    n += DENSE_GRADIENT_SAMPLES;
                } else if (n + 2 <= samples) {
                    denseGradientTile(2, DENSE_GRADIENT_VECTORS, inputs, outputs, chain, own, block, out, k == 0);
                    n += 2;
                } else {
                    denseGradientTile(1, DENSE_GRADIENT_VECTORS, inputs, outputs, chain, own, block, out, k == 0);
                    n++;
                }
            }
            i += width;
        }
    }
}

/// Some rows of the gradient of the weights, some vectors wide.
INLINE void denseWeightTile(const int rows, const int vectors, int64_t samples, int64_t inputs, int64_t outputs,
                            const float *x, const float *dy, float *gradient) {
    V sums[DENSE_WEIGHT_ROWS][DENSE_WEIGHT_VECTORS];
    FULLY for (int k = 0; k < rows; k++) { FULLY for (int j = 0; j < vectors; j++) sums[k][j] = splat(0); }
    ROLLED for (int64_t n = 0; n < samples; n++, x += inputs, dy += outputs) {
        V values[DENSE_WEIGHT_VECTORS];
        FULLY for (int j = 0; j < vectors; j++) values[j] = loadUnaligned(x + j * VW);
        FULLY for (int k = 0; k < rows; k++) {
            V slope = splat(dy[k]);
            FULLY for (int j = 0; j < vectors; j++) sums[k][j] = fused(slope, values[j], sums[k][j]);
        }
    }
    FULLY for (int k = 0; k < rows; k++) {
        FULLY for (int j = 0; j < vectors; j++) storeUnaligned(gradient + k * inputs + j * VW, sums[k][j]);
    }
}

KERNEL(dense_f32_weightGradient)(int64_t samples, int64_t inputs, int64_t outputs, int64_t first, int64_t count,
                                 const float *x, const float *dy, float *dWeights) {
    ROLLED for (int64_t k = 0; k < count;) {
        const int64_t rows = count - k >= DENSE_WEIGHT_ROWS ? DENSE_WEIGHT_ROWS : 1;
        const float *slopes = dy + first + k;
        ROLLED for (int64_t i = 0; i < inputs;) {
            float *out = dWeights + k * inputs + i;
            if (inputs - i >= DENSE_WEIGHT_VECTORS * VW) {
                if (rows > 1) {
                    denseWeightTile(DENSE_WEIGHT_ROWS, DENSE_WEIGHT_VECTORS, samples, inputs, outputs, x + i, slopes,
                                    out);
                } else {
                    denseWeightTile(1, DENSE_WEIGHT_VECTORS, samples, inputs, outputs, x + i, slopes, out);
                }
                i += DENSE_WEIGHT_VECTORS * VW;
                continue;
            }
            const int64_t columns = inputs - i < VW ? inputs - i : VW;
            ROLLED for (int64_t row = 0; row < rows; row++) {
                float value[CKernels_laneCount];
                V sums = splat(0);
                ROLLED for (int64_t n = 0; n < samples; n++) {
                    loadSome(x + n * inputs + i, columns, value);
                    sums = fused(splat(slopes[n * outputs + row]), loadUnaligned(value), sums);
                }
                storeUnaligned(value, sums);
                memcpy(out + row * inputs, value, (size_t)columns * sizeof(float));
            }
            i += columns;
        }
        k += rows;
    }
}
