import HilumCore

/// Builds a value of the store: integers little-endian, lengths as variable-length integers (7 bits a byte, low first).
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func length(_ value: Int) {
        var rest = UInt64(value)
        while rest > 127 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func text(_ value: String) {
        var copy = value
        copy.withUTF8 { utf8 in
            length(utf8.count)
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func optionalText(_ value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { text(value) }
    }

    mutating func raw(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }
}

/// Reads what `ByteWriter` wrote; every length is checked.
struct ByteReader {
    struct Malformed: Error {}

    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func byte() throws(Malformed) -> UInt8 {
        guard offset < bytes.count else { throw Malformed() }
        offset += 1
        return bytes[offset - 1]
    }

    mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type = Number.self) throws(Malformed)
        -> Number
    {
        let size = MemoryLayout<Number>.size
        guard bytes.count - offset >= size else { throw Malformed() }
        defer { offset += size }
        // Safety: `size` bytes are left; no alignment is assumed.
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    mutating func length() throws(Malformed) -> Int {
        var value: UInt64 = 0
        for shift in stride(from: 0 as UInt64, to: 42, by: 7) {
            let next = try byte()
            value |= UInt64(next & 127) << shift
            if next < 128 { return Int(value) }
        }
        throw Malformed()
    }

    mutating func raw(_ count: Int) throws(Malformed) -> UnsafeRawBufferPointer {
        guard count >= 0, bytes.count - offset >= count else { throw Malformed() }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }

    mutating func text() throws(Malformed) -> String {
        let count = try length()
        guard let text = String(validating: try raw(count), as: UTF8.self) else { throw Malformed() }
        return text
    }

    mutating func optionalText() throws(Malformed) -> String? {
        try byte() == 0 ? nil : try text()
    }
}

/// Every value of the store begins with the CRC-32C of its table's name, its key and the rest of it, so that a flipped bit,
/// a torn page and two values that changed places are all found.
///
///     0  CRC-32C (4, little-endian)
///     4  payload
enum Seal {
    static let byteCount = 4

    static func checksum(_ table: String, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) -> UInt32 {
        var name = table
        let named = name.withUTF8 { CRC32C.checksum(UnsafeRawBufferPointer($0)) }
        return CRC32C.checksum(payload, continuing: CRC32C.checksum(key, continuing: named))
    }

    static func isIntact(_ table: String, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count >= byteCount else { return false }
        // Safety: four bytes are there; no alignment is assumed.
        let stored = UInt32(littleEndian: value.loadUnaligned(as: UInt32.self))
        return stored == checksum(table, key, UnsafeRawBufferPointer(rebasing: value[byteCount...]))
    }
}
