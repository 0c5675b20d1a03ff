// Activations for one element type.

void PASS(relu, forward)(const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

void PASS(relu, backward)(const REAL *y, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) dx[i] = y[i] <= 0 ? 0 : dy[i];
}

void PASS(leakyRelu, forward)(REAL slope, const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

void PASS(leakyRelu, backward)(REAL slope, const REAL *y, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

void PASS(tanh, forward)(const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = (REAL)CKernels_tanh(x[i]);
}

void PASS(tanh, backward)(const REAL *y, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

void PASS(sigmoid, forward)(const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = (REAL)(1 / (1 + CKernels_exp(-(double)x[i])));
}

void PASS(sigmoid, backward)(const REAL *y, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) dx[i] = dy[i] * (1 - y[i]) * y[i];
}

void PASS(gelu, forward)(const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) y[i] = (REAL)(x[i] * normalDistribution(x[i]));
}

void PASS(gelu, backward)(const REAL *x, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) {
        const double v = x[i];
        // Where the density underflows the product with an infinite x would be NaN.
        const double density = v - v == 0 ? v * inverseRoot2Pi * CKernels_exp(-0.5 * v * v) : 0;
        dx[i] = (REAL)(dy[i] * (normalDistribution(v) + density));
    }
}

void PASS(geluTanh, forward)(const REAL *x, int64_t count, REAL *y) {
    for (int64_t i = 0; i < count; i++) {
        const double v = x[i];
        y[i] = (REAL)(0.5 * v * (1 + CKernels_tanh(root2OverPi * (v + cubic * v * v * v))));
    }
}

void PASS(geluTanh, backward)(const REAL *x, const REAL *dy, int64_t count, REAL *dx) {
    for (int64_t i = 0; i < count; i++) {
        const double v = x[i];
        const double t = CKernels_tanh(root2OverPi * (v + cubic * v * v * v));
        const double slope = (1 - t * t) * root2OverPi * (1 + 3 * cubic * v * v);
        dx[i] = (REAL)(dy[i] * (0.5 * (1 + t) + 0.5 * v * slope));
    }
}

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
