// Losses for one element type.

/// Counts one sample and where its label stands among the logits.
static void PASS(rank, ofLabel)(const REAL *row, int64_t label, int64_t classes, CKernels_Score *score) {
    int64_t larger = 0;
    int finite = 1;
    for (int64_t k = 0; k < classes; k++) {
        larger += row[k] > row[label] || (row[k] == row[label] && k < label);
        finite &= row[k] - row[k] == 0;
    }
    score->samples += 1;
    score->correct1 += finite && larger < 1;
    score->correct5 += finite && larger < 5;
}

void NAME(crossEntropy)(const CKernels_CrossEntropy *options, const REAL *logits, const int32_t *labels,
                        const REAL *targets, int64_t samples, int64_t classes, CKernels_Score *score, REAL *dlogits,
                        double *losses) {
    const double smoothing = options->labelSmoothing;
    const float *weights = options->classWeights;
    for (int64_t i = 0; i < samples; i++) {
        const REAL *row = logits + i * classes;
        const REAL *target = targets ? targets + i * classes : 0;
        const int64_t label = labels[i];
        PASS(rank, ofLabel)(row, label, classes, score);
        REAL highest = row[0];
        for (int64_t k = 0; k < classes; k++) {
            if (row[k] > highest) highest = row[k];
        }
        double sum = 0;
        for (int64_t k = 0; k < classes; k++) sum += CKernels_exp((double)row[k] - highest);
        // The largest term of the sum is 1, so the logarithm never cancels what matters.
        const double logSum = CKernels_log(sum);
        double loss = 0, mass = 0;
        if (target || smoothing > 0) {
            for (int64_t k = 0; k < classes; k++) {
                const double share = TARGET(k);
                loss += share * (logSum + ((double)highest - row[k]));
                mass += share;
            }
        } else {
            mass = WEIGHT(label);
            loss = mass * (logSum + ((double)highest - row[label]));
        }
        if (losses) losses[i] = loss;
        score->loss += loss;
        // PyTorch divides by the weights of the labels also with smoothing, and by the samples with soft targets.
        score->divisor += target ? 1 : WEIGHT(label);
        if (!dlogits) continue;
        for (int64_t k = 0; k < classes; k++) {
            const double probability = CKernels_exp((double)row[k] - highest) / sum;
            const double share = target || smoothing > 0 ? TARGET(k) : k == label ? mass : 0;
            dlogits[i * classes + k] = (REAL)(mass * probability - share);
        }
    }
}

void NAME(squaredError)(const REAL *x, const int32_t *labels, const REAL *targets, int64_t samples, int64_t classes,
                        CKernels_Score *score, REAL *dx, double *losses) {
    for (int64_t i = 0; i < samples; i++) {
        const REAL *row = x + i * classes;
        PASS(rank, ofLabel)(row, labels[i], classes, score);
        double loss = 0;
        for (int64_t k = 0; k < classes; k++) {
            const double difference = row[k] - (targets ? (double)targets[i * classes + k] : k == labels[i]);
            loss += difference * difference;
            if (dx) dx[i * classes + k] = (REAL)(2 * difference);
        }
        if (losses) losses[i] = loss;
        score->loss += loss;
        score->divisor += (double)classes;
    }
}
