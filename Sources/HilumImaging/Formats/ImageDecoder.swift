// HilumImaging decodes image files to grey samples, resizes them for a model, and draws sheets and plots for people.
//
//   bytes ─ format(of:) ─┬─ PNGReader ── PNGRowConverter ─┐
//                        ├─ DICOMProcess ─ hilum-dicom ───┤
//                        └─ JPEGFrame ── libturbojpeg ────┴─ GrayImage ─ resizedToFit(side:) ─ model
//                                                              │
//                   RGBImage ◀─ Canvas ◀─ ContactSheet, LinePlot, HeatMap ─ PNGEncoder ─ bytes
//
// | folder, file                  | contents                                                                |
// | ----------------------------- | ----------------------------------------------------------------------- |
// | Images/ GrayImage, +Resize    | 16-bit grey samples; exact area averaging in integers                   |
// | Images/ GrayImage+Orientation | turned as Exif says; whether it is blank                                |
// | Images/ DecodedImage          | an image with notes on how it was read                                  |
// | Images/ RGBImage              | 8-bit colour                                                            |
// | Images/ ImagingError          | why an image is refused; ImageFormat; ImageLimits                       |
// | Formats/ ImageDecoder         | format by content, limits, entry points                                 |
// | Formats/ PNGReader, PNGDecoder | one open PNG (libdeflate or libpng behind CPNG); its rows as grey, or raw samples |
// | Formats/ JPEGDecoder, ExifOrientation | JPEG through libturbojpeg; how it is to be turned               |
// | DICOM/ DICOMDecoder, DICOMProcess | DICOM through processes of `hilum-dicom`, and what is said to them       |
// | DICOM/ DICOMHeader, DICOMDescription, DICOMKind | tags, read without decoding; which objects hold no picture |
// | Formats/ AreaFitter           | area averaging row by row while an image is decoded                     |
// | Formats/ PictureScrubber      | takes out of a file what is not its picture                             |
// | Text/ BorderText              | finds lines of letters near the border of a picture                     |
// | Formats/ PNGEncoder           | grey and RGB images to PNG, always the same bytes                       |
// | Drawing/ Canvas, +Text        | rectangles, smooth lines, text, images                                  |
// | Drawing/ BitmapFont, ColorMap, AxisTicks | the built-in font; numbers to colours; round numbers on an axis |
// | Sheets/ ContactSheet          | queries with their hits                                                 |
// | Sheets/ HeatMap, EvidenceSheet | a grid of numbers over an image; the same with the words it answers    |
// | Sheets/ LinePlot              | lines over two axes                                                     |

import HilumCore

/// Decodes image files to grey, by content and within limits.
///
/// Thread rule: any thread; nothing is shared.
public enum ImageDecoder {
    /// The format that `bytes` start with, whatever the file is called; nil if Hilum does not know it.
    ///
    /// DICOM is told by `DICM` after a preamble of 128 bytes.
    public static func format(of bytes: [UInt8]) -> ImageFormat? {
        bytes.withUnsafeBytes { format(of: $0) }
    }

    /// The format that `bytes` start with.
    static func format(of bytes: UnsafeRawBufferPointer) -> ImageFormat? {
        func begins(_ pattern: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + pattern.count && bytes[offset..<(offset + pattern.count)].elementsEqual(pattern)
        }
        if begins([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
        if begins([0xFF, 0xD8, 0xFF]) { return .jpeg }
        if begins(Array("DICM".utf8), at: 128) { return .dicom }
        return nil
    }

    /// The pixels of a PNG, JPEG or DICOM picture, by its header; nil for another file, and for a PNG or JPEG that does not end as a
    /// whole file does.
    package static func pixelCount(of bytes: [UInt8]) -> Int? {
        bytes.withUnsafeBytes { raw in
            switch format(of: raw) {
            case .png:
                guard raw.count >= 45, raw[(raw.count - 8)..<(raw.count - 4)].elementsEqual("IEND".utf8) else {
                    return nil
                }
                // Safety: both words lie within the first 24 bytes.
                let sides = [16, 20].map { UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)) }
                let (count, overflows) = Int(sides[0]).multipliedReportingOverflow(by: Int(sides[1]))
                return overflows ? Int.max : count
            case .jpeg:
                guard let frame = try? JPEGFrame(raw), frame.isDecodable, frame.hasEnd else { return nil }
                return frame.width * frame.height
            case .dicom:
                let header = DICOMHeader { Array(raw.prefix($0)) }
                return header.flatMap { $0.reasonToRefuse == nil && $0.pixelCount > 0 ? $0.pixelCount : nil }
            default: return nil
            }
        }
    }

