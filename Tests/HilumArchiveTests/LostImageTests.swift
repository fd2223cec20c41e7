import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// Of several images of a case, one that cannot be read is refused by its own path, and the others are stored with the report.
@Suite("Cases with an image that cannot be read")
struct LostImageTests {
    private func run(_ archive: Archive, _ source: String, replaces: Bool = false) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], replaces: replaces, isQuiet: true)
    }

    /// Cut short, so that it begins as an image does.
    private func cut(_ seed: Int) throws -> [UInt8] { try Array(makePNG(seed).prefix(100)) }

    private func touch(_ path: String) throws {
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    }

    private func paths(_ archive: Archive, _ id: String) throws -> [String] {
        try archive.get(id: id)?.images.map { FilePath.name(of: $0.path) } ?? []
    }

    @Test(
        "The rest is stored, the next run names the bad file again without reading it, and takes a sound copy in",
        arguments: [("s_pa.png", "s_lateral.png"), ("s_lateral.png", "s_pa.png")])
    func oneIsBad(good: String, bad: String) throws {
        let scratch = try Scratch()
        try scratch.write("in/\(good)", makePNG(1))
        let path = try scratch.write("in/\(bad)", cut(2))
        try scratch.write("in/s.txt", "Left effusion.")
        try scratch.write("in/other.png", makePNG(7))
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        let folder = scratch.path + "/in"
        let first = try run(archive, folder)
        #expect(first.stored == 2 && first.refused.map(\.source) == [path], "\(first.refused)")
        #expect(first.refused.first?.reason.contains(path) == false && first.refused.first?.reason.isEmpty == false)
        #expect(try paths(archive, "s") == [good] && archive.get(id: "s")?.report == "Left effusion.")
        let count = embedder.imageCount.current
        let second = try run(archive, folder)
        #expect(second.unchanged == 2 && second.refused == first.refused && second.stored + second.replaced == 0)
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [folder])
        #expect(dry.refused == first.refused && dry.unchanged == 2)
        #expect(dry.pairings.allSatisfy { $0.fate == .leave }, "\(dry.pairings)")
        #expect(embedder.imageCount.current == count)
        try touch(folder + "/\(good)")
        let touched = try run(archive, folder)
        #expect(touched.unchanged == 2 && touched.refused == first.refused)
        try scratch.write("in/\(bad)", makePNG(2))
        let mended = try run(archive, folder)
        #expect(mended.replaced == 1 && mended.refused == [])
        #expect(try Set(paths(archive, "s")) == [good, bad] && paths(archive, "s").count == 2)
        #expect(try run(archive, folder).refused == [] && archive.check(deep: true).findings == [])
    }

    @Test("Where no image can be read the case is refused, and the bad file is named")
    func allAreBad() throws {
        let scratch = try Scratch()
        try scratch.write("in/s_pa.png", cut(1))
        try scratch.write("in/s_lateral.png", cut(2))
        try scratch.write("in/s.txt", "Left effusion.")
        try scratch.write("bad.png", cut(3))
        let table = try scratch.write("cases.jsonl", #"{"id":"r","image":"bad.png","report":"Clear."}"# + "\n")
        let archive = try scratch.makeArchive()
        for _ in 0..<2 {
            let files = try run(archive, scratch.path + "/in")
            #expect(files.stored == 0 && files.refused.count == 1)
            let reason = files.refused.first?.reason ?? ""
            #expect(reason.hasPrefix("none of its 2 images can be read: \(scratch.path)/in/s_pa.png: "), "\(reason)")
            let row = try run(archive, table)
            #expect(row.refused.map(\.source) == ["\(table):1"])
            #expect(row.refused.first?.reason.hasPrefix("\(scratch.path)/bad.png: ") == true, "\(row.refused)")
        }
        #expect(try archive.count() == 0)
    }

    @Test("A stored picture does not go for a file that was cut since, unless that is asked for")
    func storedPictureStays() throws {
        let scratch = try Scratch()
        try scratch.write("in/s_pa.png", makePNG(1))
        let path = try scratch.write("in/s_lateral.png", makePNG(2))
        let archive = try scratch.makeArchive()
        let folder = scratch.path + "/in"
        #expect(try run(archive, folder).stored == 1)
        try scratch.write("in/s_lateral.png", cut(2))
        for _ in 0..<2 {
            let refused = try run(archive, folder).refused
            #expect(refused.count == 1 && refused.first?.reason.hasPrefix(path + ": ") == true, "\(refused)")
            #expect(refused.first?.reason.contains("--replace") == true)
            #expect(try paths(archive, "s").count == 2)
        }
        let replaced = try run(archive, folder, replaces: true)
        #expect(replaced.replaced == 1 && replaced.refused.map(\.source) == [path])
        #expect(try paths(archive, "s") == ["s_pa.png"])
        #expect(try run(archive, folder).refused == replaced.refused)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(
        "A case without its bad image stays deleted, and nothing names that once the case is erased",
        arguments: [false, true])
    func deleted(isErased: Bool) throws {
        let scratch = try Scratch()
        try scratch.write("in/Harrowgate_pa.png", makePNG(1))
        let bad = try scratch.write("in/Harrowgate_lateral.png", cut(2))
        let archive = try scratch.makeArchive()
        let folder = scratch.path + "/in"
        #expect(try run(archive, folder).refused.count == 1)
        #expect(try isErased ? archive.erase(id: "Harrowgate") : archive.delete(id: "Harrowgate"))
        for isTouched in [false, true] {
            if isTouched { try touch(bad) }
            let summary = try run(archive, folder)
            #expect(summary.stored == 0 && summary.deleted == 1 && summary.refused == [])
        }
        if isErased {
            archive.close()
            _ = try Archive.compact(scratch.archive)
            #expect(try RawBytes.found(["Harrowgate"], below: scratch.archive) == [])
        }
    }

    @Test("What the journal keeps of lost images is read as it was written")
    func journal() throws {
        let images = [LostImage(path: "/a b", reason: "/a b: cut"), LostImage(path: "/c\n", reason: "not found")]
        #expect(LostImage.parted(LostImage.joined(images)) == images && images[0].reason == "cut")
        #expect(LostImage.joined([]).isEmpty && LostImage.parted("some reason") == [])
    }

    @Test("Only a picture by itself is put as a whole: a request hears that one of its images is bad")
    func requests() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        var input = CaseInput(id: "a", image: .bytes(try makePNG(1)), report: "Clear.")
        input.images.append(CaseImage(.bytes(try cut(2))))
        guard case .refused(let error) = try archive.put([input]).first else {
            Issue.record("it is stored")
            return
        }
        #expect(error.code == .badImage)
    }

    @Test(
        "--replace takes what is there of a study that had more images than a case may have", .enabled(if: decodesDICOM)
    )
    func tooMany() throws {
        let scratch = try Scratch()
        let folder = scratch.path + "/in"
        for number in 0..<33 { try scratch.write("in/\(number).dcm", makeDICOM(number, study: "1.2.3")) }
        let archive = try scratch.makeArchive()
        #expect(try run(archive, folder).stored == 1)
        try FileManager.default.removeItem(atPath: folder)
        for number in 40..<73 { try scratch.write("in/\(number).dcm", makeDICOM(number, study: "1.2.3")) }
        for _ in 0..<2 {
            let refused = try run(archive, folder).refused
            #expect(refused.count == 1 && refused.first?.reason.contains("--replace") == true, "\(refused)")
        }
        let summary = try run(archive, folder, replaces: true)
        #expect(summary.replaced == 1 && summary.refused == [])
        #expect(try archive.get(id: "1.2.3")?.images.count == 33)
    }
}
