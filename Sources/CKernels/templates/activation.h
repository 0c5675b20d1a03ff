// Activations for one element type.

#define ROW(function, layer, parameters, readsInput, yOfX, dxOfV)                                                      \
    static void PASS(function, forward)(REAL a, const REAL *xs, int64_t count, REAL *ys) {                             \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            const REAL x = xs[i];                                                                                      \
            ys[i] = (REAL)(yOfX);                                                                                      \
        }                                                                                                              \
        (void)a;                                                                                                       \
    }                                                                                                                  \
    static void PASS(function, backward)(REAL a, const REAL *vs, const REAL *dys, int64_t count, REAL *dxs) {          \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            const REAL v = vs[i], dy = dys[i];                                                                         \
            dxs[i] = (REAL)(dxOfV);                                                                                    \
        }                                                                                                              \
        (void)a;                                                                                                       \
    }
CKERNELS_ACTIVATIONS(ROW)
#undef ROW

void PASS(softmax, forward)(const REAL *x, int64_t classes, int64_t area, REAL *y) {
    for (int64_t i = 0; i < area; i++) {
        REAL highest = x[i];
        for (int64_t k = 1; k < classes; k++) {
            if (x[k * area + i] > highest) highest = x[k * area + i];
        }
        double sum = 0;
        for (int64_t k = 0; k < classes; k++) sum += CKernels_exp((double)x[k * area + i] - highest);
        for (int64_t k = 0; k < classes; k++) {
            y[k * area + i] = (REAL)(CKernels_exp((double)x[k * area + i] - highest) / sum);
        }
    }
}

void PASS(softmax, backward)(const REAL *y, const REAL *dy, int64_t classes, int64_t area, REAL *dx) {
    for (int64_t i = 0; i < area; i++) {
        double sum = 0;
        for (int64_t k = 0; k < classes; k++) sum += (double)y[k * area + i] * dy[k * area + i];
        for (int64_t k = 0; k < classes; k++) {
            dx[k * area + i] = (REAL)(y[k * area + i] * ((double)dy[k * area + i] - sum));
        }
    }
}

void NAME(masked)(const REAL *x, const uint8_t *mask, REAL scale, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = mask[i] ? x[i] * scale : 0;
}
