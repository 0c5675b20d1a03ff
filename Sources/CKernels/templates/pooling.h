// Pooling for one element type.

void PASS(extremePool, forward)(const CKernels_Pooling *p, int32_t sign, const REAL *x, REAL *y, int32_t *argmax) {
    const int64_t plane = p->input[1] * p->input[2];
    for (int64_t c = 0; c < p->channels; c++, x += p->input[0] * plane) {
        for (int64_t o = 0; o < p->output[0]; o++) {
            const CKernels_Span sd = p->spans[0][o];
            for (int64_t r = 0; r < p->output[1]; r++) {
                const CKernels_Span sh = p->spans[1][r];
                for (int64_t q = 0; q < p->output[2]; q++) {
                    const CKernels_Span sw = p->spans[2][q];
                    REAL best = -(REAL)INFINITY;
                    int64_t bestPlace = -1;
                    for (int64_t d = sd.first; d < sd.last; d += sd.step) {
                        for (int64_t h = sh.first; h < sh.last; h += sh.step) {
                            for (int64_t v = sw.first; v < sw.last; v += sw.step) {
                                const int64_t place = d * plane + h * p->input[2] + v;
                                const REAL value = sign > 0 ? x[place] : -x[place];
                                if (bestPlace < 0 || (best == best && !(value <= best))) {
                                    best = value;
                                    bestPlace = place;
                                }
                            }
                        }
                    }
                    *y++ = sign > 0 ? best : -best;
                    *argmax++ = (int32_t)bestPlace;
                }
            }
        }
    }
}

void PASS(extremePool, backward)(const CKernels_Pooling *p, const REAL *dy, const int32_t *argmax, REAL *dx) {
    const int64_t volume = p->input[0] * p->input[1] * p->input[2];
    const int64_t outputs = p->output[0] * p->output[1] * p->output[2];
    memset(dx, 0, (size_t)(p->channels * volume) * sizeof(REAL));
    for (int64_t c = 0; c < p->channels; c++, dx += volume, dy += outputs, argmax += outputs) {
        for (int64_t i = 0; i < outputs; i++) {
            if (argmax[i] >= 0) dx[argmax[i]] += dy[i];
        }
    }
}

void PASS(averagePool, forward)(const CKernels_Pooling *p, const REAL *x, REAL *y) {
    const int64_t plane = p->input[1] * p->input[2];
    for (int64_t c = 0; c < p->channels; c++, x += p->input[0] * plane) {
        for (int64_t o = 0; o < p->output[0]; o++) {
            const CKernels_Span sd = p->spans[0][o];
            for (int64_t r = 0; r < p->output[1]; r++) {
                const CKernels_Span sh = p->spans[1][r];
                for (int64_t q = 0; q < p->output[2]; q++) {
                    const CKernels_Span sw = p->spans[2][q];
                    REAL sum = 0;
                    for (int64_t d = sd.first; d < sd.last; d += sd.step) {
                        for (int64_t h = sh.first; h < sh.last; h += sh.step) {
                            for (int64_t v = sw.first; v < sw.last; v += sw.step) {
                                sum += x[d * plane + h * p->input[2] + v];
                            }
                        }
                    }
                    *y++ = sum / (REAL)((int64_t)sd.divisor * sh.divisor * sw.divisor);
                }
            }
        }
    }
}

void PASS(averagePool, backward)(const CKernels_Pooling *p, const REAL *dy, REAL *dx) {
    const int64_t plane = p->input[1] * p->input[2];
    memset(dx, 0, (size_t)(p->channels * p->input[0] * plane) * sizeof(REAL));
    for (int64_t c = 0; c < p->channels; c++, dx += p->input[0] * plane) {
        for (int64_t o = 0; o < p->output[0]; o++) {
            const CKernels_Span sd = p->spans[0][o];
            for (int64_t r = 0; r < p->output[1]; r++) {
                const CKernels_Span sh = p->spans[1][r];
                for (int64_t q = 0; q < p->output[2]; q++) {
                    const CKernels_Span sw = p->spans[2][q];
                    const REAL share = *dy++ / (REAL)((int64_t)sd.divisor * sh.divisor * sw.divisor);
                    for (int64_t d = sd.first; d < sd.last; d += sd.step) {
                        for (int64_t h = sh.first; h < sh.last; h += sh.step) {
                            for (int64_t v = sw.first; v < sw.last; v += sw.step) {
                                dx[d * plane + h * p->input[2] + v] += share;
                            }
                        }
                    }
                }
            }
        }
    }
}
