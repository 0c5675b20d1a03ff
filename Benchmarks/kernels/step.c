// A whole training step of the Fashion classifier made of the lane kernels: pixels, forward, loss, backward, the tree over
// groups, the update. Usage: step [SECONDS] [SET]; SWIFT_TRAIN_ISA names the set otherwise. Prints images per second at
// batch 32 and 256 with four shards, the time of every part of a group, and the loss on random images it learns by heart.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../Tests/CKernelCases/cases.h"

enum {
    W1 = 0,
    B1 = W1 + 150,
    W2 = B1 + 6,
    B2 = W2 + 2400,
    W3 = B2 + 16,
    B3 = W3 + 30720,
    W4 = B3 + 120,
    B4 = W4 + 10080,
    W5 = B4 + 84,
    B5 = W5 + 840,
    COUNT = B5 + 10
};
enum { parts = 15 };
static const char *partNames[parts] = {"pixels", "conv1+pool", "conv2+pool",     "fc1",          "fc2",
                                       "fc3",    "loss",       "fc3 dW",         "fc3 dx",       "fc2 dW",
                                       "fc2 dx", "fc1 dW",     "fc1 dx, unpool", "conv2 dW, dx", "conv1 dW"};
static double partSeconds[parts];

typedef struct {
    float *x, *p1, *p2, *h1, *h2, *logits, *d3, *d2, *d1, *dp2, *dy2, *dp1, *workspace;
    uint16_t *w1, *w2;
} Values;

static const CKernels_LaneConvolution c1 = {{1, 28, 28, 5, 5, 1, 1, 0, 0, 24, 24}, 6};
static const CKernels_LaneConvolution c2 = {{6, 12, 12, 5, 5, 1, 1, 0, 0, 8, 8}, 16};

static double group(Set *set, const Values *v, const float *w, const float *transposed, const CKernels_LaneGroup *g,
                    const float *table, float *grad, int timed) {
    const CKernels_Activation relu = CKernels_activationReLU, none = CKernels_activationNone;
    const int64_t lanes = g->lanes, perShard = g->lanesPerShard;
    CKernels_LaneScores scores;
    double t = timed ? seconds() : 0;
    int part = 0;
#define PART(call)                                                                                                     \
    call;                                                                                                              \
    if (timed) {                                                                                                       \
        double now = seconds();                                                                                        \
        if (now - t < partSeconds[part]) partSeconds[part] = now - t;                                                  \
        t = now, part++;                                                                                               \
    }
    PART(set->pixels_u8_forward(g, table, 1, 784, v->x))
    PART(set->conv2d_pool_f32_forward(&c1, v->x, w + W1, w + B1, relu, v->workspace, v->p1, v->w1))
    PART(set->conv2d_pool_f32_forward(&c2, v->p1, w + W2, w + B2, relu, v->workspace, v->p2, v->w2))
    PART(set->linear_f32_forward(256, 120, v->p2, w + W3, w + B3, relu, v->h1))
    PART(set->linear_f32_forward(120, 84, v->h1, w + W4, w + B4, relu, v->h2))
    PART(set->linear_f32_forward(84, 10, v->h2, w + W5, w + B5, none, v->logits))
    PART(set->crossEntropy_f32(g, v->logits, 10, &scores, v->d3))
    PART(set->linear_f32_weightGradient(84, 10, v->h2, v->d3, perShard, lanes, v->workspace, grad + W5, grad + B5))
    PART(set->linear_f32_inputGradient(84, 10, v->d3, w + W5, relu, v->h2, v->d2))
    PART(set->linear_f32_weightGradient(120, 84, v->h1, v->d2, perShard, lanes, v->workspace, grad + W4, grad + B4))
    PART(set->linear_f32_inputGradient(120, 84, v->d2, w + W4, relu, v->h1, v->d1))
    PART(set->linear_f32_weightGradient(256, 120, v->p2, v->d1, perShard, lanes, v->workspace, grad + W3, grad + B3))
    PART(set->linear_f32_inputGradient(256, 120, v->d1, w + W3, none, v->p2, v->dp2);
         set->unpool_f32_backward(16, 8, 8, v->p2, v->dp2, v->w2, relu, v->dy2))
    PART(set->conv2d_f32_weightGradient(&c2, v->p1, v->dy2, lanes, v->workspace, grad + W2, grad + B2);
         set->conv2d_f32_inputGradient(&c2, v->dy2, transposed, none, v->p1, v->dp1))
    PART(set->conv2d_pool_f32_weightGradient(&c1, v->x, v->p1, v->dp1, v->w1, relu, lanes, v->workspace, grad + W1,
                                             grad + B1))
    double loss = 0;
    for (int l = 0; l < L; l++) loss += scores.loss[l];
    return loss;
}

