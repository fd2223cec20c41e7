import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Files of vectors for tests.
enum VectorFixture {
    static let dimension = 16

    /// A unit vector that depends on `seed` alone.
    static func vector(_ seed: Int, dimension: Int = dimension) -> [Float] {
        var generator = SeededGenerator(seed: 41, keys: UInt64(seed))
        return unitVector((0..<dimension).map { _ in Float(generator.normal()) }) ?? []
    }

    static func vectors(_ range: Range<Int>, dimension: Int = dimension) -> [[Float]] {
        range.map { vector($0, dimension: dimension) }
    }

    /// A `.npy` file; what is wrong with it is said by its parameters.
    static func npy(
        _ rows: [[Float]], type: String = "<f4", fortran: Bool = false, shape: String? = nil, version: UInt8 = 1
    ) -> [UInt8] {
        let sides = shape ?? "(\(rows.count), \(rows.first?.count ?? dimension))"
        var head = "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': \(sides), }"
        head += String(repeating: " ", count: (64 - (10 + head.utf8.count + 1) % 64) % 64) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0]
        bytes += [UInt8(head.utf8.count & 255), UInt8(head.utf8.count >> 8)] + Array(head.utf8)
        for value in rows.joined() { bytes += number(value, type) }
        return bytes
    }

    private static func number(_ value: Float, _ type: String) -> [UInt8] {
        var bytes: [UInt8]
        switch type.dropFirst() {
        case "f2": bytes = withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { Array($0) }
        case "f8": bytes = withUnsafeBytes(of: Double(value).bitPattern.littleEndian) { Array($0) }
        default: bytes = withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
        }
        return type.hasPrefix(">") ? bytes.reversed() : bytes
    }

    static func fvecs(_ rows: [[Float]]) -> [UInt8] {
        rows.flatMap { row in
            withUnsafeBytes(of: UInt32(row.count).littleEndian) { Array($0) } + row.flatMap { number($0, "<f4") }
        }
    }

    /// Writes `NAME.npy` and `NAME.jsonl`.
    static func write(
        _ scratch: Scratch, _ name: String, _ rows: [[Float]], _ lines: [String]
    ) throws -> VectorSource {
        VectorSource(
            vectors: try scratch.write("\(name).npy", npy(rows)),
            lines: try scratch.write("\(name).jsonl", lines.map { $0 + "\n" }.joined()))
    }

    /// Lines of cases with an image each.
    static func lines(_ range: Range<Int>, _ more: String = "") -> [String] {
        range.map { "{\"id\":\"case-\($0)\"\(more)}" }
    }

    /// Writes a part as `hilum embed --shard` does.
    static func writePart(
        _ scratch: Scratch, _ part: Int, of count: Int, _ range: Range<Int>, model: String = "m"
    ) throws -> VectorSource {
        let rows = range.filter { $0 % count == part - 1 }
        let bytes = npy(rows.map { vector($0) }, shape: "(\(rows.count), \(dimension))")
        let seal = VectorSeal(
            part: part, partCount: count, rowCount: rows.count, dimension: dimension, model: model,
            vectors: SHA256.hex(bytes))
        let lines = rows.enumerated().map {
            "{\"row\":\($0),\"id\":\"case-\($1)\",\"kind\":\"image\",\"case\":\($1)}\n"
        }
        return VectorSource(
            vectors: try scratch.write("part\(part).npy", bytes),
            lines: try scratch.write("part\(part).jsonl", seal.sealed(Array(lines.joined().utf8))))
    }

    /// An archive without a model, opened for writing.
    static func makeSpace(
        _ scratch: Scratch, dimension: Int = dimension, privacy: PrivacySettings = .ofEarlierReleases
    ) throws -> Archive {
        try Archive.create(
            at: scratch.archive, space: try ImportedSpace(name: "other", dimension: dimension), privacy: privacy)
        return try Archive(path: scratch.archive, mode: .readWrite, options: FakeModel.options)
    }
}

/// Imports without showing progress.
func importer(_ archive: Archive, batch: Int = 16) -> VectorImporter {
    var importer = VectorImporter(archive: archive)
    importer.isQuiet = true
    importer.batchCount = batch
    return importer
}

/// The ids that a search by a vector finds.
func ids(_ archive: Archive, _ vector: [Float], k: Int = 1, _ target: SearchTarget = .case) throws -> [String] {
    var request = SearchRequest(.vector(vector))
    request.k = k
    request.target = target
    return try archive.search(request).hits.map(\.id)
}
