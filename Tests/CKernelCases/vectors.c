// Pixels, sums and updates over plain arrays. Every operation is rounded by itself, so that all sets give the same bits.
#include "cases.h"

#include <float.h>

/// The parameters of the Fashion classifier.
enum { parameters = 44426 };

// ---- Pixels --------------------------------------------------------------------------------------------------------

PROPERTY(planes_u8_forward) {
    int64_t channels = randomInt(1, 3), area = randomInt(1, 70), count = channels * area;
    float *table = randoms(256 * channels), *planes = floats(count), *expected = floats(count);
    uint8_t *pixels = (uint8_t *)floats(count);
    for (int64_t i = 0; i < count; i++) {
        pixels[i] = (uint8_t)randomInt(0, 255);
        expected[i % channels * area + i / channels] = table[i % channels * 256 + pixels[i]];
    }
    describe("%lld channels of %lld pixels", (long long)channels, (long long)area);
    set->planes_u8_forward(pixels, table, channels, area, planes);
    expectEqual("planes", planes, expected, count);
    release(table), release(planes), release(expected), release(pixels);
}
BENCHMARK(planes_u8_forward) {
    float *table = randoms(768), *planes = floats(3 * 50176);
    uint8_t *pixels = (uint8_t *)floats(3 * 50176 / 4);
    for (int i = 0; i < 3 * 50176; i++) pixels[i] = (uint8_t)randomInt(0, 255);
    TIME(planes_u8_forward, "3x224x224", 0, pixels, table, 3, 50176, planes);
    TIME(planes_u8_forward, "1x28x28", 0, pixels, table, 1, 784, planes);
    release(table), release(planes), release(pixels);
}

PROPERTY(planes_f32_forward) {
    int64_t channels = randomInt(1, 3), area = randomInt(1, 70), count = channels * area;
    float *pixels = randoms(count), *mean = randoms(channels), *std = randoms(channels);
    float *planes = floats(count), *expected = floats(count);
    for (int64_t i = 0; i < count; i++) {
        float difference = pixels[i] - mean[i % channels];
        expected[i % channels * area + i / channels] = difference / std[i % channels];
    }
    describe("%lld channels of %lld pixels", (long long)channels, (long long)area);
    set->planes_f32_forward(pixels, mean, std, channels, area, planes);
    expectEqual("planes", planes, expected, count);
    release(pixels), release(mean), release(std), release(planes), release(expected);
}
BENCHMARK(planes_f32_forward) {
    float *pixels = randoms(3 * 50176), *planes = floats(3 * 50176), mean[3] = {0.5f}, std[3] = {1, 1, 1};
    TIME(planes_f32_forward, "3x224x224", 0, pixels, mean, std, 3, 50176, planes);
    release(pixels), release(planes);
}

// ---- Sums ----------------------------------------------------------------------------------------------------------

PROPERTY(add_f32) {
    int64_t n = randomInt(1, 100);
    float *a = randoms(n), *b = randoms(n), *sum = floats(n), *expected = floats(n);
    for (int64_t i = 0; i < n; i++) expected[i] = a[i] + b[i];
    describe("%lld elements", (long long)n);
    set->add_f32(a, b, n, sum);
    expectEqual("sum", sum, expected, n);
    set->add_f32(a, b, n, round % 2 ? a : b);
    expectEqual("sum in place", round % 2 ? a : b, expected, n);
    release(a), release(b), release(sum), release(expected);
}
BENCHMARK(add_f32) {
    float *a = randoms(parameters), *b = randoms(parameters), *sum = floats(parameters);
    TIME(add_f32, "44,426 gradients", 0, a, b, parameters, sum);
    release(a), release(b), release(sum);
}

/// Σ of one element over leaves first ..< first + count, a power of two.
static float treeSum(const float *leaves, int64_t stride, int64_t count) {
    if (count == 1) return *leaves;
    return treeSum(leaves, stride, count / 2) + treeSum(leaves + count / 2 * stride, stride, count / 2);
}

