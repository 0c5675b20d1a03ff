// What an optimizer does to every parameter. No operation is fused, so that every set gives the same bits. Included once a
// set.

/// A running mean, or zero once it has decayed below the normal range. Without gradient, as behind a dead ReLU, it would
/// come to rest at a subnormal number, and arithmetic with those is many times slower. NaN stays NaN.
INLINE float normalOrZero(float x) { return __builtin_fabsf(x) < FLT_MIN ? 0.0f : x; }
INLINE V normalOrZeros(V x) { return select(__builtin_elementwise_abs(x) < FLT_MIN, splat(0), x); }

/// IEEE's square root; sqrtf may set errno, which keeps the loops from being vectors.
INLINE float root(float x) { return __builtin_elementwise_sqrt(x); }

/// a + share·(b − a), in the form that is exact at both ends, as torch.lerp chooses it.
INLINE float lerp(float a, float b, float share) {
    return share < 0.5f ? a + share * (b - a) : b - (b - a) * (1.0f - share);
}

KERNEL(sgd_f32)(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights, float *velocities) {
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->weightDecay, scale = rule->gradientScale;
    const float fresh = rule->fresh;
    int64_t i = 0;
    if (momentum == 0) {
        for (; i + VW <= count; i += VW) {
            V w = loadUnaligned(weights + i), d = loadUnaligned(gradients + i) * scale + decay * w;
            storeUnaligned(weights + i, w - rate * d);
        }
        for (; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            weights[i] = weights[i] - rate * d;
        }
        return;
    }
    for (; i + VW <= count; i += VW) {
        V w = loadUnaligned(weights + i), d = loadUnaligned(gradients + i) * scale + decay * w;
        V v = normalOrZeros(momentum * loadUnaligned(velocities + i) + fresh * d);
        storeUnaligned(velocities + i, v);
        storeUnaligned(weights + i, w - rate * (rule->nesterov ? d + momentum * v : v));
    }
    for (; i < count; i++) {
        float d = gradients[i] * scale + decay * weights[i];
        float v = normalOrZero(momentum * velocities[i] + fresh * d);
        velocities[i] = v;
        weights[i] = weights[i] - rate * (rule->nesterov ? d + momentum * v : v);
    }
}

KERNEL(adam_f32)(const CKernels_Adam *rule, const float *gradients, int64_t count, float *weights, float *means,
                 float *squares) {
    const CKernels_Adam r = *rule;
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float m = normalOrZero(lerp(means[i], d, r.oneMinusBeta1));
        float v = normalOrZero(r.beta2 * squares[i] + r.oneMinusBeta2 * d * d);
        means[i] = m;
        squares[i] = v;
        weights[i] = weights[i] * r.shrink - r.stepSize * m / (root(v) / r.secondCorrection + r.epsilon);
    }
}

/// One loop for each of the rule's forms, so that it can be one of vectors.
INLINE void rmsprop(const int isCentered, const int hasMomentum, const CKernels_RMSprop r, const float *gradients,
                    int64_t count, float *restrict weights, float *restrict squares, float *restrict means,
                    float *restrict velocities) {
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float s = normalOrZero(r.alpha * squares[i] + r.oneMinusAlpha * d * d);
        squares[i] = s;
        if (isCentered) {
            float m = normalOrZero(lerp(means[i], d, r.oneMinusAlpha));
            means[i] = m;
            s = s - m * m;
            // Below 0 by rounding alone: its root would be a NaN in the weights.
            s = s > 0 ? s : 0;
        }
        float divisor = root(s) + r.epsilon;
        if (hasMomentum) {
            float b = normalOrZero(r.momentum * velocities[i] + d / divisor);
            velocities[i] = b;
            weights[i] = weights[i] - r.rate * b;
        } else {
            weights[i] = weights[i] - r.rate * d / divisor;
        }
    }
}

KERNEL(rmsprop_f32)(const CKernels_RMSprop *rule, const float *gradients, int64_t count, float *weights, float *squares,
                    float *means, float *velocities) {
    if (means && rule->momentum != 0) {
        rmsprop(1, 1, *rule, gradients, count, weights, squares, means, velocities);
    } else if (means) {
        rmsprop(1, 0, *rule, gradients, count, weights, squares, means, 0);
    } else if (rule->momentum != 0) {
        rmsprop(0, 1, *rule, gradients, count, weights, squares, 0, velocities);
    } else {
        rmsprop(0, 0, *rule, gradients, count, weights, squares, 0, 0);
    }
}

KERNEL(lars_f32)(const CKernels_LARS *rule, const float *gradients, int64_t count, float *weights, float *velocities) {
    const CKernels_LARS r = *rule;
    for (int64_t i = 0; i < count; i++) {
        float d = gradients[i] * r.gradientScale + r.weightDecay * weights[i];
        float v = normalOrZero(r.momentum * velocities[i] + r.rate * d);
        velocities[i] = v;
        weights[i] = weights[i] - v;
    }
}

KERNEL(clip_f32)(float scale, float coefficient, float limit, int64_t count, float *gradients) {
    for (int64_t i = 0; i < count; i++) {
        float g = gradients[i] * scale * coefficient;
        g = g > limit ? limit : g;
        gradients[i] = g < -limit ? -limit : g;
    }
}

KERNEL(average_f32)(float share, const float *values, int64_t count, float *average) {
    for (int64_t i = 0; i < count; i++) average[i] = lerp(average[i], values[i], share);
}
