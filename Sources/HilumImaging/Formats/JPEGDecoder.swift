import CTurboJPEG

/// Decodes JPEG to grey with libturbojpeg: the luma plane of a colour file (BT.601, as JFIF defines it), or the samples of a
/// grey one. Each 8-bit value is scaled to 16 bits (× 257).
///
/// Uses the slow integer transform, whose result is the same with and without SIMD, so every machine gets the same samples.
/// A warning of the decoder is a note where every pixel is there all the same (bytes before a marker, an unknown revision), and refuses
/// the file otherwise (a premature end, a bad code). CMYK, 12-bit and lossless files are refused with a reason. The picture is turned
/// as its Exif orientation says.
enum JPEGDecoder {
    /// Huffman coding spends at least one bit per block of 64 pixels, and a unit of up to 32 × 32 pixels has at least eight
    /// blocks.
    private static let maxPixelsPerByte = 1024

    /// What libjpeg warns of although every pixel is there. It keeps the first warning of a file alone.
    private static let harmlessWarnings = [
        "extraneous bytes before marker", "unknown JFIF revision", "Unknown Adobe color transform",
    ]

    /// - Throws: `unsupportedFormat`, `tooManyPixels`, `truncated`, `corrupt`, `outOfMemory`.
    static func decode(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImagingError) -> DecodedImage {
        try decode(bytes, limits) { gray, frame in (upright(gray, frame), []) }
    }

    /// The same bits as `decode(_:limits:)` and then `resizedToFit(side:)`, without the picture at 16 bits; notes what is blank.
    ///
    /// The picture is decoded in full: at half size libjpeg takes 10.2 ms instead of 11.7 for 2,000 × 2,000 pixels, as most of it is
    /// Huffman codes, and its samples would be others.
    /// - Throws: as `decode(_:limits:)`.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, fitting side: Int, limits: ImageLimits
    ) throws(ImagingError) -> DecodedImage {
        try decode(bytes, limits) { gray, frame in
            let first = gray.first
            let notes: [DecodedImage.Note] = gray.allSatisfy { $0 == first } ? [.blank] : []
            guard frame.orientation == 1 else { return (upright(gray, frame).resizedToFit(side: side), notes) }
            let fitter = AreaFitter(width: frame.width, height: frame.height, side: side)
            for start in stride(from: 0, to: gray.count, by: frame.width) {
                fitter.take(UnsafeBufferPointer(rebasing: gray[start..<(start + frame.width)]), scale: 257)
            }
            return (fitter.finish(), notes)
        }
    }

    private static func upright(_ gray: UnsafeBufferPointer<UInt8>, _ frame: JPEGFrame) -> GrayImage {
        GrayImage(width: frame.width, height: frame.height, samples: gray.map { UInt16($0) * 257 })
            .oriented(frame.orientation)
    }

    /// Decodes to samples of 8 bits, of which `finish` makes the picture, and notes more about it.
    ///
    /// - Throws: as `decode(_:limits:)`.
    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ limits: ImageLimits,
        _ finish: (_ gray: UnsafeBufferPointer<UInt8>, _ frame: JPEGFrame) -> (GrayImage, [DecodedImage.Note])
    ) throws(ImagingError) -> DecodedImage {
        let frame = try JPEGFrame(bytes)
        guard frame.isDecodable else {
            throw ImagingError(.unsupportedFormat(found: "a lossless, hierarchical or \(frame.precision)-bit JPEG"))
        }
        guard frame.width > 0 && frame.height > 0 else {
            throw ImagingError(.corrupt(format: .jpeg, reason: "a side of length 0"))
        }
        try limits.check(width: frame.width, height: frame.height)
        // A file that cannot contain its blocks is refused before they are allocated.
        guard frame.isArithmetic || frame.width * frame.height <= bytes.count * maxPixelsPerByte else {
            throw ImagingError(.truncated(format: .jpeg))
        }
        guard let handle = tjInitDecompress() else { throw ImagingError(.outOfMemory) }
        defer { tjDestroy(handle) }
        // Safety: the caller keeps `bytes` alive; libturbojpeg only reads, and stays within the count it is given.
        guard let source = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { throw ImagingError(.empty) }
        var (width, height, subsampling, colorSpace) = (Int32(0), Int32(0), Int32(0), Int32(0))
        let header = tjDecompressHeader3(
            handle, source, UInt(bytes.count), &width, &height, &subsampling, &colorSpace)
        var notes = header == 0 ? [] : [try note(handle, frame)]
        guard colorSpace != Int32(TJCS_CMYK.rawValue) && colorSpace != Int32(TJCS_YCCK.rawValue) else {
            throw ImagingError(.unsupportedFormat(found: "a CMYK JPEG"))
        }
        guard Int(width) == frame.width && Int(height) == frame.height else {
            throw ImagingError(.corrupt(format: .jpeg, reason: "two headers that disagree"))
        }
        let gray = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: frame.width * frame.height)
        defer { gray.deallocate() }
        let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
        // Safety: `gray` holds width × height bytes and the pitch is the width.
        let status = tjDecompress2(
            handle, source, UInt(bytes.count), gray.baseAddress, width, width, height, Int32(TJPF_GRAY.rawValue), flags)
        if status != 0 { notes = [try note(handle, frame)] }
        let (image, more) = finish(UnsafeBufferPointer(gray), frame)
        return DecodedImage(image: image, notes: notes + more)
    }

    /// The note that the decoder's complaint is.
    ///
    /// - Throws: `truncated`, `corrupt` where it is more than a note.
    private static func note(_ handle: tjhandle, _ frame: JPEGFrame) throws(ImagingError) -> DecodedImage.Note {
        if !frame.hasEnd { throw ImagingError(.truncated(format: .jpeg)) }
        let text = tjGetErrorStr2(handle).map { String(cString: $0) } ?? "unknown"
        guard tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue), harmlessWarnings.contains(where: text.contains)
        else { throw ImagingError(.corrupt(format: .jpeg, reason: text)) }
        return .warning(text)
    }
}

