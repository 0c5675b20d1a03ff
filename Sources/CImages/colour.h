// Conversions between channels, as Pillow's Image.convert rounds them.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// ITU-R 601-2 luma with 16 fractional bits.
static inline uint8_t CImages_luma(uint8_t red, uint8_t green, uint8_t blue) {
    return (uint8_t)((red * 19595u + green * 38470u + blue * 7471u + 0x8000u) >> 16);
}

/// a · b / 255, rounded.
static inline int CImages_multiply255(int a, int b) {
    int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}