int main(int argc, char **argv) {
    double wanted = argc > 1 ? atof(argv[1]) : 2;
    Set *set = argc > 2 ? CKernels_setNamed(argv[2]) : CKernels_setInUse();
    if (!set) return printf("this processor cannot run that set\n"), 1;
    const double peak = CKernelCases_peak() * 1e9;
    static const struct {
        int at, count, fan;
    } spans[] = {{W1, 156, 25}, {W2, 2416, 150}, {W3, 30840, 256}, {W4, 10164, 120}, {W5, 850, 84}};
    int64_t workspace = CKernels_laneConvolutionWorkspace(&c1), second = CKernels_laneConvolutionWorkspace(&c2);
    if (second > workspace) workspace = second;
    Values v = {floats(784 * L),
                floats(864 * L),
                floats(256 * L),
                floats(120 * L),
                floats(84 * L),
                floats(10 * L),
                floats(10 * L),
                floats(84 * L),
                floats(120 * L),
                floats(256 * L),
                floats(1024 * L),
                floats(864 * L),
                floats(workspace),
                (uint16_t *)floats(864 * L),
                (uint16_t *)floats(256 * L)};
    uint8_t *images = (uint8_t *)floats(256 * 784 / 4);
    float table[256];
    for (int i = 0; i < 256; i++) table[i] = (float)i / 255;
    for (int i = 0; i < 256 * 784; i++) images[i] = (uint8_t)randomInt(0, 255);
    for (int batch = 32; batch <= 256; batch *= 8) {
        float *w = floats(COUNT), *m = floats(COUNT), *transposed = floats(2400), *grads = floats(16 * COUNT);
        for (int n = 0; n < 5; n++)
            for (int i = 0; i < spans[n].count; i++) w[spans[n].at + i] = randomFloat() / sqrtf((float)spans[n].fan);
        memset(m, 0, COUNT * 4);
        CKernels_SGD rule = {0.01f, 0.9f, 0, 1.0f / (float)batch, 1, 0};
        int groups = batch / L, steps = 0;
        int perShard = batch / 4 < L ? batch / 4 : L;
        for (int i = 0; i < parts; i++) partSeconds[i] = 1;
        double first = 0, loss = 0, least = 1, start = seconds(), update = 1;
        while (seconds() - start < wanted) {
            double t = seconds();
            set->conv2d_f32_transpose(&c2, w + W2, transposed);
            loss = 0;
            for (int n = 0; n < groups; n++) {
                CKernels_LaneGroup g = {.lanesPerShard = perShard, .lanes = L};
                for (int l = 0; l < L; l++)
                    g.images[l] = images + (n * L + l) * 784, g.labels[l] = (n * L + l) * 7 % 10;
                loss += group(set, &v, w, transposed, &g, table, grads + n * COUNT, steps % 8 == 7);
            }
            double u = seconds();
            for (int distance = 1; distance < groups; distance *= 2)
                for (int n = 0; n < groups; n += 2 * distance)
                    set->add_f32(grads + n * COUNT, grads + (n + distance) * COUNT, COUNT, grads + n * COUNT);
            set->sgd_f32(&rule, grads, COUNT, w, m);
            double end = seconds();
            if (end - t < least) least = end - t;
            if (end - u < update) update = end - u;
            if (steps++ == 0) first = loss / batch;
        }
        double elapsed = seconds() - start;
        printf("%s, batch %d: %.0f images/s, at best %.0f (%.1f %% of %.1f GFLOP/s), loss %.3f -> %.3f\n", set->name,
               batch, steps * (double)batch / elapsed, batch / least, 1.5218e6 * batch / least / peak * 100,
               peak * 1e-9, first, loss / batch);
        for (int i = 0; i < parts; i++) printf("  %-16s %7.2f µs\n", partNames[i], 1e6 * partSeconds[i]);
        printf("  %-16s %7.2f µs a step\n", "tree and update", 1e6 * update);
        release(w), release(m), release(transposed), release(grads);
    }
}
