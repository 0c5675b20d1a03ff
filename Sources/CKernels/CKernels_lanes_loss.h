// Softmax cross-entropy, one image a lane, in double. Included once a set.

INLINE D multiplyAddDouble(D a, D b, D c) {
#if SET_FUSED
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/// e to the x for x ≤ 0, as CKernels_exp computes it; below −708 it is 0. NaN stays NaN.
INLINE D expOfNegative(D x) {
    DI tiny = x < -708.0;
    D t = tiny ? (D)0 : x;
    D shifted = multiplyAddDouble(t, (D)0x1.71547652b82fep+0, (D)0x1.8p52);
    D n = shifted - 0x1.8p52;
    D r = multiplyAddDouble(n, (D)-0x1.62e42fefp-1, t);
    r = multiplyAddDouble(n, (D)-0x1.473de6af278edp-34, r);
    D sum = (D)(1.0 / 6227020800);
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 479001600));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 39916800));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 3628800));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 362880));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 40320));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 5040));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 720));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 120));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 24));
    sum = multiplyAddDouble(sum, r, (D)(1.0 / 6));
    sum = multiplyAddDouble(sum, r, (D)0.5);
    sum = multiplyAddDouble(r * r, sum, r);
    DI power = ((DI)shifted << 52) + (1023ll << 52);
    return tiny ? (D)0 : (1.0 + sum) * (D)power;
}

KERNEL(crossEntropy_f32)(const CKernels_LaneGroup *group, const float *logits, int64_t classes,
                         CKernels_LaneScores *scores, float *dlogits) {
    for (int part = 0; part < CKernels_laneCount / DW; part++) {
        DF highest = *(const DF *)(logits + part * DW), chosen;
        DS labels, present, larger = (DS)0, finite = (DS)-1;
        for (int l = 0; l < DW; l++) {
            int lane = part * DW + l;
            present[l] = group->images[lane] ? -1 : 0;
            labels[l] = present[l] ? group->labels[lane] : 0;
            chosen[l] = logits[(int64_t)labels[l] * CKernels_laneCount + lane];
        }
        for (int64_t k = 0; k < classes; k++) {
            DF value = *(const DF *)(logits + k * CKernels_laneCount + part * DW);
            highest = value > highest ? value : highest;
            larger -= (value > chosen) | ((value == chosen) & ((int32_t)k < labels));
            finite &= value - value == 0.0f;
        }
        D top = __builtin_convertvector(highest, D), sum = (D)0;
        for (int64_t k = 0; k < classes; k++) {
            DF value = *(const DF *)(logits + k * CKernels_laneCount + part * DW);
            sum += expOfNegative(__builtin_convertvector(value, D) - top);
        }
        for (int l = 0; l < DW; l++) {
            int lane = part * DW + l;
            scores->loss[lane] = present[l] ? CKernels_log(sum[l]) + ((double)highest[l] - chosen[l]) : 0;
            scores->correct1[lane] = present[l] && finite[l] && larger[l] < 1;
            scores->correct5[lane] = present[l] && finite[l] && larger[l] < 5;
        }
        if (!dlogits) continue;
        for (int64_t k = 0; k < classes; k++) {
            DF value = *(const DF *)(logits + k * CKernels_laneCount + part * DW);
            D probability = expOfNegative(__builtin_convertvector(value, D) - top) / sum;
            DI isLabel = __builtin_convertvector((int32_t)k == labels, DI);
            DF gradient = __builtin_convertvector(isLabel ? probability - 1.0 : probability, DF);
            *(DF *)(dlogits + k * CKernels_laneCount + part * DW) = present ? gradient : (DF)0;
        }
    }
}
