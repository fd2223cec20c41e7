import Foundation
import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// Files of deleted cases do not come back by themselves.
@Suite("Deleted cases stay deleted")
struct ReturnTests {
    private func run(_ archive: Archive, _ source: String, again: Bool = false) throws -> IndexSummary {
        try BulkIndexer(archive: archive).run(sources: [source], again: again, isQuiet: true)
    }

    private func touch(_ path: String) throws {
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    }

    /// A case with an image, a text and a record, and one that stays.
    private func made(_ scratch: Scratch) throws -> Archive {
        try scratch.write("in/Harrowgate.png", makePNG(1))
        try scratch.write("in/Harrowgate.txt", "Left effusion beside the zebrafish.")
        try scratch.write("in/Harrowgate.json", #"{"site":"Northgate"}"#)
        try scratch.write("in/stays.png", makePNG(2))
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 2)
        return archive
    }

    @Test("An erased case is not indexed again: not as it was, not touched, not copied under another name")
    func erased() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        let folder = scratch.path + "/in"
        #expect(try archive.erase(id: "Harrowgate"))
        let same = try run(archive, folder)
        #expect(same.stored == 0 && same.deleted == 1 && same.unchanged == 1 && same.refused == [])
        for name in ["Harrowgate.png", "Harrowgate.txt", "Harrowgate.json"] { try touch("\(folder)/\(name)") }
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [folder])
        #expect(dry.deleted == 1 && dry.stored == 0 && dry.pairings.contains { $0.fate == .leave })
        let touched = try run(archive, folder)
        #expect(touched.stored == 0 && touched.deleted == 1)
        for (name, copy) in [("Harrowgate.png", "x.png"), ("Harrowgate.txt", "x.txt"), ("Harrowgate.json", "x.json")] {
            try scratch.write("other/\(copy)", FileIO.read("\(folder)/\(name)"))
        }
        let copied = try run(archive, scratch.path + "/other")
        #expect(copied.stored == 0 && copied.deleted == 1)
        #expect(try archive.count() == 1 && archive.check(deep: true).findings == [])
        // A person may ask for it, and then it counts as any other case.
        #expect(try run(archive, folder, again: true).stored == 1)
        #expect(try run(archive, folder).unchanged == 2)
        try touch(folder + "/Harrowgate.png")
        #expect(try run(archive, folder).unchanged == 2)
    }

    @Test("Files of a deleted case that were touched are read once, and known by their times from then on")
    func readOnce() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        #expect(try archive.erase(id: "Harrowgate"))
        try touch(scratch.path + "/in/Harrowgate.png")
        func verdict() throws -> SourceVerdict {
            var finder = CaseFinder(root: scratch.path + "/in")
            let files = ["png", "txt", "json"].map { FoundFile(path: "Harrowgate.\($0)") }
            let found = try #require(finder.cases(ofGroup: files).first)
            return try archive.verdict(of: found.origin, id: found.id)
        }
        #expect(try verdict() == .open)
        #expect(try run(archive, scratch.path + "/in").deleted == 1)
        #expect(try verdict() == .deleted)
    }

    @Test("An erased case comes back when one of its files changes")
    func changed() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        #expect(try archive.erase(id: "Harrowgate"))
        try scratch.write("in/Harrowgate.txt", "Right effusion beside the zebrafish.")
        let summary = try run(archive, scratch.path + "/in")
        #expect(summary.stored == 1 && summary.deleted == 0)
    }

    @Test("What keeps an erased case out names nobody, and outlives compacting, snapshots and restoring")
    func marks() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        let digests = try #require(try archive.get(id: "Harrowgate")).images.map(\.digest)
        #expect(try archive.erase(id: "Harrowgate"))
        _ = try archive.snapshot(to: scratch.path + "/copy")
        archive.close()
        _ = try Archive.compact(scratch.archive)
        _ = try Archive.restore(scratch.path + "/copy", to: scratch.path + "/again")
        let key = try FileIO.read(scratch.archive + "/log.key")
        try FileIO.writeAtomically(scratch.path + "/again/log.key", key, rights: 0o600)
        #expect(try RawBytes.found(["Harrowgate", "Northgate", "zebrafish"], below: scratch.archive) == [])
        // Neither a hash of a file nor one of a path is there without the key.
        var source = SourceMarks()
        for name in ["png", "txt", "json"] { source.insert(file: "\(scratch.path)/in/Harrowgate.\(name)") }
        let plain = Set(source.sorted.map { hexadecimal($0) } + digests.map { String($0.prefix(32)) })
        for path in [scratch.archive, scratch.path + "/again"] {
            let opened = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
            let left = try rows(opened).filter { $0.number == JournalEntry.deleted }
            #expect(left.count > 3 && left.allSatisfy { $0.name.isEmpty && $0.reason.isEmpty && $0.marks.isEmpty })
            #expect(left.allSatisfy { !plain.contains(hexadecimal($0.key)) })
            #expect(try run(opened, scratch.path + "/in").deleted == 1)
            opened.close()
        }
    }

    private func rows(_ archive: Archive) throws -> [JournalEntry] {
        var rows: [JournalEntry] = []
        try archive.store.environment.read { transaction in
            try archive.store.forEach(transaction, .journal) { key, payload in
                rows.append(try archive.store.journal(key: [UInt8](key), payload))
                return true
            }
        }
        return rows
    }

    @Test("A deleted case whose files are only touched stays deleted; under another name they are another case")
    func touched() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        let folder = scratch.path + "/in"
        #expect(try archive.delete(id: "Harrowgate"))
        try touch(folder + "/Harrowgate.png")
        #expect(try run(archive, folder).deleted == 1)
        try scratch.write("in/renamed.png", makePNG(1))
        let renamed = try run(archive, folder)
        #expect(renamed.stored == 1 && renamed.deleted == 1)
        try scratch.write("in/Harrowgate.png", makePNG(5))
        #expect(try run(archive, folder).stored == 1)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A text that many reports have keeps no other case out, and a row is known in another table")
    func texts() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.txt", "No acute disease.")
        try scratch.write("tables/cases.csv", "id,report,patient\nr1,Clear.,P1\nr2,Clear.,P2\n")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/in").stored == 1)
        #expect(try run(archive, scratch.path + "/tables").stored == 2)
        for id in ["a", "r1"] { #expect(try archive.erase(id: id)) }
        try scratch.write("in/b.txt", "No acute disease.")
        try scratch.write("in/b.png", makePNG(3))
        try scratch.write("in/c.txt", "No acute disease.")
        let summary = try run(archive, scratch.path + "/in")
        #expect(summary.stored == 2 && summary.deleted == 1)
        try scratch.write("tables2/cases.csv", "id,report,patient\nr1,Clear.,P1\nr3,Clear.,P1\n")
        let rows = try run(archive, scratch.path + "/tables2")
        #expect(rows.stored == 1 && rows.deleted == 1)
        #expect(try archive.get(id: "r1") == nil && archive.get(id: "r3") != nil)
    }

    @Test("An erased case stays out when another case with its picture is stored, before and after that one is erased")
    func sharedPicture() throws {
        let scratch = try Scratch()
        let archive = try made(scratch)
        let folder = scratch.path + "/in"
        #expect(try archive.erase(id: "Harrowgate"))
        try scratch.write("two/z.png", makePNG(1))
        try scratch.write("two/z_lateral.png", makePNG(4))
        try scratch.write("two/z.txt", "Another exam with the same picture.")
        #expect(try run(archive, scratch.path + "/two").stored == 1)
        for name in ["png", "txt", "json"] { try touch("\(folder)/Harrowgate.\(name)") }
        let summary = try run(archive, folder)
        #expect(summary.stored == 0 && summary.deletedPlaces == [folder + "/Harrowgate.png"])
        #expect(try archive.get(id: "z") != nil && archive.get(id: "Harrowgate") == nil)
        // Asked for, it is a case like any other, and is no longer marked.
        #expect(try run(archive, folder, again: true).stored == 1)
        #expect(try archive.forget(id: "Harrowgate", source: folder + "/Harrowgate"))
        try touch(folder + "/Harrowgate.png")
        #expect(try run(archive, folder).stored == 1)
    }

    @Test("An erased report that does not say whose it is keeps those of other folders in, and its own place out")
    func reportsOfFolders() throws {
        let scratch = try Scratch()
        for folder in ["s1", "s2"] { try scratch.write("\(folder)/1.txt", "No acute disease.") }
        let archive = try scratch.makeArchive()
        #expect(try run(archive, scratch.path + "/s1").stored == 1)
        #expect(try archive.erase(id: "1"))
        try touch(scratch.path + "/s1/1.txt")
        let left = try run(archive, scratch.path + "/s1")
        #expect(left.stored == 0 && left.deletedPlaces == [scratch.path + "/s1/1.txt"])
        #expect(try run(archive, scratch.path + "/s2").stored == 1)
        #expect(try archive.delete(id: "1"))
        try touch(scratch.path + "/s2/1.txt")
        #expect(try run(archive, scratch.path + "/s2").deleted == 1)
        // Somebody gave a row its id, so it is known in the next day's table too.
        for folder in ["t1", "t2"] { try scratch.write("\(folder)/cases.csv", "id,report\nr,Clear.\n") }
        #expect(try run(archive, scratch.path + "/t1").stored == 1)
        #expect(try archive.erase(id: "r"))
        #expect(try run(archive, scratch.path + "/t1").deleted == 1)
        #expect(try run(archive, scratch.path + "/t2").deleted == 1)
    }

    @Test("A text is known at its place, and by its id as earlier releases erased it")
    func formerMarks() throws {
        let key = try PseudonymKey(secret: [UInt8](repeating: 7, count: 32))
        let text = [UInt8](repeating: 3, count: 32)
        let placed = ContentMarks(images: [], texts: [text], id: "1", place: "a/1.txt", key: key)
        let named = ContentMarks(images: [], texts: [text], id: "1", place: nil, key: key)
        let elsewhere = ContentMarks(images: [], texts: [text], id: "1", place: "b/1.txt", key: key)
        #expect(placed.former == named.telling && named.former == [])
        #expect(placed.telling != named.telling && placed.telling != elsewhere.telling)
        let row = ContentMarks(images: [], texts: [text], id: "1", place: nil, isRow: true, key: key)
        #expect(row.former == named.telling && row.telling != named.telling && row.telling != placed.telling)
        let filmed = ContentMarks(images: [text], texts: [text], id: "1", place: "a/1.txt", key: key)
        #expect(filmed.former == [] && filmed.telling == filmed.images + filmed.texts)
    }

    @Test("An erased row keeps no file of another folder out, and a row of the same id and text stays out")
    func rowsAndFiles() throws {
        let scratch = try Scratch()
        try scratch.write("t/a.txt", "Normal chest.")
        let table = try scratch.write("t/cases.jsonl", #"{"id":"1","report_file":"a.txt"}"# + "\n")
        try scratch.write("s2/1.txt", "Normal chest.")
        let archive = try scratch.makeArchive()
        #expect(try run(archive, table).stored == 1)
        #expect(try archive.erase(id: "1"))
        #expect(try run(archive, table).deleted == 1)
        let file = try run(archive, scratch.path + "/s2")
        #expect(file.stored == 1 && file.deleted == 0, "\(file)")
    }

    @Test("Of what is left out as deleted the first places are named, by a dry run too")
    func places() throws {
        let scratch = try Scratch()
        for number in 10..<35 { try scratch.write("in/\(number).txt", "Report \(number).") }
        let archive = try scratch.makeArchive()
        let folder = scratch.path + "/in"
        #expect(try run(archive, folder).stored == 25)
        for number in 10..<35 { #expect(try archive.delete(id: "\(number)")) }
        for number in 20..<35 { try touch("\(folder)/\(number).txt") }
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [folder])
        for summary in [dry, try run(archive, folder)] {
            #expect(summary.deleted == 25 && summary.deletedPlaces.count == 20)
            #expect(Set(summary.deletedPlaces).isSubset(of: (10..<35).map { "\(folder)/\($0).txt" }))
        }
    }

    @Test("What waits in quarantine and is deleted does not come back either", arguments: [false, true])
    func heldBack(isErased: Bool) throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(imageSide: 32))
        var file = PlantedCases.dicom(study: "1.2.9", object: "1.2.9.1")
        file.text(0x0028_0301, "CS", "YES")
        try scratch.write("in/a.dcm", file.bytes)
        _ = try run(archive, scratch.path + "/in")
        let held = try #require(try archive.quarantined().first)
        #expect(try isErased ? archive.erase(id: held.id) : archive.delete(id: held.id))
        let summary = try run(archive, scratch.path + "/in")
        #expect(try summary.deleted == 1 && summary.refused == [] && archive.quarantined() == [])
        try touch(scratch.path + "/in/a.dcm")
        #expect(try run(archive, scratch.path + "/in").deleted == 1)
        #expect(try archive.check(deep: true).findings == [])
    }
}
