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
        var reader = HeaderReader(json)
        var names: Set<String> = []
        try reader.object { name, reader throws(MCRError) in
            guard names.insert(name).inserted else {
                throw Self.refuse("the name \(SafeTensors.quoted(name)) is there twice")
            }
            guard entries.count < limits.tensorCount || name == "__metadata__" else {
                throw Self.refuse("it has more than \(limits.tensorCount) tensors")
            }
            if name == "__metadata__" {
                try reader.object { key, reader throws(MCRError) in metadata[key] = try reader.string() }
            } else {
                entries.append(
                    try Self.entry(name, &reader, dataByteCount: dataByteCount, skipsIntegers: skipsIntegers))
            }
        }
        try reader.end()
        try Self.checkCover(entries, dataByteCount: dataByteCount)
    }

    static func refuse(_ reason: String) -> MCRError { MCRError(.badWeights(reason: reason)) }

    private static func entry(
        _ name: String, _ reader: inout HeaderReader, dataByteCount: Int, skipsIntegers: Bool
    ) throws(MCRError) -> Entry {
        // Spelt out only where it is needed: a header may hold thousands of names.
        var label: String { SafeTensors.quoted(name) }
        var typeName: String?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.object { key, reader throws(MCRError) in
            switch key {
            case "dtype" where typeName == nil: typeName = try reader.string()
            case "shape" where shape == nil: shape = try reader.integers(limit: 8)
            case "data_offsets" where offsets == nil: offsets = try reader.integers(limit: 2)
            default: throw refuse("tensor \(label) has the key \(SafeTensors.quoted(key)) twice or without need")
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
