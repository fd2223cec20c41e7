// Compressed pixels: which fragments are a frame, and RLE.
#include "CGDCM.h"

#if defined(HILUM_GDCM) && __has_include(<gdcm-3.0/gdcmImageReader.h>)

#include "file.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

const uint8_t *bytes_of(const gdcm::Fragment &fragment, size_t *count) {
    const gdcm::ByteValue *value = fragment.GetByteValue();
    *count = value && value->GetPointer() ? size_t(value->GetLength()) : 0;
    return *count > 0 ? reinterpret_cast<const uint8_t *>(value->GetPointer()) : nullptr;
}

// Whether a fragment begins as JPEG, JPEG-LS and JPEG 2000 do.
bool begins_frame(const gdcm::Fragment &fragment) {
    size_t count = 0;
    const uint8_t *bytes = bytes_of(fragment, &count);
    if (count < 4 || bytes[0] != 0xFF) return false;
    return (bytes[1] == 0xD8 && bytes[2] == 0xFF) || (bytes[1] == 0x4F && bytes[2] == 0xFF && bytes[3] == 0x51);
}

// The first fragment of each frame, by the table of offsets; empty where there is none, and where it does not fit the fragments.
std::vector<size_t> starts_by_table(const gdcm::SequenceOfFragments &all, uint32_t frames) {
    const gdcm::ByteValue *table = all.GetTable().GetByteValue();
    std::vector<size_t> starts;
    if (!table || !table->GetPointer() || size_t(table->GetLength()) / 4 != frames) return starts;
    uint64_t place = 0;
    for (size_t fragment = 0; fragment < all.GetNumberOfFragments() && starts.size() < frames; fragment++) {
        const uint8_t *entry = reinterpret_cast<const uint8_t *>(table->GetPointer()) + 4 * starts.size();
        uint32_t wanted = uint32_t(entry[0]) | uint32_t(entry[1]) << 8 | uint32_t(entry[2]) << 16 | uint32_t(entry[3]) << 24;
        if (wanted == place) starts.push_back(fragment);
        size_t count = 0;
        bytes_of(all.GetFragment(fragment), &count);
        place += 8 + count;
    }
    if (starts.size() != frames || starts[0] != 0) starts.clear();
    return starts;
}

}  // namespace

gdcm::SmartPointer<gdcm::SequenceOfFragments> hilum::frame_fragments(
    const gdcm::SequenceOfFragments &all, uint32_t frame, uint32_t frames, bool is_rle) {
    size_t count = all.GetNumberOfFragments();
    std::vector<size_t> starts;
    if (frames == 1) {
        starts = {0};
    } else if (count == frames || is_rle) {
        // A frame in RLE is always one fragment.
        starts = {frame};
        count = std::min(count, size_t(frame) + 1);
        frame = 0;
    } else {
        starts = starts_by_table(all, frames);
        if (starts.empty()) {
            for (size_t fragment = 0; fragment < count; fragment++) {
                if (begins_frame(all.GetFragment(fragment))) starts.push_back(fragment);
            }
            // Without marks of that many frames, or more: as many fragments for each.
            if (starts.size() < frames) {
                starts.clear();
                for (size_t start = 0; count % frames == 0 && start < count; start += count / frames) starts.push_back(start);
            }
        }
    }
    if (frame >= starts.size() || starts[frame] >= count) return nullptr;
    size_t end = frame + 1 < starts.size() ? starts[frame + 1] : count;
    gdcm::SmartPointer<gdcm::SequenceOfFragments> one = new gdcm::SequenceOfFragments;
    for (size_t fragment = starts[frame]; fragment < end; fragment++) one->AddFragment(all.GetFragment(fragment));
    return one;
}

int hilum::unpack_rle(const gdcm::SequenceOfFragments &fragments, const hilum_dicom_info &info, uint8_t *out) {
    std::vector<uint8_t> joined;
    size_t count = 0;
    const uint8_t *bytes = nullptr;
    if (fragments.GetNumberOfFragments() == 1) {
        bytes = bytes_of(fragments.GetFragment(0), &count);
    } else {
        for (size_t fragment = 0; fragment < fragments.GetNumberOfFragments(); fragment++) {
            const uint8_t *part = bytes_of(fragments.GetFragment(fragment), &count);
            joined.insert(joined.end(), part, part + count);
        }
        bytes = joined.data();
        count = joined.size();
    }
    auto number = [&](size_t place) {
        const uint8_t *at = bytes + 4 * place;
        return uint32_t(at[0]) | uint32_t(at[1]) << 8 | uint32_t(at[2]) << 16 | uint32_t(at[3]) << 24;
    };
    const uint32_t sample_byte_count = info.bits_allocated / 8;
    const uint32_t segments = info.channels * sample_byte_count;
    if (count < 64) return HILUM_DICOM_TRUNCATED;
    if (number(0) != segments) return HILUM_DICOM_CORRUPT;
    const uint64_t pixel_count = uint64_t(info.columns) * info.rows;
    for (uint32_t segment = 0; segment < segments; segment++) {
        size_t place = number(1 + segment);
        size_t end = segment + 1 < segments ? number(2 + segment) : count;
        if (place < 64 || place > end) return HILUM_DICOM_CORRUPT;
        if (end > count) return HILUM_DICOM_TRUNCATED;
        // The upper byte of a sample has the first segment.
        uint32_t byte = sample_byte_count - 1 - segment % sample_byte_count;
        uint8_t *target = out + (segment / sample_byte_count) * sample_byte_count + byte;
        uint64_t left = pixel_count;
        while (left > 0) {
            if (place >= end) return HILUM_DICOM_TRUNCATED;
            uint8_t code = bytes[place++];
            if (code == 128) continue;
            bool is_run = code > 128;
            uint64_t length = is_run ? 257u - code : code + 1u;
            if (end - place < (is_run ? 1 : length)) return HILUM_DICOM_TRUNCATED;
            for (uint64_t step = 0; step < length; step++) {
                // What a segment has beyond the picture is passed over.
                if (left > 0) {
                    *target = bytes[is_run ? place : place + step];
                    target += segments;
                    left--;
                }
            }
            place += is_run ? 1 : length;
        }
    }
    return HILUM_DICOM_OK;
}

#endif
