// PNG through libpng: every colour type and depth to 8 bits, alpha dropped, 16 bits by their upper byte.
#include "codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "orientation.h"

/// So many bytes of pixels may stand in a file of any size.
enum { freeBytes = 1 << 28 };

typedef struct {
    const uint8_t *bytes;
    size_t left;
} Source;

static void readBytes(png_structp png, png_bytep target, size_t count) {
    Source *source = png_get_io_ptr(png);
    if (count > source->left) png_error(png, "the file ends too early");
    memcpy(target, source->bytes, count);
    source->bytes += count;
    source->left -= count;
}

static void fail(png_structp png, png_const_charp text) {
    snprintf(png_get_error_ptr(png), CImages_messageBytes, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void ignore(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

int CImages_pngRead(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, int measuresOnly,
                    CImages_Image *image, char *message) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        snprintf(message, CImages_messageBytes, "libpng does not start");
        return -1;
    }
    Source source = {bytes, count};
    uint8_t *volatile pixels = NULL;
    png_bytep *volatile rows = NULL;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(pixels);
        free((void *)rows);
        return -1;
    }
    png_set_read_fn(png, &source, readBytes);
    // Ancillary chunks are not even unpacked, but for the orientation, whose memory is bounded; transparency is dropped.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    if (options->orient) png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_chunk_cache_max(png, 100);
    png_set_user_limits(png, 1 << 20, 1 << 20);
    png_read_info(png, info);
    size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    if ((int64_t)width * (int64_t)height > options->largestPixels) {
        snprintf(message, CImages_messageBytes, "%zu×%zu pixels, expected at most %lld", width, height,
                 (long long)options->largestPixels);
        longjmp(png_jmpbuf(png), 1);
    }
    // Deflate shrinks by at most 1032: what declares more has no picture behind it. One that is nearly as empty must be small.
    size_t rawBytes = height * png_get_rowbytes(png, info);
    if (rawBytes / 1100 > count || (rawBytes > freeBytes && (rawBytes - freeBytes) / 256 > count)) {
        snprintf(message, CImages_messageBytes, "%zu×%zu pixels are more than %zu bytes can hold", width, height,
                 count);
        longjmp(png_jmpbuf(png), 1);
    }
    int type = png_get_color_type(png, info);
    int isGray = !(type & PNG_COLOR_MASK_COLOR);
    int turn = 1;
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 exifCount = 0;
    png_bytep exif = NULL;
    if (options->orient && png_get_eXIf_1(png, info, &exifCount, &exif))
        turn = CImages_exifOrientation(exif, exifCount);
#endif
    int channels = options->channels ? options->channels : isGray ? 1 : 3;
    if (measuresOnly) {
        int swaps = CImages_swapsSides(turn);
        *image = (CImages_Image){NULL, (int32_t)(swaps ? height : width), (int32_t)(swaps ? width : height), channels};
        png_destroy_read_struct(&png, &info, NULL);
        return 0;
    }
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (png_get_bit_depth(png, info) == 16) png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    int ownChannels = isGray ? 1 : 3;
    if (png_get_rowbytes(png, info) != width * (size_t)ownChannels) png_error(png, "rows of an unexpected length");
    pixels = malloc(width * height * (size_t)(channels > ownChannels ? channels : ownChannels));
    rows = malloc(height * sizeof(png_bytep));
    if (!pixels || !rows) {
        snprintf(message, CImages_messageBytes, "no memory for %zu×%zu pixels", width, height);
        longjmp(png_jmpbuf(png), 1);
    }
    for (size_t y = 0; y < height; y++) rows[y] = pixels + y * width * (size_t)ownChannels;
    png_read_image(png, (png_bytepp)rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free((void *)rows);
    *image = (CImages_Image){pixels, (int32_t)width, (int32_t)height, ownChannels};
    return CImages_finish(image, channels, turn, message);
}

typedef struct {
    uint8_t *bytes;
    size_t count, capacity;
} Sink;

static void writeBytes(png_structp png, png_bytep bytes, size_t count) {
    Sink *sink = png_get_io_ptr(png);
    if (sink->count + count > sink->capacity) {
        size_t capacity = (sink->count + count) * 2;
        uint8_t *larger = realloc(sink->bytes, capacity);
        if (!larger) png_error(png, "no memory");
        sink->bytes = larger;
        sink->capacity = capacity;
    }
    memcpy(sink->bytes + sink->count, bytes, count);
    sink->count += count;
}

static void flush(png_structp png) { (void)png; }

/// Pixels of a side up to which the search for fewer bytes costs more time than they are worth.
static const int32_t smallSide = 160;

int CImages_encodePNG(const uint8_t *pixels, int32_t height, int32_t width, int32_t channels, uint8_t **bytes,
                      size_t *count) {
    char message[CImages_messageBytes];
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, fail, ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    Sink sink = {0};
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        free(sink.bytes);
        return -1;
    }
    png_set_write_fn(png, &sink, writeBytes, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (height <= smallSide && width <= smallSide) {
        png_set_compression_level(png, 1);
        png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
    }
    png_write_info(png, info);
    for (int32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * (size_t)width * (size_t)channels);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    *bytes = sink.bytes;
    *count = sink.count;
    return 0;
}
