import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// A copy of an archive, kept current by what changed since a position.
@Suite struct FollowTests {
    /// A leader with `count` cases, and a copy made of its snapshot.
    private func pair(_ scratch: Scratch, _ count: Int) throws -> (leader: Archive, copy: Archive) {
        let leader = try scratch.makeArchive()
        try leader.put((0..<count).map(makeInput))
        let snapshot = scratch.path + "/snapshot"
        _ = try leader.snapshot(to: snapshot)
        _ = try Archive.restore(snapshot, to: scratch.path + "/copy", asCopy: true)
        return (leader, try openCopy(scratch))
    }

    private func openCopy(_ scratch: Scratch) throws -> Archive {
        var options = Archive.Options()
        options.followsLeader = true
        return try Archive(path: scratch.path + "/copy", mode: .readWrite, embedder: FakeEmbedder(), options: options)
    }

    /// Lets the copy catch up, in pieces of about `byteCount`; how many.
    private func follow(_ leader: Archive, _ copy: Archive, byteCount: Int = 8 << 20) throws -> Int {
        for piece in 1...1000 {
            let changes = try leader.changes(since: try copy.position(), byteCount: byteCount)
            try copy.apply(changes)
            if !changes.hasMore { return piece }
        }
        throw ArchiveError(.io, "it never ends")
    }

    private func cases(_ archive: Archive) throws -> [String] {
        var found: [String] = []
        try archive.forEachCase(withReports: true) { record in
            let images = record.images.map(\.digest).joined(separator: ",")
            found.append(
                "\(record.number) \(record.id) \(record.report ?? "-") \(images) \(record.fields.view ?? "") \(record.fields.site ?? "")"
            )
            return true
        }
        return found
    }

    private func hits(_ archive: Archive) throws -> [[String]] {
        try (0..<12).map { number in
            var request = SearchRequest(.text(makeReport(number * 7 + 1)))
            request.isExact = true
            return try archive.search(request).hits.map { "\($0.id) \($0.score) \($0.legs?.wordScore ?? 0)" }
        }
    }

    private func expectSame(_ leader: Archive, _ copy: Archive) throws {
        #expect(try cases(leader) == cases(copy))
        #expect(try hits(leader) == hits(copy))
        #expect(try leader.position() == copy.position())
        #expect(try copy.check(deep: true).findings == [])
    }

