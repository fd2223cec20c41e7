import Foundation
import HilumCore
import Synchronization
import Testing

@testable import HilumArchive

@Suite struct ArchiveSearchTests {
    @Test func recallHoldsAfterBuildInsertDeleteAndReopen() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive()
        try store(archive, 0..<900)
        #expect(try recall(archive) >= 0.95)
        try store(archive, 900..<1200)
        #expect(try recall(archive) >= 0.95)
        for index in stride(from: 0, to: 1200, by: 4) { #expect(try archive.delete(id: "case-\(index)")) }
        #expect(try recall(archive) >= 0.95)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.stats().changesSinceCheckpoint == 0)
        #expect(try recall(archive) >= 0.95)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(arguments: ["lost", "damaged", "old"])
    func aCheckpointThatIsLostDamagedOrOldCostsTimeAndNoData(kind: String) throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive()
        try store(archive, 0..<200)
        try archive.writeCheckpoint()
        if kind == "old" {
            // What a killed process leaves: cases, deletions and new versions above the checkpoint.
            try store(archive, 200..<300)
            for index in 0..<50 { #expect(try archive.delete(id: "case-\(index)")) }
            try archive.put((60..<70).map { CaseInput(id: "case-\($0)", report: "replaced \($0)") })
            archive.progress.withLock { $0.changesSinceCheckpoint = 0 }
        } else {
            let environment = archive.store.environment
            let graphs = archive.store.table(.graphs)
            try environment.write { transaction in
                if kind == "lost" {
                    try transaction.deleteAll(graphs)
                } else {
                    var keys: [UInt64] = []
                    try transaction.forEach(graphs) { key, _ in
                        keys.append(UInt64(keyBytes: key) ?? 0)
                        return true
                    }
                    for key in keys { try archive.store.put(transaction, .graphs, key, [1, 2, 3]) }
                }
            }
        }
        let count = try archive.count()
        archive.close()
        archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        #expect(try archive.count() == count)
        #expect(try archive.check(deep: true).findings == [])
        #expect(try recall(archive, queries: 30) >= 0.95)
    }

    @Test func aTextFindsItsReportAndAnImageItself() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<120)
        var request = SearchRequest(.text(makeReport(47)))
        request.mode = .vector
        let text = try archive.search(request)
        #expect(text.hits.first?.id == "case-47" && text.hits.first?.via == .report)
        #expect((text.hits.first?.score ?? 0) > 0.9999)
        #expect(text.hits.map(\.rank) == Array(1...10))
        #expect(zip(text.hits, text.hits.dropFirst()).allSatisfy { $0.score >= $1.score })
        let image = try archive.search(SearchRequest(.image(try makePNG(49))))
        #expect(image.hits.first?.id == "case-49" && image.hits.first?.via == .image)
        #expect(text.visited > 0 && text.ef == 128 && text.generation == 1 && !text.isShortOfFilter)
    }

    @Test func anIDFindsItselfUnlessLeftOut() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        var request = SearchRequest(.id("case-3"))
        #expect(try archive.search(request).hits.first?.id == "case-3")
        request.includesSelf = false
        request.k = 60
        let hits = try archive.search(request).hits
        #expect(hits.count == 59 && !hits.contains { $0.id == "case-3" })
        let missing = #expect(throws: ArchiveError.self) { try archive.search(SearchRequest(.id("none"))) }
        #expect(missing?.code == .notFound)
    }

    @Test func targetsRestrictWhatIsSearchedAndACaseIsFoundOnce() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<90)
        for target in SearchTarget.allCases {
            var request = SearchRequest(.text(makeReport(5)))
            request.target = target
            request.k = 100
            let hits = try archive.search(request).hits
            #expect(Set(hits.map(\.id)).count == hits.count)
            #expect(hits.count == (target == .case ? 90 : 60))
            if target != .case { #expect(hits.allSatisfy { $0.via.rawValue == target.rawValue }) }
        }
    }

    @Test func aSearchForCasesIsTheBestOfBothExactly() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<200)
        for seed in 0..<20 {
            var generator = SeededGenerator(seed: 5, keys: UInt64(seed))
            let query = (0..<32).map { _ in Float(generator.normal()) }
            let length = query.reduce(0) { $0 + $1 * $1 }.squareRoot()
            var scores: [String: Float] = [:]
            for kind in VectorKind.allCases {
                try archive.forEachVector(kind) { id, vector in
                    let score = zip(query, vector).reduce(0) { $0 + $1.0 * $1.1 } / length
                    scores[id] = max(scores[id] ?? -2, score)
                    return true
                }
            }
            var request = SearchRequest(.vector(query))
            request.isExact = true
            let hits = try archive.search(request).hits
            let best = scores.values.sorted(by: >).prefix(10)
            for (hit, score) in zip(hits, best) { #expect(abs(hit.score - score) < 1e-5) }
        }
    }

    @Test func weightsMixTheQuestion() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        let a = SearchRequest.Part(.id("case-3"), weight: 1)
        var b = SearchRequest.Part(.id("case-9"), weight: 0.001)
        #expect(try archive.search(SearchRequest([a, b])).hits.first?.id == "case-3")
        b.weight = 1000
        #expect(try archive.search(SearchRequest([a, b])).hits.first?.id == "case-9")
        let opposite = SearchRequest.Part(.id("case-3"), weight: -1)
        let error = #expect(throws: ArchiveError.self) { try archive.search(SearchRequest([a, opposite])) }
        #expect(error?.code == .badVector)
    }

    @Test func filtersSelectByEqualityListRangeAndNegation() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<120)
        let inputs = try makeInputs(0..<120)
        func expect(_ text: String, _ matches: (CaseInput) throws -> Bool) throws {
            let filter = try Filter(parsing: text)
            let wanted = try Set(inputs.filter(matches).map(\.id))
            #expect(try archive.count(filter) == wanted.count, "\(text)")
            var request = SearchRequest(.text("effusion"))
            request.filter = filter
            request.k = 200
            let response = try archive.search(request)
            #expect(Set(response.hits.map(\.id)) == wanted, "\(text)")
            #expect(response.isShortOfFilter)
        }
        try expect("view=PA") { $0.fields.view == "PA" }
        try expect("view!=PA") { $0.fields.view != "PA" }
        try expect("view=PA,AP") { _ in true }
        try expect("view=PA site=A") { $0.fields.view == "PA" && $0.fields.site == "A" }
        try expect("finding=effusion") { try has($0, "effusion") }
        try expect("findings=edema,nodule") {
            try has($0, "edema") || has($0, "nodule")
        }
        try expect("finding!=effusion") { try !has($0, "effusion") }
        try expect("age=30..39") { (30...39).contains(Int($0.fields.metadata["age"] ?? "") ?? 0) }
        try expect("age=..25") { (Int($0.fields.metadata["age"] ?? "") ?? 0) <= 25 }
        try expect("age=9..100") { _ in true }
        try expect("date=2020-03-01..2020-04-30") { ("2020-03-01"..."2020-04-30").contains($0.fields.date ?? "") }
        try expect("date=2020-11-01..") { ($0.fields.date ?? "") >= "2020-11-01" }
        try expect("id=case-7,case-8") { $0.id == "case-7" || $0.id == "case-8" }
        try expect("id!=case-7") { $0.id != "case-7" }
        try expect("id=case-10..case-12") { ("case-10"..."case-12").contains($0.id) }
        try expect("patient=p3") { $0.fields.patient == "p3" }
        try expect("id=nobody") { _ in false }
        try expect("id!=nobody") { _ in true }
        try expect("view=\"PA\"") { $0.fields.view == "PA" }
    }

    @Test(arguments: ["view", "=PA", "a b=c=", "view=\"PA", "!=x"])
    func aFilterThatMakesNoSenseIsRefused(text: String) throws {
        if text == "a b=c=" {
            #expect(throws: ArchiveError.self) { try Filter(parsing: text) }
        } else {
            let error = #expect(throws: ArchiveError.self) { try Filter(parsing: text) }
            #expect(error?.code == .badRequest)
        }
    }

    @Test func aFilteredSearchGivesAsManyAsMatch() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<600)
        for text in ["patient=p3", "site=A", "view=PA", "finding=nodule site=A"] {
            var request = SearchRequest(.text(makeReport(1)))
            request.filter = try Filter(parsing: text)
            request.target = .report
            let response = try archive.search(request)
            request.isExact = true
            let exact = try archive.search(request)
            #expect(response.hits.count == exact.hits.count)
            #expect(response.isShortOfFilter == (exact.hits.count < 10))
        }
    }

    @Test func requestsThatMakeNoSenseAreRefused() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<5)
        func code(_ request: SearchRequest) -> ArchiveError.Code? {
            do {
                _ = try archive.search(request)
                return nil
            } catch { return (error as? ArchiveError)?.code }
        }
        #expect(code(SearchRequest([])) == .badRequest)
        #expect(code(SearchRequest(.text("  "))) == .badRequest)
        #expect(code(SearchRequest(.image([1, 2, 3]))) == .badImage)
        #expect(code(SearchRequest(.vector([1, 2]))) == .badVector)
        #expect(code(SearchRequest(.vector([Float](repeating: 0, count: 32)))) == .badVector)
        #expect(code(SearchRequest(.vector([Float](repeating: .nan, count: 32)))) == .badVector)
        var request = SearchRequest(.text("a"))
        for k in [0, -1, ArchiveLimits.hitCount + 1] {
            request.k = k
            #expect(code(request) == .limit)
        }
        request.k = 3
        request.minScore = 2
        #expect(try archive.search(request).hits.isEmpty)
        request.minScore = nil
        request.includesReports = true
        #expect(try archive.search(request).hits.allSatisfy { $0.record.hasReport == ($0.record.report != nil) })
    }

    @Test func searchesRunWhileCasesArePutAndDeleted() throws {
        let scratch = try Scratch()
        var options = Archive.Options()
        options.changesBetweenCheckpoints = 100
        let archive = try scratch.makeArchive(options: options)
        try store(archive, 0..<100)
        let isDone = AtomicFlag()
        let failures = Mutex<[String]>([])
        let group = DispatchGroup()
        for thread in 0..<3 {
            DispatchQueue.global().async(group: group) {
                var count = 0
                while !isDone.isRaised || count == 0 {
                    count += 1
                    do {
                        var request = SearchRequest(.text(makeReport(count % 100)))
                        request.target = thread == 0 ? .report : .case
                        if thread == 2 { request.filter = Filter([.init(key: "view", values: [.equal("PA")])]) }
                        let response = try archive.search(request)
                        if response.hits.count != 10 { failures.withLock { $0.append("\(response.hits.count) hits") } }
                    } catch { failures.withLock { $0.append("\(error)") } }
                }
            }
        }
        for round in 1..<8 {
            try store(archive, (round * 100)..<(round * 100 + 100))
            for index in 0..<30 { #expect(try archive.delete(id: "case-\(round * 100 + index)")) }
        }
        isDone.raise()
        group.wait()
        #expect(failures.withLock { $0 } == [])
        #expect(try archive.check(deep: true).findings == [])
    }
}
