// The short way for sound, plain pictures: libpng inflates row by row, which keeps zlib out of its fast loop near the end
// of each row, and undoes its filters one row after the other, each byte waiting for the last. Here the whole picture is
// inflated at once (by libdeflate where it is installed, else by zlib) and four rows are unfiltered side by side.
//
// Nothing is decided here: a file with anything unusual or wrong in it gives NULL and goes to libpng, which has the word.

#include "CPNG.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// MARK: inflating

typedef void *(*allocate_function)(void);
typedef void (*free_function)(void *);
typedef int (*inflate_function)(void *, const void *, size_t, void *, size_t, size_t *);
typedef uint32_t (*checksum_function)(uint32_t, const void *, size_t);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static allocate_function deflate_allocate;
static free_function deflate_free;
static inflate_function deflate_inflate;
static checksum_function deflate_checksum;

static void load(void) {
    void *library = dlopen("libdeflate.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return;
    deflate_free = (free_function)dlsym(library, "libdeflate_free_decompressor");
    deflate_inflate = (inflate_function)dlsym(library, "libdeflate_zlib_decompress");
    deflate_checksum = (checksum_function)dlsym(library, "libdeflate_crc32");
    if (deflate_free == NULL || deflate_inflate == NULL || deflate_checksum == NULL) return;
    deflate_allocate = (allocate_function)dlsym(library, "libdeflate_alloc_decompressor");
}

const char *hilum_png_inflater(void) {
    pthread_once(&once, load);
    return deflate_allocate != NULL ? "libdeflate" : "zlib";
}

static uint32_t checksum(const uint8_t *bytes, size_t count) {
    if (deflate_allocate != NULL) return deflate_checksum(0, bytes, count);
    return (uint32_t)crc32_z(0, bytes, count);
}

// Whether the zlib stream `bytes` is sound and holds exactly `count` bytes.
static int inflate_all(const uint8_t *bytes, size_t byte_count, uint8_t *target, size_t count) {
    // libpng holds a stream to the window it declares, libdeflate does not: only the full window, without a dictionary.
    if (byte_count < 6 || bytes[0] != 0x78 || (bytes[1] & 0x20) != 0) return 0;
    if (deflate_allocate != NULL) {
        void *decompressor = deflate_allocate();
        if (decompressor == NULL) return 0;
        int status = deflate_inflate(decompressor, bytes, byte_count, target, count, NULL);
        deflate_free(decompressor);
        return status == 0;
    }
    uLongf made = count;
    return uncompress(target, &made, bytes, byte_count) == Z_OK && made == count;
}

// MARK: filters (PNG specification, section 9)

typedef unsigned (*predictor)(unsigned left, unsigned above, unsigned corner);

#define INLINE static inline __attribute__((always_inline))

INLINE unsigned average(unsigned left, unsigned above, unsigned corner) {
    (void)corner;
    return (left + above) >> 1;
}

INLINE unsigned paeth(unsigned left, unsigned above, unsigned corner) {
    int to_left = abs((int)above - (int)corner);
    int to_above = abs((int)left - (int)corner);
    int to_corner = abs((int)left + (int)above - 2 * (int)corner);
    if (to_left <= to_above && to_left <= to_corner) return left;
    return to_above <= to_corner ? above : corner;
}

INLINE void one_row(const uint8_t *above, uint8_t *row, size_t count, size_t pixel, predictor predict) {
    for (size_t i = 0; i < pixel && i < count; i++) row[i] = (uint8_t)(row[i] + predict(0, above[i], 0));
    for (size_t i = pixel; i < count; i++) {
        row[i] = (uint8_t)(row[i] + predict(row[i - pixel], above[i], above[i - pixel]));
    }
}

typedef struct {
    uint8_t *row[4];
    unsigned left[4];
    unsigned corner[4];
} four_rows;

// Row k is one column behind row k - 1, whose last value is then the one above; so no row waits for another.
INLINE void step(four_rows *rows, const uint8_t *above, size_t time, size_t count, int is_inside, predictor predict) {
    for (int k = 3; k >= 0; k--) {
        size_t column = time - (size_t)k;
        if (!is_inside && column >= count) continue;
        unsigned up = k > 0 ? rows->left[k - 1] : above[column];
        uint8_t value = (uint8_t)(rows->row[k][column] + predict(rows->left[k], up, rows->corner[k]));
        rows->row[k][column] = value;
        rows->left[k] = value;
        rows->corner[k] = up;
    }
}

INLINE void next_four(const uint8_t *above, uint8_t *row, size_t stride, size_t count, predictor predict) {
    four_rows rows = {{row, row + stride, row + 2 * stride, row + 3 * stride}, {0}, {0}};
    size_t time = 0;
    // A column that is not there yet wraps round and is beyond the row, too.
    for (; time < 3; time++) step(&rows, above, time, count, 0, predict);
    for (; time < count; time++) step(&rows, above, time, count, 1, predict);
    for (; time < count + 3; time++) step(&rows, above, time, count, 0, predict);
}

static void average_four(const uint8_t *above, uint8_t *row, size_t stride, size_t count) {
    next_four(above, row, stride, count, average);
}

static void paeth_four(const uint8_t *above, uint8_t *row, size_t stride, size_t count) {
    next_four(above, row, stride, count, paeth);
}

static void average_one(const uint8_t *above, uint8_t *row, size_t count, size_t pixel) {
    one_row(above, row, count, pixel, average);
}

static void paeth_one(const uint8_t *above, uint8_t *row, size_t count, size_t pixel) {
    one_row(above, row, count, pixel, paeth);
}

// `above` is the row before the first, all zero; each row has its filter's number before it. 0 for an unknown filter.
static int unfilter(const uint8_t *above, uint8_t *first, size_t count, size_t height, size_t pixel) {
    size_t stride = count + 1;
    for (size_t y = 0; y < height;) {
        uint8_t *row = first + y * stride;
        uint8_t filter = row[-1];
        int are_four = pixel == 1 && count >= 4 && height - y >= 4 && row[stride - 1] == filter &&
                       row[2 * stride - 1] == filter && row[3 * stride - 1] == filter;
        size_t done = 1;
        switch (filter) {
        case 0: break;
        case 1:
            for (size_t i = pixel; i < count; i++) row[i] = (uint8_t)(row[i] + row[i - pixel]);
            break;
        case 2:
            for (size_t i = 0; i < count; i++) row[i] = (uint8_t)(row[i] + above[i]);
            break;
        case 3:
            if (are_four) average_four(above, row, stride, count), done = 4;
            else average_one(above, row, count, pixel);
            break;
        case 4:
            if (are_four) paeth_four(above, row, stride, count), done = 4;
            else paeth_one(above, row, count, pixel);
            break;
        default: return 0;
        }
        y += done;
        above = row + (done - 1) * stride;
    }
    return 1;
}

// MARK: chunks

static uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

// The size of the chunk's data when it lies inside the bytes and its checksum is right; else -1.
static long sound_chunk(const uint8_t *bytes, size_t byte_count, size_t offset) {
    if (byte_count - offset < 12) return -1;
    size_t size = word(bytes + offset);
    if (size > 0x7FFFFFFF || size > byte_count - offset - 12) return -1;
    if (checksum(bytes + offset + 4, size + 4) != word(bytes + offset + 8 + size)) return -1;
    return (long)size;
}

static int has_name(const uint8_t *chunk, const char *name) {
    return memcmp(chunk + 4, name, 4) == 0;
}

// A name of letters, the first small: a decoder may skip the chunk. tRNS changes samples, so it is not for this way.
static int may_be_skipped(const uint8_t *chunk) {
    for (int i = 4; i < 8; i++) {
        if ((chunk[i] | 0x20) < 'a' || (chunk[i] | 0x20) > 'z') return 0;
    }
    return (chunk[4] & 0x20) != 0 && !has_name(chunk, "tRNS");
}

// Collects the data of all IDAT chunks in `target` (as long as the file), if the file is sound and plain; else 0.
static size_t collect(const uint8_t *bytes, size_t byte_count, uint8_t *target) {
    size_t collected = 0;
    int has_ended = 0;
    size_t offset = 33;
    for (;;) {
        long size = sound_chunk(bytes, byte_count, offset);
        if (size < 0) return 0;
        const uint8_t *chunk = bytes + offset;
        if (has_name(chunk, "IDAT")) {
            if (has_ended) return 0;
            memcpy(target + collected, chunk + 8, (size_t)size);
            collected += (size_t)size;
        } else {
            has_ended = collected > 0;
            if (has_name(chunk, "IEND")) return size == 0 ? collected : 0;
            if (!may_be_skipped(chunk)) return 0;
        }
        offset += 12 + (size_t)size;
    }
}

// Fills in the header of a plain picture; 0 for another.
static int plain_header(const uint8_t *bytes, size_t byte_count, hilum_png_info *info) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    static const uint8_t channels[7] = {1, 0, 3, 0, 2, 0, 4};
    if (byte_count < 33 || memcmp(bytes, signature, 8) != 0 || !has_name(bytes + 8, "IHDR")) return 0;
    if (sound_chunk(bytes, byte_count, 8) != 13) return 0;
    memset(info, 0, sizeof *info);
    info->width = word(bytes + 16);
    info->height = word(bytes + 20);
    info->bit_depth = bytes[24];
    info->color_type = bytes[25];
    if (info->width == 0 || info->height == 0 || info->width > 0x7FFFFFF || info->height > 0x7FFFFFF) return 0;
    if ((info->bit_depth != 8 && info->bit_depth != 16) || info->color_type > 6) return 0;
    info->channels = channels[info->color_type];
    // Compression and filter method, and no interlacing.
    return info->channels != 0 && bytes[26] == 0 && bytes[27] == 0 && bytes[28] == 0;
}

int hilum_png_read_plain(
    const uint8_t *bytes, size_t byte_count, size_t most, hilum_png_info *info, hilum_png_rows *rows) {
    pthread_once(&once, load);
    memset(rows, 0, sizeof *rows);
    if (!plain_header(bytes, byte_count, info)) return 0;
    size_t pixel = (size_t)info->channels * (info->bit_depth / 8);
    size_t count = info->width * pixel;
    if (count >= most || info->height > most / (count + 1)) return 0;
    size_t filtered_count = (count + 1) * info->height;
    uint8_t *compressed = malloc(byte_count);
    // A row of zeros stands before the first one.
    uint8_t *memory = malloc(count + filtered_count);
    int is_plain = 0;
    if (compressed != NULL && memory != NULL) {
        memset(memory, 0, count);
        size_t collected = collect(bytes, byte_count, compressed);
        is_plain = collected > 0 && inflate_all(compressed, collected, memory + count, filtered_count) &&
                   unfilter(memory, memory + count + 1, count, info->height, pixel);
    }
    free(compressed);
    if (!is_plain) {
        free(memory);
        return 0;
    }
    rows->memory = memory;
    rows->first = memory + count + 1;
    rows->stride = count + 1;
    return 1;
}
