import Foundation
import HilumCore
import HilumIndex
import Testing

@testable import HilumArchive

/// A unit vector that depends on its keys alone.
private func makeVector(_ seed: UInt64, _ key: Int, dimension: Int = 32) -> [Float] {
    var generator = SeededGenerator(seed: seed, keys: UInt64(key))
    let vector = (0..<dimension).map { _ in Float(generator.normal()) }
    let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return vector.map { $0 / length }
}

/// A sparse graph over `count` random vectors under every `stride`-th number, so that a narrow search misses some.
private func makeIndex(_ count: Int, stride: UInt32 = 1) throws -> HNSWIndex {
    let index = try HNSWIndex(
        dimension: 32, metric: .cosine, parameters: HNSWParameters(m: 4, efConstruction: 32, seed: 3))
    let vectors = (0..<count).flatMap { makeVector(1, $0) }
    try vectors.withUnsafeBufferPointer {
        try index.insertBatch($0, items: (0..<UInt32(count)).map { $0 * stride }, threads: 2)
    }
    return index
}

/// A query measured to its end.
private func measure(_ query: [Float], _ index: HNSWIndex, below end: UInt32) throws -> [Double] {
    var probe = RecallProbe(query, .image)
    while try !probe.scanPiece(of: index, below: end) {}
    return try #require(try probe.recalls(in: index))
}

@Suite struct RecallEstimatorTests {
    @Test func exactAnswersGiveOne() throws {
        let estimator = RecallEstimator()
        let index = try makeIndex(12)
        for query in 0..<200 { estimator.add(try measure(makeVector(2, query), index, below: 12), .image) }
        let estimate = estimator.estimate(.image)
        #expect(estimate.sampleCount == 200 && estimate.figures.count == RecallEstimator.measuredEfs.count)
        #expect(estimate.figures.allSatisfy { abs($0.value - 1) < 1e-9 && $0.high == 1 && $0.low > 0.97 })
        #expect(estimator.ef(for: 0.95, .image).ef == 16)
        #expect(estimator.estimate(.report) == RecallEstimator.Estimate())
        #expect(estimate.recall(atEf: 64) == estimate.figures[2] && estimate.recall(atEf: 65) == nil)
    }

