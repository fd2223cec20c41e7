import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// What opening reads, and what checkpoints write.
@Suite struct CheckpointTests {
    private func options(vectorsForCodes: Int = 50) -> Archive.Options {
        var options = Archive.Options()
        options.vectorsForCodes = vectorsForCodes
        return options
    }

    private func open(_ scratch: Scratch, _ mode: Archive.Mode = .readWrite) throws -> Archive {
        try Archive(path: scratch.archive, mode: mode, embedder: FakeEmbedder(), options: options())
    }

    /// Ids and scores of some searches, and counts of some filters.
    private func answers(_ archive: Archive) throws -> [String] {
        var answers: [String] = []
        for index in [1, 7, 44, 91] {
            for filter in ["", "view=PA", "finding=nodule", "date=2020-03..2020-07", "patient=p3,p5", "site!=A"] {
                var request = SearchRequest(.text(makeReport(index)))
                request.filter = try Filter(parsing: filter)
                let response = try archive.search(request)
                answers += response.hits.map { "\($0.id) \($0.via) \(String(format: "%.4f", $0.score))" }
                answers.append("\(filter): \(try archive.count(request.filter))")
            }
        }
        answers += try archive.facet(by: "finding").values.map { "\($0.value) \($0.count)" }
        return answers
    }

