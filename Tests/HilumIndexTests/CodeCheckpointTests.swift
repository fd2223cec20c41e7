import HilumCore
import Synchronization
import Testing

@testable import HilumIndex

private final class AtomicCount: Sendable {
    let value = Atomic<Int>(0)
    var current: Int { value.load(ordering: .relaxed) }
}

/// What an index with codes of 8 bits leaves behind, and what becomes of it.
private struct CodeCheckpoint {
    var linkByteCount: Int
    var links: [UInt8]
    /// Nil in a checkpoint that has none.
    var owners: [UInt8]?
    var codes: [[UInt8]]
    var residuals: [[UInt8]]
    let dimension: Int
    var quantizer: ScalarQuantizer

    init(_ index: HNSWIndex) throws {
        links = index.serializeLinks()
        linkByteCount = links.count
        owners = index.serializeOwners()
        codes = (0..<index.codePieceCount).map { index.withCodePiece($0) { [UInt8]($0) } }
        residuals = try (0..<index.residualPieceCount).map { try index.withResidualPiece($0) { [UInt8]($0) } }
        dimension = index.dimension
        let kept = try #require(index.quantizer)
        quantizer = try ScalarQuantizer(decoding: kept.encoded)
    }

    /// - Parameters:
    ///   - pieceByteCount: of the links; nil gives them whole.
    ///   - gonePieces: of the residuals, which a newer checkpoint has replaced.
    func restored(
        pieceByteCount: Int? = nil, keepsResiduals: Bool = true, reads: AtomicCount? = nil,
        gonePieces: Set<Int> = [], isThere: (UInt32) -> Bool = { _ in true }
    ) throws -> HNSWIndex {
        let pieces = residuals
        let reader: HNSWIndex.ResidualReader = { piece, use in
            reads?.value.add(1, ordering: .relaxed)
            if gonePieces.contains(piece) { return false }
            let bytes = piece < pieces.count ? pieces[piece] : []
            try bytes.withUnsafeBytes { try use($0) }
            return true
        }
        let size = pieceByteCount ?? max(links.count, 1)
        return try HNSWIndex(
            restoring: linkByteCount,
            links: { piece, use in
                let start = min(piece * size, links.count)
                try Array(links[start..<min(start + size, links.count)]).withUnsafeBytes { try use($0) }
            },
            dimension: dimension, metric: .squaredEuclidean, quantizer: quantizer,
            codes: { piece, use in
                let bytes = piece < codes.count ? codes[piece] : []
                // Safety: the buffer does not leave the closure.
                try bytes.withUnsafeBytes { try use($0) }
            },
            residuals: keepsResiduals ? reader : nil,
            isThere: isThere)
    }

    /// The nearest by their codes, without an index.
    func scanned(
        _ query: [Float], count: Int, itemLimit: Int = .max, among items: ItemSet? = nil, existing: ItemSet,
        pieceByteCount: Int? = nil
    ) throws -> CheckpointScan {
        let size = pieceByteCount ?? max(links.count, 1)
        func reader(_ bytes: [UInt8]) -> HNSWIndex.PieceReader {
            { piece, use in
                let start = min(piece * size, bytes.count)
                try Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes { try use($0) }
            }
        }
        return try query.withUnsafeBufferPointer { query in
            try HNSWIndex.scan(
                linkByteCount, links: reader(links), owners: reader(owners ?? []), hasOwners: owners != nil,
                dimension: dimension,
                metric: .squaredEuclidean, quantizer: quantizer,
                codes: { piece, use in
                    let bytes = piece < codes.count ? codes[piece] : []
                    try bytes.withUnsafeBytes { try use($0) }
                },
                for: query, count: count, itemLimit: itemLimit, among: items, existing: existing)
        }
    }

    /// Whether opening and scanning both refuse it.
    var isRefused: Bool {
        var linksAlone = self
        linksAlone.owners = nil
        return linksAlone.isScanRefused && isRestoreRefused
    }

    var isScanRefused: Bool {
        do {
            _ = try scanned([Float](repeating: 0.1, count: dimension), count: 5, existing: ItemSet(0..<10_000))
            return false
        } catch let error as IndexError { return error.isDamage } catch { return false }
    }

    private var isRestoreRefused: Bool {
        do {
            _ = try restored()
            return false
        } catch let error as IndexError {
            if case .damagedLinks = error.code { return true }
            return false
        } catch { return false }
    }
}

