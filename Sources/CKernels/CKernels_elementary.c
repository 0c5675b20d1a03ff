// Exponential, logarithm, cosine, hyperbolic tangent and error function from IEEE operations alone, so that they do not
// depend on the C library.
#include "CKernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

// ln 2 in two parts: the high part has 21 trailing zero bits, so that n times it is exact for every exponent n.
static const double ln2High = 0x1.62e42fefp-1;
static const double ln2Low = 0x1.473de6af278edp-34;
static const double log2e = 0x1.71547652b82fep+0;

static double fromBits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t toBits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/// 2 to the n for −1022 ≤ n ≤ 1023.
static double powerOfTwo(int64_t n) { return fromBits((uint64_t)(n + 1023) << 52); }

double CKernels_exp(double x) {
    if (x != x) return x;
    if (x > 709.8) return fromBits(0x7ff0000000000000u);
    if (x < -745.2) return 0;
    // x = n ln 2 + r with |r| ≤ ln 2 / 2; the Taylor series to r^13 leaves less than 1e-17.
    int64_t n = (int64_t)(x * log2e + (x < 0 ? -0.5 : 0.5));
    double r = (x - (double)n * ln2High) - (double)n * ln2Low;
    double sum = 1.0 / 6227020800;
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = r * r * sum + r;
    double e = 1 + sum;
    // In two factors, so that results beyond the normal range are rounded only once more.
    int64_t half = n / 2;
    return e * powerOfTwo(half) * powerOfTwo(n - half);
}

double CKernels_log(double x) {
    const double infinity = fromBits(0x7ff0000000000000u);
    if (x != x || x < 0) return fromBits(0x7ff8000000000000u);
    if (x == 0) return -infinity;
    if (x == infinity) return x;
    int64_t exponent = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        exponent = -54;
    }
    uint64_t bits = toBits(x);
    exponent += (int64_t)(bits >> 52) - 1023;
    double m = fromBits((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        exponent += 1;
    }
    // log m = 2 artanh(s), s = (m − 1)/(m + 1), |s| ≤ 0.172: the odd series to s^23 leaves less than 1e-19.
    double f = m - 1;
    double s = f / (m + 1);
    double z = s * s;
    double series = 1.0 / 23;
    series = series * z + 1.0 / 21;
    series = series * z + 1.0 / 19;
    series = series * z + 1.0 / 17;
    series = series * z + 1.0 / 15;
    series = series * z + 1.0 / 13;
    series = series * z + 1.0 / 11;
    series = series * z + 1.0 / 9;
    series = series * z + 1.0 / 7;
    series = series * z + 1.0 / 5;
    series = series * z + 1.0 / 3;
    // 2 s = f − f²/(m + 1) keeps the leading term exact; the rest is a small correction.
    double correction = s * (2 * z * series - f);
    double n = (double)exponent;
    return n * ln2High + (f + (correction + n * ln2Low));
}

/// Taylor series for |y| ≤ π/4; what is left out is below 1e-17.
static double cosine(double y) {
    double z = y * y;
    double sum = 1.0 / 20922789888000;
    sum = sum * z - 1.0 / 87178291200;
    sum = sum * z + 1.0 / 479001600;
    sum = sum * z - 1.0 / 3628800;
    sum = sum * z + 1.0 / 40320;
    sum = sum * z - 1.0 / 720;
    sum = sum * z + 1.0 / 24;
    // 1 − z/2 rounds; what it loses is added with the small terms.
    double half = 0.5 * z;
    double head = 1 - half;
    return head + (((1 - head) - half) + z * z * sum);
}

static double sine(double y) {
    double z = y * y;
    double sum = -1.0 / 1307674368000;
    sum = sum * z + 1.0 / 6227020800;
    sum = sum * z - 1.0 / 39916800;
    sum = sum * z + 1.0 / 362880;
    sum = sum * z - 1.0 / 5040;
    sum = sum * z + 1.0 / 120;
    sum = sum * z - 1.0 / 6;
    return y + y * z * sum;
}

