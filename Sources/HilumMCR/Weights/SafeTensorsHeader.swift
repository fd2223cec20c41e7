/// The types a safetensors file may hold.
enum TensorType: String, Sendable {
    case f32 = "F32", f16 = "F16", bf16 = "BF16"
    case f64 = "F64", i64 = "I64", i32 = "I32", i16 = "I16", i8 = "I8", u64 = "U64", u32 = "U32", u16 = "U16", u8 = "U8"
    case bool = "BOOL"

    var byteCount: Int {
        switch self {
        case .f64, .i64, .u64: 8
        case .f32, .i32, .u32: 4
        case .f16, .bf16, .i16, .u16: 2
        case .i8, .u8, .bool: 1
        }
    }

    /// Whether Hilum reads it as weights.
    var isFloat: Bool { self == .f32 || self == .f16 || self == .bf16 }

    /// The values as f32; nil when one is not finite.
    func floats(_ bytes: [UInt8]) -> [Float]? {
        let count = bytes.count / byteCount
        var isFinite = true
        let values = bytes.withUnsafeBytes { raw in
            // Safety: `count` values of `byteCount` bytes lie within `raw`; unaligned loads ask for no alignment.
            [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
                for index in 0..<count {
                    let value: Float =
                        switch self {
                        case .f32:
                            Float(
                                bitPattern: UInt32(
                                    littleEndian: raw.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
                        case .f16:
                            HalfPrecision.float(
                                half: UInt16(
                                    littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                        default:
                            HalfPrecision.float(
                                brain: UInt16(
                                    littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
                        }
                    isFinite = isFinite && value.isFinite
                    buffer[index] = value
                }
                initialized = count
            }
        }
        return isFinite ? values : nil
    }
}

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

/// Reads just the JSON a safetensors header may hold: objects, strings, lists of whole numbers. It stops at the first
/// thing that should not be there, so a hostile header costs no more than the bytes before that.
struct HeaderReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Calls `body` at each value of an object.
    mutating func object(
        _ body: (String, inout HeaderReader) throws(MCRError) -> Void
    ) throws(MCRError) {
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try body(key, &self)
        } while take(",")
        try expect("}")
    }

    /// A list of whole numbers from 0 on.
    mutating func integers(limit: Int) throws(MCRError) -> [Int] {
        var values: [Int] = []
        try expect("[")
        if take("]") { return values }
        repeat {
            guard values.count < limit else { throw malformed("a list is longer than \(limit)") }
            values.append(try integer())
        } while take(",")
        try expect("]")
        return values
    }

    mutating func string() throws(MCRError) -> String {
        try expect("\"")
        var output: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case 0x22:
                guard let text = String(validating: output, as: UTF8.self) else {
                    throw malformed("a text is not UTF-8")
                }
                return text
            case 0x5C: try escape(into: &output)
            case ..<0x20: throw malformed("a control character in a text")
            default: output.append(byte)
            }
        }
        throw malformed("a text does not end")
    }

    /// Nothing but white space may follow.
    mutating func end() throws(MCRError) {
        skipSpace()
        guard position == bytes.count else { throw malformed("something follows the header's object") }
    }

    private mutating func escape(into output: inout [UInt8]) throws(MCRError) {
        guard position < bytes.count else { throw malformed("a text does not end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: output.append(byte)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            var value = try hexadecimal()
            if 0xD800..<0xDC00 ~= value, position + 1 < bytes.count, bytes[position] == 0x5C,
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard 0xDC00..<0xE000 ~= low else { throw malformed("half a surrogate pair") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw malformed("half a surrogate pair") }
            output.append(contentsOf: Array(String(scalar).utf8))
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(MCRError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw malformed("a short escape") }
        var value: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt32(byte - 0x61 + 10)
            default: throw malformed("a bad escape")
            }
        }
        position += 4
        return value
    }

    private mutating func integer() throws(MCRError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, 0x30...0x39 ~= bytes[position] {
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = product.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !overflows && !overflowsToo else { throw malformed("a number is too large to be true") }
            value = sum
            position += 1
        }
        guard position > start else { throw malformed("a whole number from 0 on is missing") }
        guard position == start + 1 || bytes[start] != 0x30 else { throw malformed("a number begins with 0") }
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(MCRError) {
        guard take(character) else { throw malformed("\(character) is missing") }
    }

    private func malformed(_ reason: String) -> MCRError {
        SafeTensorsHeader.refuse("the header is malformed at byte \(8 + position): \(reason)")
    }
}
