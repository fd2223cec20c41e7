import CHilumKernels
import HilumCore
import Testing

@testable import HilumIndex

/// Codes that leave out what is equal in all vectors.
@Suite struct ConstantElementsTests {
    private static let dimension = 40
    /// Elements that vary, among others that do not.
    private static let varying = [1..<3, 8..<17, 39..<40]

    /// Vectors that are equal outside of `varying`: 0.125 in the first element and 0 in the rest.
    private static func vectors(_ metric: Metric, count: Int = 600, seed: UInt64 = 3) -> VectorSet {
        let places = varying.flatMap { Array($0) }
        let small = VectorSet(.clusters, count: count, dimension: places.count, seed: seed, unit: true)
        var set = VectorSet(.uniform, count: 0, dimension: dimension, seed: 1)
        // With the constant element the length is 1.
        let scale = metric == .cosine ? (1 - 0.125 * 0.125 as Float).squareRoot() : 3
        for row in 0..<small.count {
            var vector = [Float](repeating: 0, count: dimension)
            vector[0] = 0.125
            for (place, value) in zip(places, small.row(row)) { vector[place] = scale * value }
            set.values += vector
        }
        return set
    }

    private static func quantizer(_ set: VectorSet) -> ScalarQuantizer {
        var constants = ConstantElements(dimension: dimension)
        for row in 0..<set.count { constants.note(set.row(row)) }
        return set.values.withUnsafeBufferPointer {
            ScalarQuantizer(fitting: $0, dimension: dimension, allowsExact: false, constants: constants)
        }
    }

    private static func index(_ set: VectorSet, _ metric: Metric) throws -> HNSWIndex {
        let index = try HNSWIndex(
            dimension: dimension, metric: metric, precision: .i8, quantizer: quantizer(set))
        try index.insertAll(set)
        return index
    }

    @Test func whatIsEqualIsFound() {
        let set = Self.vectors(.cosine)
        let quantizer = Self.quantizer(set)
        #expect(quantizer.kept == Self.varying && quantizer.codeDimension == 12)
        #expect(quantizer.leftOut == [0..<1, 3..<8, 17..<39])
        #expect(quantizer.offset[0] == 0.125 && quantizer.offset[20] == 0)
        // Three elements fewer are no shorter code.
        var few = ConstantElements(dimension: 16)
        few.note([Float](repeating: 0, count: 16))
        few.note([Float](repeating: 0, count: 3) + [Float](repeating: 1, count: 13))
        #expect(few.rest == nil)
        var none = ConstantElements(dimension: 32)
        #expect(none.rest == [0..<1])
        none.note([Float](repeating: 0.5, count: 32))
        #expect(none.rest == [0..<1])
        none.note([Float](repeating: 0.25, count: 32))
        #expect(none.rest == nil)
        // Zeros of both signs are equal.
        var signs = ConstantElements(dimension: 32)
        signs.note([1] + [Float](repeating: 0, count: 31))
        signs.note([2] + [Float](repeating: -0.0, count: 31))
        #expect(signs.rest == [0..<1])
    }

