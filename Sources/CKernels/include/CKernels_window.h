#pragma once
#include <stdint.h>

/// The extents of a 2-D convolution or pooling of one image.
typedef struct {
    int64_t channels, height, width;               // C, H, W
    int64_t kernelHeight, kernelWidth;             // R, S
    int64_t strideHeight, strideWidth;
    int64_t paddingTop, paddingLeft;               // what lies below and to the right follows from the output extents
    int64_t outputHeight, outputWidth;             // P, Q
} CKernels_Window;
