#include "CPNG.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

size_t hilum_inflate(const uint8_t *bytes, size_t byte_count, uint8_t *out, size_t capacity) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (byte_count > UINT_MAX || capacity > UINT_MAX || inflateInit2(&stream, -MAX_WBITS) != Z_OK) return 0;
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)byte_count;
    stream.next_out = out;
    stream.avail_out = (uInt)capacity;
    // What comes before the end, or before damage, counts.
    inflate(&stream, Z_SYNC_FLUSH);
    size_t count = capacity - stream.avail_out;
    inflateEnd(&stream);
    return count;
}

int hilum_zlib_is_all(const uint8_t *bytes, size_t byte_count, size_t out_count) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (byte_count > UINT_MAX || inflateInit(&stream) != Z_OK) return 0;
    stream.next_in = (Bytef *)bytes;
    stream.avail_in = (uInt)byte_count;
    uint8_t discarded[1 << 15];
    size_t count = 0;
    int state;
    do {
        stream.next_out = discarded;
        stream.avail_out = sizeof discarded;
        state = inflate(&stream, Z_NO_FLUSH);
        count += sizeof discarded - stream.avail_out;
    } while (state == Z_OK && count <= out_count);
    int is_all = state == Z_STREAM_END && stream.avail_in == 0 && count == out_count;
    inflateEnd(&stream);
    return is_all;
}