    @Test("Opening reads no report and no vector that the checkpoint has; a damaged one is an error when it is wanted")
    func whatOpeningReads() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<200)
        let expected = try answers(archive)
        var reports: Set<[UInt8]> = []
        var vectors: Set<[UInt8]> = []
        for index in 0..<200 {
            if let report = try archive.get(id: "case-\(index)")?.report { reports.insert(Array(report.utf8)) }
            for vector in try archive.vectors(id: "case-\(index)") ?? [:] {
                vectors.insert(vector.value.withUnsafeBytes { Array($0) })
            }
        }
        archive.close()
        let file = scratch.archive + "/data.mdb"
        let sound = Data(try FileIO.read(file))
        for isVectors in [false, true] {
            // Wherever the bytes stand, in use or left over.
            var damaged = sound
            for bytes in isVectors ? vectors : reports {
                var start = damaged.startIndex
                while let found = damaged.range(of: Data(bytes), in: start..<damaged.endIndex) {
                    damaged[found.lowerBound + 5] ^= 0x20
                    start = found.upperBound
                }
            }
            try damaged.write(to: URL(fileURLWithPath: file))
            for mode in [Archive.Mode.readOnly, .readWrite] {
                let again = try open(scratch, mode)
                #expect(try again.count() == 200)
                if isVectors {
                    let error = #expect(throws: ArchiveError.self) { try answers(again) }
                    #expect(error?.code == .damaged)
                } else {
                    #expect(try answers(again) == expected)
                    let error = #expect(throws: ArchiveError.self) { try again.get(id: "case-0") }
                    #expect(error?.code == .damaged)
                }
                again.close()
            }
            #expect(try !Archive.check(at: scratch.archive, deep: false).isClean)
        }
    }

    @Test("Changes that no checkpoint has are there after a reopening", arguments: [0, 2000])
    func changesAboveTheCheckpoint(changesBetweenCheckpoints: Int) throws {
        let scratch = try Scratch()
        var options = options()
        // 0: a checkpoint after each commit.
        options.changesBetweenCheckpoints = changesBetweenCheckpoints
        let archive = try scratch.makeArchive(options: options)
        try store(archive, 0..<120)
        try archive.writeCheckpoint()
        for index in stride(from: 0, to: 120, by: 9) { #expect(try archive.delete(id: "case-\(index)")) }
        try store(archive, 120..<160)
        // A new report, and other metadata alone, twice.
        try archive.put([CaseInput(id: "case-7", report: "replaced by a rare finding")])
        for view in ["LATERAL", "AP"] {
            var input = try makeInput(8)
            input.fields.view = view
            input.fields.findings = ["edema \(view.lowercased())"]
            try archive.put([input])
        }
        #expect(try archive.delete(id: "case-130"))
        let expected = try answers(archive)
        archive.progress.withLock { $0.changesSinceCheckpoint = 0 }
        archive.close()
        for mode in [Archive.Mode.readOnly, .readWrite] {
            let again = try open(scratch, mode)
            #expect(try answers(again) == expected)
            #expect(try again.count(Filter(parsing: "view=LATERAL")) == 0)
            #expect(try again.count(Filter(parsing: "finding=\"edema ap\"")) == 1)
            #expect(try again.check(deep: true).findings == [])
            again.close()
        }
    }

    @Test("A reader goes on answering from its checkpoint while a writer replaces it")
    func readerBesideWriter() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<200)
        let expected = try answers(archive)
        archive.close()
        // The archive's own process cannot open it twice, so the reader's pieces are taken away under it.
        let reader = try open(scratch, .readOnly)
        reader.close()
        let writer = try open(scratch)
        #expect(try answers(writer) == expected)
        let location = try #require(writer.attributes.read { $0.keys["age"]?.location })
        let keys = try writer.store.environment.read { transaction in
            var keys: [UInt64] = []
            try transaction.forEach(writer.store.table(.graphs)) { key, _ in
                keys.append(UInt64(keyBytes: key) ?? 0)
                return true
            }
            return keys
        }
        try writer.store.environment.write { transaction in
            for key in keys { try transaction.delete(writer.store.table(.graphs), key) }
        }
        // "age" was not asked for yet, and some residuals were not wanted yet.
        #expect(!(writer.attributes.read { $0.keys["age"]?.isLoaded ?? true }) && location.byteCount > 0)
        #expect(
            try writer.count(Filter(parsing: "age=21"))
                == makeInputs(0..<200).count { $0.fields.metadata["age"] == "21" })
        #expect(try answers(writer) == expected)
    }

    @Test("A checkpoint writes the pieces that changed and removes what no checkpoint names")
    func onlyWhatChanged() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive(options: options())
        // Several pieces of residuals need some thousand vectors of 32 numbers.
        for start in stride(from: 0, to: 6000, by: 500) {
            try archive.put(
                (start..<(start + 500)).map { CaseInput(id: "r\($0)", report: "\(makeReport($0)) number \($0)") })
        }
        archive.close()
        archive = try open(scratch)
        let before = try #require(archive.progress.withLock { $0.checkpoint }?.graphs[.report])
        #expect(before.hasCodes && before.residualEpochs.count > 2)
        try archive.put([CaseInput(id: "one more", report: "effusion left number one million")])
        try archive.writeCheckpoint()
        let after = try #require(archive.progress.withLock { $0.checkpoint })
        let graph = try #require(after.graphs[.report])
        let changed = zip(before.residualEpochs, graph.residualEpochs).count { $0 != $1 }
        #expect(changed <= 1 && graph.residualEpochs.last == after.epoch)
        // A stop before the head was written leaves pieces that the next checkpoint removes.
        let writer = PieceWriter(archive.store, generation: 1, epoch: after.epoch + 1, groupByteCount: 16 << 20)
        try writer.write(.imageLinks, from: 77, [1, 2, 3])
        try writer.flush()
        try archive.put([CaseInput(id: "another", report: "effusion right number two million")])
        archive.close()
        archive = try open(scratch, .readOnly)
        let head = try #require(archive.progress.withLock { $0.checkpoint })
        let count = try archive.store.environment.read { try $0.count(archive.store.table(.graphs)) }
        let wanted = head.graphs.values.reduce(0) {
            $0 + $1.linkPieceCount + $1.codeEpochs.count + $1.residualEpochs.count + ($1.hasOwners ? 1 : 0)
        }
        #expect(
            graph.hasOwners && count == wanted + 2, "sets and directory are one piece each, no metadata")
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("Where residuals are gone the stored vectors decide")
    func goneResiduals() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive(options: options())
        for start in stride(from: 0, to: 6000, by: 500) {
            try archive.put(
                (start..<(start + 500)).map { CaseInput(id: "r\($0)", report: "\(makeReport($0)) number \($0)") })
        }
        archive.close()
        archive = try open(scratch)
        try removePieces(archive) { $0 == .reportResiduals }
        for index in stride(from: 3, to: 6000, by: 211) {
            var request = SearchRequest(.text("\(makeReport(index)) number \(index)"))
            request.mode = .vector
            let hits = try archive.search(request).hits
            #expect(hits.first?.id == "r\(index)" && (hits.first?.score ?? 0) > 0.99999)
            #expect(zip(hits, hits.dropFirst()).allSatisfy { $0.score >= $1.score })
        }
        #expect(archive.graphs?.report.index.lacksResiduals == true)
    }

    /// Takes pieces away, as a newer checkpoint of another process does.
    private func removePieces(_ archive: Archive, where isGone: (PieceRole?) -> Bool) throws {
        let store = archive.store
        let keys = try store.environment.read { transaction in
            var keys: [UInt64] = []
            try transaction.forEach(store.table(.graphs)) { key, _ in
                if let number = UInt64(keyBytes: key), isGone(PieceRole(rawValue: UInt8(number >> 44 & 15))) {
                    keys.append(number)
                }
                return true
            }
            return keys
        }
        #expect(!keys.isEmpty)
        try store.environment.write { transaction in
            for key in keys { try transaction.delete(store.table(.graphs), key) }
        }
    }

    @Test("A damaged piece of residuals costs a reopening and no case")
    func damagedResiduals() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<200)
        archive.close()
        archive = try open(scratch)
        let store = archive.store
        let head = try #require(archive.progress.withLock { $0.checkpoint }?.graphs[.report])
        let key = PieceKey(generation: 1, role: .reportResiduals, piece: 0, epoch: head.residualEpochs[0]).number
        try store.environment.write { transaction in
            var bytes = try transaction.get(store.table(.graphs), key) ?? []
            bytes[100] ^= 4
            try transaction.put(store.table(.graphs), key, bytes)
        }
        // It is on disk, and whoever put it is told so.
        #expect(try archive.put([CaseInput(id: "new", report: "stored")]) == [.stored(vectors: 1)])
        #expect(try archive.needsReopening && archive.get(id: "new") != nil)
        #expect(throws: ArchiveError.self) { try archive.put([CaseInput(id: "newer", report: "not stored")]) }
        #expect(throws: ArchiveError.self) { try archive.delete(id: "case-0") }
        archive.close()
        for round in 0..<2 {
            archive = try open(scratch)
            #expect(try archive.count() == 201 && archive.get(id: "newer") == nil, "round \(round)")
            #expect(try archive.search(SearchRequest(.text("stored"))).hits.first?.id == "new")
            archive.close()
        }
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
    }

    @Test("After a lost checkpoint changes go on where the last ones ended")
    func changesAfterALostCheckpoint() throws {
        let scratch = try Scratch()
        var archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<120)
        try archive.writeCheckpoint()
        for index in 0..<3 { #expect(try archive.delete(id: "case-\(index)")) }
        try removePieces(archive) { _ in true }
        archive.progress.withLock { $0.changesSinceCheckpoint = 0 }
        archive.close()
        archive = try open(scratch)
        #expect(try archive.delete(id: "case-3"))
        #expect(try archive.put([CaseInput(id: "case-4", report: "another")]) == [.replaced(vectors: 1)])
        #expect(try archive.count() == 116)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("Metadata that Unicode can spell in two ways is one value")
    func spellings() throws {
        let scratch = try Scratch()
        let spellings = ["Z\u{fc}rich", "Zu\u{308}rich"]
        var archive = try scratch.makeArchive(options: options())
        for (index, spelling) in spellings.enumerated() {
            for round in 0..<2 {
                try archive.put([
                    CaseInput(
                        id: "\(index) \(round)", report: "number \(index) \(round)", fields: CaseFields(site: spelling))
                ])
                archive.close()
                archive = try open(scratch)
            }
        }
        for spelling in spellings { #expect(try archive.count(Filter(parsing: "site=\(spelling)")) == 4) }
        #expect(try archive.facet(by: "site").values.map(\.count) == [4])
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A graph that grows fourfold gets a quantiser that has seen it")
    func newQuantiser() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<90)
        try archive.writeCheckpoint()
        let first = archive.graphs?.report.index.quantizer
        try store(archive, 90..<120)
        try archive.writeCheckpoint()
        #expect(archive.graphs?.report.index.quantizer == first && first != nil)
        try store(archive, 120..<400)
        try archive.writeCheckpoint()
        #expect(archive.graphs?.report.index.quantizer != first)
        #expect(try recall(archive, queries: 30) >= 0.95)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(
        "An archive of format 1 opens with all its cases, and is of the present format afterwards",
        arguments: [true, false])
    func formatOne(isReadOnly: Bool) throws {
        let scratch = try Scratch()
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/format-1"
        try FileManager.default.copyItem(atPath: fixture, toPath: scratch.archive)
        for round in 0..<2 {
            let archive = try Archive(path: scratch.archive, mode: isReadOnly ? .readOnly : .readWrite)
            defer { archive.close() }
            let stats = try archive.stats()
            #expect(stats.cases == 23 && stats.images == 15 && stats.reports == 15 && stats.formatVersion == 2)
            #expect(stats.changesSinceCheckpoint == 0, "round \(round)")
            for id in ["case-4", "case-8"] {
                var request = SearchRequest(.id(id))
                request.k = 23
                let hits = try archive.search(request).hits
                let lines = try String(contentsOfFile: fixture + "/like-\(id).jsonl", encoding: .utf8)
                    .split(separator: "\n")
                #expect(hits.count == lines.count)
                for (hit, line) in zip(hits, lines) {
                    #expect(line.hasPrefix("{\"rank\":\(hit.rank),\"id\":\"\(hit.id)\",\"score\":"))
                }
            }
            let fourth = try #require(try archive.get(id: "case-4"))
            #expect(
                fourth.fields.patient == "p2" && fourth.fields.findings == ["effusion left"]
                    && fourth.report?.isEmpty == false)
            #expect(try archive.count(Filter(parsing: "scanner=s1 view=AP")) == 3)
            #expect(try archive.get(id: "case-5") == nil)
            #expect(try archive.check(deep: true).findings == [])
        }
    }

    @Test("Processes that each add a few cases refine the lists of links once these are half of all")
    func refinesAcrossProcesses() throws {
        let scratch = try Scratch()
        try Archive.create(at: scratch.archive)
        /// What is still to be refined after a process that adds cases.
        func add(_ range: Range<Int>) throws -> Int {
            let archive = try open(scratch)
            defer { archive.close() }
            let cases = range.map { CaseInput(id: "case-\($0)", report: makeReport(10 * $0 + 1)) }
            #expect(try archive.put(cases).count == range.count)
            return archive.graphs?.report.index.changesSinceRefining ?? -1
        }
        let built = try add(0..<1_300)
        let grown = try add(1_300..<1_500)
        #expect(grown == built + 200)
        #expect(try add(1_500..<1_501) == grown + 1)
        var (count, left, last) = (1_501, grown + 1, 0)
        while left > last, count < 4_000 {
            last = left
            left = try add(count..<count + 300)
            count += 300
        }
        #expect(left < last && 2 * last < count)
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(), options: options())
        defer { archive.close() }
        #expect(archive.graphs?.report.index.changesSinceRefining == left)
        #expect(archive.graphs?.report.index.validate() == [])
    }

    @Test("A case of several images is found by each of them, once, and says by which")
    func severalImages() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<60)
        var input = CaseInput(id: "study", report: "two views of one chest", fields: CaseFields(view: "PA"))
        input.images = try [
            CaseImage(.bytes(makePNG(900)), view: "PA"), CaseImage(.bytes(makePNG(901)), view: "LATERAL"),
            CaseImage(.bytes(makePNG(902))),
        ]
        #expect(try archive.put([input]) == [.stored(vectors: 4)])
        try store(archive, 60..<120)
        func expectFound(_ archive: Archive) throws {
            for (place, seed) in [900, 901, 902].enumerated() {
                for isExact in [false, true] {
                    var request = SearchRequest(.image(try makePNG(seed)))
                    request.isExact = isExact
                    request.k = 121
                    let hits = try archive.search(request).hits
                    #expect(hits.count == 121 && Set(hits.map(\.id)).count == 121)
                    #expect(hits[0].id == "study" && hits[0].via == .image && hits[0].image == place)
                    #expect(hits[0].score > 0.9999)
                    request.filter = try Filter(parsing: "view=PA")
                    request.k = 1
                    #expect(try archive.search(request).hits.map(\.id) == ["study"])
                    request.filter = try Filter(parsing: "view=AP")
                    #expect(try archive.search(request).hits.map(\.id) != ["study"])
                }
            }
            let record = try #require(try archive.get(id: "study"))
            #expect(record.images.map(\.view) == ["PA", "LATERAL", nil] && record.hasReport)
            #expect(try archive.imageBytes(of: "study", image: 1) == makePNG(901))
            #expect(try archive.check(deep: true).findings == [])
        }
        try expectFound(archive)
        #expect(try archive.put([input]) == [.unchanged(vectors: 4)])
        archive.close()
        let again = try open(scratch)
        try expectFound(again)
        #expect(try again.stats().images == 80 + 3)
        // The same without its second image is a new version.
        input.images.remove(at: 1)
        #expect(try again.put([input]) == [.replaced(vectors: 3)])
        var lateral = SearchRequest(.image(try makePNG(901)))
        lateral.k = 1
        #expect((try again.search(lateral).hits.first?.score ?? 1) < 0.9999)
        #expect(try again.delete(id: "study"))
        #expect(try again.stats().images == 80)
        #expect(try again.check(deep: true).findings == [])
    }

    @Test("Postings with changes apart are those of a plain table", arguments: 1...3 as ClosedRange<UInt64>)
    func postings(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var postings = Postings()
        var plain: [String: Set<UInt32>] = [:]
        let values = ["", "a", "ab", "\u{e9}", "\u{10FFFF}", "b c", "z"]
        for round in 0..<40 {
            for _ in 0..<30 {
                let value = values[generator.integer(below: values.count)]
                let number = UInt32(1 + generator.integer(below: 60))
                if generator.integer(below: 3) == 0 {
                    postings.remove(number, value)
                    plain[value]?.remove(number)
                } else {
                    postings.insert(number, value)
                    plain[value, default: []].insert(number)
                }
            }
            if round % 7 == 3 {
                let blob = try PostingBlob(postings.merged().bytes)
                let location = Postings.Location(epoch: UInt32(round), firstPiece: 0, byteCount: blob.bytes.count)
                postings.noteStored(blob, at: location)
                #expect(!postings.isChanged)
            }
            var found: [String: [UInt32]] = [:]
            postings.forEachValue { found[$0] = $1 }
            #expect(found == plain.filter { !$0.value.isEmpty }.mapValues { $0.sorted() })
            for value in values + ["none"] { #expect(postings.numbers(of: value) == (plain[value] ?? []).sorted()) }
        }
        #expect(throws: (any Error).self) { try PostingBlob([1, 0, 0, 0]) }
    }
}
