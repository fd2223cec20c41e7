import Foundation
import HilumCore

/// A file of vectors, read row by row: `.npy` with float16, float32 or float64 in C order and either order of bytes, or fvecs.
///
///     .npy    head · rows of numbers
///     fvecs   rows: count (4, little endian) · float32 numbers
///
/// Its size is compared with what its head says before a row is read.
/// Thread rule: any number of threads.
public final class VectorFile: Sendable {
    /// As it was named.
    public let path: String
    /// Vectors.
    public let rowCount: Int
    /// Numbers of a vector.
    public let dimension: Int
    private let layout: Layout
    private let descriptor: Int32

    /// Where the rows lie.
    private struct Layout {
        var element: VectorElement
        var rowCount: Int
        var dimension: Int
        /// Bytes before the first row.
        var start: Int
        /// Bytes before the numbers of each row.
        var prefixByteCount = 0

        var rowByteCount: Int { prefixByteCount + dimension * element.width.rawValue }
    }

    /// Opens a file.
    ///
    /// - Throws: `.badRequest` for a file that is no matrix of vectors, that is cut, or of a kind that is not read; `.notFound`, `.io`.
    public init(path: String) throws(ArchiveError) {
        self.path = path
        let file = FencedFolders.open(path)
        guard file >= 0 else {
            let reason = String(cString: strerror(errno))
            throw ArchiveError(errno == ENOENT ? .notFound : .io, "\(path): \(reason)")
        }
        do throws(ArchiveError) { layout = try Self.layout(file, path) } catch {
            close(file)
            throw error
        }
        descriptor = file
        (rowCount, dimension) = (layout.rowCount, layout.dimension)
    }

    deinit { close(descriptor) }

    private static func layout(_ file: Int32, _ path: String) throws(ArchiveError) -> Layout {
        func refusal(_ reason: String) -> ArchiveError { ArchiveError(.badRequest, "\(path): the file \(reason)") }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ArchiveError(.badRequest, "\(path): this is no plain file")
        }
        let byteCount = Int(status.st_size)
        let head = try read(file, 12, at: 0, path)
        let layout: Layout
        if head.starts(with: NumpyHeader.magic) {
            do throws(NumpyHeader.Malformed) {
                let (prefix, count) = try NumpyHeader.lengths(head)
                let dictionary: [UInt8]
                do throws(ArchiveError) { dictionary = try read(file, count, at: prefix, path) } catch {
                    throw NumpyHeader.Malformed("cannot be read")
                }
                let header = try NumpyHeader(dictionary: dictionary)
                layout = Layout(
                    element: header.element, rowCount: header.rowCount, dimension: header.columnCount,
                    start: prefix + count)
            } catch { throw refusal(error.reason) }
        } else if path.lowercased().hasSuffix(".fvecs") {
            let dimension = head.count < 4 ? 0 : (0..<4).reduce(0) { $0 | Int(head[$1]) << (8 * $1) }
            guard (1...ArchiveLimits.dimension).contains(dimension) || byteCount == 0 else {
                throw refusal("is no fvecs file: its first vector would have \(dimension) values")
            }
            let rowByteCount = 4 + 4 * dimension
            guard byteCount % rowByteCount == 0 else {
                throw refusal(
                    "has \(byteCount) bytes, which are no whole vectors of \(dimension) values; copy it again")
            }
            layout = Layout(
                element: VectorElement(width: .single), rowCount: byteCount / rowByteCount,
                dimension: max(1, dimension),
                start: 0, prefixByteCount: 4)
        } else {
            throw refusal("is neither .npy nor .fvecs")
        }
        guard layout.dimension <= ArchiveLimits.dimension else {
            throw refusal("has vectors of \(layout.dimension) values; an archive takes \(ArchiveLimits.dimension)")
        }
        let (rows, overflows) = layout.rowCount.multipliedReportingOverflow(by: layout.rowByteCount)
        guard !overflows, rows == byteCount - layout.start else {
            throw refusal(
                "has \(byteCount) bytes, and \(layout.rowCount) vectors of \(layout.dimension) values would take "
                    + "\(overflows ? "more" : "\(rows + layout.start)"); copy or save it again")
        }
        return layout
    }

    private static func read(_ file: Int32, _ count: Int, at offset: Int, _ path: String) throws(ArchiveError)
        -> [UInt8]
    {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                // Safety: the buffer has room for `count` bytes, and `filled` is below that.
                let got = pread(file, base + filled, count - filled, off_t(offset + filled))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { return }
                filled += got
            }
        }
        guard failure == 0 else { throw ArchiveError(.io, "\(path): \(String(cString: strerror(failure)))") }
        return bytes
    }

    /// The vector of a row, as the file says it.
    ///
    /// - Throws: `.badRequest` for a file that was cut since it was opened, and for a row of fvecs with another number of values; `.io`.
    public func row(_ index: Int) throws(ArchiveError) -> [Float] {
        precondition((0..<rowCount).contains(index), "there is no such row")
        let bytes = try Self.read(
            descriptor, layout.rowByteCount, at: layout.start + index * layout.rowByteCount, path)
        guard bytes.count == layout.rowByteCount else {
            throw ArchiveError(.badRequest, "\(path): the file became shorter while it was read")
        }
        if layout.prefixByteCount > 0 {
            let count = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
            guard count == dimension else {
                throw ArchiveError(
                    .badRequest, "\(path): the vector has \(count) values, and the first one has \(dimension)")
            }
        }
        var values: [Float] = []
        values.reserveCapacity(dimension)
        bytes.withUnsafeBytes {
            layout.element.decode(UnsafeRawBufferPointer(rebasing: $0[layout.prefixByteCount...]), into: &values)
        }
        return values
    }
}
