// The data set: opened, and asked for tags and tables. pixels.cpp has the picture.
#include "CGDCM.h"

#if defined(HILUM_GDCM) && __has_include(<gdcm-3.0/gdcmImageReader.h>)

#include "file.hpp"

#include <algorithm>
#include <cstring>
#include <istream>
#include <streambuf>

namespace {

using namespace hilum;

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

gdcm::Tag to_tag(uint32_t tag) { return gdcm::Tag(uint16_t(tag >> 16), uint16_t(tag)); }

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

// GDCM would write what it thinks of a file, with values of its tags, to the standard error.
bool silence() {
    gdcm::Trace::DebugOff();
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    return true;
}

// The entries of a table as numbers; `bits` becomes what they really have. Returns 0 where they are fewer than `wanted`.
uint32_t entries(const gdcm::ByteValue &values, size_t wanted, uint16_t *out, uint32_t *bits) {
    size_t length = size_t(values.GetLength());
    const char *source = values.GetPointer();
    if (length >= wanted * 2) {
        memcpy(out, source, wanted * 2);
        // Entries of 8 bits in words: some files put them into the upper byte, or into both.
        if (*bits <= 8 && std::any_of(out, out + wanted, [](uint16_t entry) { return entry > 255; })) *bits = 16;
    } else if (length >= wanted) {
        for (size_t place = 0; place < wanted; place++) out[place] = uint8_t(source[place]);
        *bits = std::min<uint32_t>(*bits, 8);
    } else {
        return 0;
    }
    return uint32_t(wanted);
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

int hilum_dicom_word(const hilum_dicom *file, uint32_t tag, uint16_t *out) {
    int found = 0;
    guarded([&] {
        const gdcm::DataElement *element = find(file->reader.GetFile().GetDataSet(), to_tag(tag));
        const gdcm::ByteValue *value = element ? element->GetByteValue() : nullptr;
        if (!value || value->GetLength() < 2) return 0;
        memcpy(out, value->GetPointer(), 2);
        found = 1;
        return 0;
    });
    return found;
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
        *first = head->GetVR() == gdcm::VR::SS ? int32_t(int16_t(words[1])) : int32_t(words[1]);
        *bits = words[2];
        count = entries(*values, words[0] == 0 ? 65536 : words[0], out, bits);
        return 0;
    });
    return count;
}

#else

int hilum_dicom_is_built(void) { return 0; }

hilum_dicom *hilum_dicom_open(const uint8_t *, size_t, int *status) {
    *status = HILUM_DICOM_NOT_BUILT;
    return nullptr;
}

void hilum_dicom_close(hilum_dicom *) {}

long hilum_dicom_text(const hilum_dicom *, uint32_t, char *, size_t) { return -1; }

int hilum_dicom_word(const hilum_dicom *, uint32_t, uint16_t *) { return 0; }

uint32_t hilum_dicom_table(const hilum_dicom *, uint32_t, uint32_t, uint32_t, uint16_t *, int32_t *, uint32_t *) {
    return 0;
}

int hilum_dicom_read_info(hilum_dicom *, hilum_dicom_info *) { return HILUM_DICOM_NOT_BUILT; }

int hilum_dicom_decode(hilum_dicom *, uint32_t, uint8_t *, size_t, hilum_dicom_info *) { return HILUM_DICOM_NOT_BUILT; }

#endif
