import HilumCore
import HilumNN
import Testing

private func random(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float(generator.normal()) }
}

@Suite("Similarities") struct SimilaritiesTests {
    @Test("They are the dot products, in the order of queries and gallery", arguments: [1, 3])
    func definition(threads: Int) throws {
        for (queryCount, count, dimension) in [(1, 1, 1), (3, 5, 7), (64, 64, 16), (65, 130, 33), (200, 31, 128)] {
            let queries = random(queryCount * dimension, seed: 1)
            let gallery = random(count * dimension, seed: 2)
            let rows = try Similarities(to: gallery, dimension: dimension).map(queries, threads: threads) { _, row in
                Array(row)
            }
            #expect(rows.count == queryCount && rows.allSatisfy { $0.count == count })
            for i in 0..<queryCount {
                for j in 0..<count {
                    let sum = (0..<dimension).reduce(0.0) {
                        $0 + Double(queries[i * dimension + $1]) * Double(gallery[j * dimension + $1])
                    }
                    #expect(abs(Double(rows[i][j]) - sum) < 1e-4)
                }
            }
        }
    }

    /// Ties decide ranks, so they must not hang on where a row stands.
    @Test("Equal rows of the gallery are equally similar, wherever they stand", arguments: [3, 17, 128, 257])
    func tiesStayTies(dimension: Int) throws {
        let distinct = random(5 * dimension, seed: 3)
        let order = (0..<203).map { $0 * 7 % 5 }
        let gallery = order.flatMap { distinct[($0 * dimension)..<(($0 + 1) * dimension)] }
        let queries = random(70 * dimension, seed: 4)
        let rows = try Similarities(to: gallery, dimension: dimension).map(queries, threads: 2) { _, row in Array(row) }
        for row in rows {
            for (place, similarity) in row.enumerated() {
                #expect(similarity == row[order.firstIndex(of: order[place]) ?? 0])
            }
        }
    }

    @Test("The bits do not depend on the number of threads")
    func threads() throws {
        let similarities = try Similarities(to: random(150 * 96, seed: 5), dimension: 96)
        let queries = random(300 * 96, seed: 6)
        let one = similarities.map(queries, threads: 1) { _, row in Array(row) }
        #expect(one == similarities.map(queries, threads: 4) { _, row in Array(row) })
    }
}
