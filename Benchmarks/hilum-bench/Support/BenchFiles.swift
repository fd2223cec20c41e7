import Foundation
import HilumCore
import HilumIndex

/// Vectors of an fvecs file: each row is a little-endian `Int32` length and that many `Float`s.
struct FloatVectors {
    let dimension: Int
    /// `[count, dimension]`, row-major.
    private(set) var values: [Float]
    var count: Int { values.count / dimension }

    /// - Parameter unit: whether to normalise each row to length 1.
    init(path: String, unit: Bool) throws {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
            throw BenchError("\(path): no such file, or it cannot be read; give a file of vectors (fvecs)")
        }
        guard data.count >= 4 else { throw BenchError("\(path) is empty") }
        let dimension = data.withUnsafeBytes { Int($0.loadUnaligned(as: Int32.self)) }
        let rowByteCount = 4 * (dimension + 1)
        guard dimension > 0, data.count % rowByteCount == 0 else { throw BenchError("\(path) is no fvecs file") }
        let count = data.count / rowByteCount
        self.dimension = dimension
        values = [Float](unsafeUninitializedCapacity: count * dimension) { buffer, initialized in
            data.withUnsafeBytes { raw in
                let out = UnsafeMutableRawBufferPointer(buffer)
                for row in 0..<count {
                    // Safety: the size of the file was checked, so both ranges lie inside their buffers.
                    let from = UnsafeRawBufferPointer(
                        rebasing: raw[(row * rowByteCount + 4)..<((row + 1) * rowByteCount)])
                    let start = row * 4 * dimension
                    UnsafeMutableRawBufferPointer(rebasing: out[start..<(start + 4 * dimension)]).copyMemory(from: from)
                }
            }
            initialized = count * dimension
        }
        if unit { normalize() }
    }

    /// - Parameter values: `[count, dimension]`, row-major.
    init(values: [Float], dimension: Int) {
        self.values = values
        self.dimension = dimension
    }

    /// Some of the rows.
    func rows(_ range: Range<Int>) -> FloatVectors {
        FloatVectors(
            values: Array(values[(range.lowerBound * dimension)..<(range.upperBound * dimension)]), dimension: dimension
        )
    }

    private mutating func normalize() {
        for row in 0..<count {
            let range = (row * dimension)..<((row + 1) * dimension)
            var square = 0.0
            for index in range { square += Double(values[index]) * Double(values[index]) }
            let scale = Float(1 / max(square.squareRoot(), 1e-30))
            for index in range { values[index] *= scale }
        }
    }

    func withRow<Result>(_ row: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try values.withUnsafeBufferPointer {
            try body(UnsafeBufferPointer(rebasing: $0[(row * dimension)..<((row + 1) * dimension)]))
        }
    }

    /// Calls `body` with each row.
    func forEach(_ body: (UnsafeBufferPointer<Float>) throws -> Void) rethrows {
        try values.withUnsafeBufferPointer { all in
            for row in 0..<count {
                try body(UnsafeBufferPointer(rebasing: all[(row * dimension)..<((row + 1) * dimension)]))
            }
        }
    }
}
