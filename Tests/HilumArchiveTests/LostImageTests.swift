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

    /// What may become of a file that was a picture.
    enum Damage: CaseIterable, CustomTestStringConvertible {
        case cut, empty, noise, missing, tooLarge

        var testDescription: String { "\(self)" }

        func apply(to path: String, cut: [UInt8]) throws {
            switch self {
            case .cut: try FileIO.writeAtomically(path, cut)
            case .empty: try FileIO.writeAtomically(path, [])
            case .noise: try FileIO.writeAtomically(path, (0..<3000).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) })
            case .missing: try FileManager.default.removeItem(atPath: path)
            case .tooLarge: #expect(truncate(path, off_t(ArchiveLimits.imageByteCount) + 1) == 0)
            }
        }
    }

    @Test(
        "A stored picture does not go for a file that nobody can read, unless that is asked for",
        arguments: Damage.allCases, [false, true])
    func storedPictureStays(damage: Damage, isRow: Bool) throws {
        let scratch = try Scratch()
        try scratch.write("in/s_pa.png", makePNG(1))
        let path = try scratch.write("in/s_lateral.png", makePNG(2))
        let archive = try scratch.makeArchive()
        var source = scratch.path + "/in"
        if isRow {
            source = try scratch.write(
                "in/cases.jsonl", #"{"id":"s","image":["s_pa.png","s_lateral.png"]}"# + "\n")
        }
        #expect(try run(archive, source).stored == 1)
        try damage.apply(to: path, cut: cut(2))
        for _ in 0..<2 {
            let refused = try run(archive, source).refused
            // A file that has left a folder says nothing of its picture.
            if damage == .missing, !isRow {
                #expect(refused == [])
            } else {
                #expect(refused.count == 1 && refused.first?.reason.hasPrefix(path + ": ") == true, "\(refused)")
                #expect(refused.first?.reason.contains("--replace") == true)
            }
            #expect(try paths(archive, "s").count == 2)
        }
        let replaced = try run(archive, source, replaces: true)
        #expect(try paths(archive, "s") == ["s_pa.png"])
        if damage != .missing || isRow {
            #expect(replaced.replaced == 1 && replaced.refused.map(\.source) == [path])
            #expect(try run(archive, source).refused == replaced.refused)
        }
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(
        "Whom the tags of an image name that cannot be decoded is masked",
        .enabled(if: decodesDICOM),
        arguments: [PrivacySettings.Deidentification.mask, .require], [false, true])
    func tagsOfLostImages(deidentification: PrivacySettings.Deidentification, isRow: Bool) throws {
        let scratch = try Scratch()
        let whole = makeDICOM(2, study: "1.2.3", patient: "QX4711Z", name: "Zebulonski^Qarvik")
        try scratch.write("in/s_pa.png", makePNG(1))
        let bad = try scratch.write("in/s_lateral.dcm", Array(whole.dropLast(100)))
        try scratch.write("in/s.txt", "Zebulonski was seen with left effusion. qarvik too, QX4711Z.")
        var source = scratch.path + "/in"
        if isRow {
            source = try scratch.write(
                "in/cases.jsonl",
                #"{"id":"s","image":["s_pa.png","s_lateral.dcm"],"report_file":"s.txt","history":"Zebulonski"}"# + "\n")
        }
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: deidentification))
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        let summary = try run(archive, source)
        #expect(summary.stored == 1 && summary.refused.map(\.source) == [bad], "\(summary)")
        var reports: [String?] = []
        try archive.forEachCase(withReports: true) { record in
            reports.append(record.report)
            return true
        }
        #expect(reports.count == 1)
        #expect(reports.first == "[NAME] was seen with left effusion. [NAME] too, [NUMBER].")
        archive.close()
        #expect(try RawBytes.found(["ebulonski", "arvik", "QX4711Z"], below: scratch.archive) == [])
    }

    @Test(
        "A DICOM file whose tags cannot be read keeps the texts of its case out, where texts are masked",
        arguments: [PrivacySettings.Deidentification.off, .mask, .require])
    func unreadableTags(deidentification: PrivacySettings.Deidentification) throws {
        let whole = makeDICOM(2, study: "1.2.3", name: "Zebulonski^Qarvik")
        let place = try #require(whole.indices.dropFirst(132).first { whole[$0...].starts(with: "Zebul".utf8) })
        let noise = (0..<2000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        let damaged: [[UInt8]] = [[], Array(whole.prefix(place + 3)), noise]
        for bytes in damaged {
            let scratch = try Scratch()
            try scratch.write("in/s_pa.png", makePNG(1))
            let bad = try scratch.write("in/s_lateral.dcm", bytes)
            try scratch.write("in/s.txt", "Zebulonski was seen with left effusion.")
            try Archive.create(at: scratch.archive, privacy: PrivacySettings(deidentification: deidentification))
            let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
            let summary = try run(archive, scratch.path + "/in")
            #expect(summary.refused.count == 1, "\(summary)")
            if deidentification == .off {
                #expect(summary.stored == 1 && summary.refused.map(\.source) == [bad])
            } else {
                #expect(summary.stored == 0, "\(summary)")
                #expect(summary.refused.first?.reason.hasPrefix(bad + ": ") == true, "\(summary)")
                archive.close()
                #expect(try RawBytes.found(["ebulonski"], below: scratch.archive) == [])
            }
        }
    }

    @Test("An image that cannot be decoded is of the patient whom its tags name", .enabled(if: decodesDICOM))
    func twoPatients() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.dcm", makeDICOM(1, study: "1.2.3", patient: "A"))
        try scratch.write("in/b.dcm", Array(makeDICOM(2, study: "1.2.3", patient: "B").dropLast(100)))
        let summary = try run(scratch.makeArchive(), scratch.path + "/in")
        #expect(summary.stored == 0 && summary.refused.first?.reason.contains("two patients") == true, "\(summary)")
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
