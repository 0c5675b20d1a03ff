// What the codecs share.
#pragma once
#include "CImages.h"

int CImages_jpegRead(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, int measuresOnly,
                     CImages_Image *image, char *message);
int CImages_pngRead(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, int measuresOnly,
                    CImages_Image *image, char *message);

/// Brings decoded pixels to the wanted channels and orientation; frees them when it fails. Pixels have room for 3 channels if
/// 3 are wanted.
int CImages_finish(CImages_Image *image, int channels, int orientation, char *message);
