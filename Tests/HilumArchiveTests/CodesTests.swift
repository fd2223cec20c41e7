import HilumCore
import HilumIndex
import Synchronization
import Testing

@testable import HilumArchive

/// Archives whose graphs are walked on codes of 8 bits, while the vectors in the store decide.
@Suite struct CodesTests {
    private func open(_ scratch: Scratch, vectorsForCodes: Int, mode: Archive.Mode = .readWrite) throws -> Archive {
        var options = Archive.Options()
        options.vectorsForCodes = vectorsForCodes
        return try Archive(path: scratch.archive, mode: mode, embedder: FakeEmbedder(), options: options)
    }

    /// A closed archive of `count` cases.
    private func makeClosed(_ scratch: Scratch, count: Int = 120, vectorsForCodes: Int = 50) throws {
        var options = Archive.Options()
        options.vectorsForCodes = vectorsForCodes
        let archive = try scratch.makeArchive(options: options)
        try store(archive, 0..<count)
        #expect(precisions(archive) == [.f32, .f32], "the first checkpoint fits codes")
        archive.close()
    }

    private func precisions(_ archive: Archive) -> [CodePrecision?] {
        VectorKind.allCases.map { archive.graphs?[$0].index.precision }
    }

    private func randomVector(_ key: Int) -> [Float] {
        var generator = SeededGenerator(seed: 5, keys: UInt64(key))
        return (0..<32).map { _ in Float(generator.normal()) }
    }

    /// Questions of every kind and for every target, answered. Of an approximate answer only the first half, for the
    /// rounding of codes may decide what comes last.
    private func answers(_ archive: Archive, isExact: Bool = false) throws -> [[Hit]] {
        var hits: [[Hit]] = []
        for target in SearchTarget.allCases {
            for index in 0..<8 {
                for query in [
                    Query.text(makeReport(7 * index + 1)), .image(try makePNG(1_000 + index)),
                    .vector(randomVector(index)),
                ] {
                    var request = SearchRequest(query)
                    request.target = target
                    request.isExact = isExact
                    request.k = 20
                    let response = try archive.search(request)
                    #expect(response.isExact == isExact && response.hits.count == 20)
                    #expect(response.hits.map(\.rank) == Array(1...20))
                    hits.append(Array(response.hits.prefix(isExact ? 20 : 10)))
                }
            }
        }
        return hits
    }

    private func expectSame(_ left: [[Hit]], _ right: [[Hit]]) {
        #expect(left.count == right.count)
        for (some, others) in zip(left, right) {
            // Floats round the last digit in another way, so what is equal but for it is in no order.
            #expect(Set(some.map(\.id)) == Set(others.map(\.id)))
            #expect(zip(some, others).allSatisfy { abs($0.score - $1.score) <= 1e-6 })
        }
    }

    /// An exact search gives the best scores there are, and the score of each hit is its own.
    private func expectPlainAnswers(_ archive: Archive) throws {
        for key in 0..<12 {
            let query = randomVector(key).map { Double($0) }
            let length = query.reduce(0) { $0 + $1 * $1 }.squareRoot()
            var scores: [String: Double] = [:]
            for kind in VectorKind.allCases {
                try archive.forEachVector(kind) { id, vector in
                    var product = 0.0
                    for (left, right) in zip(query, vector) { product += left * Double(right) }
                    scores[id] = max(scores[id] ?? -2, product / length)
                    return true
                }
            }
            var request = SearchRequest(.vector(randomVector(key)))
            request.isExact = true
            let hits = try archive.search(request).hits
            #expect(hits.count == 10 && Set(hits.map(\.id)).count == 10)
            for (hit, best) in zip(hits, scores.values.sorted(by: >)) {
                #expect(abs(Double(hit.score) - best) <= 1e-6)
                #expect(abs(Double(hit.score) - (scores[hit.id] ?? -2)) <= 1e-6)
            }
        }
    }

    @Test func answersOnCodesAreThoseOnFloats() throws {
        let (plain, scratch) = (try Scratch(), try Scratch())
        try makeClosed(plain, vectorsForCodes: .max)
        try makeClosed(scratch)
        let floats = try open(plain, vectorsForCodes: .max)
        #expect(precisions(floats) == [.f32, .f32])
        let (expected, exact) = (try answers(floats), try answers(floats, isExact: true))
        floats.close()
        for mode in [Archive.Mode.readWrite, .readOnly] {
            let archive = try open(scratch, vectorsForCodes: 50, mode: mode)
            #expect(precisions(archive) == [.i8, .i8])
            // The links were made on floats, and closing made codes of them; nothing is linked again.
            #expect(try archive.stats().changesSinceCheckpoint == 0)
            #expect(archive.graphs?.image.index.restoration.goneItemCount == 0)
            expectSame(try answers(archive), expected)
            expectSame(try answers(archive, isExact: true), exact)
            try expectPlainAnswers(archive)
            #expect(try archive.check(deep: true).findings == [])
            archive.close()
        }
    }

