import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What files of vectors are read, and what others are told.
@Suite struct VectorFileTests {
    private let rows = VectorFixture.vectors(0..<5)

    @Test(
        "float16, float32 and float64 of either order of bytes are read",
        arguments: ["<f4", ">f4", "<f2", ">f2", "<f8", ">f8"])
    func types(_ type: String) throws {
        let scratch = try Scratch()
        let file = try VectorFile(path: try scratch.write("v.npy", VectorFixture.npy(rows, type: type)))
        #expect(file.rowCount == 5 && file.dimension == 16)
        for (row, wanted) in rows.enumerated() {
            let found = try file.row(row)
            let error = zip(found, wanted).map { abs($0 - $1) }.max() ?? 1
            #expect(type.hasSuffix("f2") ? error < 1e-3 : error == 0, "\(type), row \(row): \(error)")
        }
    }

    @Test("fvecs are read")
    func fvecs() throws {
        let scratch = try Scratch()
        let file = try VectorFile(path: try scratch.write("v.fvecs", VectorFixture.fvecs(rows)))
        #expect(file.rowCount == 5 && file.dimension == 16)
        #expect(try (0..<5).map(file.row) == rows)
    }

    private static let bad: [(name: String, bytes: [UInt8], reason: String)] = {
        let rows = VectorFixture.vectors(0..<5)
        let good = VectorFixture.npy(rows)
        var long = good
        long[8] = 255
        long[9] = 255
        return [
            ("order", VectorFixture.npy(rows, fortran: true), "numpy.ascontiguousarray"),
            ("cut", Array(good.dropLast(3)), "copy or save it again"),
            ("more", good + [0], "copy or save it again"),
            ("one", VectorFixture.npy(rows, shape: "(80,)"), "it needs two sides"),
            ("three", VectorFixture.npy(rows, shape: "(5, 4, 4)"), "it needs two sides"),
            ("none", VectorFixture.npy(rows, shape: "()"), "it needs two sides"),
            ("negative", VectorFixture.npy(rows, shape: "(-5, 16)"), "it needs two sides"),
            ("vast", VectorFixture.npy(rows, shape: "(9223372036854775807, 65536)"), "would take more"),
            ("wide", VectorFixture.npy([], shape: "(0, 65537)"), "an archive takes 65536"),
            ("whole", VectorFixture.npy(rows, type: "<i8"), "save them as float32"),
            ("objects", VectorFixture.npy(rows, type: "|O"), "save them as float32"),
            ("version", VectorFixture.npy(rows, version: 9), "numpy.save"),
            ("head", long, "copy or save it again"),
            ("text", Array("id,vector\n".utf8), "neither .npy nor .fvecs"),
            ("empty", [], "neither .npy nor .fvecs"),
            ("magic", Array(good.prefix(6)), "no .npy file"),
            ("x.fvecs", VectorFixture.fvecs(rows).dropLast(1), "no whole vectors"),
            ("y.fvecs", [0, 0, 0, 0], "no fvecs file"),
        ]
    }()

    @Test("A file that is not such a matrix is refused in words", arguments: bad.indices)
    func refused(_ index: Int) throws {
        let (name, bytes, reason) = Self.bad[index]
        let scratch = try Scratch()
        let path = try scratch.write(name, bytes)
        let error = #expect(throws: ArchiveError.self) { _ = try VectorFile(path: path) }
        #expect(error?.code == .badRequest && error?.reason.contains(reason) == true, "\(name): \(error?.reason ?? "")")
    }

    @Test("No bytes of a head crash the reader")
    func noise() throws {
        let scratch = try Scratch()
        let good = VectorFixture.npy(rows)
        for seed in 0..<400 {
            var generator = SeededGenerator(seed: 5, keys: UInt64(seed))
            var bytes = good
            for _ in 0..<(1 + generator.integer(below: 4)) {
                bytes[generator.integer(below: 128)] = UInt8(generator.integer(below: 256))
            }
            if generator.integer(below: 4) == 0 { bytes.removeLast(generator.integer(below: bytes.count)) }
            guard let file = try? VectorFile(path: try scratch.write("n.npy", bytes)) else { continue }
            for row in 0..<file.rowCount { _ = try file.row(row) }
        }
    }

    @Test("A row of fvecs with another number of values is refused, and so is a file that was cut since")
    func oddRows() throws {
        let scratch = try Scratch()
        var bytes = VectorFixture.fvecs(rows)
        bytes[4 * 17] = 15
        let file = try VectorFile(path: try scratch.write("v.fvecs", bytes))
        #expect(try file.row(0) == rows[0])
        #expect(throws: ArchiveError.self) { _ = try file.row(1) }
        #expect(truncate(file.path, 100) == 0)
        let error = #expect(throws: ArchiveError.self) { _ = try file.row(4) }
        #expect(error?.reason.contains("became shorter") == true)
    }

    @Test("A seal says which files belong together, and what was changed")
    func seals() throws {
        let scratch = try Scratch()
        let lines = Array("{\"id\":\"a\"}\n{\"id\":\"b\"}\n".utf8)
        let vectors = try scratch.write("v.npy", VectorFixture.npy(VectorFixture.vectors(0..<2)))
        var seal = VectorSeal(
            part: 2, partCount: 3, rowCount: 2, dimension: 16, model: "m", inputs: "i",
            vectors: try FileIO.digest(vectors).sha256)
        let sealed = seal.sealed(lines)
        let opened = try #require(try VectorSeal.open(sealed, path: "x"))
        #expect(opened.lines == lines && opened.seal.shard == "2/3" && opened.seal.inputs == "i")
        #expect(sealed.split(separator: 10).count == 2, "a line a row")
        let file = try scratch.write("v.jsonl", sealed)
        #expect(VectorSeal.ofWhole(vectors: vectors, lines: file) == opened.seal)
        for place in sealed.indices where sealed[place] != 10 {
            var changed = sealed
            changed[place] ^= 1
            let found = try? VectorSeal.open(changed, path: "x")
            #expect(found == nil || found?.seal.vectors != seal.vectors || found?.seal != opened.seal, "byte \(place)")
        }
        #expect(try VectorSeal.open(lines, path: "x") == nil)
        // A part may have no row.
        seal.rowCount = 0
        let empty = try #require(try VectorSeal.open(seal.sealed([]), path: "x"))
        #expect(empty.lines.isEmpty && empty.seal.rowCount == 0)
        try FileIO.writeAtomically(vectors, VectorFixture.npy(VectorFixture.vectors(1..<3)))
        #expect(VectorSeal.ofWhole(vectors: vectors, lines: file) == nil)
    }
}
