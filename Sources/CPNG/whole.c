#include "CPNG.h"

#include <stdlib.h>

#ifdef HILUM_DEFLATE
#include <libdeflate.h>
#include <string.h>

// The chunks of a usual file: IHDR, any that may be skipped, IDAT in one run, any that may be skipped, IEND, nothing more.
enum {
    header_byte_count = 33,  // signature and IHDR
    chunk_overhead = 12,     // length, name, checksum
    max_pixel_byte_count = 8,
    max_filter = 4,
    max_block_byte_count = 64 << 20,
};

struct hilum_png_whole {
    uint8_t *rows;  // each with its filter byte before it
    uint8_t *zeros; // what stands above the first row
    size_t row_byte_count;
    size_t pixel_byte_count;
    uint32_t height;
    uint32_t next;
};

typedef struct {
    size_t offset;  // of the first IDAT
    size_t chunk_count;
    size_t byte_count;  // of all of them
} data_run;

static uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int is_named(const uint8_t *chunk, const char *name) {
    return memcmp(chunk + 4, name, 4) == 0;
}

// Whether libpng skips the chunk: an ancillary one other than tRNS, with a proper name.
static int is_skipped(const uint8_t *chunk) {
    const uint8_t *name = chunk + 4;
    for (int i = 0; i < 4; i++) {
        uint8_t letter = name[i] | 0x20;
        if (letter < 'a' || letter > 'z') return 0;
    }
    return (name[0] & 0x20) != 0 && (name[2] & 0x20) == 0 && !is_named(chunk, "tRNS");
}

static int has_right_checksum(const uint8_t *chunk, size_t length) {
    return libdeflate_crc32(0, chunk + 4, length + 4) == word(chunk + 8 + length);
}

static int read_header(const uint8_t *bytes, size_t byte_count, uint32_t max_side, hilum_png_info *info) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    static const uint8_t channels[7] = {1, 0, 3, 0, 2, 0, 4};
    if (byte_count < header_byte_count || memcmp(bytes, signature, 8) != 0) return 0;
    if (word(bytes + 8) != 13 || !is_named(bytes + 8, "IHDR")) return 0;
    if (!has_right_checksum(bytes + 8, 13)) return 0;
    memset(info, 0, sizeof *info);
    info->width = word(bytes + 16);
    info->height = word(bytes + 20);
    info->bit_depth = bytes[24];
    info->color_type = bytes[25];
    if (info->width == 0 || info->width > max_side || info->height == 0 || info->height > max_side) return 0;
    if (info->bit_depth != 8 && info->bit_depth != 16) return 0;
    if (info->color_type > 6 || channels[info->color_type] == 0) return 0;
    info->channels = channels[info->color_type];
    // Compression method, filter method, interlacing.
    return bytes[26] == 0 && bytes[27] == 0 && bytes[28] == 0;
}

static int find_data(const uint8_t *bytes, size_t byte_count, size_t max_chunk, data_run *data) {
    int is_over = 0;
    size_t offset = header_byte_count;
    memset(data, 0, sizeof *data);
    while (byte_count - offset >= chunk_overhead) {
        const uint8_t *chunk = bytes + offset;
        size_t length = word(chunk);
        if (length > max_chunk || length > byte_count - offset - chunk_overhead) return 0;
        if (!has_right_checksum(chunk, length)) return 0;
        if (is_named(chunk, "IDAT")) {
            if (is_over) return 0;
            if (data->chunk_count == 0) data->offset = offset;
            data->chunk_count += 1;
            data->byte_count += length;
        } else if (is_named(chunk, "IEND")) {
            return data->chunk_count > 0 && length == 0 && offset + chunk_overhead == byte_count;
        } else if (is_skipped(chunk)) {
            is_over = data->chunk_count > 0;
        } else {
            return 0;
        }
        offset += chunk_overhead + length;
    }
    return 0;
}

// The data of all IDAT chunks in one piece; to be freed.
static uint8_t *joined(const uint8_t *bytes, const data_run *data) {
    uint8_t *joined = malloc(data->byte_count);
    if (joined == NULL) return NULL;
    size_t offset = data->offset, count = 0;
    for (size_t i = 0; i < data->chunk_count; i++) {
        size_t length = word(bytes + offset);
        memcpy(joined + count, bytes + offset + 8, length);
        count += length;
        offset += chunk_overhead + length;
    }
    return joined;
}

static int inflate(const uint8_t *data, size_t byte_count, uint8_t *target, size_t target_count) {
    // zlib keeps a window as large as the stream says and refuses what lies before it; libdeflate sees all of the target.
    unsigned window_bits = 8 + (unsigned)(data[0] >> 4);
    if (window_bits > 15 || (window_bits < 15 && target_count > (size_t)1 << window_bits)) return 0;
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    if (decompressor == NULL) return 0;
    size_t used = 0;
    enum libdeflate_result result =
        libdeflate_zlib_decompress_ex(decompressor, data, byte_count, target, target_count, &used, NULL);
    libdeflate_free_decompressor(decompressor);
    return result == LIBDEFLATE_SUCCESS && used == byte_count;
}

