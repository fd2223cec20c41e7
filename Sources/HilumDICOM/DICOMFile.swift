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

    /// Reads the tags. The bytes go when this returns: the library has copied what it keeps.
    ///
    /// - Throws: `corrupt`, `truncated`, `outOfMemory`, `decoderMissing`.
    init(_ bytes: consuming [UInt8]) throws(ImagingError) {
        var status: Int32 = 0
        // Safety: the library copies what it keeps.
        let opened = bytes.withUnsafeBufferPointer { hilum_dicom_open($0.baseAddress, $0.count, &status) }
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

    /// The largest number that a tag may hold as text. With one beyond it, sums and products would not stay finite.
    private static let largestNumber = 1e15

    /// The numbers of a tag that holds them as text, such as a window; empty where there is none. What is no number, or one beyond
    /// 10¹⁵, is left out.
    func numbers(_ tag: UInt32) -> [Double] {
        guard let value = value(tag) else { return [] }
        let parts = String(decoding: value, as: UTF8.self).split(separator: "\\")
        return parts.compactMap { part in
            let text = part.drop { $0 == " " }.prefix { $0 != " " && $0 != "\0" }
            return Double(text).flatMap { abs($0) <= Self.largestNumber ? $0 : nil }
        }
    }

    /// The first number of a tag that holds 16-bit numbers; nil where there is none.
    ///
    /// - Parameter isSigned: whether it may be negative.
    func word(_ tag: UInt32, isSigned: Bool) -> Int? {
        var word: UInt16 = 0
        guard hilum_dicom_word(handle, tag, &word) != 0 else { return nil }
        return isSigned ? Int(Int16(bitPattern: word)) : Int(word)
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
        try Self.check(hilum_dicom_read_info(handle, &info), info)
        return info
    }

    /// The samples of one frame, and what they are: a decoder may know better than the tags.
    ///
    /// - Parameter info: of this file.
    /// - Throws: as `info()`.
    func samples(frame: Int, _ info: Info) throws(ImagingError) -> StoredSamples {
        guard let frame = UInt32(exactly: frame) else {
            throw ImagingError(.corrupt(format: .dicom, reason: "it has no such frame"))
        }
        var samples = StoredSamples(info)
        var decoded = info
        let status = samples.fill { hilum_dicom_decode(handle, frame, $0.baseAddress, $0.count, &decoded) }
        try Self.check(status, decoded)
        samples.info = decoded
        return samples
    }

    private static func check(_ status: Int32, _ info: Info) throws(ImagingError) {
        if status == Int32(HILUM_DICOM_UNSUPPORTED) {
            let samples = "\(info.channels) samples a pixel, \(info.bits_stored) of \(info.bits_allocated) bits each"
            throw ImagingError(.unsupportedFormat(found: "a DICOM picture with \(samples),"))
        }
        if status != Int32(HILUM_DICOM_OK) { throw error(status, "its pixels cannot be decoded") }
    }

    private static func error(_ status: Int32, _ reason: String) -> ImagingError {
        switch status {
        case Int32(HILUM_DICOM_TRUNCATED): ImagingError(.truncated(format: .dicom))
        case Int32(HILUM_DICOM_NO_MEMORY): ImagingError(.outOfMemory)
        case Int32(HILUM_DICOM_NO_PICTURE): ImagingError(.noPicture("an object without pixels"))
        case Int32(HILUM_DICOM_NOT_BUILT):
            ImagingError(.decoderMissing("Hilum was built without GDCM; install libgdcm-dev, and build it again"))
        default: ImagingError(.corrupt(format: .dicom, reason: reason))
        }
    }
}