PROPERTY(treeSum_f32) {
    int64_t leaves = 1 << randomInt(0, 5), n = randomInt(1, 60), stride = n + randomInt(0, 9);
    float *arrays = randoms(leaves * stride), *total = floats(n), *expected = floats(n);
    for (int64_t i = 0; i < n; i++) expected[i] = treeSum(arrays + i, stride, leaves);
    describe("%lld leaves of %lld elements", (long long)leaves, (long long)n);
    set->treeSum_f32(arrays, leaves, stride, n, total);
    expectEqual("total", total, expected, n);
    release(arrays), release(total), release(expected);
}
BENCHMARK(treeSum_f32) {
    float *arrays = floats(8 * 2048), *total = floats(2048);
    memset(arrays, 0, 8 * 2048 * sizeof(float));
    TIME(treeSum_f32, "8 leaves of 2,048", 0, arrays, 8, 2048, 2048, total);
    release(arrays), release(total);
}

PROPERTY(sumOfSquares_f32) {
    int64_t n = randomInt(1, 100);
    float *x = randoms(n);
    double sum, chains[8] = {0};
    for (int64_t i = 0; i < n; i++) {
        double square = (double)x[i] * (double)x[i];
        chains[i % 8] += square;
    }
    for (int distance = 1; distance < 8; distance *= 2) {
        for (int i = 0; i < 8; i += 2 * distance) chains[i] += chains[i + distance];
    }
    describe("%lld elements", (long long)n);
    set->sumOfSquares_f32(x, n, &sum);
    if (sum != chains[0]) fail("Σ x² = %.17g, expected %.17g", sum, chains[0]);
    release(x);
}
BENCHMARK(sumOfSquares_f32) {
    float *x = randoms(parameters);
    double sum;
    TIME(sumOfSquares_f32, "44,426 gradients", 0, x, parameters, &sum);
    release(x);
}

// ---- Updates -------------------------------------------------------------------------------------------------------

static float normalOrZero(float x) { return fabsf(x) < FLT_MIN ? 0 : x; }

static float lerp(float a, float b, float share) {
    float way = b - a;
    if (share < 0.5f) {
        float part = share * way;
        return a + part;
    }
    float rest = way * (1.0f - share);
    return b - rest;
}

/// gradient · scale + decay · weight, each operation rounded.
static float decayed(float gradient, float scale, float decay, float weight) {
    float scaled = gradient * scale, term = decay * weight;
    return scaled + term;
}

/// Parameters with gradients and up to three vectors of state, twice: for the kernel and for its definition.
typedef struct {
    int64_t count;
    float *gradients, *weights, *state[3], *expected, *expectedState[3];
} Parameters;

static float *copy(const float *values, int64_t count) {
    return memcpy(floats(count), values, (size_t)count * sizeof(float));
}

/// Every third element has no gradient and a state that decays below the normal range; states are not negative where asked.
static Parameters randomParameters(int areSquares) {
    const int64_t n = randomInt(1, 100);
    Parameters p = {.count = n, .gradients = randoms(n), .weights = randoms(n)};
    for (int64_t i = 0; i < n; i += 3) p.gradients[i] = p.weights[i] = 0;
    for (int s = 0; s < 3; s++) {
        p.state[s] = randoms(n);
        for (int64_t i = 0; i < n; i++) {
            if (i % 3 == 0) p.state[s][i] *= 2e-38f;
            if (areSquares) p.state[s][i] = fabsf(p.state[s][i]);
        }
        p.expectedState[s] = copy(p.state[s], n);
    }
    p.expected = copy(p.weights, n);
    describe("%lld elements", (long long)n);
    return p;
}

static void expectAndRelease(Parameters p) {
    expectEqual("weights", p.weights, p.expected, p.count);
    for (int s = 0; s < 3; s++) {
        expectEqual("state", p.state[s], p.expectedState[s], p.count);
        release(p.state[s]), release(p.expectedState[s]);
    }
    release(p.gradients), release(p.weights), release(p.expected);
}

#define UPDATE(kernel, ...)                                                                                            \
    float *gradients = randoms(parameters), *weights = randoms(parameters), *a = floats(parameters);                   \
    float *b = floats(parameters);                                                                                     \
    memset(a, 0, parameters * sizeof(float)), memset(b, 0, parameters * sizeof(float));                                \
    TIME(kernel, "44,426 parameters", 0, __VA_ARGS__);                                                                 \
    release(gradients), release(weights), release(a), release(b)

