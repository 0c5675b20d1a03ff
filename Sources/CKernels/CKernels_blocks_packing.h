// Convolution over blocks of sixteen channels: padded copies of images, and weights in the order that kernels read. Included
// once a set.

/// Copies the places that `rows` rows of outputs from `first` on read, zeros where they lie outside the image:
/// [blocks][rows][columns][channels of a place].
INLINE void copyPlaces(const Correlation *g, const float *source, int64_t first, int64_t rows, float *copy) {
    const int64_t width = copyWidth(g), height = copyRows(g, rows), place = placeFloats(g), step = copyBlock(g, rows);
    const int64_t top = first * g->strideHeight - g->top, area = g->height * g->width;
    // Columns of the copy that lie inside the image.
    int64_t from = g->left < 0 ? 0 : g->left, to = g->width + g->left;
    if (from > width) from = width;
    if (to > width) to = width;
    if (to < from) to = from;
    ROLLED for (int64_t b = 0; b < sourceBlocks(g); b++) {
        float *line = copy + b * step;
        ROLLED for (int64_t h = top; h < top + height; h++, line += width * place) {
            if (h < 0 || h >= g->height) {
                memset(line, 0, (size_t)(width * place) * sizeof(float));
                continue;
            }
            memset(line, 0, (size_t)(from * place) * sizeof(float));
            memset(line + to * place, 0, (size_t)((width - to) * place) * sizeof(float));
            if (g->blocks) {
                const float *in = source + b * area * place + (h * g->width + from - g->left) * place;
                memcpy(line + from * place, in, (size_t)((to - from) * place) * sizeof(float));
                continue;
            }
            ROLLED for (int64_t c = 0; c < place; c++) {
                const float *in = source + c * area + h * g->width + from - g->left;
                ROLLED for (int64_t w = from; w < to; w++) line[w * place + c] = in[w - from];
            }
        }
    }
}

// ---- Weights -------------------------------------------------------------------------------------------------------

/// Where the sixteen weights of the c-th channel (of `channels`) lie in the part of one block of outputs: runs of chunks, in
/// them of taps, in those of channels.
INLINE int64_t packedPlace(int64_t chunk, int64_t channels, int64_t taps, int64_t c, int64_t tap) {
    const int64_t length = chunk * CKernels_laneCount, first = c / length * length;
    const int64_t own = channels - first < length ? channels - first : length;
    return (first * taps + tap * own + c - first) * CKernels_laneCount;
}

KERNEL(blockConv2d_f32_pack)(const CKernels_BlockConvolution *s, int64_t block, const float *weights, float *packed) {
    const int64_t taps = s->kernelHeight * s->kernelWidth, count = s->channels * taps;
    const int64_t chunk = s->channels % CKernels_laneCount ? 1 : CKernels_blockChain(taps);
    const float *rows = weights + block * CKernels_laneCount * count;
    float *own = packed + block * CKernels_laneCount * count;
    ROLLED for (int64_t c = 0; c < s->channels; c++) {
        ROLLED for (int64_t t = 0; t < taps; t++) {
            // Thin images: columns of a kernel row outside, channels inside, one run.
            float *out = own + (s->channels % CKernels_laneCount ? (t * s->channels + c) * CKernels_laneCount
                                                                 : packedPlace(chunk, s->channels, taps, c, t));
            ROLLED for (int64_t l = 0; l < CKernels_laneCount; l++) out[l] = rows[l * count + c * taps + t];
        }
    }
}

KERNEL(blockConv2d_f32_packTransposed)(const CKernels_BlockConvolution *s, int64_t block, const float *weights,
                                       float *packed) {
    const int64_t taps = s->kernelHeight * s->kernelWidth, chunk = CKernels_blockChain(taps);
    float *own = packed + block * CKernels_laneCount * s->outputChannels * taps;
    ROLLED for (int64_t k = 0; k < s->outputChannels; k++) {
        const float *in = weights + (k * s->channels + block * CKernels_laneCount) * taps;
        ROLLED for (int64_t t = 0; t < taps; t++) {
            float *out = own + packedPlace(chunk, s->outputChannels, taps, k, t);
            ROLLED for (int64_t l = 0; l < CKernels_laneCount; l++) out[l] = in[l * taps + t];
        }
    }
}

KERNEL(blockConv2d_f32_unpackGradient)(const CKernels_BlockConvolution *s, int64_t block, const float *packed,
                                       float *gradient) {
    const int64_t taps = s->kernelHeight * s->kernelWidth, count = s->channels * taps;
    const int isThin = s->channels % CKernels_laneCount != 0;
    const float *own = packed + block * CKernels_laneCount * count;
    float *rows = gradient + block * CKernels_laneCount * count;
    ROLLED for (int64_t c = 0; c < s->channels; c++) {
        ROLLED for (int64_t t = 0; t < taps; t++) {
            const int64_t place =
                isThin ? t * s->channels + c
                       : (c / CKernels_laneCount * taps + t) * CKernels_laneCount + c % CKernels_laneCount;
            const float *in = own + place * CKernels_laneCount;
            ROLLED for (int64_t l = 0; l < CKernels_laneCount; l++) rows[l * count + c * taps + t] = in[l];
        }
    }
}
