#include "CKernels_blocks_geometry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SET(set, runs) extern const CKernels_Set CKernels_set__##set;
CKERNELS_SETS(SET)
#undef SET

const CKernels_Set *CKernels_set(int32_t number) {
    static const CKernels_Set *const sets[] = {
#define SET(set, runs) &CKernels_set__##set,
        CKERNELS_SETS(SET)
#undef SET
    };
    return number >= 0 && number < (int32_t)(sizeof sets / sizeof *sets) ? sets[number] : 0;
}

static int runsHere(const CKernels_Set *set) {
#define SET(name, runs)                                                                                                \
    if (set == &CKernels_set__##name) return runs;
    CKERNELS_SETS(SET)
#undef SET
    return 0;
}

const CKernels_Set *CKernels_setNamed(const char *name) {
    const CKernels_Set *set;
    for (int32_t i = 0; (set = CKernels_set(i)); i++) {
        if (strcmp(set->name, name) == 0) return runsHere(set) ? set : 0;
    }
    return 0;
}

const CKernels_Set *CKernels_widestSet(void) {
    int32_t i = 0;
    while (!runsHere(CKernels_set(i))) i++;
    return CKernels_set(i);
}

const CKernels_Set *CKernels_setInUse(void) {
    static _Atomic(const CKernels_Set *) inUse;
    const CKernels_Set *set = atomic_load_explicit(&inUse, memory_order_acquire);
    if (set) return set;
    const char *wanted = getenv("SWIFT_TRAIN_ISA");
    if (wanted && *wanted) set = CKernels_setNamed(wanted);
    if (!set) set = CKernels_widestSet();
    atomic_store_explicit(&inUse, set, memory_order_release);
    return set;
}

int64_t CKernels_laneConvolutionWorkspace(const CKernels_LaneConvolution *shape) {
    const CKernels_LaneWindow *w = &shape->window;
    // Lane sums and what they come to, biases, two rows of every output channel.
    int64_t count = shape->outputChannels * w->channels * w->kernelHeight * w->kernelWidth + CKernels_laneCount;
    return count * (CKernels_laneCount + 1) + shape->outputChannels * (1 + 2 * w->outputWidth) * CKernels_laneCount;
}

int64_t CKernels_laneLinearWorkspace(int64_t inputs) {
    return (inputs + CKernels_laneCount - 1) / CKernels_laneCount * CKernels_laneCount * CKernels_laneCount;
}

CKernels_BlockBands CKernels_blockBands(const CKernels_BlockConvolution *s, int64_t images) {
    // Bands of about 200 places: their slopes and one block of what they saw stay in a first-level cache.
    const int64_t places = 224, area = s->outputHeight * s->outputWidth;
    CKernels_BlockBands bands = {1, s->outputHeight, 1, images};
    if (2 * area <= places) {
        bands.images = places / area;
        bands.count = (images + bands.images - 1) / bands.images;
        return bands;
    }
    int64_t most = places / s->outputWidth > 1 ? places / s->outputWidth : 1;
    int64_t count = (s->outputHeight + most - 1) / most;
    bands.rows = (s->outputHeight + count - 1) / count;
    bands.perImage = (s->outputHeight + bands.rows - 1) / bands.rows;
    bands.count = images * bands.perImage;
    return bands;
}

/// Floats of the padded copies of one call; none where the source is read where it lies.
static int64_t copiedFloats(const Correlation *g) {
    if (readsSource(g)) return 0;
    int64_t rows = copiedRows(g), image = copyImage(g, rows);
    return rows == g->rows && image < BLOCK_COPY_FLOATS ? BLOCK_COPY_FLOATS : image;
}

int64_t CKernels_blockConvolutionWorkspace(const CKernels_BlockConvolution *s, int64_t images) {
    Correlation g;
    forwardCorrelation(s, &g);
    int64_t most = copiedFloats(&g);
    if (images > 0) {
        CKernels_BlockBands bands = CKernels_blockBands(s, images);
        int64_t count = s->outputChannels * (s->channels * s->kernelHeight * s->kernelWidth + 1);
        int64_t sums = bands.count > CKernels_blockBandsAGroup ? (count + 15) / 16 * 16 : 0;
        int64_t gradient = sums + (readsSource(&g) ? 0 : bands.images * copyImage(&g, bands.rows));
        if (gradient > most) most = gradient;
    }
    for (int64_t row = 0; row < rowPhases(s) && s->channels % CKernels_laneCount == 0; row++)
        for (int64_t column = 0; column < columnPhases(s); column++) {
            phaseCorrelation(s, row, column, &g);
            if (copiedFloats(&g) > most) most = copiedFloats(&g);
        }
    return most;
}

int64_t CKernels_winogradWeights(const CKernels_BlockConvolution *s) {
    return CKernels_winogradSide * CKernels_winogradSide * s->channels * s->outputChannels;
}

int64_t CKernels_winogradWorkspace(const CKernels_BlockConvolution *s) {
    const int64_t group = CKernels_winogradGroup(s->channels, s->outputChannels);
    const int64_t place = (s->channels + s->outputChannels) * group + 2 * CKernels_laneCount;
    return CKernels_winogradSide * CKernels_winogradSide * place;
}