/// What the markers of a JPEG say about its image (ITU-T T.81, annex B).
struct JPEGFrame {
    let width: Int
    let height: Int
    /// Bits per sample.
    let precision: Int
    /// Whether libturbojpeg can decode it: baseline, extended or progressive, with 8 bits.
    let isDecodable: Bool
    /// Whether it uses arithmetic instead of Huffman coding.
    let isArithmetic: Bool
    /// Whether an end marker follows the first scan.
    let hasEnd: Bool
    /// How the picture is to be turned, as Exif numbers it; 1 where the file does not say.
    let orientation: Int

    /// Walks the marker segments up to the first frame header.
    ///
    /// - Throws: `truncated`, `corrupt`.
    init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
        var offset = 2
        var turn: Int?
        while true {
            guard offset + 4 <= bytes.count else { throw ImagingError(.truncated(format: .jpeg)) }
            guard bytes[offset] == 0xFF else {
                throw ImagingError(.corrupt(format: .jpeg, reason: "no marker where one must stand"))
            }
            let marker = bytes[offset + 1]
            if marker == 0xFF {  // a fill byte
                offset += 1
                continue
            }
            if marker == 0x01 || (0xD0...0xD7).contains(marker) {  // markers without a segment
                offset += 2
                continue
            }
            guard marker != 0xD9 && marker != 0xDA else {
                throw ImagingError(.corrupt(format: .jpeg, reason: "no frame header before the first scan"))
            }
            let length = Int(bytes[offset + 2]) << 8 | Int(bytes[offset + 3])
            guard length >= 2 else {
                throw ImagingError(.corrupt(format: .jpeg, reason: "a segment of length \(length)"))
            }
            if marker == 0xE1 && turn == nil && offset + 2 + length <= bytes.count {
                turn = ExifOrientation.read(
                    UnsafeRawBufferPointer(rebasing: bytes[(offset + 4)..<(offset + 2 + length)]))
            }
            if (0xC0...0xCF).contains(marker) && marker != 0xC4 && marker != 0xC8 && marker != 0xCC {
                guard offset + 9 <= bytes.count else { throw ImagingError(.truncated(format: .jpeg)) }
                precision = Int(bytes[offset + 4])
                height = Int(bytes[offset + 5]) << 8 | Int(bytes[offset + 6])
                width = Int(bytes[offset + 7]) << 8 | Int(bytes[offset + 8])
                isDecodable = precision == 8 && [0xC0, 0xC1, 0xC2, 0xC9, 0xCA].contains(marker)
                isArithmetic = marker >= 0xC9
                hasEnd = Self.containsEnd(bytes, from: offset)
                orientation = turn ?? 1
                return
            }
            offset += 2 + length
        }
    }

    private static func containsEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Bool {
        var offset = bytes.count - 2
        while offset >= start {
            if bytes[offset] == 0xFF && bytes[offset + 1] == 0xD9 { return true }
            offset -= 1
        }
        return false
    }
}
