// Convolution in one to three dimensions for float and double.
#include "CKernels.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

/// The outputs first ..< last of one axis whose input place, output · stride + shift, lies inside the image.
typedef struct {
    int64_t first, last, shift;
} Reach;

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/// The input place under which index r of the kernel lies for output 0.
static int64_t place(const CKernels_Window *w, int axis, int64_t r) {
    return (w->flipped ? w->kernel[axis] - 1 - r : r) * w->dilation[axis] - w->padding[axis];
}

static Reach reach(const CKernels_Window *w, int axis, int64_t r) {
    const int64_t shift = place(w, axis, r), stride = w->stride[axis];
    const int64_t low = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t left = w->input[axis] - shift;
    const int64_t high = left <= 0 ? 0 : (left + stride - 1) / stride;
    Reach result;
    result.first = clamp(low, 0, w->output[axis]);
    result.last = clamp(high, result.first, w->output[axis]);
    result.shift = shift;
    return result;
}

#include "templates/float.h"
#include "templates/convolution.h"
#include "templates/double.h"
#include "templates/convolution.h"