    @Test func aPoorEfGivesLessAndAWideOneIsChosenForMore() throws {
        let estimator = RecallEstimator()
        let index = try makeIndex(6000)
        for query in 0..<60 { estimator.add(try measure(makeVector(2, query), index, below: 6000), .image) }
        let values = estimator.estimate(.image).figures.map(\.value)
        #expect(values[0] < 0.6 && values[5] > values[0] + 0.2)
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 + 0.01 })
        let wanted = (values[2] + values[3]) / 2
        let choice = estimator.ef(for: wanted, .image)
        let ef = try #require(choice.ef)
        #expect(ef > 64 && ef < 128)
        #expect(try #require(choice.expectedRecall) >= wanted)
        // What was promised holds for other queries.
        var found = 0.0
        for query in 1000..<1100 {
            let vector = makeVector(2, query)
            let (some, all) = try index.withQuery(vector) { query throws(IndexError) in
                (try index.search(query, k: 10, ef: ef), try index.exactSearch(query, k: 10))
            }
            found += RecallProbe.recall(of: some.hits.map(\.distance), against: all.hits.map(\.distance)) / 100
        }
        #expect(found > wanted - 0.06)
    }

    @Test("A scan in pieces finds what one scan finds") func pieces() throws {
        let index = try makeIndex(3000, stride: 11)
        for query in 0..<5 {
            let vector = makeVector(2, query)
            var probe = RecallProbe(vector, .report)
            var count = 1
            while try !probe.scanPiece(of: index, below: 33_000) { count += 1 }
            #expect(count == 9)
            let whole = try index.withQuery(vector) { query throws(IndexError) in
                try index.exactSearch(query, k: RecallEstimator.k)
            }
            #expect(probe.nearest.count == 10)
            #expect(zip(probe.nearest, whole.hits).allSatisfy { abs($0 - $1.distance) < 1e-6 })
        }
        var nothing = RecallProbe(makeVector(2, 0), .image)
        let empty = try HNSWIndex(dimension: 32, metric: .cosine)
        #expect(try nothing.scanPiece(of: empty, below: 5))
        #expect(try nothing.recalls(in: empty) == nil)
    }

    @Test("Of equal hits it does not matter which is found") func ties() {
        #expect(RecallProbe.recall(of: [0.1, 0.2, 0.2], against: [0.1, 0.2, 0.2]) == 1)
        #expect(RecallProbe.recall(of: [0.2, 0.2, 0.3, 0.4], against: [0.1, 0.2, 0.2, 0.2]) == 0.5)
        #expect(RecallProbe.recall(of: [0.2, 0.2], against: [0.1, 0.2]) == 1)
        #expect(RecallProbe.recall(of: [], against: [0.1]) == 0)
        #expect(RecallProbe.recall(of: [], against: []) == 1)
    }

    @Test("More recall never asks for less ef", arguments: 1...20)
    func isMonotone(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let estimator = RecallEstimator()
        for sample in 0..<200 {
            // Before there are enough samples, and after.
            if sample == 5 || sample == 31 || sample == 60 || sample == 199 {
                for k in [1, 10, 25] {
                    let choices = (1...1000).map { estimator.ef(for: Double($0) / 1000, k: k, .report) }
                    let efs = choices.map { $0.ef ?? Int.max }
                    #expect(zip(efs, efs.dropFirst()).allSatisfy { $0 <= $1 })
                    #expect(choices.last == RecallEstimator.Choice(ef: nil, expectedRecall: 1))
                    for (wanted, choice) in zip(1...1000, choices) {
                        guard let expected = choice.expectedRecall else { continue }
                        #expect(expected >= Double(wanted) / 1000 - 1e-9)
                    }
                }
            }
            // Not always rising with ef, as samples are.
            estimator.add((0..<6).map { min(1, 0.3 + 0.12 * Double($0) + 0.3 * generator.uniform()) }, .report)
        }
    }

    @Test func untilThereAreEnoughSamplesTheStandardHolds() {
        let estimator = RecallEstimator()
        for _ in 0..<(RecallEstimator.leastSampleCount - 1) {
            estimator.add([Double](repeating: 1, count: 6), .image)
        }
        #expect(estimator.ef(for: 0.5, .image) == RecallEstimator.Choice(ef: 128, expectedRecall: nil))
        #expect(estimator.ef(for: 0.95, k: 20, .image) == RecallEstimator.Choice(ef: 256, expectedRecall: nil))
        #expect(estimator.ef(for: 0.96, .image) == RecallEstimator.Choice(ef: 256, expectedRecall: nil))
        #expect(estimator.expectedRecall(ef: 64, .image) == nil)
        estimator.add([Double](repeating: 1, count: 6), .image)
        #expect(estimator.ef(for: 0.95, .image).ef == 16)
        #expect(estimator.ef(for: 0.95, k: 20, .image).ef == 32)
        // 32 queries cannot tell 0.9999 from 0.999.
        #expect(estimator.ef(for: 0.9999, .image) == RecallEstimator.Choice(ef: nil, expectedRecall: 1))
    }

    @Test func newQueriesCountMost() {
        let estimator = RecallEstimator()
        for _ in 0..<1000 { estimator.add([Double](repeating: 0.5, count: 6), .image) }
        for _ in 0..<3000 { estimator.add([Double](repeating: 1, count: 6), .image) }
        let estimate = estimator.estimate(.image)
        #expect(estimate.sampleCount == 4000 && estimate.figures[0].value > 0.99)
    }

    @Test func ofManyQueriesAFewAreKeptAndAnyMayBe() {
        let estimator = RecallEstimator(seed: 5)
        for number in 0..<10_000 { estimator.note([Float(number)], number % 2 == 0 ? .image : .report) }
        #expect(estimator.estimate(.image).waitingCount == RecallEstimator.waitingLimit)
        var kept: [VectorKind: [Float]] = [:]
        while let probe = estimator.nextProbe() { kept[probe.kind, default: []] += probe.vector }
        for kind in VectorKind.allCases {
            let numbers = kept[kind] ?? []
            #expect(Set(numbers).count == RecallEstimator.waitingLimit)
            // Uniform over all: about half of them from the later half.
            #expect((16...48).contains(numbers.count { $0 >= 5000 }))
        }
        #expect(estimator.estimate(.image).waitingCount == 0)
    }

    @Test func aQueryThatIsPutBackIsGoneOnWith() throws {
        let estimator = RecallEstimator()
        estimator.note([1], .image)
        estimator.note([2], .report)
        let first = try #require(estimator.nextProbe())
        estimator.putBack(first)
        #expect(estimator.estimate(first.kind).waitingCount == 1)
        #expect(estimator.nextProbe()?.vector == first.vector)
        #expect(estimator.nextProbe()?.kind == (first.kind == .image ? .report : .image))
        #expect(estimator.nextProbe() == nil)
    }

    @Test("Wilson's interval is that of the textbook") func interval() {
        let half = Proportion(0.5, of: 100)
        #expect(abs(half.low - 0.4038) < 1e-4 && abs(half.high - 0.5962) < 1e-4)
        #expect(Proportion(0, of: 50).low == 0)
        let all = Proportion(1, of: 50)
        #expect(abs(all.low - 0.9287) < 1e-4 && all.high == 1)
    }
}

