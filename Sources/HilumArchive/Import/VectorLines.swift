import HilumCore

/// The lines beside a file of vectors: line i says what row i is. Empty lines count for nothing.
struct VectorLines: Sendable {
    /// By row; those that cannot be used say why.
    let rows: [Result<VectorRow, VectorRow.Fault>]
    /// By row: its line, from 1.
    let lines: [Int]
    /// Nil where the file has none.
    let seal: VectorSeal?

    private static let lineByteCount = 4 << 20
    private static let fileByteCount = 64 << 30
    /// Lines that a thread reads at once.
    private static let pieceCount = 2048

    /// Reads the file at `path`.
    ///
    /// - Throws: `.badRequest` for a broken seal; `.notFound`, `.io`.
    init(path: String, form: VectorRow.Form, threads: Int) throws {
        let bytes = try withArchiveErrors { try FileIO.read(path, limitInBytes: Self.fileByteCount) }
        let content = Manifest.withoutMark(bytes[...])
        seal = try VectorSeal.open(bytes, path: path)?.seal
        let found = Self.split(content)
        // A file without rows has its seal alone.
        let ranges = seal?.rowCount == 0 ? [] : found
        lines = ranges.map(\.line)
        let starts = Array(stride(from: 0, to: ranges.count, by: Self.pieceCount))
        rows = parallelMap(starts, threads: threads) { start in
            (start..<min(start + Self.pieceCount, ranges.count)).map { row in
                Self.row(content[ranges[row].range], row: row, line: ranges[row].line, form)
            }
        }.flatMap(\.self)
    }

    private static func row(
        _ bytes: ArraySlice<UInt8>, row: Int, line: Int, _ form: VectorRow.Form
    ) -> Result<VectorRow, VectorRow.Fault> {
        guard bytes.count <= lineByteCount else {
            return .failure(VectorRow.Fault("the line is longer than \(lineByteCount) bytes"))
        }
        do throws(VectorRow.Fault) { return .success(try VectorRow(bytes, row: row, line: line, form)) } catch {
            return .failure(error)
        }
    }

    private static func split(_ bytes: ArraySlice<UInt8>) -> [(range: Range<Int>, line: Int)] {
        var found: [(range: Range<Int>, line: Int)] = []
        var number = 0
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
            number += 1
            if bytes[start..<end].contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) {
                found.append((start..<end, number))
            }
            start = end + 1
        }
        return found
    }
}
