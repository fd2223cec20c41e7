import CHilumKernels

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78): by the processor's instruction, else slicing by eight, about 1 byte a cycle.
///
/// Guards records in the store, where a swapped or flipped page would otherwise go unnoticed.
public enum CRC32C {
    private static let tables: [[UInt32]] = {
        var tables = [[UInt32]](repeating: [UInt32](repeating: 0, count: 256), count: 8)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
            tables[0][byte] = crc
        }
        for byte in 0..<256 {
            for slice in 1..<8 {
                let previous = tables[slice - 1][byte]
                tables[slice][byte] = (previous >> 8) ^ tables[0][Int(previous & 255)]
            }
        }
        return tables
    }()

    private static let flat: [UInt32] = tables.flatMap { $0 }

    /// The checksum of `bytes`, continued from `crc` (0 to begin).
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
        guard isNative else { return portableChecksum(bytes, continuing: crc) }
        // Safety: an empty buffer may have no address, and then none is read.
        return ~hilum_crc32c(~crc, bytes.baseAddress, bytes.count)
    }

    private static let isNative = hilum_crc32c_is_native() != 0

    static func portableChecksum(_ bytes: UnsafeRawBufferPointer, continuing crc: UInt32 = 0) -> UInt32 {
        var value = ~crc
        flat.withUnsafeBufferPointer { table in
            var offset = 0
            while offset + 8 <= bytes.count {
                // Safety: `offset + 8 <= bytes.count`; LMDB promises no alignment, hence the unaligned load.
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(value)
                value = 0
                for slice in 0..<8 {
                    value ^= table[(7 - slice) * 256 + Int((word >> UInt64(8 * slice)) & 255)]
                }
                offset += 8
            }
            while offset < bytes.count {
                value = (value >> 8) ^ table[Int((value ^ UInt32(bytes[offset])) & 255)]
                offset += 1
            }
        }
        return ~value
    }
}
