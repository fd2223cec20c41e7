// The picture: what its samples are, and the samples of a frame.
//
//     one value ─────────── checked, copied here ──┐
//     fragments ─┬─ RLE ─── unpacked here ─────────┼─ samples, channel by channel within a pixel
//                └─ others ─ decoded by GDCM ──────┘
//
// GDCM reads raw values beyond their end, takes the highest bit for granted, and ends its process over some palettes, so what
// is not compressed never reaches its picture code.
#include "CGDCM.h"

#if defined(HILUM_GDCM) && __has_include(<gdcm-3.0/gdcmImageReader.h>)

#include "file.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace hilum;

const gdcm::Tag photometric_tag(0x0028, 0x0004);

std::string text(const gdcm::DataSet &set, gdcm::Tag tag) {
    const gdcm::DataElement *element = find(set, tag);
    const gdcm::ByteValue *value = element ? element->GetByteValue() : nullptr;
    if (!value || !value->GetPointer()) return "";
    std::string text(value->GetPointer(), size_t(value->GetLength()));
    size_t end = text.find_last_not_of(std::string(" \0", 2));
    return end == std::string::npos ? "" : text.substr(0, end + 1);
}

uint32_t word(const gdcm::DataSet &set, uint16_t number, uint32_t otherwise) {
    const gdcm::DataElement *element = find(set, gdcm::Tag(0x0028, number));
    const gdcm::ByteValue *value = element ? element->GetByteValue() : nullptr;
    uint16_t word;
    if (!value || value->GetLength() < 2) return otherwise;
    memcpy(&word, value->GetPointer(), sizeof word);
    return word;
}