static int inflate_run(const uint8_t *bytes, const data_run *data, uint8_t *target, size_t target_count) {
    if (data->chunk_count == 1) return inflate(bytes + data->offset + 8, data->byte_count, target, target_count);
    uint8_t *all = joined(bytes, data);
    if (all == NULL) return 0;
    int is_done = inflate(all, data->byte_count, target, target_count);
    free(all);
    return is_done;
}

int hilum_png_can_inflate_whole(void) {
    return 1;
}

hilum_png_whole *hilum_png_whole_create(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, size_t max_chunk, hilum_png_info *info) {
    if (!read_header(bytes, byte_count, max_side, info)) return NULL;
    size_t pixel_byte_count = (size_t)info->channels * (info->bit_depth / 8);
    size_t row_byte_count = info->width * pixel_byte_count;
    if (row_byte_count >= max_block_byte_count || info->height > max_block_byte_count / (row_byte_count + 1)) return NULL;
    size_t block_byte_count = info->height * (row_byte_count + 1);
    data_run data;
    if (!find_data(bytes, byte_count, max_chunk, &data)) return NULL;
    // Two bytes of header, four of checksum; and no encoder writes more than a little beyond the rows.
    if (data.byte_count < 6 || data.byte_count > block_byte_count + block_byte_count / 8 + 65536) return NULL;
    hilum_png_whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL) return NULL;
    whole->pixel_byte_count = pixel_byte_count;
    whole->row_byte_count = row_byte_count;
    whole->height = info->height;
    whole->rows = malloc(block_byte_count);
    whole->zeros = calloc(1, row_byte_count);
    int is_sound = whole->rows != NULL && whole->zeros != NULL
        && inflate_run(bytes, &data, whole->rows, block_byte_count);
    for (uint32_t y = 0; is_sound && y < info->height; y++) {
        is_sound = whole->rows[y * (row_byte_count + 1)] <= max_filter;
    }
    if (is_sound) return whole;
    hilum_png_whole_destroy(whole);
    return NULL;
}

// MARK: filters (PNG specification, section 9)

// The neighbour nearest to left + up - corner, ties in this order. The two comparisons are those of the specification
// rewritten (as in stb_image), so that little waits for `left`, which is the pixel before.
static inline int paeth(int left, int up, int corner) {
    int threshold = 3 * corner - up - left;
    int low = left < up ? left : up;
    int high = left < up ? up : left;
    int inner = high <= threshold ? low : corner;
    return threshold <= low ? high : inner;
}

// `n` bytes a pixel, a constant where this is inlined, so that `left` and `corner` live in registers.
static inline __attribute__((always_inline)) void unfilter_pixels(
    int filter, uint8_t *restrict row, const uint8_t *restrict above, size_t count, size_t n) {
    uint8_t left[max_pixel_byte_count] = {0}, corner[max_pixel_byte_count] = {0};
    switch (filter) {
    case 1:
        for (size_t i = 0; i < count; i += n) {
            for (size_t k = 0; k < n; k++) row[i + k] = left[k] = (uint8_t)(row[i + k] + left[k]);
        }
        break;
    case 2:
        for (size_t i = 0; i < count; i++) row[i] = (uint8_t)(row[i] + above[i]);
        break;
    case 3:
        for (size_t i = 0; i < count; i += n) {
            for (size_t k = 0; k < n; k++) {
                row[i + k] = left[k] = (uint8_t)(row[i + k] + (left[k] + above[i + k]) / 2);
            }
        }
        break;
    case 4:
        for (size_t i = 0; i < count; i += n) {
            for (size_t k = 0; k < n; k++) {
                row[i + k] = left[k] = (uint8_t)(row[i + k] + paeth(left[k], above[i + k], corner[k]));
                corner[k] = above[i + k];
            }
        }
        break;
    default:
        break;
    }
}

const uint8_t *hilum_png_whole_next_row(hilum_png_whole *whole) {
    if (whole->next == whole->height) return NULL;
    size_t count = whole->row_byte_count;
    uint8_t *row = whole->rows + whole->next * (count + 1) + 1;
    const uint8_t *above = whole->next == 0 ? whole->zeros : row - (count + 1);
    int filter = row[-1];
    whole->next += 1;
    switch (whole->pixel_byte_count) {
    case 1: unfilter_pixels(filter, row, above, count, 1); break;
    case 2: unfilter_pixels(filter, row, above, count, 2); break;
    case 3: unfilter_pixels(filter, row, above, count, 3); break;
    case 4: unfilter_pixels(filter, row, above, count, 4); break;
    case 6: unfilter_pixels(filter, row, above, count, 6); break;
    default: unfilter_pixels(filter, row, above, count, 8); break;
    }
    return row;
}

void hilum_png_whole_destroy(hilum_png_whole *whole) {
    if (whole == NULL) return;
    free(whole->rows);
    free(whole->zeros);
    free(whole);
}

#else

int hilum_png_can_inflate_whole(void) {
    return 0;
}

hilum_png_whole *hilum_png_whole_create(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, size_t max_chunk, hilum_png_info *info) {
    (void)bytes, (void)byte_count, (void)max_side, (void)max_chunk, (void)info;
    return NULL;
}

const uint8_t *hilum_png_whole_next_row(hilum_png_whole *whole) {
    (void)whole;
    return NULL;
}

void hilum_png_whole_destroy(hilum_png_whole *whole) {
    (void)whole;
}

#endif
