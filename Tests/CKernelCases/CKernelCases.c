#include "cases.h"

#include <stdarg.h>
#include <time.h>

/// What the threads that check do not share.
static _Thread_local struct {
    uint64_t random, digest;
    int fuses, hasFailed;
    const char *kernel;
    char shape[256], message[512];
    double secondsEach, peak;
} run = {.random = 88172645463325252ull};

typedef struct {
    const char *name;
    CKernels_Agreement agreement;
    void (*property)(Set *set, int round);
    void (*benchmark)(Set *set);
} Case;
static const Case cases[] = {
#define ROW(agreement, kernel, parameters, arguments)                                                                  \
    {#kernel, CKernels_agreement##agreement, property_##kernel, benchmark_##kernel},
    CKERNELS(ROW)
#undef ROW
};

int32_t CKernelCases_count(void) { return sizeof cases / sizeof *cases; }
const char *CKernelCases_name(int32_t row) { return cases[row].name; }

const char *CKernelCases_check(const char *name, int32_t row, int32_t rounds, uint64_t seed) {
    Set *set = CKernels_setNamed(name);
    run.random = seed * 2654435761u + (uint64_t)row + 1;
    run.fuses = cases[row].agreement == CKernels_agreementFused && set->fusesMultiplyAdd;
    run.hasFailed = 0;
    run.digest = 14695981039346656037ull;
    run.kernel = cases[row].name;
    for (int round = 0; round < rounds && !run.hasFailed; round++) {
        run.shape[0] = 0;
        cases[row].property(set, round);
    }
    return run.hasFailed ? run.message : 0;
}

uint64_t CKernelCases_digest(void) { return run.digest; }

void CKernelCases_bench(const char *name, int32_t row, double secondsEach, double peak) {
    run.secondsEach = secondsEach;
    run.peak = peak;
    cases[row].benchmark(CKernels_setNamed(name));
}

double CKernelCases_peak(void) {
    double best = 0, operations;
    float sink;
    // Bursts short enough that some of them run undisturbed on a busy machine.
    for (int i = 0; i < 4000; i++) {
        double t = seconds();
        CKernels_widestSet()->multiplyAdds_f32(10000, &operations, &sink);
        t = seconds() - t;
        if (operations / t > best) best = operations / t;
    }
    return best * 1e-9;
}

// ---- Random values -------------------------------------------------------------------------------------------------

static uint64_t randomBits(void) {
    run.random ^= run.random << 13;
    run.random ^= run.random >> 7;
    return run.random ^= run.random << 17;
}
int64_t randomInt(int64_t low, int64_t high) { return low + (int64_t)(randomBits() % (uint64_t)(high - low + 1)); }
float randomFloat(void) { return (float)((double)(randomBits() >> 40) / 8388608.0 - 1.0); }

float *floats(int64_t count) {
    size_t bytes = (size_t)((count * 4 + 63) / 64 * 64 + 8192 + 4095) / 4096 * 4096;
    char *base = aligned_alloc(4096, bytes);
    memset(base, 0xff, bytes);
    return (float *)(base + 4096);
}
float *randoms(int64_t count) {
    float *p = floats(count);
    for (int64_t i = 0; i < count; i++) p[i] = randomFloat();
    return p;
}
void release(void *p) { free((char *)p - 4096); }

// ---- Comparison ----------------------------------------------------------------------------------------------------

void describe(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run.shape, sizeof run.shape, format, arguments);
    va_end(arguments);
}

void fail(const char *format, ...) {
    if (run.hasFailed) return;
    run.hasFailed = 1;
    int length = snprintf(run.message, sizeof run.message, "%s, %s: ", run.kernel, run.shape);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run.message + length, sizeof run.message - (size_t)length, format, arguments);
    va_end(arguments);
}

/// FNV-1a over words; every NaN counts as the same one.
static void addToDigest(float value) {
    uint32_t bits = 0x7fc00000;
    if (value == value) memcpy(&bits, &value, sizeof bits);
    run.digest = (run.digest ^ bits) * 1099511628211ull;
}

void expectEqual(const char *what, const float *found, const float *expected, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        int bothNaN = found[i] != found[i] && expected[i] != expected[i];
        addToDigest(found[i]);
        if (memcmp(found + i, expected + i, sizeof(float)) == 0 || bothNaN) continue;
        fail("%s[%lld] = %.9g, expected %.9g", what, (long long)i, found[i], expected[i]);
        return;
    }
}

void expectClose(const char *what, const float *found, const float *expected, int64_t count, double tolerance) {
    for (int64_t i = 0; i < count; i++) {
        if (fabs((double)found[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))) continue;
        fail("%s[%lld] = %.9g, expected %.9g", what, (long long)i, found[i], expected[i]);
        return;
    }
}

void expectWinners(const uint16_t *found, const uint16_t *expected, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (found[i] == expected[i]) continue;
        fail("argmax[%lld] = %d, expected %d", (long long)i, found[i], expected[i]);
        return;
    }
}

float madd(float a, float b, float c) {
    if (run.fuses) return fmaf(a, b, c);
    float product = a * b;
    return product + c;
}

// ---- Definitions that several rows share -----------------------------------------------------------------------------

CKernels_Activation randomActivation(void) { return (CKernels_Activation)randomInt(0, 2); }

float derivative(CKernels_Activation activation, float dy, float y) {
    if (activation == CKernels_activationReLU) return y <= 0 ? 0 : dy;
    if (activation == CKernels_activationTanh) {
        float square = y * y;
        float slope = 1.0f - square;
        return dy * slope;
    }
    return dy;
}

float laneTree(const float *v, int64_t lanes) {
    return lanes == 1 ? v[0] : laneTree(v, lanes / 2) + laneTree(v + lanes / 2, lanes / 2);
}

void takeLane(const float *values, int64_t count, int lane, float *plain) {
    for (int64_t i = 0; i < count; i++) plain[i] = values[i * L + lane];
}

void maximumPool(const CKernels_LaneWindow *w, const float *x, float *y, uint16_t *argmax) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int64_t p = 0; p < w->outputHeight; p++)
            for (int64_t q = 0; q < w->outputWidth; q++, y++, argmax++) {
                int found = 0;
                for (int64_t tap = 0; tap < w->kernelHeight * w->kernelWidth; tap++) {
                    int64_t i = p * w->strideHeight - w->paddingTop + tap / w->kernelWidth;
                    int64_t j = q * w->strideWidth - w->paddingLeft + tap % w->kernelWidth;
                    if (i < 0 || j < 0 || i >= w->height || j >= w->width) continue;
                    float value = x[(c * w->height + i) * w->width + j];
                    if (!found || value > *y || (value != value && *y == *y)) *y = value, *argmax = (uint16_t)tap;
                    found = 1;
                }
            }
}

// ---- Time ----------------------------------------------------------------------------------------------------------

double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int measures(int count, double start) { return count < 5 || seconds() < start + run.secondsEach; }

static int ascending(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

void report(Set *set, const char *kernel, const char *label, double flops, double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, ascending);
    double least = times[0], median = times[count / 2], rate = flops / least * 1e-9;
    printf("%-8s %-26s %-34s %9.2f µs  median %9.2f", set->name, kernel, label, 1e6 * least, 1e6 * median);
    if (flops > 0) printf("  %6.1f GFLOP/s  %5.1f %%", rate, 100 * rate / run.peak);
    printf("\n");
    fflush(stdout);
}
