import Foundation
import HilumCore
import HilumWords
import LMDB
import Testing

@testable import HilumArchive

/// Damage in the table `words` of an archive: an error or the right answer, and never another one.
@Suite struct WordsDamageTests {
    /// Hits, or nil where the question was refused as damaged.
    private typealias Answers = [[String]?]

    private static let questions = [
        "effusion", "left nodule", "no pneumothorax", "rib", "marker7", "\"left right\"", "op*", "-effusion heart",
    ]

    private static func reports() -> [CaseInput] {
        (0..<150).map { CaseInput(id: "case-\($0)", report: makeReport($0) + " marker\($0) No pneumothorax.") }
    }

    /// An archive of several segments, closed, and a copy of it that stays whole.
    private func makeClosed(_ scratch: Scratch) throws {
        let archive = try scratch.makeArchive()
        for start in stride(from: 0, to: 150, by: 10) { try archive.put(Array(Self.reports()[start..<(start + 10)])) }
        archive.close()
        try FileManager.default.copyItem(atPath: scratch.archive, toPath: scratch.path + "/whole")
    }

    private func restore(_ scratch: Scratch) throws {
        try FileManager.default.removeItem(atPath: scratch.archive)
        try FileManager.default.copyItem(atPath: scratch.path + "/whole", toPath: scratch.archive)
    }

    private func answers(_ scratch: Scratch) throws -> Answers {
        let archive = try Archive(path: scratch.archive, mode: .readOnly, embedder: FakeEmbedder())
        defer { archive.close() }
        return try Self.questions.map { text in
            var request = SearchRequest(.text(text))
            request.mode = .words
            do { return try archive.search(request).hits.map(\.id) } catch let error as ArchiveError {
                #expect(error.code == .damaged && !error.reason.isEmpty)
                return nil
            }
        }
    }

    /// Changes the store of the closed archive.
    private func change(_ scratch: Scratch, _ body: (Store, borrowing WriteTransaction) throws -> Void) throws {
        let store = try Store(path: scratch.archive, mode: .readWrite, mapSizeInBytes: 64 << 20)
        try store.environment.write { try body(store, $0) }
        store.environment.close()
    }

    private struct Entry {
        let key: [UInt8]
        /// With its checksum.
        let value: [UInt8]
        var payload: [UInt8] { Array(value[Seal.byteCount...]) }
    }

    /// The blocks, and the head.
    private func entries(_ scratch: Scratch) throws -> (blocks: [Entry], head: Entry) {
        let store = try Store(path: scratch.archive, mode: .readOnly, mapSizeInBytes: 64 << 20)
        defer { store.environment.close() }
        var blocks: [Entry] = []
        var head: Entry?
        try store.environment.read { transaction in
            try transaction.forEach(store.table(.words)) { key, value in
                blocks.append(Entry(key: [UInt8](key), value: [UInt8](value)))
                return true
            }
            try transaction.forEach(store.table(.meta)) { key, value in
                if key.elementsEqual("words".utf8) { head = Entry(key: [UInt8](key), value: [UInt8](value)) }
                return true
            }
        }
        return (blocks, try #require(head))
    }

    private func findings(_ scratch: Scratch) throws -> [String] {
        try Archive.check(at: scratch.archive, deep: true).findings
    }

    @Test("A flipped bit in a block or in the head is refused where a question meets it, and found by a check")
    func flippedBits() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let right = try answers(scratch)
        let (blocks, head) = try entries(scratch)
        #expect(right.count { $0?.isEmpty == false } > 4 && blocks.count > 2)
        var generator = SeededGenerator(seed: 5)
        var refused = 0
        for round in 0..<40 {
            let isHead = round % 5 == 0
            let entry = isHead ? head : generator.pick(blocks)
            try change(scratch) { store, transaction in
                var value = entry.value
                value[generator.integer(below: value.count)] ^= 1 << UInt8(round % 8)
                try transaction.put(store.table(isHead ? .meta : .words), entry.key, value)
            }
            for (given, wanted) in zip(try answers(scratch), right) {
                #expect(given == nil || given == wanted)
                refused += given == nil ? 1 : 0
            }
            #expect(try !findings(scratch).isEmpty)
            try restore(scratch)
        }
        #expect(refused > 60)
        #expect(try findings(scratch).isEmpty)
    }

