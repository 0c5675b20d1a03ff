// JPEG and PNG files to pixels, and pixels to another size: libjpeg-turbo and libpng behind one small interface.
//
// Both libraries report errors by longjmp, which must not cross Swift frames: it stays inside these functions.
// Whoever allocates frees: every image that comes out is released with CImages_free.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// 8-bit pixels, [height, width, channels], rows without gaps.
typedef struct {
    uint8_t *pixels;
    int32_t width;
    int32_t height;
    int32_t channels;  // 1 gray, 3 red green blue
} CImages_Image;

typedef enum {
    CImages_unknown = 0,
    CImages_jpeg,
    CImages_png,
} CImages_Format;

/// What decoding may and should do.
typedef struct {
    int64_t largestPixels;  // width × height beyond it is refused before anything is allocated
    int32_t channels;       // 1 or 3: converted to it; 0: as the file has it, alpha dropped
    int32_t orient;         // apply the orientation that EXIF data ask for
    int32_t smallestSide;   // decode JPEG at 1/2, 1/4 or 1/8 while both sides stay at least this long; 0: whole
} CImages_DecodeOptions;

enum { CImages_messageBytes = 256 };

/// What the first bytes of a file say it is, whatever its name.
CImages_Format CImages_format(const uint8_t *bytes, size_t count);

/// Size and channels as a file declares them, after its orientation; decodes nothing.
/// Returns 0, or -1 with the reason in `message` (CImages_messageBytes).
int CImages_measure(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, CImages_Image *size,
                    char *message);

/// Decodes a whole file. A truncated or damaged one is refused, never filled up.
/// Returns 0, or -1 with the reason in `message` (CImages_messageBytes).
int CImages_decode(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, CImages_Image *image,
                   char *message);

void CImages_free(CImages_Image *image);

typedef enum {
    CImages_bilinear = 0,
    CImages_bicubic,
} CImages_Filter;

/// A part of an image, in its pixels; fractions are parts of a pixel.
typedef struct {
    float left, top, right, bottom;
} CImages_Box;

/// Bytes of scratch that CImages_resize needs.
size_t CImages_resizeScratchBytes(int32_t height, int32_t width, int32_t channels, CImages_Box box, int32_t newHeight,
                                  int32_t newWidth, CImages_Filter filter);

/// Another size, antialiased: the bytes of Pillow's Image.resize with the same filter and box.
///
/// Shapes: source [height, width, channels] → target [newHeight, newWidth, channels]. Channels 1…4.
/// The filter is stretched by the scale when shrinking. Columns and rows one after the other, each rounded to 8 bits; weights in
/// fixed point with 22 fractional bits. `scratch` holds CImages_resizeScratchBytes bytes, 64-byte aligned.
void CImages_resize(const uint8_t *source, int32_t height, int32_t width, int32_t channels, CImages_Box box,
                    uint8_t *target, int32_t newHeight, int32_t newWidth, CImages_Filter filter, void *scratch);

/// Gray pixels as an 8-bit PNG for pictures of data and results; channels 1 or 3. The bytes belong to the caller (free).
/// Returns 0, or -1 when there is no memory.
int CImages_encodePNG(const uint8_t *pixels, int32_t height, int32_t width, int32_t channels, uint8_t **bytes,
                      size_t *count);
