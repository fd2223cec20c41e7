import HilumCore
import Synchronization

/// Rows of floats, filled up with zeros to whole vectors of four and to an even block of rows, so that every pair of rows
/// goes through the same instructions and equal rows give equal similarities.
struct EmbeddingRows: Sendable {
    static let rowBlock = 4

    let count: Int
    /// Vectors of four a row.
    let stride: Int
    let values: [SIMD4<Float>]

    init(_ floats: [Float], dimension: Int) throws(EvaluationError) {
        guard dimension > 0, floats.count % dimension == 0 else {
            throw EvaluationError(.badInput(reason: "\(floats.count) floats are no rows of \(dimension)"))
        }
        // A NaN is never better than the positive and would count as a perfect rank.
        guard floats.allSatisfy(\.isFinite) else {
            throw EvaluationError(.badInput(reason: "an embedding is not finite"))
        }
        let count = floats.count / dimension
        let stride = (dimension + 3) / 4
        let paddedCount = (count + Self.rowBlock - 1) / Self.rowBlock * Self.rowBlock
        var values = [SIMD4<Float>](repeating: .zero, count: paddedCount * stride)
        for row in 0..<count {
            for column in 0..<dimension {
                values[row * stride + column / 4][column % 4] = floats[row * dimension + column]
            }
        }
        self.count = count
        self.stride = stride
        self.values = values
    }
}

extension RetrievalEvaluation {
    /// Queries whose similarities are held at once.
    private static let queryBlock = 64
    /// Rows of the gallery that stay in the second-level cache while a block of queries passes.
    private static let galleryBlock = 64

    /// `body(query, similarities to every row of the gallery)` for each query, on all threads; results in query order.
    static func mapSimilarities<Result: Sendable>(
        queries: EmbeddingRows, gallery: EmbeddingRows, threads: Int,
        _ body: @Sendable (Int, UnsafeBufferPointer<Float>) -> Result
    ) -> [Result] {
        precondition(queries.stride == gallery.stride, "both sides have one dimension")
        let blockCount = (queries.count + queryBlock - 1) / queryBlock
        let results = Mutex<[[Result]]>(Array(repeating: [], count: blockCount))
        parallelRanges(blockCount, threads: threads) { blocks, _ in
            let width = gallery.values.count / gallery.stride
            var scratch = [Float](repeating: 0, count: queryBlock * width)
            for block in blocks {
                let range = block * queryBlock..<min(queries.count, (block + 1) * queryBlock)
                let part = scratch.withUnsafeMutableBufferPointer { output in
                    multiply(queries, rows: range, by: gallery, width: width, into: output)
                    return range.map { query in
                        let start = (query - range.lowerBound) * width
                        return body(query, UnsafeBufferPointer(rebasing: output[start..<start + gallery.count]))
                    }
                }
                results.withLock { $0[block] = part }
            }
        }
        return results.withLock { $0 }.flatMap { $0 }
    }

    /// `[rows, width]` dot products, two queries by four rows of the gallery at a time.
    private static func multiply(
        _ queries: EmbeddingRows, rows: Range<Int>, by gallery: EmbeddingRows, width: Int,
        into output: UnsafeMutableBufferPointer<Float>
    ) {
        let stride = queries.stride
        queries.values.withUnsafeBufferPointer { left in
            gallery.values.withUnsafeBufferPointer { right in
                // Safety: rows are padded to a multiple of four on both sides and `output` holds `queryBlock` rows of `width`,
                // a multiple of four, so a pair of queries and four rows of the gallery always lie within.
                guard let left = left.baseAddress, let right = right.baseAddress, let output = output.baseAddress else {
                    return
                }
                for tile in Swift.stride(from: 0, to: width, by: galleryBlock) {
                    for query in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: 2) {
                        let target = output + (query - rows.lowerBound) * width
                        for row in Swift.stride(from: tile, to: min(width, tile + galleryBlock), by: 4) {
                            multiplyTile(
                                left + query * stride, right + row * stride, stride, target + row, target + width + row)
                        }
                    }
                }
            }
        }
    }

    @inline(__always)
    private static func multiplyTile(
        _ a: UnsafePointer<SIMD4<Float>>, _ b: UnsafePointer<SIMD4<Float>>, _ stride: Int,
        _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>
    ) {
        var s00 = SIMD4<Float>.zero
        var s01 = SIMD4<Float>.zero
        var s02 = SIMD4<Float>.zero
        var s03 = SIMD4<Float>.zero
        var s10 = SIMD4<Float>.zero
        var s11 = SIMD4<Float>.zero
        var s12 = SIMD4<Float>.zero
        var s13 = SIMD4<Float>.zero
        for i in 0..<stride {
            let a0 = a[i]
            let a1 = a[stride + i]
            let b0 = b[i]
            let b1 = b[stride + i]
            let b2 = b[2 * stride + i]
            let b3 = b[3 * stride + i]
            s00 += a0 * b0
            s01 += a0 * b1
            s02 += a0 * b2
            s03 += a0 * b3
            s10 += a1 * b0
            s11 += a1 * b1
            s12 += a1 * b2
            s13 += a1 * b3
        }
        first[0] = s00.sum()
        first[1] = s01.sum()
        first[2] = s02.sum()
        first[3] = s03.sum()
        second[0] = s10.sum()
        second[1] = s11.sum()
        second[2] = s12.sum()
        second[3] = s13.sum()
    }

    /// The rows of greatest similarity, nearest first, ties by row number.
    static func nearestRows(_ row: UnsafeBufferPointer<Float>, count: Int, leavingOut own: Int?) -> [Int] {
        var nearest: [Int] = []
        nearest.reserveCapacity(count + 1)
        for candidate in row.indices where candidate != own {
            if nearest.count == count {
                guard let last = nearest.last, row[candidate] > row[last] else { continue }
                nearest.removeLast()
            }
            var position = nearest.count
            while position > 0 && row[nearest[position - 1]] < row[candidate] { position -= 1 }
            nearest.insert(candidate, at: position)
        }
        return nearest
    }

    static func ranks(
        queries: EmbeddingRows, gallery: EmbeddingRows, positives: PositiveGroups, threads: Int
    ) -> [Double] {
        mapSimilarities(queries: queries, gallery: gallery, threads: threads) { query, row in
            rank(of: positives.of(query), in: row)
        }
    }

    /// The rank of the best of `group` among all values of `row`, from 1; a half where an odd count of others is tied with it.
    static func rank(of group: [Int], in row: UnsafeBufferPointer<Float>) -> Double {
        let best = group.reduce(-Float.infinity) { max($0, row[$1]) }
        var better = 0
        var tied = 0
        for value in row {
            better += value > best ? 1 : 0
            tied += value == best ? 1 : 0
        }
        // No positive is better than the best one, but those tied with it do not count against it.
        tied -= group.count { row[$0] == best }
        return 1 + Double(better) + 0.5 * Double(tied)
    }
}
