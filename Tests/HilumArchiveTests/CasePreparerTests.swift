import Foundation
import HilumCore
import HilumImaging
import Synchronization
import Testing

@testable import HilumArchive

@Suite struct CasePreparerTests {
    /// Folders of `count` PNG files of 40 pixels and texts with equal stems.
    private func makeSource(_ scratch: Scratch, _ count: Int) throws -> String {
        for index in 0..<count {
            try scratch.write("data/\(1000 + index).png", makePNG(index, side: 40))
            if index % 2 == 0 { try scratch.write("data/\(1000 + index).txt", makeReport(index)) }
        }
        return scratch.path + "/data"
    }

    private func rows(_ archive: Archive) throws -> [String: [Float]] {
        var rows: [String: [Float]] = [:]
        for kind in VectorKind.allCases {
            var place = 0
            try archive.forEachVector(kind) { id, vector in
                rows["\(kind) \(place) \(id)"] = vector
                place += 1
                return true
            }
        }
        return rows
    }

    @Test("Order and vectors of a bulk run depend on neither threads, nor passes, nor where images are fitted")
    func sameResultHoweverItIsMade() throws {
        var expected: [String: [Float]] = [:]
        for (jobs, perPass, side) in [(1, 1, nil), (1, 7, nil), (2, 1, 8), (3, 3, 8), (8, 50, nil)]
            as [(Int, Int, Int?)]
        {
            let scratch = try Scratch()
            let source = try makeSource(scratch, 140)
            let archive = try scratch.makeArchive(FakeEmbedder(imageSide: side, imagesPerPass: perPass))
            let summary = try BulkIndexer(archive: archive).run(sources: [source], jobs: jobs, isQuiet: true)
            #expect(summary.stored == 140)
            let found = try rows(archive)
            #expect(found.count == 210)
            if expected.isEmpty { expected = found }
            #expect(found == expected, "\(jobs) jobs, \(perPass) images a pass")
        }
    }

