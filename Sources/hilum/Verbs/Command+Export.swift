import Foundation
import HilumArchive
import HilumCore

extension Command {
    static let export = Command(
        name: "export",
        summary: "write an archive's vectors for other programs",
        usage: ["ARCHIVE OUT [--format npy|fvecs] [--json]"],
        operands: ["ARCHIVE", "OUT"],
        options: [
            .value(
                "format", "F", "npy, for NumPy and most others (default), or fvecs, for programs that benchmark indexes"
            ),
            .quiet, .json,
        ],
        details: """
            OUT is a new or empty folder. It gets images.npy and reports.npy, [rows, dimension] float32 unit vectors of the generation that is
            searched, and beside each a .jsonl whose line i says what row i is: {"row":0,"id":"case-1","kind":"image","image":0}, where image
            counts the images of a case from 0. Report text and metadata are not written.
            """,
        examples: [("hilum export archive vectors", "vectors/images.npy, images.jsonl, reports.npy and reports.jsonl")],
        run: runExport)
}

/// How vectors lie in a file.
private enum VectorFormat: String, CaseIterable {
    case npy
    case fvecs

    /// What stands before the first row.
    func head(rows: Int, columns: Int) -> [UInt8] {
        self == .npy ? NumpyFile.head(rows: rows, columns: columns) : []
    }

    /// Adds a row: the floats, which fvecs counts before each.
    func append(_ vector: [Float], to bytes: inout [UInt8]) {
        if self == .fvecs { withUnsafeBytes(of: UInt32(vector.count).littleEndian) { bytes.append(contentsOf: $0) } }
        for value in vector { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    }
}

private func runExport(_ arguments: Arguments) throws -> ExitStatus {
    let (place, folder) = (arguments.operands[0], arguments.operands[1])
    let names = VectorFormat.allCases.map(\.rawValue)
    let format = try arguments.choice("format", among: names).flatMap(VectorFormat.init) ?? .npy
    let archive = try openArchive(place, .readOnly)
    defer { archive.close() }
    if let name = try? FileManager.default.contentsOfDirectory(atPath: folder).first {
        throw CommandError(.failed, "\(folder): the folder holds other files (\(name)); choose a new or empty folder")
    }
    try OutputFolder.make(folder)
    let stats = try archive.stats()
    Interruption.watch("stopping; what was not written whole is not there")
    let progress = Progress(
        "export", total: stats.images + stats.reports, unit: "vectors", quiet: arguments.has("quiet"))
    var rows: [(key: String, value: JSON)] = []
    for (kind, name) in [(VectorKind.image, "images"), (.report, "reports")] {
        let file = "\(folder)/\(name).\(format.rawValue)"
        let count = try writeVectors(
            archive, kind, to: file, names: "\(folder)/\(name).jsonl", format, columns: stats.dimension, progress)
        rows.append((name, .integer(count)))
    }
    progress.finish()
    if arguments.has("json") {
        standardOutputLine(
            JSON.object(
                rows + [
                    ("out", .string(folder)), ("dimension", .integer(stats.dimension)),
                    ("model", .string(stats.model)), ("generation", .integer(stats.generation)),
                ]
            ).text)
    }
    return .done
}

/// Writes the vectors of a kind and their names.
///
/// The archive may be served meanwhile: its rows are counted first, and those that come later are left out.
/// - Returns: how many.
private func writeVectors(
    _ archive: Archive, _ kind: VectorKind, to file: String, names: String, _ format: VectorFormat, columns: Int,
    _ progress: HilumCore.Progress
) throws -> Int {
    var count = 0
    try archive.forEachVector(kind) { _, _, _ in
        count += 1
        return !Interruption.flag.isRaised
    }
    var lines: [UInt8] = []
    var (row, shownCount) = (0, 0)
    try FileIO.writeAtomically(file) { pieces in
        var bytes = format.head(rows: count, columns: columns)
        try archive.forEachVector(kind) { id, image, vector in
            guard row < count, !Interruption.flag.isRaised else { return false }
            format.append(vector, to: &bytes)
            var line: [(key: String, value: JSON)] = [
                ("row", .integer(row)), ("id", .string(id)), ("kind", .string(kind.rawValue)),
            ]
            if kind == .image { line.append(("image", .integer(image))) }
            lines += Array((JSON.object(line).text + "\n").utf8)
            row += 1
            if bytes.count >= 1 << 20 {
                try pieces.append(bytes)
                bytes = []
                progress.advance(by: row - shownCount)
                shownCount = row
            }
            return true
        }
        if Interruption.flag.isRaised { throw CommandError(.interrupted, "interrupted; this file was not written") }
        guard row == count else {
            throw CommandError(.failed, "cases were deleted while they were written; export again")
        }
        try pieces.append(bytes)
        progress.advance(by: row - shownCount)
    }
    try FileIO.writeAtomically(names, lines)
    return row
}
