import HilumCore
import Synchronization

/// Dot products of queries with every row of a gallery, by OpenBLAS, a block of queries at a time.
///
///     gallery [n, d] ─► distinct rows [u, d] ─┐
///     queries [q, d] ─► blocks [64, d] ───────┴─► products [64, u] ─► one row of n similarities a query
///
/// Equal rows of the gallery are multiplied once. So they are as similar to a query as each other, bit for bit, and stay tied,
/// whatever the library does at the edges of a product. Results do not depend on the number of threads.
/// Thread rule: an immutable value; any number of threads.
public struct Similarities: Sendable {
    /// Queries whose similarities are held at once by a thread.
    private static let blockSize = 64

    /// Rows of the gallery.
    public let count: Int
    private let dimension: Int
    private let blas: OpenBLAS
    /// `[distinct rows, dimension]`
    private let rows: [Float]
    private let distinctCount: Int
    /// For each row of the gallery its distinct row.
    private let places: [Int]

    /// - Parameter gallery: finite values `[rows, dimension]`, row-major.
    /// - Throws: `NumericError` when OpenBLAS is missing.
    public init(to gallery: [Float], dimension: Int) throws(NumericError) {
        precondition(dimension > 0 && gallery.count % dimension == 0, "the gallery must hold whole rows")
        blas = try OpenBLAS.load()
        self.dimension = dimension
        count = gallery.count / dimension
        var placeOfRow: [ArraySlice<Float>: Int] = [:]
        var rows: [Float] = []
        rows.reserveCapacity(gallery.count)
        places = (0..<count).map { number in
            let row = gallery[(number * dimension)..<((number + 1) * dimension)]
            if let place = placeOfRow[row] { return place }
            let place = placeOfRow.count
            placeOfRow[row] = place
            rows += row
            return place
        }
        distinctCount = placeOfRow.count
        self.rows = rows
    }

    /// `body(query, similarities to every row of the gallery)` for each query, on all threads; results in query order.
    ///
    /// - Parameter queries: `[queries, dimension]`, row-major. The similarities are valid within the call of `body` only.
    public func map<Result: Sendable>(
        _ queries: [Float], threads: Int, _ body: @Sendable (Int, UnsafeBufferPointer<Float>) -> Result
    ) -> [Result] {
        precondition(queries.count % dimension == 0, "the queries must be whole rows of the gallery's dimension")
        let queryCount = queries.count / dimension
        let blockCount = (queryCount + Self.blockSize - 1) / Self.blockSize
        let results = Mutex<[[Result]]>(Array(repeating: [], count: blockCount))
        parallelRanges(blockCount, threads: threads) { blocks, _ in
            var products = [Float](repeating: 0, count: Self.blockSize * distinctCount)
            var row = [Float](repeating: 0, count: count)
            for block in blocks {
                let range = block * Self.blockSize..<min(queryCount, (block + 1) * Self.blockSize)
                multiply(queries, range, into: &products)
                let part = range.map { query in
                    let start = (query - range.lowerBound) * distinctCount
                    for number in 0..<count { row[number] = products[start + places[number]] }
                    return row.withUnsafeBufferPointer { body(query, $0) }
                }
                results.withLock { $0[block] = part }
            }
        }
        return results.withLock { $0 }.flatMap { $0 }
    }

    private func multiply(_ queries: [Float], _ range: Range<Int>, into products: inout [Float]) {
        queries.withUnsafeBufferPointer { left in
            rows.withUnsafeBufferPointer { right in
                products.withUnsafeMutableBufferPointer { output in
                    guard let left = left.baseAddress, let right = right.baseAddress, let output = output.baseAddress
                    else { return }
                    blas.multiply(
                        left + range.lowerBound * dimension, stride: dimension, right, secondTransposed: true,
                        stride: dimension, into: output, stride: distinctCount, m: range.count, n: distinctCount,
                        k: dimension)
                }
            }
        }
    }
}
