import Foundation
import HilumCore
import HilumIndex
import LMDB
import Testing

@testable import HilumArchive

/// Archives that keep no graphs in memory: each search compares codes as it reads them.
@Suite struct AskedOnceTests {
    private func options(keepsGraphs: Bool, vectorsForCodes: Int = 50) -> Archive.Options {
        var options = Archive.Options()
        options.vectorsForCodes = vectorsForCodes
        // Of 150 cases, so that codes are scanned.
        options.vectorsForScan = 20
        options.keepsGraphs = keepsGraphs
        return options
    }

    private func open(
        _ scratch: Scratch, _ mode: Archive.Mode = .readOnly, keepsGraphs: Bool = false, vectorsForCodes: Int = 50
    ) throws -> Archive {
        try Archive(
            path: scratch.archive, mode: mode, embedder: FakeEmbedder(),
            options: options(keepsGraphs: keepsGraphs, vectorsForCodes: vectorsForCodes))
    }

    private func makeClosed(_ scratch: Scratch, vectorsForCodes: Int = 50) throws {
        let archive = try scratch.makeArchive(
            options: options(keepsGraphs: true, vectorsForCodes: vectorsForCodes))
        try store(archive, 0..<150)
        archive.close()
    }

    /// Ids, ways and scores of questions of every kind, under filters too.
    private func answers(_ archive: Archive, isExact: Bool = false) throws -> [String] {
        var answers: [String] = []
        for target in SearchTarget.allCases {
            for index in [1, 7, 44, 92] {
                for filter in ["", "view=PA", "finding=nodule", "date=2020-03..2020-07", "patient=p3,p5"] {
                    for query in [Query.text(makeReport(index)), .id("case-\(index)")] {
                        var request = SearchRequest(query)
                        request.filter = try Filter(parsing: filter)
                        (request.target, request.k, request.isExact) = (target, 15, isExact)
                        request.mode = .vector
                        let hits = try archive.search(request).hits
                        answers.append("\(target) \(index) \(filter)")
                        answers += hits.map { "\($0.id) \($0.via) \(String(format: "%.5f", $0.score))" }
                    }
                }
            }
        }
        return answers
    }

    /// The exact answers of an archive that has its graphs.
    private func expected(_ scratch: Scratch) throws -> [String] {
        let archive = try open(scratch, keepsGraphs: true)
        defer { archive.close() }
        return try answers(archive, isExact: true)
    }

    @Test("The answers are the exact ones, with codes and in an archive too small for codes", arguments: [50, 2_000])
    func answers(vectorsForCodes: Int) throws {
        let scratch = try Scratch()
        try makeClosed(scratch, vectorsForCodes: vectorsForCodes)
        let wanted = try expected(scratch)
        let archive = try open(scratch)
        defer { archive.close() }
        #expect(archive.graphs == nil)
        #expect(try answers(archive) == wanted)
        #expect(try answers(archive, isExact: true) == wanted)
    }