    @Test("Cases that are stored while others wait have the same vectors, and all are linked")
    func roomIsMade() throws {
        var expected: [String: [Float]] = [:]
        for isWanted in [false, true] {
            let scratch = try Scratch()
            let most = Mutex(0)
            let embedder = FakeEmbedder(imagesPerPass: 5) { images in most.withLock { $0 = max($0, images.count) } }
            let archive = try scratch.makeArchive(embedder)
            let inputs = try (0..<40).map { number -> CaseInput in
                var input = CaseInput(id: "c\(number)", report: makeReport(number))
                if number % 2 == 0 { input.image = .bytes(try makePNG(number, side: 24)) }
                return input
            }
            let asked = AtomicCounter()
            let courtesy = Courtesy(restFactor: 0.1) {
                asked.increment()
                return isWanted
            }
            let outcomes = try archive.put(inputs, threads: 2, courtesy: courtesy)
            #expect(outcomes.count == 40 && asked.current > 40)
            // Small pieces, so that nobody waits long for one.
            #expect(isWanted == (most.withLock { $0 } == 1))
            let found = try rows(archive)
            #expect(found.count == 60)
            if expected.isEmpty { expected = found }
            #expect(found == expected)
            let graphs = try #require(archive.graphs)
            #expect(graphs[.report].index.count == 40 && graphs[.image].index.count == 20)
            for kind in VectorKind.allCases { #expect(graphs[kind].index.validate() == []) }
        }
    }

    @Test("An embedder that names its side gets small images only, and never more than it takes in a pass")
    func imagesAreFitted() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 20)
        let wrong = AtomicCounter()
        let embedder = FakeEmbedder(imageSide: 12, imagesPerPass: 3) { images in
            if images.count > 3 || images.contains(where: { $0.width != 12 || $0.height != 12 }) { wrong.increment() }
        }
        let archive = try scratch.makeArchive(embedder)
        #expect(try BulkIndexer(archive: archive).run(sources: [source], jobs: 2, isQuiet: true).stored == 20)
        #expect(wrong.current == 0 && embedder.imageCount.current == 20)
    }

    @Test("A run that is interrupted stores whole batches, and the next one the rest")
    func anInterruptedRunStoresWholeBatches() throws {
        let scratch = try Scratch()
        let source = try makeSource(scratch, 400)
        let flag = AtomicFlag()
        let archive = try scratch.makeArchive(FakeEmbedder { _ in flag.raise() })
        let indexer = BulkIndexer(archive: archive)
        let first = try indexer.run(sources: [source], jobs: 2, isQuiet: true, interrupt: flag)
        #expect(first.isInterrupted && first.stored == ArchiveLimits.batchCount)
        let second = try indexer.run(sources: [source], jobs: 2, isQuiet: true)
        #expect(!second.isInterrupted && second.unchanged == first.stored && second.stored == 400 - first.stored)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("An embedder that fails ends the run with its error; what was stored stays, the next run goes on")
    func aFailureEndsTheRun() throws {
        struct Broken: Error {}
        let scratch = try Scratch()
        let source = try makeSource(scratch, 300)
        let passes = AtomicCounter()
        let archive = try scratch.makeArchive(
            FakeEmbedder { _ in if passes.increment() == 200 { throw Broken() } })
        let indexer = BulkIndexer(archive: archive)
        #expect(throws: Broken.self) { try indexer.run(sources: [source], jobs: 2, isQuiet: true) }
        let stored = try archive.stats().cases
        #expect(stored % ArchiveLimits.batchCount == 0 && stored < 200)
        #expect(try indexer.run(sources: [source], jobs: 2, isQuiet: true).stored == 300 - stored)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("Batches come in order, without an archive; a case that is stored gets no vectors, a bad one a refusal")
    func batchesComeInOrder() throws {
        let images = try (0..<10).map { try makePNG($0) }
        let embedder = FakeEmbedder(imagesPerPass: 3)
        let delivered = Mutex<[(Range<Int>, [PreparedCase])]>([])
        let preparer = CasePreparer(
            embedder: embedder, count: 10, batchCount: 4,
            open: { index in
                var input = CaseInput(id: "case-\(index)", report: makeReport(index))
                input.images = [CaseImage(.bytes(index == 7 ? [1, 2, 3] : images[index]))]
                return PreparedCase(input)
            },
            isStored: { $0.input.id == "case-2" },
            deliver: { range, batch, preparer in
                delivered.withLock { $0.append((range, batch)) }
                DispatchQueue.global().async { preparer.hasWritten() }
            })
        try preparer.run(threads: 3)
        let batches = delivered.withLock { $0 }
        #expect(batches.map(\.0) == [0..<4, 4..<8, 8..<10])
        let cases = batches.flatMap(\.1)
        #expect(cases.map(\.input.id) == (0..<10).map { "case-\($0)" })
        for (index, prepared) in cases.enumerated() {
            #expect(prepared.isStored == (index == 2) && (prepared.refusal?.code == .badImage) == (index == 7))
            let isEmbedded = index != 2 && index != 7
            #expect(prepared.imageVectors == [isEmbedded ? prepared.imageVectors[0] : nil])
            #expect((prepared.imageVectors[0] != nil) == isEmbedded && (prepared.reportVector != nil) == isEmbedded)
        }
        #expect(embedder.imageCount.current == 8 && embedder.reportCount.current == 8)
    }

    @Test(
        "A case whose stored version changed after it was prepared is embedded in a second round, from bytes and from files"
    )
    func aStaleEmbeddingIsMadeAgain() throws {
        let scratch = try Scratch()
        let file = try scratch.write("image.png", makePNG(2))
        let embedder = FakeEmbedder()
        let archive = try scratch.makeArchive(embedder)
        var inputs = [
            CaseInput(id: "bytes", report: makeReport(1)), CaseInput(id: "file", report: makeReport(2)),
            CaseInput(id: "same", report: makeReport(3)),
        ]
        inputs[0].images = [CaseImage(.bytes(try makePNG(1)), view: "PA")]
        inputs[1].images = [CaseImage(.file(file))]
        try archive.put(inputs)
        let expected = try rows(archive)
        let prepared = try archive.prepare(inputs.map(PreparedCase.init), with: embedder, threads: 2)
        #expect(prepared.allSatisfy { $0.isStored && $0.reportVector == nil })
        // Meanwhile somebody replaces the first and deletes the second.
        try archive.put([CaseInput(id: "bytes", report: makeReport(4))])
        #expect(try archive.delete(id: "file"))
        let count = embedder.imageCount.current
        #expect(try archive.commit(prepared) == [.replaced(vectors: 2), .stored(vectors: 2), .unchanged(vectors: 1)])
        #expect(embedder.imageCount.current == count + 2)
        #expect(Set(try rows(archive).values) == Set(expected.values))
        #expect(try archive.get(id: "bytes")?.report == makeReport(1))
        #expect(try archive.check(deep: true).findings == [])
    }
}
