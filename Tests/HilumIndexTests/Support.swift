import HilumCore
import Testing

@testable import HilumIndex

/// How test vectors lie in space.
enum Shape: String, CaseIterable, Sendable { case clusters, uniform }

/// Vectors that belong to a seed.
struct VectorSet {
    let dimension: Int
    var values: [Float] = []
    var count: Int { values.count / dimension }

    init(_ shape: Shape, count: Int, dimension: Int, seed: UInt64, unit: Bool = false) {
        self.dimension = dimension
        var generator = SeededGenerator(seed: seed)
        let centres = (0..<(20 * dimension)).map { _ in Float(generator.normal()) }
        for _ in 0..<count {
            let centre = generator.integer(below: 20)
            var row: [Float] = (0..<dimension).map { index in
                switch shape {
                case .uniform: Float(generator.uniform())
                case .clusters: centres[centre * dimension + index] + 0.4 * Float(generator.normal())
                }
            }
            if unit {
                let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
                row = row.map { $0 / length }
            }
            values += row
        }
    }

    var quantizer: ScalarQuantizer {
        values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: dimension) }
    }

    func row(_ index: Int) -> [Float] { Array(values[(index * dimension)..<((index + 1) * dimension)]) }
}

extension HNSWIndex {
    func insert(_ vector: [Float], _ item: UInt32) throws {
        try vector.withUnsafeBufferPointer { try insert($0, item: item) }
    }

    func insertAll(_ set: VectorSet, items: [UInt32]? = nil, threads: Int = 2) throws {
        let items = items ?? (0..<UInt32(set.count)).map { $0 }
        try set.values.withUnsafeBufferPointer { try insertBatch($0, items: items, threads: threads) }
    }

    func find(_ query: [Float], k: Int, ef: Int, filter: ItemSet? = nil) throws -> SearchResult {
        try query.withUnsafeBufferPointer { try search($0, k: k, ef: ef, filter: filter) }
    }

    func findExactly(_ query: [Float], k: Int, filter: ItemSet? = nil) throws -> SearchResult {
        try query.withUnsafeBufferPointer { try exactSearch($0, k: k, filter: filter) }
    }

    /// The share of the exact answers' distances that the walk reaches. By distance, for copies are equally right.
    func recall(_ queries: VectorSet, k: Int = 10, ef: Int, filter: ItemSet? = nil) throws -> Double {
        var found = 0
        var wanted = 0
        for index in 0..<queries.count {
            let exact = try findExactly(queries.row(index), k: k, filter: filter).hits
            let hits = try find(queries.row(index), k: k, ef: ef, filter: filter).hits
            #expect(Set(hits.map(\.item)).count == hits.count, "an item came twice")
            #expect(hits.count == exact.count, "fewer hits than match")
            guard let bound = exact.last?.distance else { continue }
            wanted += exact.count
            found += hits.filter { $0.distance <= bound }.count
        }
        return Double(found) / Double(max(wanted, 1))
    }
}

/// The squared distances to every vector, computed the plain way in `Double`.
func plainDistances(_ query: [Float], _ set: VectorSet) -> [Double] {
    (0..<set.count).map { row in
        var sum = 0.0
        for index in 0..<set.dimension {
            let difference = Double(query[index]) - Double(set.values[row * set.dimension + index])
            sum += difference * difference
        }
        return sum
    }
}
