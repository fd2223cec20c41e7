import Foundation
import HilumCore

/// Writes all data to standard output.
///
/// If the reader has closed the pipe (`hilum … | head`), the program ends silently with status 0. Any other failure ends it with
/// a message and status 1, so that a full disk is never mistaken for success.
func standardOutput(_ text: String) {
    var copy = text
    copy.withUTF8 { standardOutput(UnsafeRawBufferPointer($0)) }
}

/// Writes a line to standard output.
func standardOutputLine(_ text: String) {
    standardOutput(text + "\n")
}

func standardOutput(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while offset < bytes.count, let base = bytes.baseAddress {
        // Safety: the caller keeps the buffer alive, and `offset` is below its byte count.
        let wrote = write(STDOUT_FILENO, base + offset, bytes.count - offset)
        if wrote < 0 && errno == EINTR { continue }
        if wrote < 0 && errno == EPIPE { exit(ExitStatus.done.rawValue) }
        if wrote < 0 {
            standardError("hilum: standard output cannot be written: \(String(cString: strerror(errno)))\n")
            exit(ExitStatus.failed.rawValue)
        }
        offset += wrote
    }
}

/// Rows of text in aligned columns.
struct TextTable {
    enum Alignment { case left, right }

    private let alignments: [Alignment]
    private var rows: [[String]] = []

    /// - Parameter columns: the heading of each column, and to which side its cells are aligned.
    init(_ columns: [(heading: String, alignment: Alignment)]) {
        alignments = columns.map(\.alignment)
        rows.append(columns.map(\.heading))
    }

    mutating func append(_ row: [String]) {
        precondition(row.count == alignments.count, "a row has one cell a column")
        rows.append(row)
    }

    /// The table, one line per row, columns separated by two blanks.
    var text: String {
        let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var text = ""
        for row in rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                let blanks = String(repeating: " ", count: widths[column] - cell.count)
                line += (column > 0 ? "  " : "") + (alignments[column] == .left ? cell + blanks : blanks + cell)
            }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}

/// A fraction as a percentage with one decimal: `97.3 %`.
func percentText(_ fraction: Double) -> String {
    String(format: "%.1f %%", fraction * 100)
}
