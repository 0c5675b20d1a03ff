// JPEG through libjpeg-turbo. Baseline and progressive; gray, YCbCr, RGB, CMYK and YCCK.
#include "codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "colour.h"
#include "orientation.h"

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf start;
    char *message;
} ErrorManager;

static void fail(j_common_ptr info) {
    ErrorManager *manager = (ErrorManager *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    snprintf(manager->message, CImages_messageBytes, "%s", text);
    longjmp(manager->start, 1);
}

/// The library goes on after damage and fills the rest with gray: here a warning of that kind is an error.
static void onMessage(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:  // bytes between markers, which many cameras leave
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_JFIF_MAJOR: return;
    default: fail(info);
    }
}

/// The marker of a scan (ITU-T T.81, table B.1).
enum { startOfScan = 0xDA };
/// Those of 22 million pixels with colours at half the resolution.
enum { freeCoefficients = 1 << 25 };
/// Of an image with several scans: 178 million pixels with colours at half the resolution, 89 million with all of them.
enum { largestCoefficientBytes = 1 << 29 };
/// Several scans may look at every coefficient so many times on average. libjpeg's own script does 3 times, those that encoders
/// search for do 5 times.
enum { largestVisits = 8 };
/// What a block costs in a scan beside its coefficients, in coefficients.
enum { visitsPerBlock = 8 };

static int64_t blocks(const jpeg_component_info *component) {
    return (int64_t)component->width_in_blocks * component->height_in_blocks;
}

/// The coefficients of an image: of all its components.
static int64_t coefficients(j_decompress_ptr info) {
    int64_t sum = 0;
    for (int i = 0; i < info->num_components; i++) sum += blocks(info->comp_info + i) * DCTSIZE2;
    return sum;
}

/// The coefficients that a scan looks at. `header` is what follows its marker, `count` bytes of the file.
static int64_t scanVisits(j_decompress_ptr info, const uint8_t *header, size_t count) {
    if (count < 3 || count < 6 + 2 * (size_t)header[2]) return 0;
    int components = header[2];
    int first = header[3 + 2 * components], last = header[4 + 2 * components];
    int band = info->progressive_mode ? (last >= first ? last - first + 1 : 1) : DCTSIZE2;
    int64_t sum = 0;
    for (int c = 0; c < components; c++) {
        for (int i = 0; i < info->num_components; i++) {
            const jpeg_component_info *component = info->comp_info + i;
            if (component->component_id == header[3 + 2 * c]) sum += blocks(component) * (visitsPerBlock + band);
        }
    }
    return sum;
}

/// The coefficients that all scans look at, found by their markers alone: nothing is decoded or allocated for it.
static int64_t visits(j_decompress_ptr info, const uint8_t *bytes, size_t count) {
    int64_t sum = 0;
    size_t place = 2;
    while (place + 4 <= count) {
        const uint8_t *mark = memchr(bytes + place, 0xFF, count - 3 - place);
        if (!mark) break;
        place = (size_t)(mark - bytes) + 1;
        int marker = bytes[place];
        // Fill bytes, a byte 0xFF of the coded data, restarts and what else has no length.
        if (marker == 0xFF || marker == 0 || marker == 1 || (marker >= JPEG_RST0 && marker <= JPEG_RST0 + 8)) continue;
        if (marker == JPEG_EOI) break;
        place++;
        if (marker == startOfScan) sum += scanVisits(info, bytes + place, count - place);
        place += (size_t)bytes[place] << 8 | bytes[place + 1];
    }
    return sum;
}

static int orientation(j_decompress_ptr info) {
    static const char name[] = "Exif\0";  // with its two NULs
    for (jpeg_saved_marker_ptr marker = info->marker_list; marker; marker = marker->next) {
        if (marker->marker == JPEG_APP0 + 1 && marker->data_length > sizeof name &&
            !memcmp(marker->data, name, sizeof name)) {
            return CImages_exifOrientation(marker->data + sizeof name, marker->data_length - sizeof name);
        }
    }
    return 1;
}

