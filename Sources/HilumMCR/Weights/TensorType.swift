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