    /// Decodes a file to 16-bit grey; see `PNGDecoder`, `JPEGDecoder` and the program `hilum-dicom` for how samples become grey.
    ///
    /// - Throws: `empty`, `unsupportedFormat`, `tooManyBytes` or `tooManyPixels` (both before memory is allocated),
    ///   `truncated`, `corrupt`, `outOfMemory`; of a DICOM file also `noPicture`, `decoderStopped`, `decoderLost`, `decoderMissing`.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = .standard
    ) throws(ImagingError) -> DecodedImage {
        guard bytes.count <= limits.maxByteCount else {
            throw ImagingError(.tooManyBytes(byteCount: bytes.count, limit: limits.maxByteCount))
        }
        guard !bytes.isEmpty else { throw ImagingError(.empty) }
        switch format(of: bytes) {
        case .png: return DecodedImage(image: try PNGDecoder.decode(bytes, limits: limits), notes: [])
        case .jpeg: return try JPEGDecoder.decode(bytes, limits: limits)
        case .dicom:
            return DecodedImage(image: try DICOMDecoder.decode(bytes, fitting: nil, limits: limits).image, notes: [])
        case nil: throw ImagingError(.unsupportedFormat(found: kind(of: bytes)))
        }
    }

    /// Decodes a PNG, JPEG or DICOM file to 16-bit grey. Of a DICOM file with several frames it is the first.
    ///
    /// - Throws: `ImagingError`; bounds are checked before memory is allocated.
    public static func decode(_ bytes: [UInt8], limits: ImageLimits = .standard) throws(ImagingError) -> GrayImage {
        try withBytes(bytes) { (raw) throws(ImagingError) in try decode(raw, limits: limits).image }
    }

    /// Decodes a PNG or JPEG, fits it into a square if one is wanted, and notes what is odd about it.
    ///
    /// - Parameters:
    ///   - side: of the square in pixels; nil leaves the image as large as it is.
    ///   - findsText: whether text near the border is looked for, which takes the picture in full size. The result is the same.
    /// - Throws: as `decode(_:limits:)`.
    public static func decodeWithNotes(
        _ bytes: [UInt8], fitting side: Int?, findsText: Bool = false
    ) throws(ImagingError) -> DecodedImage {
        try withBytes(bytes) { (raw) throws(ImagingError) in
            if findsText {
                let decoded = try decode(raw, limits: .standard).notingBlank().notingText()
                guard let side else { return decoded }
                return DecodedImage(image: decoded.image.resizedToFit(side: side), notes: decoded.notes)
            }
            guard let side else { return try decode(raw, limits: .standard).notingBlank() }
            switch raw.count <= ImageLimits.standard.maxByteCount ? format(of: raw) : nil {
            case .png:
                let image = try PNGDecoder.decode(raw, fitting: side, limits: .standard)
                // Safety: a PNG that was decoded has the sides of its picture within the first 24 bytes.
                let sides = [16, 20].map {
                    Int(UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
                }
                let place = FittedPlace(width: sides[0], height: sides[1], side: side)
                return DecodedImage(image: image, notes: place.content(of: image).isBlank ? [.blank] : [])
            case .jpeg: return try JPEGDecoder.decode(raw, fitting: side, limits: .standard)
            case .dicom:
                let image = try DICOMDecoder.decode(raw, fitting: side, limits: .standard).image
                return DecodedImage(image: image, notes: image.isBlank ? [.blank] : [])
            default:
                let decoded = try decode(raw, limits: .standard).notingBlank()
                return DecodedImage(image: decoded.image.resizedToFit(side: side), notes: decoded.notes)
            }
        }
    }

    /// Decodes a PNG, JPEG or DICOM file and fits it into a square of `side` pixels. The result is bit for bit that of
    /// `decode(_:).resizedToFit(side:)`.
    ///
    /// A PNG that is not interlaced, and a JPEG that is not turned, are scaled down row by row, which saves time and memory.
    /// - Throws: as `decode(_:limits:)`.
    public static func decode(
        _ bytes: [UInt8], fitting side: Int, limits: ImageLimits = .standard
    ) throws(ImagingError) -> GrayImage {
        try withBytes(bytes) { (raw) throws(ImagingError) in try decode(raw, fitting: side, limits: limits).image }
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, fitting side: Int, limits: ImageLimits
    ) throws(ImagingError) -> DecodedImage {
        precondition(side > 0, "the side must be positive")
        switch bytes.count <= limits.maxByteCount ? format(of: bytes) : nil {
        case .png: return DecodedImage(image: try PNGDecoder.decode(bytes, fitting: side, limits: limits), notes: [])
        case .jpeg: return try JPEGDecoder.decode(bytes, fitting: side, limits: limits)
        case .dicom:
            return DecodedImage(image: try DICOMDecoder.decode(bytes, fitting: side, limits: limits).image, notes: [])
        default:
            let decoded = try decode(bytes, limits: limits)
            return DecodedImage(image: decoded.image.resizedToFit(side: side), notes: decoded.notes)
        }
    }

    /// Decodes a file as `decode(_:fitting:limits:)` does, and says what the tags of a DICOM file say.
    ///
    /// - Parameter side: of the square that the picture is fitted into; nil leaves it as large as it is.
    /// - Returns: the picture, and the tags; nil for another kind of file.
    /// - Throws: as `decode(_:limits:)`.
    package static func read(
        _ bytes: [UInt8], fitting side: Int?, limits: ImageLimits = .standard
    ) throws(ImagingError) -> (image: GrayImage, description: DICOMDescription?) {
        guard bytes.count <= limits.maxByteCount, format(of: bytes) == .dicom else {
            guard let side else { return (try decode(bytes, limits: limits), nil) }
            return (try decode(bytes, fitting: side, limits: limits), nil)
        }
        let picture = try withBytes(bytes) { (raw) throws(ImagingError) in
            try DICOMDecoder.decode(raw, fitting: side, limits: limits)
        }
        return (picture.image, picture.description)
    }

    /// What the tags of a DICOM file say, which some files say only to the decoder; nil for another kind of file.
    ///
    /// - Parameter side: of the square into which a decoder that is asked fits the picture.
    /// - Throws: as `decode(_:limits:)`.
    package static func description(
        of bytes: [UInt8], fitting side: Int? = nil
    ) throws(ImagingError) -> DICOMDescription? {
        if let header = DICOMHeader(bytes), header.isComplete, header.description[.objectClass] != nil {
            return header.description
        }
        return try read(bytes, fitting: side).description
    }

    /// Reads and decodes the file at `path`. Its length is checked before it is read.
    ///
    /// - Throws: `unreadable`, otherwise as `decode(_:limits:)`.
    public static func decode(path: String, limits: ImageLimits = .standard) throws(ImagingError) -> GrayImage {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try FileIO.read(path, limitInBytes: limits.maxByteCount)
        } catch {
            throw ImagingError(.unreadable(error.description))
        }
        return try decode(bytes, limits: limits)
    }

    /// The samples of a PNG as they are stored.
    ///
    /// - Throws: `unsupportedFormat` if the bytes are not a PNG, otherwise as `decode(_:limits:)`.
    static func pngSamples(_ bytes: [UInt8], limits: ImageLimits = .standard) throws(ImagingError) -> PNGSamples {
        guard bytes.count <= limits.maxByteCount else {
            throw ImagingError(.tooManyBytes(byteCount: bytes.count, limit: limits.maxByteCount))
        }
        return try withBytes(bytes) { (raw) throws(ImagingError) in
            guard format(of: raw) == .png else { throw ImagingError(.unsupportedFormat(found: kind(of: raw))) }
            return try PNGDecoder.samples(raw, limits: limits)
        }
    }

    private static func withBytes<Result>(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(ImagingError) -> Result
    ) throws(ImagingError) -> Result {
        var failure: ImagingError?
        let result = bytes.withUnsafeBytes { raw -> Result? in
            do throws(ImagingError) {
                return try body(raw)
            } catch {
                failure = error
                return nil
            }
        }
        guard let result else { throw failure ?? ImagingError(.empty) }
        return result
    }

    /// What `bytes` seem to be, for the error message.
    private static func kind(of bytes: UnsafeRawBufferPointer) -> String {
        let names: [(name: String, start: [UInt8])] = [
            ("a BMP picture", Array("BM".utf8)), ("a GIF picture", Array("GIF8".utf8)),
            ("a TIFF picture", [0x49, 0x49, 0x2A, 0]), ("a TIFF picture", [0x4D, 0x4D, 0, 0x2A]),
            ("a JPEG 2000 picture", [0, 0, 0, 0x0C, 0x6A, 0x50]), ("a PDF document", Array("%PDF".utf8)),
            ("a TIFF picture", [0x49, 0x49, 0x2B, 0]), ("a TIFF picture", [0x4D, 0x4D, 0, 0x2B]),
            ("a JPEG 2000 picture", [0xFF, 0x4F, 0xFF, 0x51]), ("a JPEG XL picture", [0xFF, 0x0A]),
            ("a JPEG XL picture", [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]),
            ("a ZIP archive", [0x50, 0x4B, 3, 4]), ("a gzip file", [0x1F, 0x8B]),
            ("a PNG whose signature was damaged (a text-mode copy does that)", [0x89, 0x50, 0x4E, 0x47]),
            ("a PNG whose signature was damaged (a text-mode copy does that)", [0x09, 0x50, 0x4E, 0x47]),
        ]
        for (name, start) in names where bytes.starts(with: start) { return name }
        func text(at offset: Int) -> String {
            bytes.count >= offset + 4 ? String(decoding: bytes[offset..<(offset + 4)], as: UTF8.self) : ""
        }
        if text(at: 0) == "RIFF" && text(at: 8) == "WEBP" { return "a WEBP picture" }
        if text(at: 4) == "ftyp" {
            if ["avif", "avis"].contains(text(at: 8)) { return "an AVIF picture" }
            if ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].contains(text(at: 8)) {
                return "a HEIC picture"
            }
            return "a video"
        }
        let head = bytes.prefix(512)
        let isText = head.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 || $0 == 10 || $0 == 13 }
        return isText ? "a text file" : "a file of unknown kind"
    }
}
