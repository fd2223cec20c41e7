// A narrow window on GDCM: DICOM files in memory in, stored samples and texts of tags out, errors as return values.
//
// Built with GDCM where Package.swift finds its headers (HILUM_GDCM); without it every file is answered with
// HILUM_DICOM_NOT_BUILT. No C++ exception leaves these functions, and nothing is written to stdio. A damaged file may still bring
// the library down or make it ask for much memory: decode what others made in a process behind hilum_dicom_confine.
// Thread rule: one file belongs to one thread at a time; several files may be read at once.
#ifndef HILUM_CGDCM_H
#define HILUM_CGDCM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    HILUM_DICOM_OK = 0,
    HILUM_DICOM_CORRUPT = 1,      // the data set or the pixels cannot be read
    HILUM_DICOM_TRUNCATED = 2,    // the file holds fewer pixels than it declares
    HILUM_DICOM_NO_MEMORY = 3,
    HILUM_DICOM_NO_PICTURE = 4,   // there are no pixels in it
    HILUM_DICOM_UNSUPPORTED = 5,  // samples of a kind that is not read
    HILUM_DICOM_NOT_BUILT = 6,    // built without GDCM
};

enum {
    HILUM_DICOM_MONOCHROME2 = 0,
    HILUM_DICOM_MONOCHROME1 = 1,
    HILUM_DICOM_PALETTE = 2,
    HILUM_DICOM_RGB = 3,
    HILUM_DICOM_YBR = 4,
    HILUM_DICOM_OTHER = 5,
};

typedef struct hilum_dicom hilum_dicom;

// What the samples are. All zero before hilum_dicom_read_info.
typedef struct {
    uint32_t columns;
    uint32_t rows;
    uint32_t frames;
    uint32_t channels;
    uint32_t bits_allocated;  // 8, 16 or 32: the width of a sample in memory
    uint32_t bits_stored;
    uint32_t high_bit;
    uint32_t photometric;     // HILUM_DICOM_MONOCHROME2 and so on
    uint8_t is_signed;
    uint8_t is_short;         // the file holds less than one frame, as far as that is known before it is decoded
    uint64_t frame_byte_count;
    uint64_t working_byte_count;  // memory that is in use while a frame is decoded, beside its samples
} hilum_dicom_info;

// Whether GDCM was there when this was built.
int hilum_dicom_is_built(void);

// Reads the data set. `*status` says why NULL is returned. `bytes` may go when this returns.
hilum_dicom *hilum_dicom_open(const uint8_t *bytes, size_t byte_count, int *status);

void hilum_dicom_close(hilum_dicom *file);

// The value of a tag (group << 16 | element) of the data set, of the file's meta group, or of the functional groups of a
// multi-frame object, without padding. Returns its length, or -1 where there is none. What exceeds `capacity` is cut off.
long hilum_dicom_text(const hilum_dicom *file, uint32_t tag, char *out, size_t capacity);

// The first 16-bit number of a tag of the data set, in the byte order of the machine. Returns whether there is one.
int hilum_dicom_word(const hilum_dicom *file, uint32_t tag, uint16_t *out);

// A lookup table: in the first item of `sequence`, or in the data set itself where `sequence` is 0. `out` takes 65,536 values.
// Returns the number of values, or 0 where there is no table that can be read. `*bits` is what the values have, whatever was said.
uint32_t hilum_dicom_table(
    const hilum_dicom *file, uint32_t sequence, uint32_t descriptor, uint32_t data, uint16_t *out, int32_t *first,
    uint32_t *bits);

// Reads what is said about the pixels; nothing is decoded yet.
int hilum_dicom_read_info(hilum_dicom *file, hilum_dicom_info *info);

// Decodes one frame to samples in the byte order of the machine, the channels of a pixel side by side. Bits above `high_bit`, and
// those below the lowest that is stored, may be anything. A frame that is not wholly there is refused. `byte_count` is the frame_byte_count of the info, which is
// written anew: a decoder may know better than the tags what the samples are.
int hilum_dicom_decode(hilum_dicom *file, uint32_t frame, uint8_t *out, size_t byte_count, hilum_dicom_info *info);

// MARK: the process that decodes

// Takes from this process what decoding does not need: from here on it may use `byte_count` bytes of memory beyond what it has
// mapped, read, write and wait on descriptors that are open, and end. Opening a file, a socket or a process fails.
// Returns 0, or an error number where the system refuses.
int hilum_dicom_confine(uint64_t byte_count);

// Ends this process by a signal when it has used so much more time of a processor; 0 lifts the limit.
int hilum_dicom_limit_time(uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#endif