@Suite struct CodeCheckpointTests {
    /// Wide enough that the codes take several pieces.
    private static let base = VectorSet(.clusters, count: 1_300, dimension: 200, seed: 51)
    private static let small = VectorSet(.clusters, count: 300, dimension: 10, seed: 52)

    /// An index with copies under numbers from `base.count` on, and without the items 20..<50.
    private func makeIndex(_ base: VectorSet) throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: base.dimension, metric: .squaredEuclidean,
            parameters: .init(m: 12, efConstruction: 80, seed: 3), precision: .i8, quantizer: base.quantizer)
        try index.insertAll(base)
        for item in base.count..<(base.count + 30) { try index.insert(base.row(item % 7), UInt32(item)) }
        for item in 20..<UInt32(50) { index.remove(item: item) }
        return index
    }

    private func rows(_ base: VectorSet, count: Int) -> VectorSet {
        var part = base
        part.values = Array(base.values[..<(count * base.dimension)])
        return part
    }

    private func holds(_ index: HNSWIndex, _ vector: [Float], _ item: UInt32) -> Bool {
        vector.withUnsafeBufferPointer { index.holds($0, for: item) }
    }

    /// Both give the same hits at the same distances.
    private func expectSameHits(_ left: HNSWIndex, _ right: HNSWIndex, _ queries: VectorSet) throws {
        for row in 0..<queries.count {
            let found = try left.find(queries.row(row), k: 7, ef: 30).hits
            let again = try right.find(queries.row(row), k: 7, ef: 30).hits
            #expect(found.count == 7)
            #expect(found.map(\.item) == again.map(\.item) && found.map(\.distance) == again.map(\.distance))
            let exact = try left.findExactly(queries.row(row), k: 7).hits
            let exactly = try right.findExactly(queries.row(row), k: 7).hits
            #expect(exact.map(\.item) == exactly.map(\.item) && exact.map(\.distance) == exactly.map(\.distance))
        }
    }

    @Test(
        "An index comes back from links and codes as it was, whatever the size of the pieces",
        arguments: [57, 64, 1_000, nil] as [Int?])
    func roundTrip(pieceByteCount: Int?) throws {
        let index = try makeIndex(Self.base)
        let checkpoint = try CodeCheckpoint(index)
        #expect(
            checkpoint.codes.count == 2 && checkpoint.residuals.count == 5
                && checkpoint.quantizer == Self.base.quantizer)
        let restored = try checkpoint.restored(pieceByteCount: pieceByteCount)
        #expect(restored.validate() == [])
        #expect(restored.restoration == RestoreSummary())
        #expect(restored.precision == .i8 && restored.parameters == index.parameters)
        #expect(restored.count == index.count && restored.nodeCount == index.nodeCount)
        #expect(restored.serializeLinks() == checkpoint.links)
        let again = try CodeCheckpoint(restored)
        #expect(again.codes == checkpoint.codes && again.residuals == checkpoint.residuals)
        try expectSameHits(index, restored, rows(Self.base, count: 50))
        for item in [0, 19, 50, 1_299] as [UInt32] {
            #expect(restored.vector(of: item) == index.vector(of: item))
            #expect(holds(restored, Self.base.row(Int(item)), item))
        }
        #expect(holds(restored, Self.base.row(1_300 % 7), 1_300))
        #expect(!holds(restored, Self.base.row(1), 0) && !restored.contains(item: 20))
    }

    @Test("A scan of a checkpoint finds what an exact search by codes finds", arguments: [57, 1_000, nil] as [Int?])
    func scan(pieceByteCount: Int?) throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        // Without residuals an exact search compares codes alone.
        let restored = try checkpoint.restored(keepsResiduals: false)
        let existing = ItemSet((0..<UInt32(1_330)).filter { !(20..<50).contains($0) })
        for row in 100..<130 {
            let scan = try checkpoint.scanned(
                Self.base.row(row), count: 9, existing: existing, pieceByteCount: pieceByteCount)
            let exact = try restored.findExactly(Self.base.row(row), k: 9).hits
            #expect(scan.nodes.map(\.distance) == exact.map(\.distance))
            #expect(scan.nodes.map { $0.items[0] } == exact.map(\.item))
            #expect(scan.known == existing && scan.comparedCount >= 1_270)
            var older = checkpoint
            older.owners = nil
            let slower = try older.scanned(
                Self.base.row(row), count: 9, existing: existing, pieceByteCount: pieceByteCount)
            #expect(slower.nodes == scan.nodes && slower.known == existing)
        }
    }

    @Test func aScanWithOwnersReadsTheHeadOfTheLinksAlone() throws {
        var checkpoint = try CodeCheckpoint(try makeIndex(Self.small))
        let owners = try #require(checkpoint.owners)
        #expect(owners.count * 4 < checkpoint.links.count)
        let wanted = try checkpoint.scanned(Self.small.row(3), count: 9, existing: ItemSet(0..<10_000)).nodes
        checkpoint.links.replaceSubrange(100..., with: [UInt8](repeating: 7, count: checkpoint.links.count - 100))
        #expect(try checkpoint.scanned(Self.small.row(3), count: 9, existing: ItemSet(0..<10_000)).nodes == wanted)
        for place in stride(from: 0, to: owners.count, by: 23) {
            checkpoint.owners?[place] ^= 1 << UInt8(place % 8)
            #expect(checkpoint.isScanRefused, "byte \(place)")
            checkpoint.owners = owners
        }
        for length in stride(from: 0, to: owners.count, by: 197) {
            checkpoint.owners = Array(owners[..<length])
            #expect(checkpoint.isScanRefused, "cut off at \(length)")
        }
        checkpoint.owners = owners + [0, 0, 0, 0]
        #expect(checkpoint.isScanRefused)
    }

    @Test func aLargeCheckpointIsScannedByTwoThreads() throws {
        let base = VectorSet(.clusters, count: GraphWriter.leastParallelCount + 700, dimension: 16, seed: 58)
        let index = try HNSWIndex(
            dimension: 16, metric: .squaredEuclidean, parameters: .init(m: 4, efConstruction: 8, seed: 3),
            precision: .i8, quantizer: base.quantizer)
        try index.insertAll(base)
        let checkpoint = try CodeCheckpoint(index)
        let restored = try checkpoint.restored(keepsResiduals: false)
        for row in stride(from: 0, to: base.count, by: 2_000) {
            let scan = try checkpoint.scanned(
                base.row(row), count: 9, existing: ItemSet(0..<UInt32(base.count)), pieceByteCount: 1 << 16)
            let exact = try restored.findExactly(base.row(row), k: 9).hits
            #expect(scan.nodes.map(\.distance) == exact.map(\.distance) && scan.known.count == base.count)
        }
    }

    @Test func aScanNamesCopiesKeepsToItsItemsAndPassesOverWhatIsGone() throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        let all = ItemSet(0..<UInt32(1_330))
        // Items 1,300 … 1,329 are copies of the rows 0 … 6.
        let sixth = (1_300..<UInt32(1_330)).filter { $0 % 7 == 6 }
        let found = try checkpoint.scanned(Self.base.row(6), count: 3, existing: all)
        #expect(found.nodes[0].items == [6] + sixth)
        let limited = try checkpoint.scanned(Self.base.row(6), count: 3, itemLimit: 2, existing: all)
        #expect(limited.nodes[0].items == [6, sixth[0]])
        let gone = try checkpoint.scanned(
            Self.base.row(6), count: 3, existing: all.subtracting(ItemSet([6, sixth[1]])))
        #expect(gone.nodes[0].items == sixth.filter { $0 != sixth[1] })
        #expect(!gone.known.contains(6) && gone.known.count == 1_298)
        let among = try checkpoint.scanned(
            Self.base.row(6), count: 50, among: ItemSet([7, 900, sixth[2]]), existing: all)
        #expect(among.nodes[0].items == [sixth[2]] && Set(among.nodes.flatMap(\.items)) == [7, 900, sixth[2]])
        #expect(try checkpoint.scanned(Self.base.row(6), count: 5, among: ItemSet(), existing: all).nodes.isEmpty)
        #expect(try checkpoint.scanned(Self.base.row(6), count: 5, existing: ItemSet()).known.isEmpty)
        let error = #expect(throws: IndexError.self) {
            try checkpoint.scanned([1, 2], count: 5, existing: all)
        }
        #expect(error?.code == .wrongDimension(expected: 200, got: 2) && error?.isDamage == false)
    }

    @Test func anEmptyIndexComesBackEmpty() throws {
        let index = try HNSWIndex(
            dimension: 10, metric: .squaredEuclidean, precision: .i8, quantizer: Self.small.quantizer)
        let restored = try CodeCheckpoint(index).restored()
        #expect(restored.count == 0 && restored.validate() == [])
        let emptied = try makeIndex(Self.small)
        for item in 0..<UInt32(330) { emptied.remove(item: item) }
        let again = try CodeCheckpoint(emptied).restored()
        #expect(again.count == 0 && again.validate() == [])
        try again.insertAll(Self.small)
        #expect(again.validate() == [] && again.count == 300)
        #expect(try again.recall(rows(Self.small, count: 50), ef: 80) >= 0.95)
    }

    @Test("Items that are gone are taken out, with repair", arguments: [true, false])
    func goneItems(keepsResiduals: Bool) throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        let restored = try checkpoint.restored(pieceByteCount: 1_000, keepsResiduals: keepsResiduals) { $0 % 3 != 0 }
        #expect(restored.validate() == [])
        let stored = (0..<UInt32(1_330)).filter { !(20..<50).contains($0) }
        let gone = stored.filter { $0 % 3 == 0 }
        #expect(restored.restoration.goneItemCount == gone.count && restored.restoration.changedItemCount == 0)
        #expect(restored.count == stored.count - gone.count)
        for item in stored { #expect(restored.contains(item: item) == (item % 3 != 0)) }
        #expect(try restored.recall(rows(Self.base, count: 100), ef: 80) >= 0.95)

        let nothing = try checkpoint.restored(keepsResiduals: keepsResiduals) { _ in false }
        #expect(nothing.count == 0 && nothing.nodeCount == 0 && nothing.validate() == [])
        #expect(nothing.restoration.goneItemCount == stored.count)
        try nothing.insertAll(rows(Self.base, count: 200))
        #expect(nothing.validate() == [] && nothing.count == 200)
    }

    @Test("A restored index goes on: items come and go, also those it had lost", arguments: [true, false])
    func changes(keepsResiduals: Bool) throws {
        let restored = try CodeCheckpoint(try makeIndex(Self.base)).restored(keepsResiduals: keepsResiduals)
        for item in 20..<50 { try restored.insert(Self.base.row(item), UInt32(item)) }
        #expect(restored.validate() == [])
        for item in 100..<UInt32(150) { #expect(restored.remove(item: item)) }
        #expect(restored.validate() == [])
        let others = VectorSet(.clusters, count: 60, dimension: 200, seed: 53)
        try restored.insertAll(others, items: Array(2_000..<UInt32(2_060)))
        // A copy of one that was restored, and a new vector under an old number.
        try restored.insert(Self.base.row(60), 3_000)
        try restored.insert(others.row(0), 61)
        #expect(restored.validate() == [])
        #expect(restored.count == 1_330 - 50 + 60 + 1)
        #expect(holds(restored, others.row(0), 61) && holds(restored, Self.base.row(60), 3_000))
        let copies = try restored.find(Self.base.row(60), k: 2, ef: 30).hits
        #expect(copies.map(\.item) == [60, 3_000])
        #expect(try restored.recall(rows(Self.base, count: 100), ef: 80) >= 0.95)
        #expect(try restored.recall(others, ef: 80) >= 0.9)
    }

    @Test func withoutResidualsTheNeighboursAreStillFound() throws {
        let index = try makeIndex(Self.base)
        let checkpoint = try CodeCheckpoint(index)
        let restored = try checkpoint.restored(pieceByteCount: 1_000, keepsResiduals: false)
        #expect(restored.validate() == [] && restored.serializeLinks() == checkpoint.links)
        #expect(restored.count == index.count && restored.graphByteCount < index.graphByteCount)
        var found = 0
        for row in 100..<200 {
            let exact = Set(try index.findExactly(Self.base.row(row), k: 10).hits.map(\.item))
            let hits = try restored.find(Self.base.row(row), k: 10, ef: 80).hits
            #expect(hits.count == 10)
            found += hits.count { exact.contains($0.item) }
        }
        #expect(found >= 900, "\(found) of 1,000")
    }

    @Test("Vectors of whole numbers need no residuals, and their distances are exact")
    func wholeNumbers() throws {
        var generator = SeededGenerator(seed: 54)
        var base = VectorSet(.uniform, count: 0, dimension: 300, seed: 1)
        base.values = (0..<(900 * 300)).map { _ in Float(generator.integer(below: 200)) }
        let index = try makeIndex(base)
        #expect(index.quantizer?.isExact == true)
        let checkpoint = try CodeCheckpoint(index)
        #expect(checkpoint.quantizer.isExact && checkpoint.codes.count == 2 && checkpoint.residuals.isEmpty)
        let restored = try checkpoint.restored(pieceByteCount: 64)
        #expect(restored.validate() == [] && restored.serializeLinks() == checkpoint.links)
        try expectSameHits(index, restored, rows(base, count: 20))
        #expect(restored.vector(of: 7) == base.row(7))
        for row in [0, 300, 899] {
            let plain = plainDistances(base.row(row), base)
            for hit in try restored.findExactly(base.row(row), k: 20).hits {
                let wanted = plain[hit.item < 900 ? Int(hit.item) : Int(hit.item) % 7]
                #expect(abs(Double(hit.distance) - wanted) <= 1e-6 * (1 + wanted))
            }
            #expect(try restored.find(base.row(row), k: 1, ef: 200).hits.first?.distance == 0)
        }
        for item in 300..<UInt32(330) { restored.remove(item: item) }
        for item in 20..<50 { try restored.insert(base.row(item), UInt32(item)) }
        #expect(restored.validate() == [])
    }

    @Test("Links that are flipped, cut off or too long are refused")
    func damagedLinks() throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.small))
        #expect(!checkpoint.isRefused)
        var generator = SeededGenerator(seed: 5)
        for turn in 0..<300 {
            var flipped = checkpoint
            // The header decides how much is read, so it gets its share.
            let place = generator.integer(below: turn % 3 == 0 ? 56 : checkpoint.links.count)
            flipped.links[place] ^= 1 << UInt8(generator.integer(below: 8))
            #expect(flipped.isRefused, "byte \(place)")
        }
        let lengths = [0, 1, 4, 55, 56, 57, 59, 60, 61] + Array(stride(from: 100, to: checkpoint.links.count, by: 311))
        for length in lengths {
            var cut = checkpoint
            cut.links = Array(checkpoint.links[..<length])
            #expect(cut.isRefused, "the pieces end at \(length)")
            cut.linkByteCount = length
            #expect(cut.isRefused, "cut off at \(length)")
        }
        var long = checkpoint
        long.links.append(0)
        #expect(long.isRefused)
        long.linkByteCount += 1
        #expect(long.isRefused)
        #expect(throws: IndexError.damaged("cut off")) { try checkpoint.restored(pieceByteCount: 55) }
        var other = checkpoint
        let wider = VectorSet(.uniform, count: 60, dimension: 11, seed: 55)
        other.links = try makeIndex(wider).serializeLinks()
        other.linkByteCount = other.links.count
        #expect(other.isRefused, "links of another dimension")
        other = checkpoint
        other.quantizer = wider.quantizer
        #expect(other.isRefused, "a quantizer of another dimension")
    }

    @Test func codesOfAnotherLengthAreRefused() throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        for piece in checkpoint.codes.indices {
            for change in 0..<4 {
                var damaged = checkpoint
                switch change {
                case 0: damaged.codes[piece].removeLast()
                case 1: damaged.codes[piece].append(0)
                case 2: damaged.codes[piece] = []
                default: damaged.codes[piece] += damaged.codes[piece]
                }
                #expect(damaged.isRefused, "piece \(piece), change \(change)")
            }
        }
        var fewer = checkpoint
        fewer.codes.removeLast()
        #expect(fewer.isRefused)
        // Without residuals rows are shorter in memory, not on disk.
        var short = checkpoint
        short.codes[0].removeLast()
        #expect(throws: IndexError.self) { try short.restored(keepsResiduals: false) }
    }

    @Test func residualsAreReadWhenTheyAreNeededAndOnce() throws {
        let index = try makeIndex(Self.base)
        let checkpoint = try CodeCheckpoint(index)
        let reads = AtomicCount()
        let restored = try checkpoint.restored(reads: reads)
        #expect(reads.current == 0)
        _ = try restored.find(Self.base.row(0), k: 1, ef: 4)
        #expect((1...5).contains(reads.current))
        for row in 0..<30 {
            let found = try index.find(Self.base.row(row), k: 7, ef: 30).hits
            let again = try restored.find(Self.base.row(row), k: 7, ef: 30).hits
            #expect(found.map(\.item) == again.map(\.item) && found.map(\.distance) == again.map(\.distance))
        }
        try expectSameHits(index, restored, rows(Self.base, count: 50))
        #expect(reads.current == 5)
        for item in [60, 1_310] as [UInt32] { #expect(restored.vector(of: item) == index.vector(of: item)) }

        // A change needs all of them, and so does an exact scan.
        let changed = try checkpoint.restored(reads: reads)
        changed.remove(item: 60)
        #expect(reads.current == 10 && changed.validate() == [])
        let scanned = try checkpoint.restored(reads: reads)
        _ = try scanned.findExactly(Self.base.row(0), k: 1)
        #expect(reads.current == 15)
    }

    @Test("Searches side by side read every piece of the residuals once")
    func manyReadersOfResiduals() throws {
        let index = try makeIndex(Self.base)
        let reads = AtomicCount()
        let restored = try CodeCheckpoint(index).restored(reads: reads)
        let wanted = try (0..<200).map { try index.find(Self.base.row($0), k: 7, ef: 30).hits }
        let wrong = AtomicCount()
        parallelFor(200, threads: 4) { row in
            let hits = (try? restored.find(Self.base.row(row), k: 7, ef: 30).hits) ?? []
            let isRight =
                hits.map(\.item) == wanted[row].map(\.item) && hits.map(\.distance) == wanted[row].map(\.distance)
            if !isRight { wrong.value.add(1, ordering: .relaxed) }
        }
        #expect(wrong.current == 0 && reads.current <= 5)
    }

    @Test("Searches beside the first change after restoring find what is there")
    func searchesBesideTheFirstChange() throws {
        let reads = AtomicCount()
        let restored = try CodeCheckpoint(try makeIndex(Self.base)).restored(reads: reads)
        let others = VectorSet(.clusters, count: 40, dimension: 200, seed: 57)
        let lost = AtomicCount()
        parallelFor(4, threads: 4) { task in
            if task == 0 {
                for item in 0..<40 {
                    try? restored.insert(others.row(item), UInt32(5_000 + item))
                    restored.remove(item: UInt32(60 + item))
                }
                return
            }
            for row in 100..<300 {
                let hits = (try? restored.find(Self.base.row(row), k: 3, ef: 40).hits) ?? []
                if hits.first?.item != UInt32(row) { lost.value.add(1, ordering: .relaxed) }
            }
        }
        // One of clustered vectors may be missed by a walk that meets a change.
        #expect(lost.current <= 6, "\(lost.current) of 600")
        #expect(restored.validate() == [] && reads.current == 5 && restored.count == 1_300)
    }

    @Test func residualsThatCannotBeReadAreAnErrorAndNothingIsStored() throws {
        var checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        let whole = checkpoint.residuals
        for change in 0..<3 {
            checkpoint.residuals = whole
            switch change {
            case 0: checkpoint.residuals[2].removeLast()
            case 1: checkpoint.residuals[2] = []
            default: checkpoint.residuals[2].append(0)
            }
            let restored = try checkpoint.restored()
            #expect(throws: IndexError.self) { try restored.findExactly(Self.base.row(0), k: 1) }
            #expect(throws: IndexError.self) { try restored.find(Self.base.row(0), k: 500, ef: 1_300) }
            #expect(throws: IndexError.self) { try restored.insert(Self.base.row(20), 9_000) }
            #expect(!restored.contains(item: 9_000) && restored.count == 1_300)
            #expect(!holds(restored, Self.base.row(700), 700) && restored.vector(of: 700) == nil)
            #expect(restored.remove(item: 60) && restored.validate() == [])
        }
    }

    @Test("Residuals that a newer checkpoint replaced leave the distances of codes, and the index says so")
    func goneResiduals() throws {
        let index = try makeIndex(Self.base)
        let checkpoint = try CodeCheckpoint(index)
        let coarse = try checkpoint.restored(keepsResiduals: false)
        let rowCount = checkpoint.residuals[0].count / (208 + 8)
        let restored = try checkpoint.restored(gonePieces: [1, 3])
        #expect(!restored.lacksResiduals)
        for row in 60..<160 {
            let query = Self.base.row(row)
            let plain = try coarse.findExactly(query, k: 1_400).hits
            let fine = try index.findExactly(query, k: 1_400).hits
            let codeDistances = Dictionary(uniqueKeysWithValues: plain.map { ($0.item, $0.distance) })
            let distances = Dictionary(uniqueKeysWithValues: fine.map { ($0.item, $0.distance) })
            for hit in try restored.findExactly(query, k: 1_400).hits where hit.item < 1_300 {
                let isGone = [1, 3].contains(Int(hit.item) / rowCount)
                let wanted = try #require(isGone ? codeDistances[hit.item] : distances[hit.item])
                #expect(abs(hit.distance - wanted) <= 1e-5 * (1 + wanted), "item \(hit.item)")
            }
            #expect(try restored.find(query, k: 3, ef: 40).hits.first?.item == UInt32(row))
        }
        #expect(restored.lacksResiduals && restored.validate() == [])
        // What is known of the vector is its code.
        #expect(holds(restored, Self.base.row(310), 310) && !holds(restored, Self.base.row(311), 310))
        #expect(restored.vector(of: 310) == coarse.vector(of: 310) && restored.vector(of: 310) != index.vector(of: 310))
        #expect(throws: IndexError.self) { try restored.withResidualPiece(1) { _ in } }
        // A copy still finds its node, and the index takes changes.
        let nodes = restored.nodeCount
        try restored.insert(Self.base.row(310), 4_000)
        #expect(restored.nodeCount == nodes && restored.remove(item: 311) && restored.validate() == [])
    }

    @Test("A checkpoint has to write the pieces whose rows changed, and no others")
    func changedPieces() throws {
        let index = try HNSWIndex(
            dimension: 200, metric: .squaredEuclidean, precision: .i8, quantizer: Self.base.quantizer)
        #expect(index.changedCodePieces() == [] && index.changedResidualPieces() == [])
        try index.insertAll(Self.base)
        #expect(index.changedCodePieces() == [0, 1] && index.changedResidualPieces() == [0, 1, 2, 3, 4])
        var stored = try CodeCheckpoint(index)
        for piece in stored.codes.indices { #expect(index.codePieceByteCount(piece) == stored.codes[piece].count) }
        for piece in stored.residuals.indices {
            #expect(index.residualPieceByteCount(piece) == stored.residuals[piece].count)
        }
        index.noteCheckpoint()
        #expect(index.changedCodePieces() == [] && index.changedResidualPieces() == [])

        // A row behind the others, a copy, and a row in the place of one that was removed.
        let others = VectorSet(.clusters, count: 40, dimension: 200, seed: 58)
        try index.insert(others.row(0), 2_000)
        #expect(index.changedCodePieces() == [1] && index.changedResidualPieces() == [4])
        index.noteCheckpoint()
        try index.insert(Self.base.row(3), 2_001)
        index.remove(item: 700)
        #expect(index.changedCodePieces() == [] && index.changedResidualPieces() == [])
        try index.insert(others.row(1), 2_002)
        #expect(index.changedCodePieces() == [0] && index.changedResidualPieces() == [2])

        // Writing only those gives what writing all gives.
        try index.insertAll(others, items: (5_000..<5_040).map { $0 })
        for item in 100..<UInt32(140) { index.remove(item: item) }
        try index.insertAll(others, items: (6_000..<6_040).map { $0 })
        let whole = try CodeCheckpoint(index)
        // The first of the changes above were noted as written, so they are taken over here.
        stored.codes[1] = whole.codes[1]
        stored.residuals[4] = whole.residuals[4]
        for piece in index.changedCodePieces() { stored.codes[piece] = whole.codes[piece] }
        for piece in index.changedResidualPieces() { stored.residuals[piece] = whole.residuals[piece] }
        #expect(stored.codes == whole.codes && stored.residuals == whole.residuals)

        let restored = try whole.restored()
        #expect(restored.changedCodePieces() == [] && restored.changedResidualPieces() == [])
        // Removing with repair changes links alone.
        let repaired = try whole.restored { $0 % 5 != 0 }
        #expect(repaired.changedCodePieces() == [] && repaired.changedResidualPieces() == [])
        let fromVectors = try HNSWIndex(
            restoring: whole.links, dimension: 200, metric: .squaredEuclidean, precision: .i8,
            quantizer: Self.base.quantizer
        ) { item, buffer in
            let row = item < 1_300 ? Self.base.row(Int(item)) : index.vector(of: item) ?? []
            return row.count == buffer.count && buffer.update(fromContentsOf: row) == buffer.count
        }
        #expect(fromVectors.changedCodePieces() == [0, 1])
        #expect(fromVectors.changedResidualPieces() == Array(0..<fromVectors.residualPieceCount))
    }

    @Test("What a vector that is gone left in its slot is written as zeros once that is asked for, and stays so")
    func removedCodesAreWiped() throws {
        let index = try makeIndex(Self.base)
        let before = try CodeCheckpoint(index)
        index.noteCheckpoint()
        index.remove(item: 700)
        #expect(try CodeCheckpoint(index).codes == before.codes && index.changedCodePieces() == [])
        index.noteRemoved()
        let pieces = index.changedResidualPieces()
        #expect(index.changedCodePieces() == [0] && !pieces.isEmpty && pieces.count < index.residualPieceCount)
        let wiped = try CodeCheckpoint(index)
        #expect(wiped.codes[0] != before.codes[0])
        #expect(zip(before.codes[0], wiped.codes[0]).allSatisfy { $0 == $1 || $1 == 0 })
        // `makeIndex` took 30 items out, so that 31 vectors are gone; a byte in fifty of a code is zero anyway.
        let wipedCount = zip(before.codes[0], wiped.codes[0]).count { $0 != $1 }
        #expect((30 * 200...31 * 200).contains(wipedCount), "\(wipedCount) bytes")
        index.noteCheckpoint()
        #expect(try CodeCheckpoint(index).codes == wiped.codes && index.validate() == [])
    }

    @Test("When every item is gone nothing is repaired, and no residual is read")
    func allItemsAreGone() throws {
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.base))
        let reads = AtomicCount()
        let nothing = try checkpoint.restored(reads: reads) { _ in false }
        #expect(reads.current == 0 && nothing.count == 0 && nothing.nodeCount == 0 && nothing.validate() == [])
        // Copies that are gone leave their node as it is.
        let fewer = try checkpoint.restored(reads: reads) { $0 < 1_300 }
        #expect(reads.current == 0 && fewer.restoration.goneItemCount == 30 && fewer.validate() == [])
        try nothing.insertAll(Self.base)
        #expect(
            nothing.validate() == [] && nothing.count == 1_300 && nothing.graph.slots.load(ordering: .relaxed) == 1_300)
    }

    @Test func theErrorOfTheCodesComesThrough() throws {
        struct Lost: Error {}
        let checkpoint = try CodeCheckpoint(try makeIndex(Self.small))
        #expect(throws: Lost.self) {
            try HNSWIndex(
                restoring: checkpoint.linkByteCount,
                links: { _, use in try checkpoint.links.withUnsafeBytes { try use($0) } }, dimension: 10,
                metric: .squaredEuclidean, quantizer: checkpoint.quantizer, codes: { _, _ in throw Lost() },
                isThere: { _ in true })
        }
    }

    @Test func quantizersAsBytes() throws {
        for quantizer in [Self.small.quantizer, ScalarQuantizer(offset: [128, 128], step: 1.0 / 256, isExact: true)] {
            let bytes = quantizer.encoded
            #expect(try ScalarQuantizer(decoding: bytes) == quantizer)
            for length in 0..<bytes.count {
                #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: Array(bytes[..<length])) }
            }
            #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: bytes + [0]) }
            func replaced(at place: Int, by number: UInt32) -> [UInt8] {
                var changed = bytes
                for index in 0..<4 { changed[place + index] = UInt8(truncatingIfNeeded: number >> UInt32(8 * index)) }
                return changed
            }
            for step in [0, -1, .nan, .infinity] as [Float] {
                #expect(throws: IndexError.self) {
                    try ScalarQuantizer(decoding: replaced(at: 8, by: step.bitPattern))
                }
            }
            for offset in [.nan, -.infinity] as [Float] {
                #expect(throws: IndexError.self) {
                    try ScalarQuantizer(decoding: replaced(at: 12, by: offset.bitPattern))
                }
            }
            for count in [0, 1, 1_000, UInt32.max] where Int(count) != quantizer.offset.count {
                #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: replaced(at: 0, by: count)) }
            }
        }
    }
}
