import CPNG

/// One open PNG: first the header, then the rows in the order of the file.
///
/// A usual file is inflated at once, by libdeflate; libpng reads all others, and whatever is odd about a file. Both give the same rows.
/// Owns the C reader. The bytes are borrowed and must outlive this value.
struct PNGReader: ~Copyable {
    private enum Source {
        /// Rows that were inflated at once.
        case whole(OpaquePointer)
        /// libpng's reader.
        case stream(OpaquePointer)
    }

    let info: hilum_png_info
    private let source: Source

    var width: Int { Int(info.width) }
    var height: Int { Int(info.height) }
    var channels: Int { Int(info.channels) }
    var bytesPerSample: Int { info.bit_depth == 16 ? 2 : 1 }

    /// Whether Hilum was built with libdeflate.
    static var canInflateWhole: Bool { hilum_png_can_inflate_whole() != 0 }

    /// Whether the rows were inflated at once.
    var isWhole: Bool {
        if case .whole = source { true } else { false }
    }

    /// Reads the header and checks it against the limits before a library sees any of it.
    ///
    /// - Parameter inflatingWhole: false for libpng alone, which is the oracle of the tests.
    /// - Throws: `tooManyPixels`, `truncated`, `corrupt`, `outOfMemory`.
    init(
        _ bytes: UnsafeRawBufferPointer, limits: ImageLimits, inflatingWhole: Bool = true
    ) throws(ImagingError) {
        try Self.checkHeader(bytes, limits: limits)
        // Safety: the caller keeps `bytes` alive; neither reader looks past `bytes.count`.
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            throw ImagingError(.outOfMemory)
        }
        let maxSide = UInt32(clamping: limits.maxSide)
        var info = hilum_png_info()
        if inflatingWhole,
            let whole = hilum_png_whole_create(base, bytes.count, maxSide, limits.maxByteCount, &info)
        {
            self.info = info
            source = .whole(whole)
            return
        }
        guard let reader = hilum_png_reader_create(base, bytes.count, maxSide, limits.maxByteCount) else {
            throw ImagingError(.outOfMemory)
        }
        let status = hilum_png_read_info(reader, &info)
        guard status == HILUM_PNG_OK else {
            let error = Self.error(status, reader)
            hilum_png_reader_destroy(reader)
            throw error
        }
        self.info = info
        source = .stream(reader)
    }

    deinit {
        switch source {
        case .whole(let whole): hilum_png_whole_destroy(whole)
        case .stream(let reader): hilum_png_reader_destroy(reader)
        }
    }

    /// Calls `body` with each row of each pass, its row number in the image and the geometry of the pass. Then reads the end
    /// of the file, so that a caller uses the rows only if the whole file was sound. To be called once.
    ///
    /// - Throws: `truncated`, `corrupt`, `outOfMemory`.
    func forEachRow(_ body: (_ row: UnsafeBufferPointer<UInt8>, _ y: Int, _ pass: PNGPass) -> Void) throws(ImagingError)
    {
        switch source {
        case .whole(let whole):
            for y in 0..<height {
                // Safety: a row of the picture has as many bytes, and the pointer stays valid as long as this value.
                guard let row = hilum_png_whole_next_row(whole) else { break }
                body(UnsafeBufferPointer(start: row, count: width * channels * bytesPerSample), y, .whole)
            }
        case .stream(let reader): try forEachRow(of: reader, body)
        }
    }

    private func forEachRow(
        of reader: OpaquePointer, _ body: (_ row: UnsafeBufferPointer<UInt8>, _ y: Int, _ pass: PNGPass) -> Void
    ) throws(ImagingError) {
        let capacity = width * channels * bytesPerSample
        let row = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: capacity)
        row.initialize(repeating: 0)
        defer { row.deallocate() }
        for pass in info.interlaced != 0 ? PNGPass.adam7 : [PNGPass.whole] {
            let columns = pass.columns(width)
            guard columns > 0 else { continue }
            let used = UnsafeBufferPointer(rebasing: row[..<(columns * channels * bytesPerSample)])
            for passRow in 0..<pass.rows(height) {
                // Safety: `row` holds a row of the image, and a row of a pass is never longer.
                try Self.check(hilum_png_read_row(reader, row.baseAddress), reader)
                body(used, pass.y + passRow * pass.yStep, pass)
            }
        }
        try Self.check(hilum_png_read_end(reader), reader)
    }

    /// Deflate compresses at most 1,032 to 1.
    private static let maxDeflateRatio = 1032
    /// Signature and IHDR chunk.
    private static let headerByteCount = 33

    private static func check(_ status: Int32, _ reader: OpaquePointer) throws(ImagingError) {
        guard status == HILUM_PNG_OK else { throw error(status, reader) }
    }

    private static func error(_ status: Int32, _ reader: OpaquePointer) -> ImagingError {
        switch Int(status) {
        case HILUM_PNG_TRUNCATED: ImagingError(.truncated(format: .png))
        case HILUM_PNG_NO_MEMORY: ImagingError(.outOfMemory)
        default: ImagingError(.corrupt(format: .png, reason: String(cString: hilum_png_message(reader))))
        }
    }

    /// Checks signature, IHDR, the sides, and whether a file this short can contain an image this large.
    private static func checkHeader(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImagingError) {
        guard bytes.count >= headerByteCount else { throw ImagingError(.truncated(format: .png)) }
        func word(_ offset: Int) -> Int {
            // Safety: `offset + 4` is at most 24, and there are at least `headerByteCount` bytes.
            Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        guard word(8) == 13, word(12) == 0x4948_4452 else {
            throw ImagingError(.corrupt(format: .png, reason: "the header chunk is missing"))
        }
        let width = word(16)
        let height = word(20)
        guard width > 0 && height > 0 else {
            throw ImagingError(.corrupt(format: .png, reason: "a side of length 0"))
        }
        try limits.check(width: width, height: height)
        let channels = [1, 0, 3, 1, 2, 0, 4][Int(min(bytes[25], 6))]
        // A file that cannot contain its rows is refused before they are allocated.
        let rowByteCount = (width * channels * Int(bytes[24]) + 7) / 8
        guard rowByteCount * height <= bytes.count * maxDeflateRatio else {
            throw ImagingError(.truncated(format: .png))
        }
    }
}

/// One pass of a PNG: its pixels are column `x + i · xStep` of row `y + j · yStep`.
struct PNGPass {
    let x: Int
    let y: Int
    let xStep: Int
    let yStep: Int

    func columns(_ width: Int) -> Int { max(0, (width - x + xStep - 1) / xStep) }
    func rows(_ height: Int) -> Int { max(0, (height - y + yStep - 1) / yStep) }

    /// The single pass of an image that is not interlaced.
    static let whole = PNGPass(x: 0, y: 0, xStep: 1, yStep: 1)

    /// The seven passes of Adam7 (PNG specification, section 8.2).
    static let adam7 = [
        PNGPass(x: 0, y: 0, xStep: 8, yStep: 8), PNGPass(x: 4, y: 0, xStep: 8, yStep: 8),
        PNGPass(x: 0, y: 4, xStep: 4, yStep: 8), PNGPass(x: 2, y: 0, xStep: 4, yStep: 4),
        PNGPass(x: 0, y: 2, xStep: 2, yStep: 4), PNGPass(x: 1, y: 0, xStep: 2, yStep: 2),
        PNGPass(x: 0, y: 1, xStep: 1, yStep: 2),
    ]
}
