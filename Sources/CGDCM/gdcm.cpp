#include "CGDCM.h"

#include <new>

#if defined(HILUM_GDCM) && __has_include(<gdcm-3.0/gdcmImageReader.h>)

#include <algorithm>
#include <cstring>
#include <istream>
#include <streambuf>
#include <string>
#include <vector>

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

namespace {

// Bytes that lie in memory, as a stream that can be wound back; nothing is copied.
class memory_buffer final : public std::streambuf {
  public:
    memory_buffer(const uint8_t *bytes, size_t count) {
        char *start = const_cast<char *>(reinterpret_cast<const char *>(bytes));
        setg(start, start, start + count);
    }

    // Whether the bytes ended within a value.
    bool is_short = false;

  protected:
    std::streamsize xsgetn(char *out, std::streamsize count) override {
        // Tags, kinds and lengths are short; a longer value that is not there is missing.
        if (count > egptr() - gptr() && count > 8) is_short = true;
        return std::streambuf::xsgetn(out, count);
    }
    pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode) override {
        off_type base = from == std::ios_base::beg ? 0 : from == std::ios_base::cur ? gptr() - eback() : egptr() - eback();
        off_type place = base + offset;
        if (place < 0 || place > egptr() - eback()) return pos_type(off_type(-1));
        // GDCM winds back to try another reading.
        if (place < gptr() - eback()) is_short = false;
        setg(eback(), eback() + place, egptr());
        return pos_type(place);
    }
    pos_type seekpos(pos_type place, std::ios_base::openmode mode) override {
        return seekoff(off_type(place), std::ios_base::beg, mode);
    }
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

const gdcm::Tag pixel_data(0x7fe0, 0x0010);

}  // namespace

struct hilum_dicom {
    picture_reader reader;
    bool is_short = false;
};

namespace {

gdcm::Tag to_tag(uint32_t tag) { return gdcm::Tag(uint16_t(tag >> 16), uint16_t(tag)); }

const gdcm::DataElement *find(const gdcm::DataSet &set, gdcm::Tag tag) {
    return set.FindDataElement(tag) ? &set.GetDataElement(tag) : nullptr;
}

gdcm::SmartPointer<gdcm::SequenceOfItems> items(const gdcm::DataSet &set, gdcm::Tag tag) {
    const gdcm::DataElement *element = find(set, tag);
    if (!element) return nullptr;
    gdcm::SmartPointer<gdcm::SequenceOfItems> sequence = element->GetValueAsSQ();
    return sequence && sequence->GetNumberOfItems() > 0 ? sequence : nullptr;
}

long copy(const gdcm::DataElement &element, char *out, size_t capacity) {
    const gdcm::ByteValue *value = element.GetByteValue();
    if (!value || !value->GetPointer()) return -1;
    size_t length = size_t(value->GetLength());
    const char *text = value->GetPointer();
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == 0)) length--;
    length = std::min(length, capacity);
    memcpy(out, text, length);
    return long(length);
}

// The value in the functional groups of a multi-frame object: shared ones, then those of the first frame, one level down.
long group_text(const gdcm::DataSet &set, gdcm::Tag tag, char *out, size_t capacity) {
    for (gdcm::Tag groups : {gdcm::Tag(0x5200, 0x9229), gdcm::Tag(0x5200, 0x9230)}) {
        auto outer = items(set, groups);
        if (!outer) continue;
        const gdcm::DataSet &group = outer->GetItem(1).GetNestedDataSet();
        for (gdcm::Tag part : {gdcm::Tag(0x0028, 0x9145), gdcm::Tag(0x0028, 0x9132), gdcm::Tag(0x0020, 0x9071)}) {
            auto inner = items(group, part);
            if (!inner) continue;
            const gdcm::DataElement *element = find(inner->GetItem(1).GetNestedDataSet(), tag);
            if (element) return copy(*element, out, capacity);
        }
    }
    return -1;
}

int photometric(const gdcm::PhotometricInterpretation &given) {
    switch (gdcm::PhotometricInterpretation::PIType(given)) {
    case gdcm::PhotometricInterpretation::MONOCHROME1: return HILUM_DICOM_MONOCHROME1;
    case gdcm::PhotometricInterpretation::MONOCHROME2: return HILUM_DICOM_MONOCHROME2;
    case gdcm::PhotometricInterpretation::PALETTE_COLOR: return HILUM_DICOM_PALETTE;
    case gdcm::PhotometricInterpretation::RGB: return HILUM_DICOM_RGB;
    case gdcm::PhotometricInterpretation::YBR_FULL:
    case gdcm::PhotometricInterpretation::YBR_FULL_422: return HILUM_DICOM_YBR;
    // What JPEG 2000 calls so is RGB once it is decoded.
    case gdcm::PhotometricInterpretation::YBR_RCT:
    case gdcm::PhotometricInterpretation::YBR_ICT: return HILUM_DICOM_RGB;
    default: return HILUM_DICOM_OTHER;
    }
}