uint32_t photometric(gdcm::PhotometricInterpretation::PIType type) {
    switch (type) {
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

// Fills in the size of a frame, unless its samples are of a kind that is not read.
int measure(hilum_dicom_info *info) {
    uint32_t bits = info->bits_allocated;
    if ((bits != 8 && bits != 16 && bits != 32) || (info->channels != 1 && info->channels != 3) ||
        info->bits_stored == 0 || info->bits_stored > bits || info->high_bit >= bits || info->high_bit + 1 < info->bits_stored) {
        return HILUM_DICOM_UNSUPPORTED;
    }
    if (info->columns == 0 || info->rows == 0) return HILUM_DICOM_NO_PICTURE;
    info->frame_byte_count = uint64_t(info->columns) * info->rows * info->channels * (bits / 8);
    return HILUM_DICOM_OK;
}

uint64_t byte_count_of(const gdcm::DataElement &pixels) {
    if (const gdcm::SequenceOfFragments *all = pixels.GetSequenceOfFragments()) return all->ComputeByteLength();
    const gdcm::ByteValue *value = pixels.GetByteValue();
    return value ? uint64_t(value->GetLength()) : 0;
}

// What the tags say of samples that are stored as they are, or in RLE.
int read_tags(hilum_dicom *file) {
    const gdcm::DataSet &set = file->reader.GetFile().GetDataSet();
    const gdcm::DataElement &pixels = set.GetDataElement(pixel_data);
    const gdcm::TransferSyntax syntax = file->reader.GetFile().GetHeader().GetDataSetTransferSyntax();
    hilum_dicom_info *info = &file->info;
    std::string name = text(set, photometric_tag);
    auto type = gdcm::PhotometricInterpretation::GetPIType(name.c_str());
    info->columns = word(set, 0x0011, 0);
    info->rows = word(set, 0x0010, 0);
    info->channels = word(set, 0x0002, 1);
    info->bits_allocated = word(set, 0x0100, 0);
    info->bits_stored = word(set, 0x0101, info->bits_allocated);
    info->high_bit = word(set, 0x0102, info->bits_stored - 1);
    // Such a highest bit is a slip of the pen; the samples stand at the bottom then.
    if (info->high_bit >= info->bits_allocated || info->high_bit + 1 < info->bits_stored) info->high_bit = info->bits_stored - 1;
    info->is_signed = word(set, 0x0103, 0) != 0;
    info->frames = uint32_t(std::clamp(strtol(text(set, gdcm::Tag(0x0028, 0x0008)).c_str(), nullptr, 10), 1L, 1L << 30));
    info->photometric = photometric(type);
    if (name.empty()) info->photometric = info->channels == 3 ? HILUM_DICOM_RGB : HILUM_DICOM_MONOCHROME2;
    int status = measure(info);
    if (status != HILUM_DICOM_OK) return status;

    uint64_t stored = byte_count_of(pixels);
    info->working_byte_count = stored;
    file->is_planar = info->channels > 1 && word(set, 0x0006, 0) != 0;
    file->stored_frame_byte_count = info->frame_byte_count;
    if (file->layout == HILUM_LAYOUT_RLE) return HILUM_DICOM_OK;
    uint64_t pixel_count = uint64_t(info->columns) * info->rows;
    uint64_t halved = pixel_count * 2 * info->frames;
    // Some files call it so and store three bytes a pixel, and a short value of that kind must not pass for two.
    file->is_422 = type == gdcm::PhotometricInterpretation::YBR_FULL_422 && info->channels == 3 && info->bits_allocated == 8 &&
        info->columns % 2 == 0 && stored >= halved && stored < halved + 4;
    if (file->is_422) file->stored_frame_byte_count = pixel_count * 2;
    bool is_big = syntax == gdcm::TransferSyntax::ExplicitVRBigEndian;
    if (is_big && info->bits_allocated == 32) return HILUM_DICOM_UNSUPPORTED;
    // GDCM has swapped words, and no bytes.
    file->is_swapped = info->bits_allocated == 16 &&
        (syntax == gdcm::TransferSyntax::ImplicitVRBigEndianPrivateGE || (is_big && pixels.GetVR() == gdcm::VR::OB));
    info->is_short = stored < file->stored_frame_byte_count;
    return HILUM_DICOM_OK;
}

int describe(const gdcm::Image &image, hilum_dicom_info *info) {
    const gdcm::PixelFormat &format = image.GetPixelFormat();
    info->columns = image.GetDimension(0);
    info->rows = image.GetDimension(1);
    info->frames = image.GetNumberOfDimensions() == 3 ? std::max(1u, image.GetDimension(2)) : 1;
    info->channels = format.GetSamplesPerPixel();
    info->bits_allocated = format.GetBitsAllocated();
    info->bits_stored = format.GetBitsStored();
    info->high_bit = format.GetHighBit();
    info->is_signed = format.GetPixelRepresentation() != 0;
    // The palette was kept from GDCM.
    if (info->photometric != HILUM_DICOM_PALETTE) {
        info->photometric = photometric(gdcm::PhotometricInterpretation::PIType(image.GetPhotometricInterpretation()));
    }
    return measure(info);
}

// The memory of GDCM while it decodes a frame, as measured on films of 10 to 40 MB in each syntax, with a little to spare.
uint64_t working_byte_count(hilum_dicom *file) {
    const hilum_dicom_info &info = file->info;
    uint64_t fragments = byte_count_of(file->reader.GetImage().GetDataElement());
    uint64_t one = fragments / info.frames;
    uint64_t samples = uint64_t(info.columns) * info.rows * info.channels;
    switch (gdcm::TransferSyntax::TSType(file->reader.GetFile().GetHeader().GetDataSetTransferSyntax())) {
    case gdcm::TransferSyntax::JPEGLSLossless:
    case gdcm::TransferSyntax::JPEGLSNearLossless: return fragments + 2 * one + info.frame_byte_count * 3 / 2;
    case gdcm::TransferSyntax::JPEG2000Lossless:
    case gdcm::TransferSyntax::JPEG2000: return fragments + 2 * one + info.frame_byte_count + 5 * samples;
    // A stream that grows by doubling, and copies of it.
    default: return fragments + one + info.frame_byte_count * (info.channels == 1 ? 33 : 45) / 8;
    }
}

// Has GDCM read what is said about compressed pixels.
int read_picture(hilum_dicom *file) {
    gdcm::DataSet &set = file->reader.GetFile().GetDataSet();
    // GDCM ends the process over a palette of 8 bits in words. It is looked up elsewhere, so GDCM gets numbers without a palette.
    if (text(set, photometric_tag).compare(0, 7, "PALETTE") == 0) {
        gdcm::DataElement grey(photometric_tag);
        grey.SetVR(gdcm::VR::CS);
        grey.SetByteValue("MONOCHROME2 ", 12);
        set.Replace(grey);
        file->info.photometric = HILUM_DICOM_PALETTE;
    }
    if (!file->reader.read_picture()) return HILUM_DICOM_CORRUPT;
    int status = describe(file->reader.GetImage(), &file->info);
    file->info.working_byte_count = working_byte_count(file);
    return status;
}

int copy_raw(const hilum_dicom *file, uint32_t frame, uint8_t *out) {
    const hilum_dicom_info &info = file->info;
    const gdcm::ByteValue *value = file->reader.GetFile().GetDataSet().GetDataElement(pixel_data).GetByteValue();
    uint64_t each = file->stored_frame_byte_count;
    if (!value || uint64_t(value->GetLength()) / each <= frame) return HILUM_DICOM_TRUNCATED;
    const uint8_t *source = reinterpret_cast<const uint8_t *>(value->GetPointer()) + each * frame;
    uint64_t pixel_count = uint64_t(info.columns) * info.rows;
    if (file->is_422) {
        // Two pixels: their lumas, then the colours of both.
        for (uint64_t pair = 0; pair < pixel_count / 2; pair++, source += 4, out += 6) {
            const uint8_t two[6] = {source[0], source[2], source[3], source[1], source[2], source[3]};
            memcpy(out, two, sizeof two);
        }
        return HILUM_DICOM_OK;
    }
    if (file->is_planar) {
        interleave(source, pixel_count, info.channels, info.bits_allocated / 8, out);
    } else {
        memcpy(out, source, each);
    }
    if (file->is_swapped) {
        for (uint64_t place = 0; place + 1 < each; place += 2) std::swap(out[place], out[place + 1]);
    }
    return HILUM_DICOM_OK;
}

// Has GDCM decode one frame.
int decode(hilum_dicom *file, uint32_t frame, uint8_t *out, size_t byte_count) {
    gdcm::Image &whole = file->reader.GetImage();
    uint32_t frames = file->info.frames;
    gdcm::Image still = whole;
    if (frames > 1) {
        const gdcm::SequenceOfFragments *all = whole.GetDataElement().GetSequenceOfFragments();
        auto one = all ? frame_fragments(*all, frame, frames, false) : nullptr;
        if (!one) return HILUM_DICOM_TRUNCATED;
        gdcm::DataElement pixels(pixel_data);
        pixels.SetVR(whole.GetDataElement().GetVR());
        pixels.SetValue(*one);
        still.SetNumberOfDimensions(2);
        still.SetDataElement(pixels);
    }
    if (still.GetBufferLength() != byte_count) return HILUM_DICOM_UNSUPPORTED;
    if (!still.GetBuffer(reinterpret_cast<char *>(out))) return HILUM_DICOM_CORRUPT;
    int status = describe(still, &file->info);
    file->info.frames = frames;
    if (status != HILUM_DICOM_OK) return status;
    if (file->info.frame_byte_count != byte_count) return HILUM_DICOM_CORRUPT;
    if (file->info.channels > 1 && still.GetPlanarConfiguration() != 0) {
        std::vector<uint8_t> planes(out, out + byte_count);
        uint64_t pixel_count = uint64_t(file->info.columns) * file->info.rows;
        interleave(planes.data(), pixel_count, file->info.channels, file->info.bits_allocated / 8, out);
    }
    return HILUM_DICOM_OK;
}

}  // namespace

void hilum::interleave(
    const uint8_t *planes, uint64_t pixel_count, uint32_t channels, uint32_t sample_byte_count, uint8_t *out) {
    for (uint32_t channel = 0; channel < channels; channel++) {
        uint8_t *place = out + channel * sample_byte_count;
        for (uint64_t pixel = 0; pixel < pixel_count; pixel++, place += channels * sample_byte_count) {
            for (uint32_t byte = 0; byte < sample_byte_count; byte++) place[byte] = *planes++;
        }
    }
}

int hilum_dicom_read_info(hilum_dicom *file, hilum_dicom_info *info) {
    file->info = hilum_dicom_info{};
    int status = guarded([&] {
        const gdcm::DataElement *pixels = find(file->reader.GetFile().GetDataSet(), pixel_data);
        if (file->is_short) return int(HILUM_DICOM_TRUNCATED);
        if (!pixels) return int(HILUM_DICOM_NO_PICTURE);
        const gdcm::TransferSyntax syntax = file->reader.GetFile().GetHeader().GetDataSetTransferSyntax();
        bool is_compressed = pixels->GetSequenceOfFragments() != nullptr;
        // Fragments of what is not compressed, or one value of what is.
        if (is_compressed != syntax.IsEncapsulated()) return int(HILUM_DICOM_CORRUPT);
        file->layout = !is_compressed ? HILUM_LAYOUT_RAW
            : syntax == gdcm::TransferSyntax::RLELossless ? HILUM_LAYOUT_RLE : HILUM_LAYOUT_CODEC;
        return file->layout == HILUM_LAYOUT_CODEC ? read_picture(file) : read_tags(file);
    });
    *info = file->info;
    return status;
}

int hilum_dicom_decode(hilum_dicom *file, uint32_t frame, uint8_t *out, size_t byte_count, hilum_dicom_info *info) {
    int status = guarded([&] {
        if (frame >= file->info.frames || byte_count != file->info.frame_byte_count) return int(HILUM_DICOM_CORRUPT);
        switch (file->layout) {
        case HILUM_LAYOUT_RAW: return copy_raw(file, frame, out);
        case HILUM_LAYOUT_CODEC: return decode(file, frame, out, byte_count);
        case HILUM_LAYOUT_RLE: {
            const gdcm::DataElement &pixels = file->reader.GetFile().GetDataSet().GetDataElement(pixel_data);
            auto one = frame_fragments(*pixels.GetSequenceOfFragments(), frame, file->info.frames, true);
            return one ? unpack_rle(*one, file->info, out) : int(HILUM_DICOM_TRUNCATED);
        }
        }
        return int(HILUM_DICOM_CORRUPT);
    });
    *info = file->info;
    return status;
}

#endif
