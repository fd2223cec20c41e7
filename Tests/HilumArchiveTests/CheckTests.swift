import Foundation
import HilumCore
import Testing

@testable import HilumArchive

@Suite struct CheckTests {
    /// A closed archive of 120 cases, with deletions and links on disk.
    private func makeClosed(_ scratch: Scratch) throws {
        var options = Archive.Options()
        // On codes, with everything that a large archive keeps in its checkpoint.
        options.vectorsForCodes = 50
        let archive = try scratch.makeArchive(options: options)
        try store(archive, 0..<120)
        for index in 0..<20 { _ = try archive.delete(id: "case-\(index * 5)") }
        archive.close()
    }

    private func data(_ scratch: Scratch) -> String { scratch.archive + "/data.mdb" }

    @Test func aSoundArchiveIsClean() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        #expect(try Archive.verifyPages(scratch.archive).isClean)
        for deep in [false, true] {
            let report = try Archive.check(at: scratch.archive, deep: deep)
            #expect(report.findings == [])
            #expect(report.cases == 100 && report.vectors > 100)
        }
        let missing = #expect(throws: ArchiveError.self) { try Archive.check(at: scratch.path + "/none", deep: false) }
        #expect(missing?.code == .notFound)
    }

    /// Hits of some searches and the counts of some filters.
    private func answers(_ archive: Archive) throws -> [String] {
        var answers: [String] = []
        for seed in 0..<4 {
            var generator = SeededGenerator(seed: 17, keys: UInt64(seed))
            var request = SearchRequest(.vector((0..<32).map { _ in Float(generator.normal()) }))
            request.filter = try Filter(parsing: ["", "view=PA", "site=B", "finding=edema"][seed])
            request.k = 5
            answers += try archive.search(request).hits.map(\.id)
            answers.append("\(try archive.count(request.filter))")
        }
        return answers
    }

    @Test(arguments: 1...4)
    func damageIsFoundOrHarmlessAndNeverAWrongAnswer(seed: UInt64) throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let sound = try FileIO.read(data(scratch))
        var records: [String: CaseRecord] = [:]
        let archive = try Archive(path: scratch.archive, mode: .readOnly)
        try archive.forEachCase(withReports: true) { record in
            records[record.id] = record
            return true
        }
        let sound10 = try answers(archive)
        archive.close()
        var generator = SeededGenerator(seed: seed)
        var found = 0
        for _ in 0..<50 {
            var bytes = sound
            let kind = generator.integer(below: 3)
            let place = generator.integer(below: bytes.count)
            if kind == 0 {
                bytes[place] ^= UInt8(1 << generator.integer(below: 8))
            } else if kind == 1 {
                for byte in place..<min(place + 64, bytes.count) { bytes[byte] = UInt8(generator.integer(below: 256)) }
            } else {
                bytes.removeLast(bytes.count - place)
            }
            try Data(bytes).write(to: URL(fileURLWithPath: data(scratch)))
            let report = try Archive.check(at: scratch.archive, deep: true)
            if !report.isClean { found += 1 }
            do {
                let damaged = try Archive(path: scratch.archive, mode: .readOnly)
                defer { damaged.close() }
                do { #expect(try answers(damaged) == sound10) } catch let error as ArchiveError {
                    #expect(error.code == .damaged && !report.isClean)
                }
                for (id, record) in records {
                    do { #expect(try damaged.get(id: id) == record) } catch let error as ArchiveError {
                        #expect(error.code == .damaged && !report.isClean)
                    }
                }
            } catch let error as ArchiveError {
                #expect(error.code == .damaged && !report.isClean)
            }
        }
        #expect(found >= 15)
    }

    @Test func eachKindOfContradictionIsFound() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<30)
        let store = archive.store
        let victim = try #require(try archive.get(id: "case-12")).number
        let other = try #require(try archive.get(id: "case-18")).number
        func findings(_ damage: (Store) throws -> Void, undo: (Store) throws -> Void) throws -> [String] {
            try damage(store)
            let found = try archive.check(deep: false).findings
            try undo(store)
            #expect(try archive.check(deep: true).findings == [])
            return found
        }
        let vector = try #require(try archive.vectors(id: "case-12")?[.report])
        let report = try #require(try archive.get(id: "case-12")?.report)
        // An id that leads to another case.
        #expect(
            try findings(
                { store in
                    try store.environment.write { transaction in
                        try withUnsafeBytes(of: other.littleEndian) { try store.put(transaction, .ids, "case-12", $0) }
                    }
                },
                undo: { store in
                    try store.environment.write { transaction in
                        try withUnsafeBytes(of: victim.littleEndian) { try store.put(transaction, .ids, "case-12", $0) }
                    }
                }
            ).contains("case \(victim): its id does not lead to it"))
        // A report that is gone.
        #expect(
            try findings(
                { store in
                    try store.environment.write { _ = try $0.delete(store.table(.reports), UInt64(victim)) }
                },
                undo: { store in
                    try store.environment.write { try store.put($0, .reports, UInt64(victim), Array(report.utf8)) }
                }
            ).contains("case \(victim): its report is missing"))
        // A vector that is gone, and one that is not of length 1.
        for scale in [nil, 2] as [Float?] {
            let found = try findings(
                { store in
                    try store.environment.write { transaction in
                        if let scale {
                            try vector.map { $0 * scale }.withUnsafeBytes {
                                try store.put(transaction, .reportVectors, UInt64(victim) << 16, $0)
                            }
                        } else {
                            try store.deleteVector(
                                transaction, .report, VectorKey(generation: 1, item: victim), dimension: 32)
                        }
                    }
                },
                undo: { store in
                    try store.environment.write { transaction in
                        try vector.withUnsafeBytes {
                            try store.put(transaction, .reportVectors, UInt64(victim) << 16, $0)
                        }
                    }
                })
            #expect(found.contains { $0.contains("case \(victim): its report vector is") })
        }
        // A vector without a case.
        #expect(
            try findings(
                { store in
                    try store.environment.write {
                        try store.putVector($0, .image, VectorKey(generation: 1, item: 5000), vector)
                    }
                },
                undo: { store in
                    try store.environment.write {
                        try store.deleteVector($0, .image, VectorKey(generation: 1, item: 5000), dimension: 32)
                    }
                }
            ).contains("case 5000: an image vector without a case"))
    }

    @Test func aGraphThatLacksACaseIsFound() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<30)
        let number = try #require(try archive.get(id: "case-12")).number
        archive.graphs?.report.index.remove(item: number)
        let findings = try archive.check(deep: true).findings
        #expect(findings.contains("report graph: case \(number) is missing"))
    }

    @Test("What searches find is a figure: a deep check counts the vectors that their own search finds")
    func whatSearchesFindIsAFigure() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        #expect(try Archive.check(at: scratch.archive, deep: false).graphs == [])
        let report = try Archive.check(at: scratch.archive, deep: true)
        #expect(report.isClean && report.graphs.map(\.kind) == ["image", "report"])
        #expect(report.graphs.reduce(0) { $0 + $1.vectors } == report.vectors)
        for graph in report.graphs {
            #expect(graph.vectors > 0 && graph.found == graph.vectors && graph.foundShare == 1)
            #expect(graph.neighbours > 0 && graph.recall >= 0.9 && graph.recall <= 1)
        }
        var missing = GraphFigures(kind: "image")
        #expect(missing.foundShare == 1 && missing.recall == 1)
        missing.vectors = 200
        missing.found = 183
        var other = report
        other.graphs[0] = missing
        #expect(other.isClean && missing.foundShare == 0.915)
        other.findings = ["first", "second"]
        other.notes = ["a note"]
        #expect(try CheckReport(parsing: other.json.text.utf8) == other)
    }

    @Test func aKeptImageThatIsGoneOrChangedIsFound() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<3)
        let path = try #require(try archive.get(id: "case-0")?.imagePath)
        try Data([1, 2]).write(to: URL(fileURLWithPath: path))
        #expect(try archive.check(deep: false).isClean)
        #expect(try !archive.check(deep: true).isClean)
        try FileManager.default.removeItem(atPath: path)
        #expect(try !archive.check(deep: false).isClean)
    }
}
