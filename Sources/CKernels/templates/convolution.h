// Convolution for one element type: unfolding for matrix products, and the direct form that defines the operation.

void NAME(unfold)(const CKernels_Window *w, const REAL *image, REAL *columns) {
    const int64_t plane = w->input[1] * w->input[2], area = w->output[1] * w->output[2];
    for (int64_t c = 0; c < w->channels; c++, image += w->input[0] * plane) {
        for (int64_t kd = 0; kd < w->kernel[0]; kd++) {
            const int64_t depth = place(w, 0, kd);
            for (int64_t kh = 0; kh < w->kernel[1]; kh++) {
                const Reach y = reach(w, 1, kh);
                for (int64_t kw = 0; kw < w->kernel[2]; kw++) {
                    const Reach x = reach(w, 2, kw);
                    for (int64_t o = 0; o < w->output[0]; o++) {
                        const int64_t d = o * w->stride[0] + depth;
                        if (d < 0 || d >= w->input[0]) {
                            memset(columns, 0, (size_t)area * sizeof(REAL));
                            columns += area;
                            continue;
                        }
                        memset(columns, 0, (size_t)(y.first * w->output[2]) * sizeof(REAL));
                        columns += y.first * w->output[2];
                        for (int64_t p = y.first; p < y.last; p++, columns += w->output[2]) {
                            const REAL *row = image + d * plane + (p * w->stride[1] + y.shift) * w->input[2] + x.shift;
                            for (int64_t q = 0; q < x.first; q++) columns[q] = 0;
                            if (w->stride[2] == 1) {
                                for (int64_t q = x.first; q < x.last; q++) columns[q] = row[q];
                            } else {
                                for (int64_t q = x.first; q < x.last; q++) columns[q] = row[q * w->stride[2]];
                            }
                            for (int64_t q = x.last; q < w->output[2]; q++) columns[q] = 0;
                        }
                        memset(columns, 0, (size_t)((w->output[1] - y.last) * w->output[2]) * sizeof(REAL));
                        columns += (w->output[1] - y.last) * w->output[2];
                    }
                }
            }
        }
    }
}

