// What the files of this target share; nothing of it leaves the target.
#ifndef HILUM_CGDCM_FILE_HPP
#define HILUM_CGDCM_FILE_HPP

#include "CGDCM.h"

#include <new>
#include <stdexcept>

// Its headers warn under the flags of this package.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#include <gdcm-3.0/gdcmDataSet.h>
#include <gdcm-3.0/gdcmFile.h>
#include <gdcm-3.0/gdcmImage.h>
#include <gdcm-3.0/gdcmImageReader.h>
#include <gdcm-3.0/gdcmSequenceOfFragments.h>
#include <gdcm-3.0/gdcmSequenceOfItems.h>
#include <gdcm-3.0/gdcmTrace.h>
#pragma GCC diagnostic pop

// How the pixels are stored.
enum hilum_layout {
    HILUM_LAYOUT_RAW,    // one value, read here
    HILUM_LAYOUT_RLE,    // fragments, unpacked here
    HILUM_LAYOUT_CODEC,  // fragments, decoded by GDCM
};

// GDCM reads the data set and the picture in one call; this one takes two, so that tags are there when the picture is refused.
class picture_reader final : public gdcm::ImageReader {
  public:
    bool read_data_set() { return gdcm::Reader::Read(); }
    bool read_picture() {
        gdcm::MediaStorage storage = GetFile().GetHeader().GetMediaStorage();
        if (!gdcm::MediaStorage::IsImage(storage)) storage.SetFromFile(GetFile());
        // A class that GDCM does not know is read as any other picture.
        if (!gdcm::MediaStorage::IsImage(storage)) storage = gdcm::MediaStorage::SecondaryCaptureImageStorage;
        GetImage().SetTransferSyntax(GetFile().GetHeader().GetDataSetTransferSyntax());
        return ReadImage(storage);
    }
};

struct hilum_dicom {
    picture_reader reader;
    // Whether the bytes ended within a value.
    bool is_short = false;
    // The rest is known once hilum_dicom_read_info has succeeded.
    hilum_dicom_info info{};
    hilum_layout layout = HILUM_LAYOUT_RAW;
    // Bytes of a frame in a raw value.
    uint64_t stored_frame_byte_count = 0;
    bool is_planar = false;
    // Two pixels share their colours.
    bool is_422 = false;
    // The bytes of a 16-bit sample stand the other way round.
    bool is_swapped = false;
};

namespace hilum {

inline const gdcm::Tag pixel_data(0x7fe0, 0x0010);

inline const gdcm::DataElement *find(const gdcm::DataSet &set, gdcm::Tag tag) {
    return set.FindDataElement(tag) ? &set.GetDataElement(tag) : nullptr;
}

// The frame `frame` of compressed pixels as fragments of its own; null where they cannot be told apart.
gdcm::SmartPointer<gdcm::SequenceOfFragments> frame_fragments(
    const gdcm::SequenceOfFragments &all, uint32_t frame, uint32_t frames, bool is_rle);

// Unpacks the RLE segments of one frame (PS3.5 annex G) to `out`, channel by channel within a pixel.
int unpack_rle(const gdcm::SequenceOfFragments &fragments, const hilum_dicom_info &info, uint8_t *out);

// Reorders the samples of one frame, from one channel after the other to one pixel after the other.
void interleave(const uint8_t *planes, uint64_t pixel_count, uint32_t channels, uint32_t sample_byte_count, uint8_t *out);

template <typename Body> int guarded(Body body) {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return HILUM_DICOM_NO_MEMORY;
    } catch (const std::length_error &) {
        return HILUM_DICOM_NO_MEMORY;
    } catch (...) {
        return HILUM_DICOM_CORRUPT;
    }
}

}  // namespace hilum

#endif
