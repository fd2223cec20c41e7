import HilumCore
import Testing

@testable import HilumIndex

@Suite struct RestoreTests {
    private static let dimension = 10
    private static let base = VectorSet(.clusters, count: 300, dimension: dimension, seed: 41)

    private func makeIndex() throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: Self.dimension, metric: .squaredEuclidean, parameters: .init(m: 6, efConstruction: 40, seed: 3))
        try index.insertAll(Self.base)
        for item in 300..<UInt32(330) { try index.insert(Self.base.row(Int(item % 7)), item) }
        for item in 20..<UInt32(50) { index.remove(item: item) }
        return index
    }

    private static func row(of item: UInt32) -> [Float] { base.row(item < 300 ? Int(item) : Int(item % 7)) }

    private func restore(
        _ bytes: [UInt8], dimension: Int = RestoreTests.dimension, metric: Metric = .squaredEuclidean,
        vectors: (UInt32) throws -> [Float]? = { $0 < 330 ? RestoreTests.row(of: $0) : nil }
    ) throws -> HNSWIndex {
        try HNSWIndex(restoring: bytes, dimension: dimension, metric: metric) { item, buffer in
            guard let vector = try vectors(item) else { return false }
            _ = buffer.update(fromContentsOf: vector)
            return true
        }
    }

    @Test func aRestoredIndexIsTheSameAndGoesOn() throws {
        let index = try makeIndex()
        let bytes = index.serializeLinks()
        let restored = try restore(bytes)
        #expect(restored.validate() == [])
        #expect(restored.restoration == RestoreSummary())
        #expect(restored.count == index.count && restored.nodeCount == index.nodeCount)
        #expect(restored.serializeLinks() == bytes)
        for row in 0..<50 {
            let left = try index.find(Self.base.row(row), k: 7, ef: 20).hits
            let right = try restored.find(Self.base.row(row), k: 7, ef: 20).hits
            #expect(left.map(\.item) == right.map(\.item) && left.map(\.distance) == right.map(\.distance))
        }
        for item in 20..<UInt32(50) { try restored.insert(Self.row(of: item), item) }
        for item in 100..<UInt32(150) { restored.remove(item: item) }
        #expect(restored.validate() == [])
    }

    @Test func anEmptyIndexComesBackEmpty() throws {
        let index = try HNSWIndex(dimension: Self.dimension, metric: .squaredEuclidean)
        let restored = try restore(index.serializeLinks())
        #expect(restored.count == 0 && restored.validate() == [])
        let emptied = try makeIndex()
        for item in 0..<UInt32(330) { emptied.remove(item: item) }
        let again = try restore(emptied.serializeLinks())
        #expect(again.count == 0 && again.validate() == [])
        try again.insertAll(Self.base)
        #expect(again.validate() == [] && again.graph.slots.load(ordering: .relaxed) == 300)
    }

    @Test("Items that are gone are taken out, those that changed are linked again, with repair")
    func whatHappenedSince() throws {
        let index = try makeIndex()
        let other = VectorSet(.clusters, count: 300, dimension: Self.dimension, seed: 42)
        let restored = try restore(index.serializeLinks()) { item in
            if item % 3 == 0 { return nil }
            return item % 7 == 2 ? other.row(Int(item % 300)) : Self.row(of: item)
        }
        #expect(restored.validate() == [])
        #expect(restored.restoration.goneItemCount == 100)
        #expect(restored.restoration.changedItemCount > 20)
        #expect(restored.count == 200)
        for item in 0..<UInt32(330) where !(20..<50).contains(item) {
            #expect(restored.contains(item: item) == (item % 3 != 0))
            if item % 3 != 0 && item % 7 == 2 { #expect(restored.vector(of: item) == other.row(Int(item % 300))) }
        }
        #expect(try restored.recall(Self.base, ef: 60) >= 0.95)

        let nothing = try restore(index.serializeLinks()) { _ in nil }
        #expect(nothing.count == 0 && nothing.validate() == [])
        #expect(nothing.restoration.goneItemCount == 300)

        let allOther = try restore(index.serializeLinks()) { other.row(Int($0 % 300)) }
        #expect(allOther.validate() == [])
        #expect(allOther.count == 300)
    }

    @Test func theClosuresErrorComesThrough() throws {
        struct Lost: Error {}
        let bytes = try makeIndex().serializeLinks()
        #expect(throws: Lost.self) { try restore(bytes) { if $0 == 77 { throw Lost() } else { Self.row(of: $0) } } }
        #expect(throws: IndexError(.notFinite)) {
            try restore(bytes) { $0 == 77 ? [Float](repeating: .nan, count: 10) : Self.row(of: $0) }
        }
    }

    private func refuses(_ bytes: [UInt8]) -> Bool {
        do {
            let index = try restore(bytes)
            // A change that leaves a sound graph is not refused; it must then be sound indeed.
            return index.validate() == []
        } catch let error as IndexError {
            if case .damagedLinks = error.code { return true }
            return false
        } catch { return false }
    }

    private func isRefused(_ bytes: [UInt8]) -> Bool {
        do {
            _ = try restore(bytes)
            return false
        } catch let error as IndexError {
            if case .damagedLinks = error.code { return true }
            return false
        } catch { return false }
    }

    private func sealed(_ body: [UInt8]) -> [UInt8] {
        let crc = body.withUnsafeBytes { CRC32C.checksum($0) }
        return body + (0..<4).map { UInt8(truncatingIfNeeded: crc >> UInt32(8 * $0)) }
    }

    @Test func aCheckpointOfAnotherKindIsRefused() throws {
        let bytes = try makeIndex().serializeLinks()
        #expect(throws: IndexError.damaged("made for another dimension")) { try restore(bytes, dimension: 11) }
        #expect(throws: IndexError.damaged("made for another metric")) { try restore(bytes, metric: .cosine) }
        var newer = Array(bytes.dropLast(4))
        newer[8] = 2
        #expect(throws: IndexError.damaged("version 2 is unknown")) { try restore(sealed(newer)) }
    }

    @Test("A checkpoint that is cut off, flipped or random is refused")
    func damage() throws {
        let bytes = try makeIndex().serializeLinks()
        for length in stride(from: 0, to: bytes.count, by: 97) {
            #expect(isRefused(Array(bytes[..<length])))
            #expect(isRefused(sealed(Array(bytes[..<length]))), "cut at \(length), with a fitting checksum")
        }
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<300 {
            var flipped = bytes
            let place = generator.integer(below: bytes.count)
            flipped[place] ^= 1 << UInt8(generator.integer(below: 8))
            #expect(isRefused(flipped))
        }
        for count in [0, 1, 4, 55, 56, 59, 60, 61, 500, 5_000] {
            let noise = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            #expect(isRefused(noise) && isRefused(sealed(noise)))
            #expect(isRefused(sealed(Array(bytes[..<min(56, count)]) + noise)))
        }
    }

    @Test("Altered bytes under a fitting checksum never make an unsound index", arguments: [UInt64(1), 2, 3])
    func forged(seed: UInt64) throws {
        let body = Array(try makeIndex().serializeLinks().dropLast(4))
        var generator = SeededGenerator(seed: seed)
        var accepted = 0
        for turn in 0..<400 {
            var forged = body
            for _ in 0...(turn % 3) {
                let place = turn % 2 == 0 ? generator.integer(below: 56) : generator.integer(below: body.count)
                forged[place] = UInt8(truncatingIfNeeded: generator.next())
            }
            let bytes = sealed(forged)
            #expect(refuses(bytes), "turn \(turn)")
            if !isRefused(bytes) { accepted += 1 }
        }
        #expect(accepted < 300)
    }
}