    @Test("What the checkpoint lacks is found, and what is gone since is not")
    func changesSinceTheCheckpoint() async throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let writer = try open(scratch, .readWrite, keepsGraphs: true)
        defer { writer.close() }
        try store(writer, 150..<170)
        for index in [3, 7, 44, 151] { #expect(try writer.delete(id: "case-\(index)")) }
        try writer.put([CaseInput(id: "case-9", report: "replaced by a rare finding")])
        let known = try writer.stats()
        #expect(known.changesSinceCheckpoint > 0)
        await #expect(processExitsWith: .success) {
            [path = scratch.archive as String, nodes = [known.imageNodes, known.reportNodes] as [Int]] in
            var options = Archive.Options()
            options.keepsGraphs = false
            options.vectorsForScan = 20
            let archive = try Archive(path: path, mode: .readOnly, embedder: FakeEmbedder(), options: options)
            defer { archive.close() }
            var request = SearchRequest(.text("replaced by a rare finding"))
            request.mode = .vector
            #expect(try archive.search(request).hits.first?.id == "case-9")
            request = SearchRequest(.text(makeReport(167)))
            (request.mode, request.k) = (.vector, 400)
            let hits = try archive.search(request).hits
            #expect(hits.first?.id == "case-167" && hits.count == 166)
            #expect(hits.allSatisfy { !["case-3", "case-7", "case-44", "case-151"].contains($0.id) })
            // Sizes of graphs that nobody has in memory are still those of all cases.
            let stats = try archive.stats()
            #expect([stats.imageNodes, stats.reportNodes] == nodes)
        }
    }

    @Test("A checkpoint of another process takes nothing away; cases that came later are not in what was opened")
    func checkpointMeanwhile() async throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let wanted = try expected(scratch)
        let archive = try open(scratch)
        defer { archive.close() }
        await #expect(processExitsWith: .success) { [path = scratch.archive as String] in
            let writer = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
            try store(writer, 150..<200)
            writer.close()
        }
        #expect(try answers(archive) == wanted)
    }

    /// A piece that may be damaged, and how.
    enum Damage: CaseIterable { case shortCodes, flippedCodes, flippedFirstLinks, flippedOwners, noOwners }

    @Test("Damaged pieces give way to the stored vectors", arguments: Damage.allCases)
    func damagedPieces(_ damage: Damage) throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let wanted = try expected(scratch)
        let store = try Store(path: scratch.archive, mode: .readWrite, mapSizeInBytes: 64 << 20)
        let head = try store.environment.read { try Checkpoint(store: store, generation: 1).head($0) }
        let role: PieceRole =
            switch damage {
            case .shortCodes, .flippedCodes: .codes(.report)
            case .flippedFirstLinks: .links(.report)
            case .flippedOwners, .noOwners: .owners(.report)
            }
        let codes = try #require(head?.graphs[.report]?.codeEpochs.first)
        let epoch = role == .codes(.report) ? codes : try #require(head?.epoch)
        let key = PieceKey(generation: 1, role: role, piece: 0, epoch: epoch).number
        if damage == .shortCodes {
            // A whole value with the right checksum, and too short for its rows.
            try store.environment.write { try store.put($0, .graphs, key, [1, 2, 3]) }
            store.environment.close()
        } else if damage == .noOwners {
            #expect(try store.environment.write { try $0.delete(store.table(.graphs), key) })
            store.environment.close()
        } else {
            let found = try store.environment.read { try $0.get(store.table(.graphs), key) }
            let value = try #require(found)
            store.environment.close()
            var file = Data(try FileIO.read(scratch.archive + "/data.mdb"))
            let place = try #require(file.range(of: Data(value)))
            file[place.lowerBound + 40] ^= 1
            try file.write(to: URL(fileURLWithPath: scratch.archive + "/data.mdb"))
        }
        let archive = try open(scratch)
        defer { archive.close() }
        #expect(try answers(archive) == wanted)
        #expect(try archive.stats().reportNodes > 50)
    }

    @Test func anArchiveOfFormat1KeepsItsGraphsWhoeverOpensIt() throws {
        let scratch = try Scratch()
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
        try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        var options = Archive.Options()
        options.keepsGraphs = false
        let once = try Archive(path: scratch.archive, mode: .readOnly, options: options)
        let seen = try once.stats()
        once.close()
        let kept = try Archive(path: scratch.archive, mode: .readOnly)
        defer { kept.close() }
        let stats = try kept.stats()
        #expect(stats.imageNodes > 0 && stats.graphBytes > 0 && stats.changesSinceCheckpoint == 0)
        #expect((seen.imageNodes, seen.graphBytes) == (stats.imageNodes, stats.graphBytes))
        let head = try kept.store.environment.read { try Checkpoint(store: kept.store, generation: 1).head($0) }
        #expect(head?.graphs.count == 2)
    }

    @Test func manyOfTheNearestMayBeDeletedSinceItWasOpened() async throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let archive = try open(scratch)
        defer { archive.close() }
        var request = SearchRequest(.text(makeReport(92)))
        (request.mode, request.target, request.k) = (.vector, .report, 60)
        let nearest = try archive.search(request).hits.map(\.id)
        await #expect(processExitsWith: .success) {
            [path = scratch.archive as String, gone = Array(nearest.prefix(50)) as [String]] in
            let writer = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder())
            for id in gone { #expect(try writer.delete(id: id)) }
            writer.close()
        }
        request.k = 10
        #expect(try archive.search(request).hits.map(\.id) == Array(nearest[50...]))
    }

    @Test func aMissingVectorIsDamageAndNoDeletion() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let store = try Store(path: scratch.archive, mode: .readWrite, mapSizeInBytes: 64 << 20)
        try store.environment.write { transaction in
            let key = VectorKey(generation: 1, item: 6).number(part: 0)
            try transaction.delete(store.table(.reportVectors), key)
        }
        store.environment.close()
        let archive = try open(scratch)
        defer { archive.close() }
        var request = SearchRequest(.text(makeReport(92)))
        (request.mode, request.target, request.k) = (.vector, .report, 1)
        // Codes say that it is not near, so its vector is not read.
        #expect(try archive.search(request).hits.map(\.id) == ["case-92"])
        request.k = 100
        let error = #expect(throws: ArchiveError.self) { try archive.search(request) }
        #expect(error?.code == .damaged)
    }

    @Test("Vectors that codes cannot tell apart are told apart by themselves")
    func closeVectors() throws {
        let scratch = try Scratch()
        let space = try VectorFixture.makeSpace(scratch)
        let rows = (0..<2_400).map { row in
            unitVector(zip(VectorFixture.vector(row % 3), VectorFixture.vector(10 + row)).map { $0 + 0.02 * $1 }) ?? []
        }
        let source = try VectorFixture.write(scratch, "v", rows, VectorFixture.lines(0..<2_400))
        #expect(try importer(space, batch: 400).run([source]).stored == 2_400)
        space.close()
        let archive = try Archive(
            path: scratch.archive, mode: .readOnly, options: options(keepsGraphs: false, vectorsForCodes: 2_000))
        defer { archive.close() }
        for row in [0, 7, 1_201, 2_399] {
            for k in [1, 10] {
                var request = SearchRequest(.vector(rows[row]))
                request.k = k
                let hits = try archive.search(request).hits.map(\.id)
                request.isExact = true
                #expect(hits == (try archive.search(request).hits.map(\.id)))
            }
        }
    }

    @Test func itsSizesAreThoseOfAnArchiveWithGraphs() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        var figures: [ArchiveStats] = []
        for keepsGraphs in [true, false] {
            let archive = try open(scratch, keepsGraphs: keepsGraphs)
            var stats = try archive.stats()
            stats.filterBytes = 0
            figures.append(stats)
            archive.close()
        }
        #expect(figures[0].graphBytes > 0 && figures[0].json.text == figures[1].json.text)
    }

    @Test func whatNeedsGraphsSaysSo() throws {
        let scratch = try Scratch()
        try makeClosed(scratch)
        let refused = #expect(throws: ArchiveError.self) { try open(scratch, .readWrite) }
        #expect(refused?.code == .badRequest)
        let archive = try open(scratch)
        defer { archive.close() }
        #expect(#expect(throws: ArchiveError.self) { try archive.check(deep: true) }?.code == .badRequest)
        #expect(#expect(throws: ArchiveError.self) { try archive.checkRecall(10) }?.code == .badRequest)
        // A promise of recall is kept by an exact search.
        var request = SearchRequest(.text(makeReport(7)))
        (request.recall, request.mode) = (0.95, .vector)
        #expect(try archive.search(request).isExact)
        let late = #expect(throws: ArchiveError.self) {
            var request = SearchRequest(.text(makeReport(7)))
            request.deadline = monotonicSeconds() - 1
            _ = try archive.search(request)
        }
        #expect(late?.code == .deadline)
    }
}
