// Normalisation of one channel for one element type.

void NAME(centredSums)(const REAL *x, int64_t images, int64_t stride, int64_t area, double centre, double *sums) {
    double first[8] = {0}, second[8] = {0};
    for (int64_t n = 0; n < images; n++, x += stride) {
        for (int64_t i = 0; i + 8 <= area; i += 8) {
            for (int64_t j = 0; j < 8; j++) {
                const double d = x[i + j] - centre;
                first[j] += d;
                second[j] += d * d;
            }
        }
        for (int64_t i = area & ~(int64_t)7, j = 0; i < area; i++, j++) {
            const double d = x[i] - centre;
            first[j] += d;
            second[j] += d * d;
        }
    }
    sums[0] = joined(first);
    sums[1] = joined(second);
}

void NAME(gradientSums)(const REAL *x, const REAL *dy, int64_t images, int64_t stride, int64_t area, double mean,
                        double *sums) {
    double first[8] = {0}, second[8] = {0};
    for (int64_t n = 0; n < images; n++, x += stride, dy += stride) {
        for (int64_t i = 0; i + 8 <= area; i += 8) {
            for (int64_t j = 0; j < 8; j++) {
                first[j] += dy[i + j];
                second[j] += dy[i + j] * (x[i + j] - mean);
            }
        }
        for (int64_t i = area & ~(int64_t)7, j = 0; i < area; i++, j++) {
            first[j] += dy[i];
            second[j] += dy[i] * (x[i] - mean);
        }
    }
    sums[0] = joined(first);
    sums[1] = joined(second);
}

void PASS(normalize, forward)(const REAL *x, int64_t images, int64_t stride, int64_t area, double mean, double scale,
                              double shift, REAL *y) {
    for (int64_t n = 0; n < images; n++, x += stride, y += stride) {
        for (int64_t i = 0; i < area; i++) y[i] = (REAL)((x[i] - mean) * scale + shift);
    }
}

void PASS(normalize, backward)(const REAL *x, const REAL *dy, int64_t images, int64_t stride, int64_t area, double mean,
                               double gradientMean, double slope, double scale, REAL *dx) {
    for (int64_t n = 0; n < images; n++, x += stride, dy += stride, dx += stride) {
        for (int64_t i = 0; i < area; i++) {
            dx[i] = (REAL)(((dy[i] - gradientMean) - (x[i] - mean) * slope) * scale);
        }
    }
}
