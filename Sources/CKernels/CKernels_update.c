#include "CKernels.h"

#include <float.h>

#pragma STDC FP_CONTRACT OFF

/// A running mean, or zero once it has decayed below the normal range. Without gradient, as behind a dead ReLU, it would
/// come to rest at a subnormal number, and arithmetic with those is many times slower. NaN stays NaN.
static inline float settled(float x) { return __builtin_fabsf(x) < FLT_MIN ? 0.0f : x; }

/// IEEE's square root; sqrtf may set errno, which keeps the loops from being vectors.
static inline float root(float x) { return __builtin_elementwise_sqrt(x); }

/// a + share·(b − a), in the form that is exact at both ends, as torch.lerp chooses it.
static inline float lerp(float a, float b, float share) {
    return share < 0.5f ? a + share * (b - a) : b - (b - a) * (1.0f - share);
}

void CKernels_sgd_f32__portable(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights,
                                float *velocities) {
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->weightDecay, scale = rule->gradientScale;
    const float fresh = rule->fresh;
    if (momentum == 0) {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            weights[i] = weights[i] - rate * d;
        }
    } else if (rule->nesterov) {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            float v = settled(momentum * velocities[i] + fresh * d);
            velocities[i] = v;
            weights[i] = weights[i] - rate * (d + momentum * v);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            float v = settled(momentum * velocities[i] + fresh * d);
            velocities[i] = v;
            weights[i] = weights[i] - rate * v;
        }
    }
}

void CKernels_adam_f32__portable(const CKernels_Adam *rule, const float *gradients, int64_t count, float *weights,
                                 float *means, float *squares) {
    const CKernels_Adam r = *rule;
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float m = settled(lerp(means[i], d, r.oneMinusBeta1));
        float v = settled(r.beta2 * squares[i] + r.oneMinusBeta2 * d * d);
        means[i] = m;
        squares[i] = v;
        weights[i] = weights[i] * r.shrink - r.stepSize * m / (root(v) / r.secondCorrection + r.epsilon);
    }
}

void CKernels_rmsprop_f32__portable(const CKernels_RMSprop *rule, const float *gradients, int64_t count,
                                    float *weights, float *squares, float *means, float *velocities) {
    const CKernels_RMSprop r = *rule;
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float s = settled(r.alpha * squares[i] + r.oneMinusAlpha * d * d);
        squares[i] = s;
        if (means) {
            float m = settled(lerp(means[i], d, r.oneMinusAlpha));
            means[i] = m;
            s = s - m * m;
            // Below 0 by rounding alone: its root would be a NaN in the weights.
            s = s > 0 ? s : 0;
        }
        float divisor = root(s) + r.epsilon;
        if (r.momentum == 0) {
            weights[i] = weights[i] - r.rate * d / divisor;
        } else {
            float b = settled(r.momentum * velocities[i] + d / divisor);
            velocities[i] = b;
            weights[i] = weights[i] - r.rate * b;
        }
    }
}

void CKernels_lars_f32__portable(const CKernels_LARS *rule, const float *gradients, int64_t count, float *weights,
                                 float *velocities) {
    const CKernels_LARS r = *rule;
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float v = settled(r.momentum * velocities[i] + r.rate * d);
        velocities[i] = v;
        weights[i] = weights[i] - v;
    }
}

void CKernels_clip_f32__portable(float scale, float coefficient, float limit, int64_t count, float *gradients) {
    for (int64_t i = 0; i < count; i++) {
        float g = gradients[i] * scale * coefficient;
        g = g > limit ? limit : g;
        gradients[i] = g < -limit ? -limit : g;
    }
}

void CKernels_average_f32__portable(float share, const float *values, int64_t count, float *average) {
    for (int64_t i = 0; i < count; i++) average[i] = lerp(average[i], values[i], share);
}
