import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Parts of a set, and folders that other programs wrote.
@Suite struct ImportPartTests {
    private func order(_ archive: Archive) throws -> [String] {
        var ids: [String] = []
        try archive.forEachCase { record in
            ids.append(record.id)
            return true
        }
        return ids
    }

    @Test("Parts are joined in any order to the same archive, and twice is once")
    func parts() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let parts = try (1...4).map { try VectorFixture.writePart(scratch, $0, of: 4, 0..<50) }
        let summary = try importer(archive).run([parts[2], parts[0], parts[3], parts[1]])
        #expect(summary.stored == 50 && summary.refused == [], "\(summary.refused)")
        #expect(try order(archive) == (0..<50).map { "case-\($0)" }, "in the order that they had before")
        #expect(try importer(archive).run(parts).unchanged == 50)
        // A copy of a part under another name.
        let copy = VectorSource(
            vectors: try scratch.write("copy.npy", FileIO.read(parts[0].vectors)),
            lines: try scratch.write("copy.jsonl", FileIO.read(parts[0].lines)))
        let twice = try importer(archive).run(parts + [copy])
        #expect(twice.unchanged == 50 && twice.refused == [])
        #expect(twice.passedOver.sorted.first.map { $0.reason == "a row that stands twice" && $0.count == 13 } == true)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A part that is missing or damaged is named, and the others are stored")
    func damaged() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let parts = try (1...4).map { try VectorFixture.writePart(scratch, $0, of: 4, 0..<40) }
        var bytes = try FileIO.read(parts[1].vectors)
        bytes[bytes.count - 5] ^= 4
        try FileIO.writeAtomically(parts[1].vectors, bytes)
        var lines = try FileIO.read(parts[2].lines)
        lines[lines.count - 4] ^= 1
        try FileIO.writeAtomically(parts[2].lines, lines)
        let summary = try importer(archive).run([parts[0], parts[1], parts[2]])
        #expect(summary.stored == 10)
        let reasons = summary.refused.map { "\($0.source): \($0.reason)" }
        #expect(reasons.contains { $0.hasPrefix(parts[1].vectors) && $0.contains("damaged") }, "\(reasons)")
        #expect(
            reasons.contains { $0.hasPrefix(parts[2].vectors) && $0.contains("damaged or was changed") }, "\(reasons)")
        #expect(reasons.contains { $0.hasPrefix("part 4/4: ") } && !reasons.contains { $0.hasPrefix("part 1/4") })
        #expect(reasons.contains { $0.hasPrefix("part 4/4: ") && $0.contains("--shard") })
        for part in 2...4 { _ = try VectorFixture.writePart(scratch, part, of: 4, 0..<40) }
        let whole = try importer(archive).run(parts)
        #expect(whole.stored == 30 && whole.unchanged == 10 && whole.refused == [])
    }

    @Test("Lines that an export wrote and whose vectors are gone are refused by name, and the others are stored")
    func orphans() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        for part in 1...2 {
            let source = try VectorFixture.writePart(scratch, part, of: 2, 0..<10)
            try scratch.write("out/part\(part).jsonl", FileIO.read(source.lines))
            if part == 1 { try scratch.write("out/part1.npy", FileIO.read(source.vectors)) }
        }
        try scratch.write("out/notes.jsonl", #"{"id":"a"}"# + "\n")
        let sources = try VectorSource.find([scratch.path + "/out"])
        #expect(sources.map { FilePath.name(of: $0.lines) } == ["part1.jsonl", "part2.jsonl"])
        let summary = try importer(archive).run(sources)
        #expect(summary.stored == 5 && summary.refused.contains { $0.source == scratch.path + "/out/part2.npy" })
    }

    @Test("Pairs are found by name, beside each other and in folders")
    func finding() throws {
        let scratch = try Scratch()
        let npy = VectorFixture.npy(VectorFixture.vectors(0..<1))
        for name in ["d/part-10.npy", "d/part-2.npy", "e/bare", "v.npy", "w.fvecs"] { try scratch.write(name, npy) }
        for name in ["d/part-10.jsonl", "d/part-2.jsonl", "e/bare.jsonl", "v.jsonl", "ids.jsonl", "w.json"] {
            try scratch.write(name, "{\"id\":\"a\"}\n")
        }
        let path = scratch.path
        func find(_ names: String...) throws -> [[String]] {
            try VectorSource.find(names.map { "\(path)/\($0)" }).map { source in
                [source.vectors, source.lines].map { String($0.dropFirst(path.utf8.count + 1)) }
            }
        }
        #expect(try find("v.npy", "ids.jsonl") == [["v.npy", "ids.jsonl"]])
        #expect(try find("v.npy", "w.fvecs") == [["v.npy", "v.jsonl"], ["w.fvecs", "w.json"]])
        #expect(try find("v", "v.npy") == [["v.npy", "v.jsonl"]], "twice is once")
        #expect(try find("d") == [["d/part-2.npy", "d/part-2.jsonl"], ["d/part-10.npy", "d/part-10.jsonl"]])
        #expect(try find("e/bare") == [["e/bare", "e/bare.jsonl"]] && find("e") == find("e/bare"))
        for (names, reason) in [
            (["ids.jsonl", "v.npy"], "comes before the file of its ids"), (["none.npy"], "no such file"),
            (["d/part-2.npy", "e"], ""),
        ] where !reason.isEmpty {
            let error = #expect(throws: ArchiveError.self) { _ = try VectorSource.find(names.map { "\(path)/\($0)" }) }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
        unlink("\(path)/v.jsonl")
        let error = #expect(throws: ArchiveError.self) { _ = try VectorSource.find(["\(path)/v.npy"]) }
        #expect(error?.reason.contains("the file with the ids of its rows is missing") == true)
        try scratch.write("nothing/x.txt", "x")
        #expect(throws: ArchiveError.self) { _ = try VectorSource.find(["\(path)/nothing"]) }
    }

    @Test("A folder in the layout of clip-retrieval is read; Parquet is refused with what to do")
    func clip() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        for part in 0..<2 {
            let range = (10 * part)..<(10 * part + 10)
            try scratch.write(
                "c/img_emb/img_emb_\(part).npy", VectorFixture.npy(VectorFixture.vectors(range), type: "<f2"))
            try scratch.write(
                "c/text_emb/text_emb_\(part).npy",
                VectorFixture.npy(
                    VectorFixture.vectors((100 + range.lowerBound)..<(100 + range.upperBound)), type: "<f2"))
            let lines = range.map {
                "{\"image_path\":\"/data/x/\($0).png\",\"caption\":\"Effusion c\($0).\",\"metadata\":null,\"site\":\"S\"}\n"
            }
            try scratch.write("c/metadata/metadata_\(part).jsonl", lines.joined())
        }
        let sources = try VectorSource.find([scratch.path + "/c"])
        #expect(sources.count == 4)
        let summary = try importer(archive).run(sources)
        #expect(summary.stored == 20 && summary.refused == [], "\(summary.refused.prefix(3))")
        let record = try #require(try archive.get(id: "data/x/13"))
        #expect(record.report == "Effusion c13." && record.fields.site == "S" && record.hasImage)
        #expect(try ids(archive, VectorFixture.vector(13), .image) == ["data/x/13"])
        #expect(try ids(archive, VectorFixture.vector(113), .report) == ["data/x/13"])
        #expect(try importer(archive).run(sources).unchanged == 20)
        #expect(
            rename(scratch.path + "/c/metadata/metadata_1.jsonl", scratch.path + "/c/metadata/metadata_1.parquet") == 0)
        let error = #expect(throws: ArchiveError.self) { _ = try VectorSource.find([scratch.path + "/c"]) }
        #expect(error?.reason.contains("read_parquet") == true && error?.reason.contains("metadata_1.parquet") == true)
        unlink(scratch.path + "/c/metadata/metadata_1.parquet")
        #expect(throws: ArchiveError.self) { _ = try VectorSource.find([scratch.path + "/c"]) }
    }
}