double CKernels_cosPi(double x) {
    const double pi = 0x1.921fb54442d18p+1;
    double magnitude = x < 0 ? -x : x;
    if (!(magnitude < fromBits(0x7ff0000000000000u))) return fromBits(0x7ff8000000000000u);
    // From here on every number is an even whole one.
    if (magnitude >= 0x1p53) return 1;
    // Exact: the nearest half number and what is left, at most 1/4.
    int64_t halves = (int64_t)(magnitude * 2 + 0.5);
    double rest = magnitude - (double)halves * 0.5;
    switch (halves & 3) {
    case 0: return cosine(pi * rest);
    case 1: return 0 - sine(pi * rest);
    case 2: return -cosine(pi * rest);
    default: return sine(pi * rest);
    }
}

double CKernels_tanh(double x) {
    const double a = x < 0 ? -x : x;
    double t;
    if (a < 0x1p-4) {
        // The odd series to x^13 leaves less than 1e-17 of x, where the form below cancels.
        const double z = a * a;
        double sum = 21844.0 / 6081075;
        sum = sum * z - 1382.0 / 155925;
        sum = sum * z + 62.0 / 2835;
        sum = sum * z - 17.0 / 315;
        sum = sum * z + 2.0 / 15;
        sum = sum * z - 1.0 / 3;
        t = a + a * (z * sum);
    } else if (a < 20) {
        t = 1 - 2 / (CKernels_exp(2 * a) + 1);
    } else {
        t = a != a ? a : 1;
    }
    return x < 0 ? -t : x == 0 ? x : t;
}

/// Chebyshev coefficients of log(e^(x²) erfc(x) / t) over x ≥ 0 with t = 2/(2 + x), in 2t − 1, the first one halved; computed
/// with 40 digits by interpolation at 64 nodes. The form is that of Numerical Recipes, section 6.2.
static const double erfcSeries[] = {
    -0.6513268598908547171,     0.6419697923564902603,      0.019476473204185836312,    -0.0095615147868086316419,
    -0.0009465953444820368663,  0.00036683949785276145187,  0.000042523324806907771645, -0.000020278578112534243154,
    -1.6242900046470255135e-6,  1.3036558355805232018e-6,   1.5626441722066143178e-8,   -8.5238095914926542525e-8,
    6.5290544390988514964e-9,   5.0593434955514689418e-9,   -9.9136415649303308674e-10, -2.2736512229318358557e-10,
    9.646791102015526802e-11,   2.3940380830391147447e-12,  -6.8860275264975533984e-12, 8.9448792730907257167e-13,
    3.1309213993429580783e-13,  -1.1270822361367252366e-13, 3.8109052551892320552e-16,  7.1060976136092369878e-15,
    -1.5230282014571043043e-15, -9.4574945712912340005e-17, 1.2102371892242789923e-16,  -2.8166630877471769718e-17,
};

double CKernels_erfc(double x) {
    if (x != x) return x;
    const double a = x < 0 ? -x : x;
    double tail;
    if (a < 0.5) {
        // erf by its series, which alternates and falls at once.
        double term = x * 1.1283791670955125739, z = x * x, sum = term;
        for (int n = 1; n < 16; n++) {
            term = -term * z / n;
            sum += term / (2 * n + 1);
        }
        return 1 - sum;
    }
    if (a > 27.3) {
        tail = 0;
    } else {
        const double t = 2 / (2 + a), y = 2 * (2 * t - 1);
        double b0 = 0, b1 = 0, b2 = 0;
        for (int j = (int)(sizeof erfcSeries / sizeof erfcSeries[0]) - 1; j >= 0; j--) {
            b2 = b1;
            b1 = b0;
            b0 = y * b1 - b2 + erfcSeries[j];
        }
        // Clenshaw's sum with the halved first coefficient: b0 − y/2 · b1.
        tail = t * CKernels_exp(-a * a + (b0 - 0.5 * y * b1));
    }
    return x < 0 ? 2 - tail : tail;
}