@Suite struct ArchiveRecallTests {
    private func finish(_ archive: Archive) throws {
        while try archive.estimateRecall(forSeconds: 0.001) {}
    }

    @Test func anArchiveLearnsFromItsSearches() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        #expect(try !archive.estimateRecall(forSeconds: 1))
        try store(archive, 0..<300)
        var request = SearchRequest(.id("case-3"))
        request.recall = 0.9
        var response = try archive.search(request)
        #expect(response.ef == 128 && response.expectedRecall == nil && !response.isExact)
        for index in 0..<50 { _ = try archive.search(SearchRequest(.text("effusion number \(index)"))) }
        #expect(archive.recall.estimate(.image).waitingCount == 51)
        try finish(archive)
        for kind in VectorKind.allCases {
            let estimate = archive.recall.estimate(kind)
            #expect(estimate.sampleCount == 51 && estimate.waitingCount == 0)
            #expect(try #require(estimate.recall(atEf: 64)).value > 0.9)
        }
        response = try archive.search(request)
        #expect(response.ef < 64)
        #expect(try #require(response.expectedRecall) >= 0.9)
        request.recall = 1
        response = try archive.search(request)
        #expect(response.isExact && response.expectedRecall == 1)
        request.recall = 0.9
        request.isExact = true
        #expect(try archive.search(request).isExact)
    }

    @Test func anInterruptedEstimateStopsAndGoesOn() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<60)
        for index in 0..<3 { _ = try archive.search(SearchRequest(.text("effusion number \(index)"))) }
        #expect(try archive.estimateRecall(forSeconds: 60, isInterrupted: { true }))
        let done = VectorKind.allCases.reduce(0) { $0 + archive.recall.estimate($1).sampleCount }
        #expect(done == 1)
        try finish(archive)
        #expect(archive.recall.estimate(.report).sampleCount == 3)
    }

    @Test("A recall that makes no sense is refused", arguments: [0, -1, 1.5, Double.nan])
    func refusesRecalls(recall: Double) throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        try store(archive, 0..<10)
        var request = SearchRequest(.id("case-3"))
        request.recall = recall
        #expect(throws: ArchiveError.self) { try archive.search(request) }
        request.recall = 0.9
        request.ef = 64
        let error = #expect(throws: ArchiveError.self) { try archive.search(request) }
        #expect(error?.code == .badRequest && error?.reason.contains("one of them") == true)
    }

    @Test func recallIsCheckedOnDemand() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        #expect(try archive.checkRecall(10)?.isEmpty == true)
        try store(archive, 0..<600)
        let asked = AtomicCounter()
        let checks = try #require(try archive.checkRecall(50, seed: 4, advance: { asked.increment(by: $0) }))
        #expect(checks.map(\.name) == ["image", "report", "report_to_image"])
        #expect(checks.allSatisfy { $0.queries == 50 && $0.recall.value > 0.9 && $0.recall.low < $0.recall.value })
        #expect(asked.current == 150 && archive.recallCheckCount(50) == 150)
        let again = try #require(try archive.checkRecall(50, seed: 4))
        #expect(again.map(\.recall) == checks.map(\.recall))
        let narrow = try #require(try archive.checkRecall(200, k: 10, ef: 1))
        #expect(
            zip(narrow, try #require(try archive.checkRecall(200, ef: 512))).allSatisfy {
                $0.recall.value <= $1.recall.value
            })
        let everything = try #require(try archive.checkRecall(10_000))
        #expect(everything.map(\.queries) == [400, 400, 400])
        #expect(archive.recallCheckCount(10_000) == 1200)
        let flag = AtomicFlag()
        flag.raise()
        #expect(try archive.checkRecall(50, interrupted: flag) == nil)
        #expect(throws: ArchiveError.self) { try archive.checkRecall(5, k: 0) }
    }
}