PROPERTY(sgd_f32) {
    CKernels_SGD rule = {0.1f, randomInt(0, 2) ? 0.9f : 0, 0.01f, 0.25f, 0.75f, (int32_t)randomInt(0, 1)};
    Parameters p = randomParameters(0);
    set->sgd_f32(&rule, p.gradients, p.count, p.weights, p.state[0]);
    for (int64_t i = 0; i < p.count; i++) {
        float *w = p.expected + i, *v = p.expectedState[0] + i;
        float d = decayed(p.gradients[i], rule.gradientScale, rule.weightDecay, *w), move = d;
        if (rule.momentum != 0) {
            *v = normalOrZero(decayed(*v, rule.momentum, rule.fresh, d));
            move = *v;
            if (rule.nesterov) {
                float ahead = rule.momentum * *v;
                move = d + ahead;
            }
        }
        move = rule.rate * move;
        *w = *w - move;
    }
    expectAndRelease(p);
}
BENCHMARK(sgd_f32) {
    CKernels_SGD rule = {0.01f, 0.9f, 0, 0.03125f, 1, 0};
    UPDATE(sgd_f32, &rule, gradients, parameters, weights, a);
}

PROPERTY(adam_f32) {
    int isDecoupled = (int)randomInt(0, 1);
    CKernels_Adam rule = {1e-2f,
                          randomInt(0, 1) ? 0.1f : 0.6f,
                          0.999f,
                          1e-3f,
                          0.5f,
                          1e-8f,
                          isDecoupled ? 0 : 0.01f,
                          isDecoupled ? 0.999f : 1,
                          0.25f};
    Parameters p = randomParameters(1);
    set->adam_f32(&rule, p.gradients, p.count, p.weights, p.state[0], p.state[1]);
    for (int64_t i = 0; i < p.count; i++) {
        float *w = p.expected + i, *m = p.expectedState[0] + i, *v = p.expectedState[1] + i;
        float d = decayed(p.gradients[i], rule.gradientScale, rule.weightDecay, *w);
        *m = normalOrZero(lerp(*m, d, rule.oneMinusBeta1));
        float kept = rule.beta2 * *v, fresh = rule.oneMinusBeta2 * d;
        fresh = fresh * d;
        *v = normalOrZero(kept + fresh);
        float deviation = sqrtf(*v);
        deviation = deviation / rule.secondCorrection;
        deviation = deviation + rule.epsilon;
        float shrunk = *w * rule.shrink, move = rule.stepSize * *m;
        move = move / deviation;
        *w = shrunk - move;
    }
    expectAndRelease(p);
}
BENCHMARK(adam_f32) {
    CKernels_Adam rule = {1e-3f, 0.1f, 0.999f, 1e-3f, 0.5f, 1e-8f, 0, 1, 0.03125f};
    UPDATE(adam_f32, &rule, gradients, parameters, weights, a, b);
}

PROPERTY(rmsprop_f32) {
    CKernels_RMSprop rule = {1e-2f, 0.99f, 0.01f, 1e-8f, randomInt(0, 1) ? 0.9f : 0, 0.01f, 0.25f};
    int isCentered = (int)randomInt(0, 1);
    Parameters p = randomParameters(1);
    set->rmsprop_f32(&rule, p.gradients, p.count, p.weights, p.state[0], isCentered ? p.state[1] : 0,
                     rule.momentum != 0 ? p.state[2] : 0);
    for (int64_t i = 0; i < p.count; i++) {
        float *w = p.expected + i, *squares = p.expectedState[0] + i, *m = p.expectedState[1] + i;
        float *b = p.expectedState[2] + i;
        float d = decayed(p.gradients[i], rule.gradientScale, rule.weightDecay, *w);
        float kept = rule.alpha * *squares, fresh = rule.oneMinusAlpha * d;
        fresh = fresh * d;
        float variance = *squares = normalOrZero(kept + fresh);
        if (isCentered) {
            *m = normalOrZero(lerp(*m, d, rule.oneMinusAlpha));
            float square = *m * *m;
            variance = variance - square;
            variance = variance > 0 ? variance : 0;
        }
        float divisor = sqrtf(variance);
        divisor = divisor + rule.epsilon;
        float move;
        if (rule.momentum == 0) {
            move = rule.rate * d;
            move = move / divisor;
        } else {
            float velocity = rule.momentum * *b, share = d / divisor;
            *b = normalOrZero(velocity + share);
            move = rule.rate * *b;
        }
        *w = *w - move;
    }
    expectAndRelease(p);
}
BENCHMARK(rmsprop_f32) {
    CKernels_RMSprop rule = {1e-3f, 0.99f, 0.01f, 1e-8f, 0.9f, 0, 0.03125f};
    UPDATE(rmsprop_f32, &rule, gradients, parameters, weights, a, 0, b);
}

