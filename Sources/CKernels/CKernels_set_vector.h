// Vectors for the kernel set that is being compiled. The including file defines SET_WIDTH (floats a vector: 16, 8
// or 4), SET_REGISTERS (vector registers), SET_FUSED (1 where multiply-add is one instruction) and SET_NAME.
#include "CKernels.h"

#include <float.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define VW SET_WIDTH
#define PARTS (CKernels_laneCount / VW)
#define INLINE static inline __attribute__((always_inline))
#define JOIN_(a, b) a##__##b
#define JOIN(a, b) JOIN_(a, b)
#define KERNEL(name) static void JOIN(name, SET_NAME)
#define FULLY _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")

/// Values loaded before this point are loaded again after it. Clang 21 would keep what neighbouring taps share in
/// registers, push sums out of them to the stack and lose a third of the speed; a load from the cache costs nothing.
#define KEEP_LOADS_HERE() __asm__ volatile("" ::: "memory")

typedef float V __attribute__((ext_vector_type(VW)));
typedef int32_t VI __attribute__((ext_vector_type(VW)));
typedef uint16_t VS __attribute__((ext_vector_type(VW)));
/// Vectors at addresses that are multiples of four bytes only.
typedef float VU __attribute__((ext_vector_type(VW), aligned(4)));

INLINE V load(const float *p) { return *(const V *)p; }
INLINE void store(float *p, V v) { *(V *)p = v; }
INLINE V loadUnaligned(const float *p) { return *(const VU *)p; }
INLINE void storeUnaligned(float *p, V v) { *(VU *)p = v; }
INLINE V splat(float x) { return (V)x; }
/// `a` where the mask is set, else `b`.
INLINE V select(VI mask, V a, V b) { return mask ? a : b; }

INLINE V multiplyAdd(V a, V b, V c) {
#if SET_FUSED
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/// Doubles in as many bytes, and as many floats and integers as these.
#define DW (VW / 2)
typedef double D __attribute__((ext_vector_type(DW)));
typedef int64_t DI __attribute__((ext_vector_type(DW)));
typedef float DF __attribute__((ext_vector_type(DW)));
typedef int32_t DS __attribute__((ext_vector_type(DW)));

/// As many doubles as V has floats.
typedef double VD __attribute__((ext_vector_type(VW)));
typedef int64_t VDI __attribute__((ext_vector_type(VW)));

/// a · b + c rounded once, on every processor: the same bits in every set.
INLINE V fused(V a, V b, V c) {
#if SET_FUSED || defined(__FP_FAST_FMAF)
    return __builtin_elementwise_fma(a, b, c);
#else
    // The product of two floats is exact in double. The sum is rounded to odd, with which the second rounding cannot go
    // wrong: Boldo, Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57 (2008).
    VD product = __builtin_convertvector(a, VD) * __builtin_convertvector(b, VD),
       addend = __builtin_convertvector(c, VD);
    VD sum = product + addend, part = sum - product;
    VD error = (product - (sum - part)) + (addend - part);
    VDI bits = (VDI)sum;
    // Towards the error, by one unit in the last place where that is even; NaN and infinities have no error below.
    VDI step = ((error > 0) == (sum > 0)) ? (VDI)1 : (VDI)-1;
    VDI isOff = ((error < 0) | (error > 0)) & ((bits & 1) == 0);
    return __builtin_convertvector((VD)(bits + (isOff & step)), V);
#endif
}

/// NaN stays NaN, −0 becomes +0.
INLINE V relu(V x) { return select(x <= 0, splat(0), x); }

/// tanh x = e / (e + 2) with e = exp(2|x|) − 1, within 2.5 units in the last place; odd, ±1 beyond 9.02, NaN stays NaN.
INLINE V hyperbolicTangent(V x) {
    VI bits = (VI)x;
    VI sign = bits & (int32_t)0x80000000;
    V a = (V)(bits & 0x7fffffff);
    // A comparison with NaN is false, so that NaN takes the computed branch.
    VI saturated = a > 9.02f;
    V t = select(saturated, splat(0), a + a);
    // t = n ln 2 + r with |r| ≤ ln 2 / 2: adding 1.5 · 2^23 rounds to the nearest integer.
    V shifted = multiplyAdd(t, splat(0x1.715476p+0f), splat(0x1.8p23f));
    V n = shifted - 0x1.8p23f;
    V r = multiplyAdd(n, splat(-0x1.62e4p-1f), t);
    r = multiplyAdd(n, splat(-0x1.7f7d1cp-20f), r);
    // exp(r) − 1 = r + r² q(r), Taylor to r^8.
    V q = splat(0x1.a01a02p-16f);
    q = multiplyAdd(q, r, splat(0x1.a01a02p-13f));
    q = multiplyAdd(q, r, splat(0x1.6c16c2p-10f));
    q = multiplyAdd(q, r, splat(0x1.111112p-7f));
    q = multiplyAdd(q, r, splat(0x1.555556p-5f));
    q = multiplyAdd(q, r, splat(0x1.555556p-3f));
    q = multiplyAdd(q, r, splat(0.5f));
    V p = multiplyAdd(r * r, q, r);
    V power = (V)(((VI)shifted << 23) + 0x3f800000);
    V e = multiplyAdd(p, power, power - 1.0f);
    V y = select(saturated, splat(1), e / (e + 2.0f));
    return (V)((VI)y | sign);
}

INLINE V activate(V x, CKernels_Activation activation) {
    if (activation == CKernels_activationReLU) return relu(x);
    if (activation == CKernels_activationTanh) return hyperbolicTangent(x);
    return x;
}

/// The gradient before an activation, from what the activation gave.
INLINE V deactivate(V dy, V y, CKernels_Activation activation) {
    if (activation == CKernels_activationReLU) return select(y <= 0, splat(0), dy);
    if (activation == CKernels_activationTanh) return dy * (1.0f - y * y);
    return dy;
}
