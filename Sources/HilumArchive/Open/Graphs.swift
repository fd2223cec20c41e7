import HilumCore
import HilumIndex

/// The two graphs of an archive. Items are case numbers; the distance is 1 − cosine.
///
/// Thread rule: that of `HNSWIndex`; the archive's `writing` lock makes one writer.
struct Graphs: Sendable {
    let image: HNSWIndex
    let report: HNSWIndex

    subscript(kind: VectorKind) -> HNSWIndex { kind == .image ? image : report }

    var memoryInBytes: Int { image.graphByteCount + report.graphByteCount }
}

/// Vectors by number, as they were read from the store: `[numbers.count, dimension]`, row-major, numbers ascending.
struct VectorTable: Sendable {
    var numbers: [UInt32] = []
    var values: [Float] = []
    let dimension: Int

    /// The row of `number`; nil when it is not there. Complexity: O(log n).
    func row(of number: UInt32) -> Int? {
        var low = 0
        var high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < numbers.count && numbers[low] == number ? low : nil
    }

    /// How these vectors become codes. Later ones may lie half as far out again; the next start fits anew.
    var quantizer: ScalarQuantizer {
        values.withUnsafeBufferPointer {
            ScalarQuantizer(fitting: $0, dimension: dimension, reach: 1.5, allowsExact: false)
        }
    }

    /// Puts the vectors that `index` lacks into it.
    ///
    /// - Returns: how many there were.
    func insertMissing(into index: HNSWIndex, threads: Int) throws -> Int {
        let missing = numbers.indices.filter { !index.contains(item: numbers[$0]) }
        // In pieces, so that the copy stays small beside the vectors.
        for start in stride(from: 0, to: missing.count, by: 4096) {
            let rows = missing[start..<min(start + 4096, missing.count)]
            var part: [Float] = []
            part.reserveCapacity(rows.count * dimension)
            for row in rows { part += values[(row * dimension)..<((row + 1) * dimension)] }
            try part.withUnsafeBufferPointer {
                try index.insertBatch($0, items: rows.map { numbers[$0] }, threads: threads)
            }
        }
        return missing.count
    }
}