/// One row of inverted CMYK, as Adobe writes it, to RGB.
static void convertCMYK(const uint8_t *row, uint8_t *target, size_t width) {
    for (size_t x = 0; x < width; x++, row += 4, target += 3) {
        int light = row[3];
        for (int c = 0; c < 3; c++) {
            int value = light - CImages_multiply255(255 - row[c], light);
            target[c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

int CImages_jpegRead(const uint8_t *bytes, size_t count, const CImages_DecodeOptions *options, int measuresOnly,
                     CImages_Image *image, char *message) {
    struct jpeg_decompress_struct info;
    ErrorManager manager;
    memset(&info, 0, sizeof info);
    info.err = jpeg_std_error(&manager.base);
    manager.base.error_exit = fail;
    manager.base.emit_message = onMessage;
    manager.message = message;
    uint8_t *volatile pixels = NULL;
    uint8_t *volatile row = NULL;
    if (setjmp(manager.start)) {
        jpeg_destroy_decompress(&info);
        free(pixels);
        free(row);
        return -1;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, bytes, count);
    if (options->orient) jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&info, TRUE);
    if ((int64_t)info.image_width * info.image_height > options->largestPixels) {
        snprintf(message, CImages_messageBytes, "%u×%u pixels, expected at most %lld", info.image_width,
                 info.image_height, (long long)options->largestPixels);
        longjmp(manager.start, 1);
    }
    if (jpeg_has_multiple_scans(&info)) {
        // The library holds them until the last scan.
        int64_t held = coefficients(&info) * (int64_t)sizeof(JCOEF);
        if (held > largestCoefficientBytes) {
            snprintf(message, CImages_messageBytes,
                     "%u×%u pixels in several scans take %lld bytes, expected at most %d", info.image_width,
                     info.image_height, (long long)held, largestCoefficientBytes);
            longjmp(manager.start, 1);
        }
        int64_t looks = visits(&info, bytes, count) / coefficients(&info);
        if (looks > largestVisits) {
            snprintf(message, CImages_messageBytes, "its scans go over the image %lld times, expected at most %d",
                     (long long)looks, largestVisits);
            longjmp(manager.start, 1);
        }
    }
    // A block takes two bits or more; in several scans it may take one, but then the image is small.
    if (coefficients(&info) - freeCoefficients > 4 * DCTSIZE2 * (int64_t)count) {
        snprintf(message, CImages_messageBytes, "%u×%u pixels are more than %zu bytes can hold", info.image_width,
                 info.image_height, count);
        longjmp(manager.start, 1);
    }
    int turn = options->orient ? orientation(&info) : 1;
    int isCMYK = info.num_components == 4;
    if (info.num_components != 1 && info.num_components != 3 && !isCMYK) {
        snprintf(message, CImages_messageBytes, "%d components, expected 1, 3 or 4", info.num_components);
        longjmp(manager.start, 1);
    }
    int isGray = info.num_components == 1;
    info.out_color_space = isCMYK ? JCS_CMYK : isGray ? JCS_GRAYSCALE : JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    if (options->smallestSide > 0) {
        unsigned side = info.image_width < info.image_height ? info.image_width : info.image_height;
        unsigned denominator = 1;
        while (denominator < 8 && side / (denominator * 2) >= (unsigned)options->smallestSide) denominator *= 2;
        info.scale_num = 1;
        info.scale_denom = denominator;
    }
    jpeg_calc_output_dimensions(&info);
    size_t width = info.output_width, height = info.output_height;
    int channels = options->channels ? options->channels : isGray ? 1 : 3;
    if (measuresOnly) {
        int swaps = CImages_swapsSides(turn);
        *image = (CImages_Image){NULL, (int32_t)(swaps ? height : width), (int32_t)(swaps ? width : height), channels};
        jpeg_destroy_decompress(&info);
        return 0;
    }
    int ownChannels = isGray ? 1 : 3;
    pixels = malloc(width * height * (size_t)(channels > ownChannels ? channels : ownChannels));
    if (isCMYK) row = malloc(width * 4);
    if (!pixels || (isCMYK && !row)) {
        snprintf(message, CImages_messageBytes, "no memory for %zu×%zu pixels", width, height);
        longjmp(manager.start, 1);
    }
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
        uint8_t *target = pixels + (size_t)info.output_scanline * width * (size_t)ownChannels;
        JSAMPROW line = isCMYK ? row : target;
        jpeg_read_scanlines(&info, &line, 1);
        if (isCMYK) convertCMYK(row, target, width);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    free(row);
    *image = (CImages_Image){pixels, (int32_t)width, (int32_t)height, ownChannels};
    return CImages_finish(image, channels, turn, message);
}
