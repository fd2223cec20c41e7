// A narrow window on libpng's row interface, and usual files inflated at once by libdeflate: bytes in memory in and out,
// errors as return values.
//
// libpng reports an error by longjmp; every function here sets its own setjmp, so no jump ever crosses a Swift frame.
// Nothing is written to stdio. Thread rule: one reader belongs to one thread at a time.
#ifndef HILUM_CPNG_H
#define HILUM_CPNG_H

#include <stddef.h>
#include <stdint.h>

enum {
    HILUM_PNG_OK = 0,
    HILUM_PNG_CORRUPT = 1,    // the message says what libpng found
    HILUM_PNG_TRUNCATED = 2,  // the bytes end before the file does
    HILUM_PNG_NO_MEMORY = 3,
};

typedef struct hilum_png_reader hilum_png_reader;

// What stands before the first IDAT. `channels` are those that a row holds (a palette index is one channel).
typedef struct {
    uint32_t width;
    uint32_t height;
    uint8_t bit_depth;
    uint8_t color_type;
    uint8_t interlaced;
    uint8_t channels;
    uint16_t palette_count;
    uint8_t has_transparent_sample;    // tRNS of a grey or RGB picture: one sample value is fully transparent
    uint16_t transparent_sample[3];    // grey: [0]; RGB: all three; at the bit depth of the file
    uint8_t palette[256][4];           // red, green, blue, alpha
} hilum_png_info;

// NULL when memory is short. The reader borrows `bytes`: they must outlive it.
hilum_png_reader *hilum_png_reader_create(const uint8_t *bytes, size_t byte_count, uint32_t max_side, size_t max_chunk);

// Reads up to the first IDAT. To be called once, first.
int hilum_png_read_info(hilum_png_reader *reader, hilum_png_info *info);

// Reads one row of the present pass: one byte a sample up to 8 bits, two bytes (big-endian) at 16.
// An interlaced picture gives its seven passes one after the other; empty passes are left out (see PNG_PASS_ROWS).
int hilum_png_read_row(hilum_png_reader *reader, uint8_t *row);

// Reads what follows the last row, up to and with IEND.
int hilum_png_read_end(hilum_png_reader *reader);

// The last error in libpng's words; empty when there was none. Valid until the reader is destroyed.
const char *hilum_png_message(const hilum_png_reader *reader);

void hilum_png_reader_destroy(hilum_png_reader *reader);

// A picture whose rows were inflated at once by libdeflate, in half the time that libpng takes with zlib. It takes usual
// files alone: 8 or 16 bits a sample, no palette, no tRNS, not interlaced, rows of at most 64 MiB, every chunk in order with
// the right checksum. Of all others the reader above decides, so that what it says of a damaged file is said either way.
// (Of a file made on purpose that is not quite so: libdeflate takes a few Huffman codes that zlib refuses.)
typedef struct hilum_png_whole hilum_png_whole;

// Whether this was built with libdeflate.
int hilum_png_can_inflate_whole(void);

// NULL, with `info` undefined, when the reader above is to be asked. Holds no reference to `bytes`; takes as much memory as
// the rows need, for a while also as much as the file.
hilum_png_whole *hilum_png_whole_create(
    const uint8_t *bytes, size_t byte_count, uint32_t max_side, size_t max_chunk, hilum_png_info *info);

// The next row, as hilum_png_read_row gives it, valid until the picture is destroyed; NULL after the last one.
const uint8_t *hilum_png_whole_next_row(hilum_png_whole *whole);

void hilum_png_whole_destroy(hilum_png_whole *whole);

// Encodes rows (8 bits, or 16 bits big-endian; 1, 3 or 4 channels, the fourth opacity; no padding between rows) to a PNG without any
// ancillary chunk. `*out` is to be freed with hilum_png_free.
int hilum_png_encode(
    uint32_t width, uint32_t height, int bit_depth, int channels, const uint8_t *samples, uint8_t **out,
    size_t *out_count);

void hilum_png_free(uint8_t *bytes);

// Inflates raw deflated bytes, which have no header: here because libpng brings zlib along. Returns how many bytes were written; they
// end where `out` is full, where the input ends, or where it is damaged.
size_t hilum_inflate(const uint8_t *bytes, size_t byte_count, uint8_t *out, size_t capacity);

// Whether a zlib stream of exactly `out_count` bytes ends with the last of `bytes`. Nothing is kept of them, and no more are inflated.
int hilum_zlib_is_all(const uint8_t *bytes, size_t byte_count, size_t out_count);

#endif