int describe(const gdcm::Image &image, hilum_dicom_info *info) {
    const gdcm::PixelFormat &format = image.GetPixelFormat();
    memset(info, 0, sizeof *info);
    info->columns = image.GetDimension(0);
    info->rows = image.GetDimension(1);
    info->frames = image.GetNumberOfDimensions() == 3 ? std::max(1u, image.GetDimension(2)) : 1;
    info->channels = format.GetSamplesPerPixel();
    info->bits_allocated = format.GetBitsAllocated();
    info->bits_stored = format.GetBitsStored();
    info->high_bit = format.GetHighBit();
    info->is_signed = format.GetPixelRepresentation() != 0;
    info->is_planar = info->channels > 1 && image.GetPlanarConfiguration() != 0;
    info->photometric = uint32_t(photometric(image.GetPhotometricInterpretation()));
    uint32_t bits = info->bits_allocated;
    if ((bits != 8 && bits != 16 && bits != 32) || (info->channels != 1 && info->channels != 3) ||
        info->bits_stored == 0 || info->bits_stored > bits || info->high_bit >= bits) {
        return HILUM_DICOM_UNSUPPORTED;
    }
    if (info->columns == 0 || info->rows == 0) return HILUM_DICOM_NO_PICTURE;
    info->frame_byte_count = uint64_t(info->columns) * info->rows * info->channels * (bits / 8);
    return HILUM_DICOM_OK;
}

// The pixels of one frame, as the element of a picture that has one frame.
bool slice(const gdcm::DataElement &pixels, uint32_t frame, uint32_t frames, uint64_t byte_count, gdcm::DataElement *out) {
    *out = gdcm::DataElement(pixel_data);
    out->SetVR(pixels.GetVR());
    if (const gdcm::SequenceOfFragments *all = pixels.GetSequenceOfFragments()) {
        // One fragment a frame, or one frame that takes them all. Otherwise the offsets would be needed, and they are often wrong.
        size_t count = all->GetNumberOfFragments();
        size_t first = frame, last = frame + 1;
        if (count != frames) {
            size_t each = count % frames == 0 ? count / frames : 0;
            if (each == 0) return false;
            first = frame * each;
            last = first + each;
        }
        gdcm::SmartPointer<gdcm::SequenceOfFragments> one = new gdcm::SequenceOfFragments;
        for (size_t place = first; place < last; place++) one->AddFragment(all->GetFragment(place));
        out->SetValue(*one);
        return true;
    }
    const gdcm::ByteValue *value = pixels.GetByteValue();
    if (!value || uint64_t(value->GetLength()) < byte_count * (uint64_t(frame) + 1)) return false;
    out->SetByteValue(value->GetPointer() + byte_count * frame, uint32_t(byte_count));
    return true;
}

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

// GDCM would write what it thinks of a file, with values of its tags, to the standard error.
bool silence() {
    gdcm::Trace::DebugOff();
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    return true;
}

}  // namespace

int hilum_dicom_is_built(void) { return 1; }

hilum_dicom *hilum_dicom_open(const uint8_t *bytes, size_t byte_count, int *status) {
    static const bool is_silent = silence();
    (void)is_silent;
    hilum_dicom *file = nullptr;
    *status = guarded([&] {
        file = new hilum_dicom;
        memory_buffer buffer(bytes, byte_count);
        std::istream stream(&buffer);
        file->reader.SetStream(stream);
        bool is_read = file->reader.read_data_set();
        file->is_short = buffer.is_short;
        return is_read ? HILUM_DICOM_OK : buffer.is_short ? HILUM_DICOM_TRUNCATED : HILUM_DICOM_CORRUPT;
    });
    if (*status == HILUM_DICOM_OK) return file;
    hilum_dicom_close(file);
    return nullptr;
}

void hilum_dicom_close(hilum_dicom *file) {
    guarded([&] {
        delete file;
        return 0;
    });
}

long hilum_dicom_text(const hilum_dicom *file, uint32_t tag, char *out, size_t capacity) {
    long length = -1;
    guarded([&] {
        const gdcm::File &whole = file->reader.GetFile();
        gdcm::Tag wanted = to_tag(tag);
        const gdcm::DataElement *element =
            wanted.GetGroup() == 2 ? find(whole.GetHeader(), wanted) : find(whole.GetDataSet(), wanted);
        length = element ? copy(*element, out, capacity) : group_text(whole.GetDataSet(), wanted, out, capacity);
        return 0;
    });
    return length;
}

