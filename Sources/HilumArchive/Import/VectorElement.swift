/// How a number of a vector lies in a file.
struct VectorElement: Sendable, Equatable {
    /// IEEE 754 binary16, binary32 or binary64.
    enum Width: Int, Sendable {
        case half = 2
        case single = 4
        case double = 8
    }

    var width: Width
    var isBigEndian = false

    /// Adds the numbers that `bytes` holds.
    ///
    /// - Precondition: whole numbers.
    func decode(_ bytes: UnsafeRawBufferPointer, into values: inout [Float]) {
        precondition(bytes.count % width.rawValue == 0, "a number is cut")
        for offset in stride(from: 0, to: bytes.count, by: width.rawValue) {
            // Safety: as many bytes as the number has are left; no alignment is assumed.
            switch width {
            case .half:
                let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
                values.append(Float(Float16(bitPattern: isBigEndian ? bits.bigEndian : bits.littleEndian)))
            case .single:
                let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                values.append(Float(bitPattern: isBigEndian ? bits.bigEndian : bits.littleEndian))
            case .double:
                let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                values.append(Float(Double(bitPattern: isBigEndian ? bits.bigEndian : bits.littleEndian)))
            }
        }
    }
}