    @Test("A block that is missing or cut off, with a checksum that is right, is refused by every question")
    func missingBlocks() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let blocks = try entries(scratch).blocks
        for (round, block) in blocks.enumerated() {
            for cut in [nil, 1, block.payload.count / 2] as [Int?] {
                try change(scratch) { store, transaction in
                    if let cut {
                        try store.put(transaction, .words, block.key, Array(block.payload.dropLast(cut)))
                    } else {
                        try transaction.delete(store.table(.words), block.key)
                    }
                }
                #expect(try answers(scratch).allSatisfy { $0 == nil }, "block \(round)")
                #expect(try findings(scratch).contains { $0.contains("the table of words") })
                // A merge would make the loss good for ever.
                let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
                let error = #expect(throws: ArchiveError.self) {
                    for number in 0..<10 { try archive.put([CaseInput(id: "new-\(number)", report: "Left effusion.")]) }
                }
                #expect(error?.code == .damaged)
                archive.close()
                try restore(scratch)
            }
        }
    }

    @Test("A head that is missing, cut off or of another commit is refused or found")
    func damagedHead() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let head = try entries(scratch).head
        for cut in [nil, 1, 4, head.payload.count - 8, head.payload.count - 3] as [Int?] {
            try change(scratch) { store, transaction in
                if let cut {
                    try store.put(transaction, .meta, head.key, Array(head.payload.dropLast(cut)))
                } else {
                    try transaction.delete(store.table(.meta), head.key)
                }
            }
            #expect(try answers(scratch).allSatisfy { $0 == nil })
            #expect(try findings(scratch).contains { $0.contains("the table of words") })
            try restore(scratch)
        }
        // The head before the last commit.
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        try archive.put([CaseInput(id: "new", report: "Left effusion.")])
        archive.close()
        try change(scratch) { store, transaction in
            try store.put(transaction, .meta, head.key, head.payload)
        }
        // It names segments that were merged since.
        #expect(try findings(scratch).contains { $0.contains("a segment lacks a block") })
        #expect(try answers(scratch).allSatisfy { $0 == nil })
    }

    @Test("A block of no segment is found by a check and changes no answer")
    func strayBlock() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let right = try answers(scratch)
        let block = try #require(try entries(scratch).blocks.first)
        try change(scratch) { store, transaction in
            try store.put(transaction, .words, [0, 0, 200, 0] + block.key.dropFirst(4), block.payload)
        }
        #expect(try answers(scratch) == right)
        #expect(try findings(scratch) == ["1 blocks of the table of words belong to no segment"])
    }

    @Test("The words of deleted reports do not stay: a segment is written anew when less than half of it is left")
    func deletedWords() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try archive.put((0..<60).map { CaseInput(id: "case-\($0)", report: "Left effusion. Secret\($0) text.") })
        try archive.put((60..<64).map { CaseInput(id: "case-\($0)", image: .bytes(try makePNG($0))) })
        func counts() throws -> (documents: Int, blocks: Int) {
            try archive.store.environment.read { transaction in
                let table = WordTable(store: archive.store)
                return (
                    try table.head(transaction, nextNumber: 1).words.segments.reduce(0) { $0 + $1.documentCount },
                    try transaction.count(archive.store.table(.words))
                )
            }
        }
        for number in 0..<60 {
            #expect(try archive.delete(id: "case-\(number)"))
            #expect(try counts().documents <= 2 * (59 - number))
            if number % 10 == 0 { #expect(try archive.check(deep: true).findings == []) }
        }
        #expect(try counts() == (0, 0))
        #expect(try archive.search(SearchRequest(.text("secret3"))).hits.allSatisfy { $0.record.hasImage })
        // Replaced ones go too.
        for round in 0..<20 {
            try archive.put((0..<5).map { CaseInput(id: "r-\($0)", report: "Right nodule round\(round)x.") })
            #expect(try counts().documents <= 10)
        }
        #expect(try archive.search(SearchRequest(.text("round3x"))).unknown == ["round3x"])
        #expect(try archive.check(deep: true).findings == [])
    }
}