uint32_t hilum_dicom_table(
    const hilum_dicom *file, uint32_t sequence, uint32_t descriptor, uint32_t data, uint16_t *out, int32_t *first,
    uint32_t *bits) {
    uint32_t count = 0;
    guarded([&] {
        const gdcm::DataSet *set = &file->reader.GetFile().GetDataSet();
        gdcm::SmartPointer<gdcm::SequenceOfItems> all;
        if (sequence != 0) {
            all = items(*set, to_tag(sequence));
            if (!all) return 0;
            set = &all->GetItem(1).GetNestedDataSet();
        }
        const gdcm::DataElement *head = find(*set, to_tag(descriptor));
        const gdcm::DataElement *body = find(*set, to_tag(data));
        const gdcm::ByteValue *what = head ? head->GetByteValue() : nullptr;
        const gdcm::ByteValue *values = body ? body->GetByteValue() : nullptr;
        if (!what || !values || what->GetLength() < 6) return 0;
        uint16_t words[3];
        memcpy(words, what->GetPointer(), sizeof words);
        size_t length = size_t(values->GetLength());
        size_t wanted = words[0] == 0 ? 65536 : words[0];
        *first = head->GetVR() == gdcm::VR::SS ? int32_t(int16_t(words[1])) : int32_t(words[1]);
        *bits = words[2];
        const char *source = values->GetPointer();
        if (length >= wanted * 2) {
            memcpy(out, source, wanted * 2);
        } else if (length >= wanted && words[2] <= 8) {
            for (size_t place = 0; place < wanted; place++) out[place] = uint8_t(source[place]);
        } else {
            return 0;
        }
        count = uint32_t(wanted);
        return 0;
    });
    return count;
}

int hilum_dicom_read_info(hilum_dicom *file, hilum_dicom_info *info) {
    memset(info, 0, sizeof *info);
    return guarded([&] {
        if (!find(file->reader.GetFile().GetDataSet(), pixel_data)) return int(file->is_short ? HILUM_DICOM_TRUNCATED : HILUM_DICOM_NO_PICTURE);
        if (file->is_short) return int(HILUM_DICOM_TRUNCATED);
        if (!file->reader.read_picture()) return int(HILUM_DICOM_CORRUPT);
        return describe(file->reader.GetImage(), info);
    });
}

int hilum_dicom_decode(hilum_dicom *file, uint32_t frame, uint8_t *out, size_t byte_count, hilum_dicom_info *info) {
    return guarded([&] {
        gdcm::Image &whole = file->reader.GetImage();
        int status = describe(whole, info);
        if (status != HILUM_DICOM_OK) return status;
        uint32_t frames = info->frames;
        if (frame >= frames || byte_count != info->frame_byte_count) return int(HILUM_DICOM_CORRUPT);
        gdcm::Image still = whole;
        if (frames > 1) {
            gdcm::DataElement pixels;
            if (!slice(whole.GetDataElement(), frame, frames, byte_count, &pixels)) return int(HILUM_DICOM_TRUNCATED);
            still.SetNumberOfDimensions(2);
            still.SetDataElement(pixels);
        }
        if (still.GetBufferLength() != byte_count) return int(HILUM_DICOM_UNSUPPORTED);
        const gdcm::ByteValue *raw = still.GetDataElement().GetByteValue();
        if (raw && uint64_t(raw->GetLength()) < byte_count && info->bits_allocated == info->bits_stored) {
            return int(HILUM_DICOM_TRUNCATED);
        }
        if (!still.GetBuffer(reinterpret_cast<char *>(out))) return int(HILUM_DICOM_CORRUPT);
        status = describe(still, info);
        info->frames = frames;
        if (status == HILUM_DICOM_OK && info->frame_byte_count != byte_count) return int(HILUM_DICOM_CORRUPT);
        return status;
    });
}

#else

int hilum_dicom_is_built(void) { return 0; }

hilum_dicom *hilum_dicom_open(const uint8_t *, size_t, int *status) {
    *status = HILUM_DICOM_NOT_BUILT;
    return nullptr;
}

void hilum_dicom_close(hilum_dicom *) {}

long hilum_dicom_text(const hilum_dicom *, uint32_t, char *, size_t) { return -1; }

uint32_t hilum_dicom_table(const hilum_dicom *, uint32_t, uint32_t, uint32_t, uint16_t *, int32_t *, uint32_t *) {
    return 0;
}

int hilum_dicom_read_info(hilum_dicom *, hilum_dicom_info *) { return HILUM_DICOM_NOT_BUILT; }

int hilum_dicom_decode(hilum_dicom *, uint32_t, uint8_t *, size_t, hilum_dicom_info *) { return HILUM_DICOM_NOT_BUILT; }

#endif
