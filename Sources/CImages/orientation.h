// The orientation tag of EXIF data, and turning pixels by it.
#pragma once
#include "CImages.h"

/// Orientation 1…8 in a TIFF block ("II*\0" or "MM\0*" …); 1 when there is none or it makes no sense.
int CImages_exifOrientation(const uint8_t *tiff, size_t count);

/// Turns an image as orientation 1…8 asks, so that its first row is the top. Returns 0, or -1 without memory.
int CImages_turn(CImages_Image *image, int orientation);

static inline int CImages_swapsSides(int orientation) { return orientation >= 5 && orientation <= 8; }