    @Test("What is stored, replaced, changed and deleted comes over, under the same numbers, in pieces of any size")
    func followsAll() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 30)
        defer {
            leader.close()
            copy.close()
        }
        #expect(try follow(leader, copy) == 1)
        try expectSame(leader, copy)
        try leader.put((30..<60).map(makeInput))
        _ = try leader.delete(id: "case-3")
        _ = try leader.delete(id: "case-40")
        // Another report takes another number; another site changes the case where it stands.
        var replaced = try makeInput(6)
        replaced.report = "A large nodule at the apex."
        var moved = try makeInput(9)
        moved.fields.site = "elsewhere"
        let outcomes = try leader.put([replaced, moved])
        #expect(outcomes.allSatisfy { if case .replaced = $0 { true } else { false } }, "\(outcomes)")
        #expect(try follow(leader, copy, byteCount: 2000) > 3)
        try expectSame(leader, copy)
        #expect(try copy.get(id: "case-9")?.fields.site == "elsewhere")
        #expect(try copy.get(id: "case-3") == nil && copy.get(id: "case-40") == nil)
        #expect(try copy.imageBytes(of: "case-33") == leader.imageBytes(of: "case-33"))
        // A case that came and went between two looks.
        try leader.put([makeInput(70)])
        _ = try leader.delete(id: "case-70")
        _ = try follow(leader, copy)
        try expectSame(leader, copy)
    }

    @Test("A writer that makes room for others keeps no copy waiting for its rests", .timeLimit(.minutes(1)))
    func hastens() throws {
        let scratch = try Scratch()
        let leader = try scratch.makeArchive()
        defer { leader.close() }
        let embedder = try leader.writableEmbedder()
        let cases = try leader.prepare((0..<6).map { try PreparedCase(makeInput($0)) }, with: embedder, threads: 1)
        // Each rest would last until tomorrow.
        let courtesy = Courtesy(restFactor: 1e9) { true }
        let (began, ended) = (AtomicCounter(), AtomicFlag())
        let thread = Thread {
            began.increment()
            #expect(throws: Never.self) { try leader.commit(cases, courtesy: courtesy) }
            ended.raise()
        }
        thread.start()
        while !ended.isRaised { _ = try leader.changes(since: nil) }
        #expect(began.current == 1)
        #expect(try leader.changes(since: nil).position.next > 6)
    }

    @Test("Changes that are applied again change nothing, and a copy that is opened again goes on")
    func appliesAgain() throws {
        let scratch = try Scratch()
        let (leader, first) = try pair(scratch, 20)
        let before = try first.position()
        try leader.put((20..<35).map(makeInput))
        _ = try leader.delete(id: "case-1")
        let changes = try leader.changes(since: before)
        try first.apply(changes)
        try first.apply(changes)
        first.close()
        let copy = try openCopy(scratch)
        defer {
            leader.close()
            copy.close()
        }
        try expectSame(leader, copy)
        try leader.put((35..<40).map(makeInput))
        _ = try follow(leader, copy)
        try expectSame(leader, copy)
    }

    private func code(_ body: () throws -> Void) -> ArchiveError.Code? {
        do { try body() } catch { return (error as? ArchiveError)?.code }
        return nil
    }

    @Test(
        "A leader that went back to a snapshot has a history of its own, which no copy of the former one goes on with")
    func restoredLeader() throws {
        let scratch = try Scratch()
        let (former, copy) = try pair(scratch, 3)
        try former.put((3..<5).map(makeInput))
        _ = try follow(former, copy)
        former.close()
        _ = try Archive.restore(scratch.path + "/snapshot", to: scratch.archive, replaces: true)
        let leader = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        defer {
            leader.close()
            copy.close()
        }
        // As many cases as before, and other ones.
        try leader.put((60..<64).map(makeInput))
        #expect(code { _ = try leader.changes(since: try copy.position()) } == .stale)
        #expect(code { try copy.apply(try leader.changes(since: try leader.position())) } == .stale)
        #expect(try copy.get(id: "case-4") != nil && copy.get(id: "case-60") == nil)
    }

    @Test("A copy that is opened to be changed is a copy no longer, and what is no copy takes no changes of a leader")
    func promotedCopies() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 3)
        defer { leader.close() }
        copy.close()
        #expect(try Archive.isCopy(at: scratch.path + "/copy"))
        let reader = try Archive(path: scratch.path + "/copy", mode: .readOnly)
        reader.close()
        #expect(try Archive.isCopy(at: scratch.path + "/copy"))
        let promoted = try Archive(path: scratch.path + "/copy", mode: .readWrite, embedder: FakeEmbedder())
        try promoted.put([makeInput(50)])
        #expect(code { _ = try leader.changes(since: try promoted.position()) } == .stale)
        #expect(code { try promoted.apply(try leader.changes(since: nil)) } == .badRequest)
        promoted.close()
        #expect(try !Archive.isCopy(at: scratch.path + "/copy"))
        // Nor does it become one by being opened as one.
        let again = try openCopy(scratch)
        defer { again.close() }
        try leader.put([makeInput(51)])
        #expect(code { try again.apply(try leader.changes(since: nil)) } == .stale)
        #expect(try again.get(id: "case-50") != nil)
    }

    @Test("A change that would put another case under a number is refused, and nothing of it is stored")
    func otherCases() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 6)
        defer {
            leader.close()
            copy.close()
        }
        let start = try #require(
            ArchivePosition(try leader.position().text.replacing("/7/0/0", with: "/1/0/0")))
        var changes = try leader.changes(since: start)
        #expect(changes.items.count == 6)
        let before = try cases(copy)
        (changes.items[1].entry, changes.items[3].entry) = (changes.items[3].entry, changes.items[1].entry)
        // Its pictures tell, and so do the entries where no picture comes along.
        #expect(code { try copy.apply(changes) } == .damaged)
        for place in changes.items.indices { changes.items[place].kept = [] }
        #expect(code { try copy.apply(changes) } == .stale)
        #expect(try cases(copy) == before)
    }

    @Test("A case that was replaced is found once, also while only a piece of the changes is there")
    func replacedCases() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 10)
        defer {
            leader.close()
            copy.close()
        }
        var replaced = try makeInput(4)
        replaced.report = "A large nodule at the apex."
        try leader.put([replaced])
        try leader.put((10..<20).map(makeInput))
        let piece = try leader.changes(since: try copy.position(), byteCount: 1)
        #expect(piece.hasMore && piece.items.count == 1)
        try copy.apply(piece)
        #expect(try copy.count() == 10)
        var request = SearchRequest(.text(try #require(replaced.report)))
        (request.isExact, request.k) = (true, 20)
        let ids = try copy.search(request).hits.map(\.id)
        #expect(ids.count == 10 && Set(ids).count == 10 && ids.first == "case-4")
        #expect(try copy.get(id: "case-4")?.report == replaced.report)
        _ = try follow(leader, copy, byteCount: 1)
        try expectSame(leader, copy)
    }

    @Test("Cases that no vector stands for come over like others")
    func bareCases() throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        let leader = try Archive(
            path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(knowsAllWords: false))
        try leader.put([CaseInput(id: "a", report: "quux")])
        _ = try leader.snapshot(to: scratch.path + "/snapshot")
        _ = try Archive.restore(scratch.path + "/snapshot", to: scratch.path + "/copy", asCopy: true)
        let copy = try openCopy(scratch)
        defer {
            leader.close()
            copy.close()
        }
        try leader.put([CaseInput(id: "b", report: "zyzzy")])
        _ = try follow(leader, copy)
        #expect(try copy.get(id: "b")?.report == "zyzzy" && copy.count() == 2)
        #expect(try copy.check(deep: true).findings == [])
    }

    @Test("More changes than fit into one answer start a copy anew, and so does what a leader forgot")
    func tooManyChanges() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 4)
        defer {
            leader.close()
            copy.close()
        }
        let inputs = try (0..<4).map(makeInput)
        // Each round changes every case where it stands.
        for round in 0...Archive.mostChanges / (4 * 500) {
            try leader.put(
                (0..<500).flatMap { step in
                    inputs.map { input in
                        var changed = input
                        changed.fields.site = "site \(round)-\(step)"
                        return changed
                    }
                })
        }
        #expect(code { _ = try leader.changes(since: try copy.position()) } == .stale)
    }

    @Test(
        "A copy forgets what was set aside of a case when its leader does, whatever comes of the id afterwards",
        arguments: [1, 8 << 20])
    func heldPictures(byteCount: Int) throws {
        let scratch = try Scratch()
        let leader = try scratch.makeArchive()
        try leader.put((0..<6).map(makeInput))
        for number in 1..<6 { try hold("case-\(number)", of: leader) }
        _ = try leader.snapshot(to: scratch.path + "/snapshot")
        _ = try Archive.restore(scratch.path + "/snapshot", to: scratch.path + "/copy", asCopy: true)
        let copy = try openCopy(scratch)
        defer {
            leader.close()
            copy.close()
        }
        _ = try leader.delete(id: "case-1")
        // Another report takes another number, and what waits goes on waiting.
        var replaced = try makeInput(2)
        replaced.report = "A large nodule at the apex."
        try leader.put([replaced])
        // Deleted and stored again: what waited belonged to the former case.
        _ = try leader.delete(id: "case-3")
        try leader.put([makeInput(3)])
        _ = try leader.delete(id: "case-4")
        var other = try makeInput(4)
        other.report = "Another case of this id."
        try leader.put([other])
        // What leaves because its files are gone leaves its quarantine there, as at the leader.
        #expect(try leader.forget(id: "case-5", source: ""))
        #expect(try leader.quarantined().map(\.id) == ["case-2", "case-5"])
        #expect(try (follow(leader, copy, byteCount: byteCount) > 1) == (byteCount == 1))
        #expect(try copy.quarantined().map(\.id) == ["case-2", "case-5"])
        #expect(try copy.quarantinedCount() == 2 && copy.check(deep: true).findings == [])
        try expectSame(leader, copy)
    }

    @Test("A copy knows of sources and decisions what the snapshot knew, and the cases that came since")
    func journals() throws {
        let scratch = try Scratch()
        let leader = try scratch.makeArchive()
        func input(_ number: Int) throws -> CaseInput {
            var input = try makeInput(number)
            input.origin = origin(number)
            return input
        }
        func origin(_ number: Int) -> CaseOrigin {
            CaseOrigin(source: "folder/\(number)", fingerprint: [UInt8](repeating: UInt8(number), count: 32))
        }
        try leader.put([input(1), input(2)])
        _ = try leader.snapshot(to: scratch.path + "/snapshot")
        _ = try Archive.restore(scratch.path + "/snapshot", to: scratch.path + "/copy", asCopy: true)
        let copy = try openCopy(scratch)
        defer {
            leader.close()
            copy.close()
        }
        try leader.put([input(3), input(4)])
        for number in [2, 4] { _ = try leader.delete(id: "case-\(number)") }
        _ = try follow(leader, copy)
        func verdicts(_ archive: Archive) throws -> [String] {
            try (1...4).map { number in
                switch try archive.verdict(of: origin(number), id: "case-\(number)") {
                case .open: "open"
                case .own: "own"
                case .unchanged: "unchanged"
                case .deleted: "deleted"
                default: "other"
                }
            }
        }
        #expect(try verdicts(leader) == ["unchanged", "deleted", "unchanged", "deleted"])
        // Read again, the third is found to be what is stored; the fourth comes back, as the guide says.
        #expect(try verdicts(copy) == ["unchanged", "deleted", "own", "open"])
        try hold("case-1", of: leader)
        _ = try follow(leader, copy)
        #expect(try leader.quarantinedCount() == 1 && copy.quarantinedCount() == 0)
    }

    @Test(
        "A copy marks no case as deleted that was replaced, that went with its files or that was stored again",
        arguments: [1, 8 << 20])
    func deletedByHand(byteCount: Int) throws {
        let scratch = try Scratch()
        let leader = try scratch.makeArchive()
        func origin(_ number: Int) -> CaseOrigin {
            CaseOrigin(source: "folder/\(number)", fingerprint: [UInt8](repeating: UInt8(number), count: 32))
        }
        func input(_ number: Int, _ report: String? = nil) throws -> CaseInput {
            var input = try makeInput(number)
            input.origin = origin(number)
            // Somebody asks for it, if it was deleted.
            input.origin?.mayReturn = true
            if let report { input.report = report }
            return input
        }
        try leader.put([input(2), input(3), input(5), input(6), input(8)])
        _ = try leader.snapshot(to: scratch.path + "/snapshot")
        _ = try Archive.restore(scratch.path + "/snapshot", to: scratch.path + "/copy", asCopy: true)
        let copy = try openCopy(scratch)
        defer {
            leader.close()
            copy.close()
        }
        func isDeleted(_ number: Int) throws -> Bool {
            let found = try copy.store.environment.read { try copy.journalEntry($0, "folder/\(number)") }
            return found?.number == JournalEntry.deleted
        }
        try leader.put([input(2, "A large nodule at the apex.")])
        #expect(try leader.forget(id: "case-3", source: "folder/3"))
        for number in [5, 6, 8] { #expect(try leader.delete(id: "case-\(number)")) }
        try leader.put([input(6, "Another report of this id.")])
        _ = try follow(leader, copy, byteCount: byteCount)
        #expect(try [2, 3, 5, 6, 8].map(isDeleted) == [false, false, true, false, true])
        // Stored again later, by whoever asked for it.
        try leader.put([input(8)])
        _ = try follow(leader, copy, byteCount: byteCount)
        #expect(try !isDeleted(8) && isDeleted(5))
        try expectSame(leader, copy)
    }

    @Test("A name of the quarantine that is none is refused, for it could stand for all of it")
    func strangeNames() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 2)
        defer {
            leader.close()
            copy.close()
        }
        try hold("case-1", of: copy)
        for name in ["", "0", String(repeating: "A", count: 32), String(repeating: "g", count: 32)] {
            var changes = ArchiveChanges(position: try leader.position())
            changes.forgotten = [name]
            #expect(code { try copy.apply(changes) } == .damaged)
        }
        #expect(try copy.quarantinedCount() == 1)
    }

    /// Writes a row of the quarantine, as a picture with words in it would.
    private func hold(_ id: String, of archive: Archive) throws {
        let image = CaseEntry.StoredImage(digest: ImageStore.digest(Array(id.utf8)), path: "/nowhere/\(id).png")
        let entry = QuarantineEntry(
            reason: .tag, seconds: 1, id: id, source: "elsewhere", image: image, place: 1, fields: CaseFields())
        try archive.store.environment.write { transaction in
            try archive.store.put(transaction, entry, former: nil)
        }
    }

    @Test("Several changes of one case come as its last state, and a piece ends before what would pass its bound")
    func largeAnswers() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 2)
        defer {
            leader.close()
            copy.close()
        }
        var other = try makeInput(0)
        for number in 0..<6 {
            other.fields.site = "site \(number)"
            try leader.put([other])
        }
        #expect(try follow(leader, copy) == 1)
        try expectSame(leader, copy)
        // A piece ends before an item that would pass the bound.
        let begin = try copy.position()
        try leader.put((20..<26).map(makeInput))
        let whole = try leader.changes(since: begin)
        let two = whole.items[0].byteCount + whole.items[1].byteCount
        #expect(try leader.changes(since: begin, byteCount: two - 1).items.count == 1)
        #expect(try leader.changes(since: begin, byteCount: two).items.count == 2)
        #expect(try leader.changes(since: begin, byteCount: 1).items.count == 1)
    }

    @Test(
        "New cases need no memory of the leader; a missed deletion that it forgot does, and neither another archive is followed"
    )
    func gaps() throws {
        let scratch = try Scratch()
        let (first, copy) = try pair(scratch, 10)
        try first.put((10..<20).map(makeInput))
        first.close()
        var leader = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        _ = try follow(leader, copy)
        try expectSame(leader, copy)
        _ = try leader.delete(id: "case-2")
        leader.close()
        leader = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(code { _ = try leader.changes(since: try copy.position()) } == .stale)
        var strange = try leader.position()
        strange.created = "1999-01-01T00:00:00Z"
        #expect(code { _ = try leader.changes(since: strange) } == .stale)
        var ahead = try leader.position()
        ahead.next += 1
        #expect(code { _ = try leader.changes(since: ahead) } == .stale)
        var other = ArchiveChanges(position: strange)
        #expect(code { try copy.apply(other) } == .stale)
        // What was cut on its way is refused as a whole.
        other = try leader.changes(since: nil)
        other.items = [.init(number: other.position.next, entry: [3, 0, 1])]
        #expect(code { try copy.apply(other) } == .damaged)
        leader.close()
        copy.close()
    }

    @Test("A position is read as it was written, and nothing else is one")
    func positions() throws {
        let position = ArchivePosition(
            created: "2026-01-01T00:00:00Z", generation: 2, next: 9, deletions: 3, updates: 1)
        #expect(ArchivePosition(position.text) == position)
        for text in ["", "a/b", "x/1/0/0/0", "x/1/2/-1/0", "x/1/2/3/4/5", "x/1/2/3/"] {
            #expect(ArchivePosition(text) == nil, "\(text)")
        }
    }

    @Test("The newest snapshot of a folder is found, and what is no snapshot is passed over")
    func snapshotFolder() throws {
        let scratch = try Scratch()
        let (leader, copy) = try pair(scratch, 3)
        defer {
            leader.close()
            copy.close()
        }
        let folder = scratch.path + "/snapshots"
        #expect(FoundSnapshot.newest(in: folder) == nil)
        try scratch.write("snapshots/broken/snapshot.json", "{")
        #expect(FoundSnapshot.newest(in: folder) == nil)
        try FileManager.default.moveItem(atPath: scratch.path + "/snapshot", toPath: folder + "/a")
        let found = try #require(FoundSnapshot.newest(in: folder))
        #expect(found.path == folder + "/a" && found == FoundSnapshot.newest(in: folder + "/a"))
    }
}
