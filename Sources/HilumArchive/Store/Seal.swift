import HilumCore

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