    @Test(
        "Distances are those of whole codes, also of questions that differ where vectors are equal",
        arguments: [Metric.cosine, .squaredEuclidean])
    func distances(metric: Metric) throws {
        let set = Self.vectors(metric)
        let index = try Self.index(set, metric)
        let whole = try HNSWIndex(
            dimension: Self.dimension, metric: metric, precision: .i8,
            quantizer: set.values.withUnsafeBufferPointer {
                ScalarQuantizer(fitting: $0, dimension: Self.dimension, allowsExact: false)
            })
        try whole.insertAll(set)
        #expect(index.graphByteCount < whole.graphByteCount)
        #expect(index.validate() == [])
        #expect(try index.missed({ set.row(Int($0)) }, among: 0..<UInt32(set.count)) == [])
        let queries = VectorSet(.uniform, count: 20, dimension: Self.dimension, seed: 8)
        for row in 0..<queries.count {
            let query = queries.row(row).map { 2 * $0 - 1 }
            let exact = try index.findExactly(query, k: 10).hits
            let expected = try whole.findExactly(query, k: 10).hits
            for (hit, other) in zip(exact, expected) { #expect(abs(hit.distance - other.distance) < 2e-3) }
            let length = query.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            for hit in exact {
                let vector = set.row(Int(hit.item))
                let products = zip(query, vector).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                let squares = zip(query, vector).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
                let plain = metric == .cosine ? 1 - products / length : squares
                #expect(abs(Double(hit.distance) - plain) < 2e-3 * max(1, plain))
            }
        }
        #expect(try index.recall(VectorSet(.uniform, count: 40, dimension: Self.dimension, seed: 9), ef: 128) > 0.97)
    }

    @Test func vectorsComeBackWhole() throws {
        let set = Self.vectors(.cosine)
        let index = try Self.index(set, .cosine)
        let step = try #require(index.quantizer).step
        for row in [0, 7, 599] {
            let got = try #require(index.vector(of: UInt32(row)))
            for (value, wanted) in zip(got, set.row(row)) { #expect(abs(value - wanted) <= 0.51 * step) }
            #expect(got[0] == 0.125 && got[20] == 0)
            #expect(set.row(row).withUnsafeBufferPointer { index.holds($0, for: UInt32(row)) })
            var other = set.row(row)
            other[20] = 0.01
            #expect(!other.withUnsafeBufferPointer { index.holds($0, for: UInt32(row)) })
        }
    }

    @Test func whatCodesCannotHoldIsRefused() throws {
        let set = Self.vectors(.cosine)
        let index = try Self.index(set, .cosine)
        var other = set.row(3)
        (other[20], other[0]) = (0.125, 0)
        #expect(other.withUnsafeBufferPointer { !index.covers($0) })
        #expect(set.values.withUnsafeBufferPointer { index.covers($0) })
        #expect((set.row(1) + other).withUnsafeBufferPointer { !index.covers($0) })
        #expect(throws: IndexError(.outsideCodes)) { try index.insert(other, 900) }
        #expect(throws: IndexError(.outsideCodes)) {
            try other.withUnsafeBufferPointer { try index.prepareInsertion($0, items: [900]) }
        }
        #expect(throws: IndexError(.outsideCodes)) {
            try (set.row(1) + other).withUnsafeBufferPointer { try index.insertBatch($0, items: [3, 4]) }
        }
        #expect(index.count == set.count && index.validate() == [])
        #expect(!IndexError(.outsideCodes).isDamage)
        // As restored from vectors.
        let links = index.serializeLinks()
        #expect(throws: IndexError(.outsideCodes)) {
            try HNSWIndex(
                restoring: links, dimension: Self.dimension, metric: .cosine, precision: .i8, quantizer: index.quantizer
            ) { item, buffer in
                _ = buffer.update(fromContentsOf: item == 5 ? other : set.row(Int(item)))
                return true
            }
        }
    }

    @Test func checkpointsHoldShortCodes() throws {
        let set = Self.vectors(.cosine)
        let index = try Self.index(set, .cosine)
        let kept = try #require(index.quantizer)
        let quantizer = try ScalarQuantizer(decoding: kept.encoded)
        #expect(quantizer == kept)
        #expect(index.codePieceByteCount(0) == set.count * hilum_code_bytes(12))
        let links = index.serializeLinks()
        let owners = index.serializeOwners()
        let codes = index.withCodePiece(0) { [UInt8]($0) }
        let residuals = try (0..<index.residualPieceCount).map { try index.withResidualPiece($0) { [UInt8]($0) } }
        let restored = try HNSWIndex(
            restoring: links.count, links: { _, use in try links.withUnsafeBytes { try use($0) } },
            dimension: Self.dimension, metric: .cosine, quantizer: quantizer,
            codes: { _, use in try codes.withUnsafeBytes { try use($0) } },
            residuals: { piece, use in
                try residuals[piece].withUnsafeBytes { try use($0) }
                return true
            }, isThere: { _ in true })
        #expect(restored.validate() == [] && restored.serializeLinks() == links)
        let size = try GraphSize(
            restoring: links.count, links: { _, use in try links.withUnsafeBytes { try use($0) } },
            dimension: Self.dimension, metric: .cosine, quantizer: quantizer)
        #expect(size.byteCount == index.graphByteCount && restored.graphByteCount == index.graphByteCount)
        for row in 0..<10 {
            let query = VectorSet(.uniform, count: 1, dimension: Self.dimension, seed: UInt64(row)).values
            let hits = try index.findExactly(query, k: 5).hits
            #expect(try restored.findExactly(query, k: 5).hits.elementsEqual(hits, by: ==))
            let scan = try query.withUnsafeBufferPointer { query in
                try HNSWIndex.scan(
                    links.count, links: { _, use in try links.withUnsafeBytes { try use($0) } },
                    owners: { _, use in try owners.withUnsafeBytes { try use($0) } }, hasOwners: true,
                    dimension: Self.dimension, metric: .cosine, quantizer: quantizer,
                    codes: { _, use in try codes.withUnsafeBytes { try use($0) } }, for: query, count: 10, itemLimit: 5,
                    among: nil, existing: ItemSet(0..<UInt32(set.count)))
            }
            #expect(Set(hits.map(\.item)).isSubset(of: scan.nodes.flatMap(\.items)))
            for (node, hit) in zip(scan.nodes, hits) { #expect(abs(node.distance - hit.distance) < 2e-2) }
        }
    }

    @Test func damagedElementsAreRefused() throws {
        let quantizer = Self.quantizer(Self.vectors(.cosine))
        let bytes = quantizer.encoded
        let start = 12 + 4 * Self.dimension
        #expect(bytes.count == start + 4 + 8 * quantizer.kept.count)
        for length in 0..<bytes.count {
            #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: Array(bytes[..<length])) }
        }
        #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: bytes + [0]) }
        func replaced(at place: Int, by number: UInt32) -> [UInt8] {
            var other = bytes
            withUnsafeBytes(of: number.littleEndian) { other.replaceSubrange(place..<(place + 4), with: $0) }
            return other
        }
        let whole = ScalarQuantizer(offset: quantizer.offset, step: quantizer.step)
        var all = whole.encoded
        all[4] = 2
        all += [1, 0, 0, 0, 0, 0, 0, 0, UInt8(Self.dimension), 0, 0, 0]
        #expect(throws: IndexError.self, "all elements, said in a second way") { try ScalarQuantizer(decoding: all) }
        for flags in [0, 1, 4, 6, UInt32.max] {
            #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: replaced(at: 4, by: flags)) }
        }
        for count in [0, 1, 4, UInt32.max] {
            #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: replaced(at: start, by: count)) }
        }
        // An empty range, one that begins in the one before or right behind it, one that ends behind the vector.
        for (place, number) in [(4, 3), (8, 1), (12, 2), (12, 3), (12, 17), (24, 41), (24, 39)] as [(Int, UInt32)] {
            #expect(throws: IndexError.self) { try ScalarQuantizer(decoding: replaced(at: start + place, by: number)) }
        }
    }
}
