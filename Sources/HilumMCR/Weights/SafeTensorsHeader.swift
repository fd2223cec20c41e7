import HilumCore

/// The checked header of a safetensors file. Offsets are within the data, after the header.
struct SafeTensorsHeader {
    struct Entry {
        let name: String
        let type: TensorType
        let shape: [Int]
        let range: Range<Int>
    }

    private(set) var entries: [Entry] = []
    private(set) var metadata: [String: String] = [:]

    init(json: [UInt8], dataByteCount: Int, limits: SafeTensors.Limits, skipsIntegers: Bool) throws(MCRError) {
        var reader = JSONReader(json[...])
        do {
            try reader.beginObject()
            while let name = try reader.nextKey() {
                guard name != "__metadata__" else {
                    try reader.beginObject()
                    while let key = try reader.nextKey() { metadata[key] = try reader.string() }
                    continue
                }
                guard entries.count < limits.tensorCount else {
                    throw Self.refuse("it has more than \(limits.tensorCount) tensors")
                }
                entries.append(
                    try Self.entry(name, &reader, dataByteCount: dataByteCount, skipsIntegers: skipsIntegers))
            }
            try reader.finish()
        } catch let error as MCRError {
            throw error
        } catch {
            throw Self.malformed(error)
        }
        try Self.checkCover(entries, dataByteCount: dataByteCount)
    }

    /// The error of a header that is not the JSON that it has to be; its first byte is the ninth of the file.
    private static func malformed(_ error: any Error) -> MCRError {
        guard let error = error as? JSONReader.Malformed else { return refuse("the header is malformed: \(error)") }
        return refuse("the header is malformed at byte \(8 + error.byteOffset): \(error.reason)")
    }

    static func refuse(_ reason: String) -> MCRError { MCRError(.badWeights(reason: reason)) }

    private static func entry(
        _ name: String, _ reader: inout JSONReader, dataByteCount: Int, skipsIntegers: Bool
    ) throws -> Entry {
        // Spelt out only where it is needed: a header may hold thousands of names.
        var label: String { SafeTensors.quoted(name) }
        var typeName: String?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "dtype": typeName = try reader.string()
            case "shape": shape = try counts(&reader, limit: 8)
            case "data_offsets": offsets = try counts(&reader, limit: 2)
            default: throw refuse("tensor \(label) has the key \(SafeTensors.quoted(key)) without need")
            }
        }
        guard let typeName, let shape, let offsets, offsets.count == 2 else {
            throw refuse("tensor \(label) lacks dtype, shape or data_offsets")
        }
        guard let type = TensorType(rawValue: typeName), type.isFloat || skipsIntegers && type != .f64 else {
            throw refuse("tensor \(label) is of type \(SafeTensors.quoted(typeName)); F32, F16 and BF16 can be read")
        }
        var byteCount = type.byteCount
        for size in shape {
            let (product, overflows) = byteCount.multipliedReportingOverflow(by: size)
            guard !overflows else { throw refuse("the shape of tensor \(label) is too large to be true") }
            byteCount = product
        }
        guard offsets[0] <= offsets[1], offsets[1] <= dataByteCount else {
            throw refuse("tensor \(label) lies outside the file")
        }
        guard offsets[1] - offsets[0] == byteCount else {
            throw refuse("tensor \(label) needs \(byteCount) bytes and has \(offsets[1] - offsets[0])")
        }
        return Entry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// A list of whole numbers from 0 on.
    private static func counts(_ reader: inout JSONReader, limit: Int) throws -> [Int] {
        var values: [Int] = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard values.count < limit else { throw refuse("the header is malformed: a list is longer than \(limit)") }
            values.append(try reader.count())
        }
        return values
    }

    /// Every byte of the data belongs to exactly one tensor.
    private static func checkCover(_ entries: [Entry], dataByteCount: Int) throws(MCRError) {
        var end = 0
        let sorted = entries.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        for entry in sorted {
            var label: String { SafeTensors.quoted(entry.name) }
            guard entry.range.lowerBound >= end else { throw refuse("tensor \(label) overlaps another") }
            guard entry.range.lowerBound == end else { throw refuse("there is a hole before tensor \(label)") }
            end = entry.range.upperBound
        }
        guard end == dataByteCount else {
            throw refuse("\(dataByteCount - end) bytes after the last tensor belong to none")
        }
    }
}