PROPERTY(lars_f32) {
    CKernels_LARS rule = {0.1f, 0.9f, 0.01f, 0.25f};
    Parameters p = randomParameters(0);
    set->lars_f32(&rule, p.gradients, p.count, p.weights, p.state[0]);
    for (int64_t i = 0; i < p.count; i++) {
        float *w = p.expected + i, *v = p.expectedState[0] + i;
        float d = decayed(p.gradients[i], rule.gradientScale, rule.weightDecay, *w);
        *v = normalOrZero(decayed(*v, rule.momentum, rule.rate, d));
        *w = *w - *v;
    }
    expectAndRelease(p);
}
BENCHMARK(lars_f32) {
    CKernels_LARS rule = {0.01f, 0.9f, 0, 0.03125f};
    UPDATE(lars_f32, &rule, gradients, parameters, weights, a);
}

PROPERTY(clip_f32) {
    float scale = 0.25f, coefficient = randomInt(0, 1) ? 0.7f : 1, limit = randomInt(0, 1) ? 0.1f : INFINITY;
    int64_t n = randomInt(1, 100);
    float *gradients = randoms(n);
    if (randomInt(0, 3) == 0) gradients[randomInt(0, n - 1)] = NAN;
    if (randomInt(0, 3) == 0) gradients[randomInt(0, n - 1)] = -INFINITY;
    float *expected = floats(n);
    for (int64_t i = 0; i < n; i++) {
        float g = gradients[i] * scale;
        g = g * coefficient;
        expected[i] = g > limit ? limit : g < -limit ? -limit : g;
    }
    describe("%lld elements, limit %g", (long long)n, limit);
    set->clip_f32(scale, coefficient, limit, n, gradients);
    expectEqual("gradients", gradients, expected, n);
    release(gradients), release(expected);
}
BENCHMARK(clip_f32) { UPDATE(clip_f32, 1, 0.5f, 1e30f, parameters, gradients); }

PROPERTY(average_f32) {
    float share = randomInt(0, 1) ? 0.001f : 0.75f;
    int64_t n = randomInt(1, 100);
    float *values = randoms(n), *average = randoms(n), *expected = floats(n);
    for (int64_t i = 0; i < n; i++) expected[i] = lerp(average[i], values[i], share);
    describe("%lld elements, share %g", (long long)n, share);
    set->average_f32(share, values, n, average);
    expectEqual("average", average, expected, n);
    release(values), release(average), release(expected);
}
BENCHMARK(average_f32) { UPDATE(average_f32, 0.001f, gradients, parameters, weights); }

// ---- Yardstick -----------------------------------------------------------------------------------------------------

PROPERTY(multiplyAdds_f32) {
    int64_t rounds = randomInt(0, 30);
    double operations;
    float sink, expected = 0;
    // Twelve chains from 0 … 11, and no matter how wide a vector is, every lane of one holds the same.
    for (int chain = 0; chain < 12; chain++) {
        float value = (float)chain;
        for (int64_t i = 0; i < rounds; i++) value = madd(value, 0.999f, 0.001f);
        expected = expected + value;
    }
    describe("%lld rounds", (long long)rounds);
    set->multiplyAdds_f32(rounds, &operations, &sink);
    expectEqual("sink", &sink, &expected, 1);
    double lanes = rounds ? operations / (2.0 * 12 * (double)rounds) : 4;
    if (lanes != 4 && lanes != 8 && lanes != 16) fail("%g operations", operations);
}
BENCHMARK(multiplyAdds_f32) {
    double operations;
    float sink;
    set->multiplyAdds_f32(10000, &operations, &sink);
    TIME(multiplyAdds_f32, "10,000 rounds", operations, 10000, &operations, &sink);
}
