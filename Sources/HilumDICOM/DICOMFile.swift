import CGDCM
import HilumImaging

/// One DICOM file in memory, read by GDCM in this process.
///
/// Thread rule: one owner at a time.
final class DICOMFile {
    /// What the samples of a frame are.
    typealias Info = hilum_dicom_info

    /// Safety: made by `hilum_dicom_open` and closed by `deinit` alone.
    private let handle: OpaquePointer

    /// Reads the tags.
    ///
    /// - Throws: `corrupt`, `truncated`, `outOfMemory`, `decoderMissing`.
    init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
        var status: Int32 = 0
        // Safety: the library copies what it keeps.
        let opened = hilum_dicom_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, &status)
        guard let opened else { throw Self.error(status, "its tags cannot be read") }
        handle = opened
    }

    deinit { hilum_dicom_close(handle) }

    /// The value of a tag, at most `capacity` bytes of it; nil where there is none.
    func value(_ tag: UInt32, capacity: Int = 1024) -> [UInt8]? {
        var length = -1
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            length = buffer.withMemoryRebound(to: CChar.self) {
                hilum_dicom_text(handle, tag, $0.baseAddress, $0.count)
            }
            count = max(0, length)
        }
        return length < 0 ? nil : bytes
    }

    /// The numbers of a tag that holds them as text, such as a window; empty where there is none.
    func numbers(_ tag: UInt32) -> [Double] {
        guard let value = value(tag) else { return [] }
        let parts = String(decoding: value, as: UTF8.self).split(separator: "\\")
        return parts.compactMap { part in
            let text = part.drop { $0 == " " }.prefix { $0 != " " && $0 != "\0" }
            return Double(text).flatMap { $0.isFinite ? $0 : nil }
        }
    }

    /// A lookup table, in the first item of `sequence` or, for 0, in the file itself.
    func table(sequence: UInt32 = 0, descriptor: UInt32, data: UInt32) -> LookupTable? {
        var (first, bits): (Int32, UInt32) = (0, 0)
        let values = [UInt16](unsafeUninitializedCapacity: 65_536) { buffer, count in
            count = Int(hilum_dicom_table(handle, sequence, descriptor, data, buffer.baseAddress, &first, &bits))
        }
        guard !values.isEmpty, bits > 0 else { return nil }
        return LookupTable(first: Int(first), bits: min(16, Int(bits)), values: values)
    }

    /// What the samples are; nothing is decoded yet.
    ///
    /// - Throws: `noPicture`, `truncated`, `corrupt`, `unsupportedFormat`, `outOfMemory`.
    func info() throws(ImagingError) -> Info {
        var info = Info()
        try Self.check(hilum_dicom_read_info(handle, &info))
        return info
    }

    /// The samples of one frame, in the byte order of the machine, and what they are: a decoder may know better than the tags.
    ///
    /// - Parameter info: of this file.
    /// - Throws: as `info()`.
    func samples(frame: Int, _ info: inout Info) throws(ImagingError) -> [UInt8] {
        guard let frame = UInt32(exactly: frame), let byteCount = Int(exactly: info.frame_byte_count) else {
            throw ImagingError(.corrupt(format: .dicom, reason: "it has no such frame"))
        }
        var status: Int32 = 0
        let samples = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            status = hilum_dicom_decode(handle, frame, buffer.baseAddress, byteCount, &info)
            count = status == Int32(HILUM_DICOM_OK) ? byteCount : 0
        }
        try Self.check(status)
        return samples
    }

    private static func check(_ status: Int32) throws(ImagingError) {
        if status != Int32(HILUM_DICOM_OK) { throw error(status, "its pixels cannot be decoded") }
    }

    private static func error(_ status: Int32, _ reason: String) -> ImagingError {
        switch status {
        case Int32(HILUM_DICOM_TRUNCATED): ImagingError(.truncated(format: .dicom))
        case Int32(HILUM_DICOM_NO_MEMORY): ImagingError(.outOfMemory)
        case Int32(HILUM_DICOM_NO_PICTURE): ImagingError(.noPicture("an object without pixels"))
        case Int32(HILUM_DICOM_UNSUPPORTED):
            ImagingError(.unsupportedFormat(found: "a DICOM picture with samples of this kind"))
        case Int32(HILUM_DICOM_NOT_BUILT):
            ImagingError(.decoderMissing("Hilum was built without GDCM; install libgdcm-dev, and build it again"))
        default: ImagingError(.corrupt(format: .dicom, reason: reason))
        }
    }
}