    @Test func aStoredCaseFindsItselfWithAScoreOfOne() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let archive = try open(scratch, vectorsForCodes: 50)
        for index in [1, 2, 3, 59, 118] {
            let hit = try #require(try archive.search(SearchRequest(.id("case-\(index)"))).hits.first)
            #expect(hit.id == "case-\(index)" && abs(hit.score - 1) <= 1e-6)
        }
        var request = SearchRequest(.id("case-3"))
        request.includesSelf = false
        request.k = 120
        let hits = try archive.search(request).hits
        #expect(hits.count == 119 && !hits.contains { $0.id == "case-3" })
        #expect(zip(hits, hits.dropFirst()).allSatisfy { $0.score >= $1.score })
    }

    @Test func casesComeAndGoOnCodes() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        var archive = try open(scratch, vectorsForCodes: 50)
        for index in stride(from: 0, to: 120, by: 6) { #expect(try archive.delete(id: "case-\(index)")) }
        try store(archive, 120..<150)
        try archive.put([CaseInput(id: "case-7", report: "replaced by a rare finding")])
        #expect(precisions(archive) == [.i8, .i8])
        #expect(try archive.count() == 130)
        func expectChanges() throws {
            #expect(try archive.check(deep: true).findings == [])
            try expectPlainAnswers(archive)
            let replaced = try archive.search(SearchRequest(.text("replaced by a rare finding"))).hits
            #expect(replaced.first?.id == "case-7" && replaced.first?.via == .report)
            var request = SearchRequest(.text(makeReport(149)))
            request.k = 200
            let hits = try archive.search(request).hits
            #expect(hits.first?.id == "case-149" && hits.count == 130)
            #expect(!hits.contains { $0.id == "case-6" || $0.id == "case-114" })
        }
        try expectChanges()
        archive.close()

        archive = try open(scratch, vectorsForCodes: 50)
        #expect(precisions(archive) == [.i8, .i8])
        #expect(try archive.stats().changesSinceCheckpoint == 0)
        try expectChanges()
        let onCodes = try answers(archive)
        archive.close()

        archive = try open(scratch, vectorsForCodes: .max, mode: .readOnly)
        #expect(precisions(archive) == [.i8, .i8], "what is in codes stays in codes")
        try expectChanges()
        expectSame(onCodes, try answers(archive))
    }

    @Test func whatIsAboveTheCheckpointIsLinkedOnCodes() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        var archive = try open(scratch, vectorsForCodes: 50)
        // What a killed process leaves.
        for index in 0..<10 { #expect(try archive.delete(id: "case-\(index)")) }
        try store(archive, 120..<140)
        archive.progress.withLock { $0.changesSinceCheckpoint = 0 }
        archive.close()
        archive = try open(scratch, vectorsForCodes: 50)
        #expect(precisions(archive) == [.i8, .i8])
        #expect(try archive.count() == 130)
        #expect(try archive.graphs?.image.index.count == archive.stats().images)
        #expect(try archive.check(deep: true).findings == [])
        try expectPlainAnswers(archive)
    }

    @Test func anArchiveThatShrinksStaysOnCodesAndAnswersTheSame() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        var archive = try open(scratch, vectorsForCodes: 50)
        for index in 0..<60 { #expect(try archive.delete(id: "case-\(index)")) }
        try expectPlainAnswers(archive)
        let before = try answers(archive)
        archive.close()
        archive = try open(scratch, vectorsForCodes: 50)
        #expect(precisions(archive) == [.i8, .i8])
        #expect(try archive.stats().changesSinceCheckpoint == 0)
        expectSame(before, try answers(archive))
        try expectPlainAnswers(archive)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test func filtersGiveKHitsWhileKMatch() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let archive = try open(scratch, vectorsForCodes: 50)
        let inputs = try makeInputs(0..<120)
        func expect(_ text: String, _ matches: (CaseInput) throws -> Bool) throws {
            let wanted = try Set(inputs.filter(matches).map(\.id))
            for k in [1, 10, 200] {
                var request = SearchRequest(.text(makeReport(1)))
                request.filter = try Filter(parsing: text)
                request.k = k
                let response = try archive.search(request)
                #expect(response.hits.count == min(k, wanted.count), "\(text), k \(k)")
                #expect(response.hits.allSatisfy { wanted.contains($0.id) }, "\(text), k \(k)")
                #expect(response.isShortOfFilter == (wanted.count < k))
                request.isExact = true
                let exact = try archive.search(request).hits
                #expect(exact.count == min(k, wanted.count), "\(text), k \(k)")
            }
        }
        try expect("view=PA") { $0.fields.view == "PA" }
        try expect("site=A") { $0.fields.site == "A" }
        try expect("view=PA site=A") { $0.fields.view == "PA" && $0.fields.site == "A" }
        try expect("finding=nodule") { try has($0, "nodule") }
        try expect("patient=p3") { $0.fields.patient == "p3" }
        try expect("id!=case-7") { $0.id != "case-7" }
        try expect("id=nobody") { _ in false }
    }
}
