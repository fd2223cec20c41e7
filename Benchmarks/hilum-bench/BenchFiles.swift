import Foundation
import HilumCore
import HilumIndex

/// Vectors of an fvecs file: each row is a little-endian `Int32` length and that many `Float`s.
struct FloatVectors {
    let dimension: Int
    /// `[count, dimension]`, row-major.
    private(set) var values: [Float]
    var count: Int { values.count / dimension }

    /// - Parameter unit: divides each row by its length.
    init(path: String, unit: Bool) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
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
                    // Safety: both ranges lie inside their buffers, as the size of the file was checked.
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

/// An index on disk for the benchmark: `dimension u64 | count u64 | vectors f32 | links`.
enum BenchFile {
    static func save(_ index: HNSWIndex, _ base: FloatVectors, to path: String) throws {
        let manager = FileManager.default
        guard manager.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw BenchError("cannot write \(path)")
        }
        defer { try? file.close() }
        let head = [UInt64(base.dimension), UInt64(base.count)]
        try file.write(contentsOf: head.withUnsafeBytes { Data($0) })
        try base.values.withUnsafeBytes { raw in
            guard let start = raw.baseAddress else { return }
            // Safety: the bytes belong to `base` and outlive the write.
            let bytes = Data(
                bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: raw.count, deallocator: .none)
            try file.write(contentsOf: bytes)
        }
        try file.write(contentsOf: Data(index.serializeLinks()))
        try file.synchronize()
    }

    static func load(_ path: String, metric: Metric, precision: Precision) throws -> (index: HNSWIndex, count: Int) {
        let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        guard data.count >= 16 else { throw BenchError("\(path) is cut off") }
        let (dimension, count) = data.withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        guard dimension <= 65_536, count <= UInt64(data.count), 16 + 4 * dimension * count <= UInt64(data.count) else {
            throw BenchError("\(path) is cut off")
        }
        let rowByteCount = 4 * Int(dimension)
        let vectorEnd = 16 + rowByteCount * Int(count)
        let index = try HNSWIndex(
            restoring: Array(data[vectorEnd...]), dimension: Int(dimension), metric: metric, precision: precision,
            quantizer: data.withUnsafeBytes { raw in
                ScalarQuantizer(
                    fitting: UnsafeRawBufferPointer(rebasing: raw[16..<vectorEnd]).bindMemory(to: Float.self),
                    dimension: Int(dimension))
            }
        ) { item, buffer in
            guard item < UInt32(count) else { return false }
            let start = 16 + rowByteCount * Int(item)
            return data.withUnsafeBytes { raw in
                // Safety: the row lies inside the file, whose size was checked.
                UnsafeMutableRawBufferPointer(buffer).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: raw[start..<(start + rowByteCount)]))
                return true
            }
        }
        return (index, Int(count))
    }

    static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_blocks) * 512 : 0
    }
}
