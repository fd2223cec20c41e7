import CZlib

/// Unpacks what gzip packed, as data sets come.
enum Gzip {
    private static let pieceByteCount = 1 << 20
    /// The largest window, and a header of gzip or of zlib.
    private static let windowBits: Int32 = 15 + 32

    /// The bytes that were packed; nil when they are damaged, cut, or more than `limitInBytes`.
    ///
    /// A file may hold several packed parts one after the other, as `cat a.gz b.gz` makes it.
    static func unpack(_ packed: [UInt8], limitInBytes: Int) -> [UInt8]? {
        var stream = z_stream()
        guard
            inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return nil }
        defer { inflateEnd(&stream) }
        var packed = packed
        var unpacked: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceByteCount)
        // Safety: both buffers outlive the calls of zlib, which stays within the counts that it is given.
        return packed.withUnsafeMutableBufferPointer { source -> [UInt8]? in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(clamping: source.count)
            guard Int(stream.avail_in) == source.count, !source.isEmpty else { return nil }
            while true {
                let status = piece.withUnsafeMutableBufferPointer { target -> Int32 in
                    stream.next_out = target.baseAddress
                    stream.avail_out = UInt32(target.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
                unpacked += piece[..<(piece.count - Int(stream.avail_out))]
                guard unpacked.count <= limitInBytes else { return nil }
                switch status {
                case Z_OK: continue
                case Z_STREAM_END where stream.avail_in == 0: return unpacked
                case Z_STREAM_END: guard inflateReset(&stream) == Z_OK else { return nil }
                // No progress: the file was cut.
                default: return nil
                }
            }
        }
    }
}
