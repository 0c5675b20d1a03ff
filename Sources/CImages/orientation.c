#include "orientation.h"

#include <stdlib.h>

static uint32_t number(const uint8_t *bytes, int count, int isLittle) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint32_t)bytes[i] << 8 * (isLittle ? i : count - 1 - i);
    return value;
}

int CImages_exifOrientation(const uint8_t *tiff, size_t count) {
    enum { orientationTag = 0x0112, shortType = 3, entryBytes = 12 };
    if (count < 8) return 1;
    int isLittle = tiff[0] == 'I' && tiff[1] == 'I';
    if (!isLittle && !(tiff[0] == 'M' && tiff[1] == 'M')) return 1;
    if (number(tiff + 2, 2, isLittle) != 42) return 1;
    size_t directory = number(tiff + 4, 4, isLittle);
    if (directory > count - 2) return 1;
    size_t entries = number(tiff + directory, 2, isLittle);
    for (size_t i = 0; i < entries; i++) {
        size_t place = directory + 2 + i * entryBytes;
        if (place + entryBytes > count) return 1;
        const uint8_t *entry = tiff + place;
        if (number(entry, 2, isLittle) != orientationTag) continue;
        uint32_t value = number(entry + 8, 2, isLittle);
        int isOne = number(entry + 2, 2, isLittle) == shortType && number(entry + 4, 4, isLittle) == 1;
        return isOne && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int CImages_turn(CImages_Image *image, int orientation) {
    if (orientation <= 1 || orientation > 8) return 0;
    size_t width = (size_t)image->width, height = (size_t)image->height, channels = (size_t)image->channels;
    int swaps = CImages_swapsSides(orientation);
    size_t newWidth = swaps ? height : width, newHeight = swaps ? width : height;
    uint8_t *turned = malloc(width * height * channels);
    if (!turned) return -1;
    // Where the pixel at (row, column) of the turned image lies in the stored one.
    int flipsRows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    int flipsColumns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    for (size_t row = 0; row < newHeight; row++) {
        for (size_t column = 0; column < newWidth; column++) {
            size_t y, x;
            if (swaps) {
                // 5: transposed; 6: turned right; 7: transposed at the other diagonal; 8: turned left.
                y = flipsColumns ? height - 1 - column : column;
                x = flipsRows ? width - 1 - row : row;
            } else {
                y = flipsRows ? height - 1 - row : row;
                x = flipsColumns ? width - 1 - column : column;
            }
            for (size_t c = 0; c < channels; c++) {
                turned[(row * newWidth + column) * channels + c] = image->pixels[(y * width + x) * channels + c];
            }
        }
    }
    free(image->pixels);
    *image = (CImages_Image){turned, (int32_t)newWidth, (int32_t)newHeight, image->channels};
    return 0;
}