void NAME(fold)(const CKernels_Window *w, const REAL *columns, REAL *image) {
    const int64_t plane = w->input[1] * w->input[2], area = w->output[1] * w->output[2];
    memset(image, 0, (size_t)(w->channels * w->input[0] * plane) * sizeof(REAL));
    for (int64_t c = 0; c < w->channels; c++, image += w->input[0] * plane) {
        for (int64_t kd = 0; kd < w->kernel[0]; kd++) {
            const int64_t depth = place(w, 0, kd);
            for (int64_t kh = 0; kh < w->kernel[1]; kh++) {
                const Reach y = reach(w, 1, kh);
                for (int64_t kw = 0; kw < w->kernel[2]; kw++) {
                    const Reach x = reach(w, 2, kw);
                    for (int64_t o = 0; o < w->output[0]; o++, columns += area) {
                        const int64_t d = o * w->stride[0] + depth;
                        if (d < 0 || d >= w->input[0]) continue;
                        for (int64_t p = y.first; p < y.last; p++) {
                            REAL *row = image + d * plane + (p * w->stride[1] + y.shift) * w->input[2] + x.shift;
                            const REAL *from = columns + p * w->output[2];
                            if (w->stride[2] == 1) {
                                for (int64_t q = x.first; q < x.last; q++) row[q] += from[q];
                            } else {
                                for (int64_t q = x.first; q < x.last; q++) row[q * w->stride[2]] += from[q];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Calls BODY for every output row that a place of the kernel meets inside the image, with `in` at the image's row (already
/// shifted) and `out` at the output's.
#define FOR_ROWS(w, in, inBase, out, outBase, kd, kh, x, BODY)                                                         \
    for (int64_t o = 0; o < (w)->output[0]; o++) {                                                                     \
        const int64_t d = o * (w)->stride[0] + place(w, 0, kd);                                                        \
        if (d < 0 || d >= (w)->input[0]) continue;                                                                     \
        for (int64_t p = 0; p < (w)->output[1]; p++) {                                                                 \
            const int64_t h = p * (w)->stride[1] + place(w, 1, kh);                                                    \
            if (h < 0 || h >= (w)->input[1]) continue;                                                                 \
            in = inBase + (d * (w)->input[1] + h) * (w)->input[2] + (x).shift;                                         \
            out = outBase + (o * (w)->output[1] + p) * (w)->output[2];                                                 \
            BODY                                                                                                       \
        }                                                                                                              \
    }

void PASS(convolution, forward)(const CKernels_Window *w, const CKernels_Filters *f, const REAL *x, const REAL *weight,
                                const REAL *bias, REAL *y) {
    const int64_t volume = w->input[0] * w->input[1] * w->input[2];
    const int64_t outputs = w->output[0] * w->output[1] * w->output[2];
    const int64_t channels = w->channels / f->groups, filters = f->outChannels / f->groups;
    for (int64_t k = 0; k < f->outChannels; k++, y += outputs) {
        for (int64_t i = 0; i < outputs; i++) y[i] = bias ? bias[k] : 0;
        for (int64_t c = 0; c < channels; c++) {
            const REAL *image = x + (k / filters * channels + c) * volume;
            for (int64_t kd = 0; kd < w->kernel[0]; kd++) {
                for (int64_t kh = 0; kh < w->kernel[1]; kh++) {
                    for (int64_t kw = 0; kw < w->kernel[2]; kw++, weight++) {
                        const Reach reached = reach(w, 2, kw);
                        const REAL *in;
                        REAL *out;
                        FOR_ROWS(w, in, image, out, y, kd, kh, reached, {
                            for (int64_t q = reached.first; q < reached.last; q++) {
                                out[q] += *weight * in[q * w->stride[2]];
                            }
                        })
                    }
                }
            }
        }
    }
}

void PASS(convolution, inputGradient)(const CKernels_Window *w, const CKernels_Filters *f, const REAL *dy,
                                      const REAL *weight, REAL *dx) {
    const int64_t volume = w->input[0] * w->input[1] * w->input[2];
    const int64_t outputs = w->output[0] * w->output[1] * w->output[2];
    const int64_t channels = w->channels / f->groups, filters = f->outChannels / f->groups;
    memset(dx, 0, (size_t)(w->channels * volume) * sizeof(REAL));
    for (int64_t k = 0; k < f->outChannels; k++, dy += outputs) {
        for (int64_t c = 0; c < channels; c++) {
            REAL *image = dx + (k / filters * channels + c) * volume;
            for (int64_t kd = 0; kd < w->kernel[0]; kd++) {
                for (int64_t kh = 0; kh < w->kernel[1]; kh++) {
                    for (int64_t kw = 0; kw < w->kernel[2]; kw++, weight++) {
                        const Reach reached = reach(w, 2, kw);
                        REAL *in;
                        const REAL *out;
                        FOR_ROWS(w, in, image, out, dy, kd, kh, reached, {
                            for (int64_t q = reached.first; q < reached.last; q++) {
                                in[q * w->stride[2]] += *weight * out[q];
                            }
                        })
                    }
                }
            }
        }
    }
}

void PASS(convolution, addWeightGradient)(const CKernels_Window *w, const CKernels_Filters *f, const REAL *x,
                                          const REAL *dy, REAL *dweight) {
    const int64_t volume = w->input[0] * w->input[1] * w->input[2];
    const int64_t outputs = w->output[0] * w->output[1] * w->output[2];
    const int64_t channels = w->channels / f->groups, filters = f->outChannels / f->groups;
    for (int64_t k = 0; k < f->outChannels; k++, dy += outputs) {
        for (int64_t c = 0; c < channels; c++) {
            const REAL *image = x + (k / filters * channels + c) * volume;
            for (int64_t kd = 0; kd < w->kernel[0]; kd++) {
                for (int64_t kh = 0; kh < w->kernel[1]; kh++) {
                    for (int64_t kw = 0; kw < w->kernel[2]; kw++, dweight++) {
                        const Reach reached = reach(w, 2, kw);
                        const REAL *in, *out;
                        REAL sum = *dweight;
                        FOR_ROWS(w, in, image, out, dy, kd, kh, reached, {
                            for (int64_t q = reached.first; q < reached.last; q++) sum += out[q] * in[q * w->stride[2]];
                        })
                        *dweight = sum;
                    }
                }
            }
        }
    }
}

#undef FOR_ROWS

void NAME(pad)(const CKernels_Padding *p, const REAL *image, REAL *padded) {
    const int64_t plane = p->input[1] * p->input[2];
    const REAL value = (REAL)p->value;
    for (int64_t c = 0; c < p->channels; c++, image += p->input[0] * plane) {
        for (int64_t d = 0; d < p->padded[0]; d++) {
            for (int64_t h = 0; h < p->padded[1]; h++, padded += p->padded[2]) {
                const int64_t z = p->sources[0][d], y = p->sources[1][h];
                if (z < 0 || y < 0) {
                    for (int64_t x = 0; x < p->padded[2]; x++) padded[x] = value;
                    continue;
                }
                const REAL *row = image + z * plane + y * p->input[2];
                for (int64_t x = 0; x < p->padded[2]; x++) {
                    const int64_t source = p->sources[2][x];
                    padded[x] = source < 0 ? value : row[source];
                }
            }
        }
    }
}

void NAME(unpad)(const CKernels_Padding *p, const REAL *padded, REAL *image) {
    const int64_t plane = p->input[1] * p->input[2];
    memset(image, 0, (size_t)(p->channels * p->input[0] * plane) * sizeof(REAL));
    for (int64_t c = 0; c < p->channels; c++, image += p->input[0] * plane) {
        for (int64_t d = 0; d < p->padded[0]; d++) {
            for (int64_t h = 0; h < p->padded[1]; h++, padded += p->padded[2]) {
                const int64_t z = p->sources[0][d], y = p->sources[1][h];
                if (z < 0 || y < 0) continue;
                REAL *row = image + z * plane + y * p->input[2];
                for (int64_t x = 0; x < p->padded[2]; x++) {
                    if (p->sources[2][x] >= 0) row[p->sources[2][x]] += padded[x];
                }
            }
        }
    }
}

void NAME(fillRows)(const REAL *bias, int64_t rows, int64_t area, REAL *y) {
    for (int64_t k = 0; k < rows; k++) {
        for (int64_t i = 0; i < area; i++) y[k * area + i] = bias[k];
    }
}

void NAME(addRowSums)(const REAL *dy, int64_t rows, int64_t area, REAL *sums) {
    for (int64_t k = 0; k < rows; k++) {
        const REAL *row = dy + k * area;
        REAL chains[8] = {0};
        for (int64_t i = 0; i + 8 <= area; i += 8) {
            for (int64_t j = 0; j < 8; j++) chains[j] += row[i + j];
        }
        for (int64_t i = area & ~(int64_t)7, j = 0; i < area; i++, j++) chains[j] += row[i];
        sums[k] +=
            ((chains[0] + chains[1]) + (chains[2] + chains[3])) + ((chains[4] + chains[5]) + (chains[6] + chains[7]));
    }
}

void NAME(addColumnSums)(const REAL *dy, int64_t rows, int64_t columns, int64_t stride, REAL *sums) {
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = 0; k < columns; k++) sums[k] += dy[i * stride + k];
    }
}
