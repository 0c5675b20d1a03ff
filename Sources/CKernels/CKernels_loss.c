#include "CKernels.h"

#pragma STDC FP_CONTRACT OFF

void CKernels_crossEntropy_f32__portable(const float *logits, const int32_t *labels, int64_t samples, int64_t classes,
                                         CKernels_Score *score, float *dlogits, double *losses) {
    for (int64_t i = 0; i < samples; i++) {
        const float *row = logits + i * classes;
        int64_t label = labels[i];
        float highest = row[0];
        int64_t larger = 0;
        int finite = 1;
        for (int64_t k = 0; k < classes; k++) {
            if (row[k] > highest) highest = row[k];
            larger += row[k] > row[label] || (row[k] == row[label] && k < label);
            finite &= row[k] - row[k] == 0;
        }
        double sum = 0;
        for (int64_t k = 0; k < classes; k++) sum += CKernels_exp((double)row[k] - highest);
        // The largest term of the sum is 1, so the logarithm never cancels what matters.
        double loss = CKernels_log(sum) + ((double)highest - row[label]);
        if (losses) losses[i] = loss;
        score->loss += loss;
        score->divisor += 1;
        score->samples += 1;
        score->correct1 += finite && larger < 1;
        score->correct5 += finite && larger < 5;
        if (!dlogits) continue;
        for (int64_t k = 0; k < classes; k++) {
            double probability = CKernels_exp((double)row[k] - highest) / sum;
            dlogits[i * classes + k] = (float)(probability - (k == label ? 1 : 0));
        }
    }
}
