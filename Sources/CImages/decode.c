// Which codec reads a file, and what all of them end with.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs.h"
#include "colour.h"
#include "orientation.h"

CImages_Format CImages_format(const uint8_t *bytes, size_t count) {
    static const uint8_t jpeg[] = {0xFF, 0xD8, 0xFF};
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (count >= sizeof jpeg && !memcmp(bytes, jpeg, sizeof jpeg)) return CImages_jpeg;
    if (count >= sizeof png && !memcmp(bytes, png, sizeof png)) return CImages_png;
    return CImages_unknown;
}

static int read(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, int measuresOnly,
                CImages_Image *image, char *message) {
    message[0] = 0;
    switch (CImages_format(bytes, count)) {
    case CImages_jpeg: return CImages_jpegRead(bytes, count, options, measuresOnly, image, message);
    case CImages_png: return CImages_pngRead(bytes, count, options, measuresOnly, image, message);
    case CImages_unknown: break;
    }
    snprintf(message, CImages_messageBytes, count ? "is neither JPEG nor PNG" : "is empty");
    return -1;
}

int CImages_measure(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, CImages_Image *size,
                    char *message) {
    return read(bytes, count, options, 1, size, message);
}

int CImages_decode(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, CImages_Image *image,
                   char *message) {
    return read(bytes, count, options, 0, image, message);
}

void CImages_free(CImages_Image *image) {
    free(image->pixels);
    image->pixels = NULL;
}

int CImages_finish(CImages_Image *image, int channels, int orientation, char *message) {
    size_t count = (size_t)image->width * (size_t)image->height;
    if (image->channels == 3 && channels == 1) {
        for (size_t i = 0; i < count; i++) {
            const uint8_t *pixel = image->pixels + 3 * i;
            image->pixels[i] = CImages_luma(pixel[0], pixel[1], pixel[2]);
        }
    } else if (image->channels == 1 && channels == 3) {
        // From the end, so that no pixel is overwritten before it is read.
        for (size_t i = count; i-- > 0;) memset(image->pixels + 3 * i, image->pixels[i], 3);
    }
    image->channels = channels;
    if (CImages_turn(image, orientation) == 0) return 0;
    snprintf(message, CImages_messageBytes, "no memory to turn %d×%d pixels", image->width, image->height);
    CImages_free(image);
    return -1;
}
