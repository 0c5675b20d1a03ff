#pragma once
// The geometry of convolution, pooling and padding in one to three dimensions. Images of fewer dimensions have leading
// extents of 1, windows of fewer dimensions leading extents, strides and dilations of 1.
#include <stdint.h>

/// The extents of a convolution of one image [C, D, H, W].
typedef struct {
    int64_t channels;
    int64_t input[3], kernel[3], stride[3], dilation[3];
    int64_t padding[3];  // places in front of the image; what lies behind follows from the output extents
    int64_t output[3];
    int64_t flipped;  // 1: the kernel is read backwards along every axis (true convolution)
} CKernels_Window;

/// The kernels of a convolution: output channel k reads the image's channels of its group alone.
typedef struct {
    int64_t outChannels;
    int64_t groups;  // divides the image's channels and outChannels
} CKernels_Filters;

/// The places of one axis that one output of a pooling reads: first, first + step … below last.
typedef struct {
    int32_t first, last, step;
    int32_t divisor;  // this axis' factor of what an average is divided by
} CKernels_Span;

/// A pooling of one image [C, D, H, W]: one span for every output of every axis.
typedef struct {
    int64_t channels;
    int64_t input[3], output[3];
    const CKernels_Span *spans[3];
} CKernels_Pooling;

/// A padding of one image: which place of the image each padded place is copied from, axis by axis; −1 for `value`.
typedef struct {
    int64_t channels;
    int64_t input[3], padded[3];
    const int32_t *sources[3];
    double value;
} CKernels_Padding;
