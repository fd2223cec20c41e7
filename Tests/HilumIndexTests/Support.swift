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

    /// Unit vectors like those of templated reports beside a few drawn cases: 19 of 20 are one of 5 templates with 8 choices filled in,
    /// most of them alike and all of them crowded together, and the rest lie in 50 small clusters far away.
    static func templated(count: Int, dimension: Int, seed: UInt64) -> VectorSet {
        var set = VectorSet(.uniform, count: 0, dimension: dimension, seed: seed)
        var generator = SeededGenerator(seed: seed)
        func vector(_ length: Double) -> [Double] {
            (0..<dimension).map { _ in length * generator.normal() / Double(dimension).squareRoot() }
        }
        let centres = (0..<50).map { _ in vector(1) }
        let away = vector(3)
        let templates = (0..<5).map { _ in zip(away, vector(0.3)).map { $0 + $1 } }
        let choices = (0..<(5 * 8 * 12)).map { _ in vector(0.15) }
        for _ in 0..<count {
            var row: [Double]
            if generator.chance(0.05) {
                row = zip(centres[generator.integer(below: 50)], vector(0.5)).map { $0 + $1 }
            } else {
                let template = generator.integer(below: 5)
                row = zip(templates[template], vector(0.01)).map { $0 + $1 }
                for place in 0..<8 {
                    // The first choices are the most frequent.
                    let share = generator.uniform()
                    let choice = choices[(template * 8 + place) * 12 + Int(share * share * share * 12)]
                    for index in 0..<dimension { row[index] += choice[index] }
                }
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            set.values += row.map { Float($0 / length) }
        }
        return set
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

    /// Items that a search for their own vector with the default `ef` does not find.
    func missed(_ vectors: (UInt32) -> [Float], among items: some Sequence<UInt32>) throws -> [UInt32] {
        try items.filter { item in
            guard contains(item: item) else { return false }
            return try !find(vectors(item), k: 10, ef: 64).hits.contains { $0.item == item }
        }
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
