#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

void CKernels_sgd_f32__portable(const CKernels_SGD *rule, const float *gradients, int64_t count, float *weights,
                                float *velocities) {
    const float rate = rule->rate, momentum = rule->momentum, decay = rule->weightDecay, scale = rule->gradientScale;
    if (momentum == 0) {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            weights[i] = weights[i] - rate * d;
        }
    } else if (rule->nesterov) {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            float v = momentum * velocities[i] + d;
            velocities[i] = v;
            weights[i] = weights[i] - rate * (d + momentum * v);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            float d = gradients[i] * scale + decay * weights[i];
            float v = momentum * velocities[i] + d;
            velocities[i] = v;
            weights[i] = weights[i] - rate * v;
        }
    }
}
