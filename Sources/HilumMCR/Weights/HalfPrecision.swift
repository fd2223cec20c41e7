/// Conversion between f32 and the 16-bit formats of weight files, in plain integer and float steps: the same bits on every
/// machine, and vectorised by the compiler.
enum HalfPrecision {
    /// Round to nearest, ties to even; beyond 65,504 (from 65,520 on) infinity; subnormals kept; NaN stays NaN.
    @inline(__always)
    static func half(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = bits & 0x7FFF_FFFF
        if magnitude >= 0x4780_0000 {  // 65,536 and more, infinity, NaN
            return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00)
        }
        if magnitude < 0x3880_0000 {
            // Below 2⁻¹⁴ the last place of 0.5 is as large as a half's subnormal step, so the addition rounds.
            let rounded = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
            return sign | UInt16(truncatingIfNeeded: rounded)
        }
        let odd = (magnitude >> 13) & 1
        return sign | UInt16(truncatingIfNeeded: (magnitude &- (112 << 23) &+ 0xFFF &+ odd) >> 13)
    }

    /// Exact.
    @inline(__always)
    static func float(half: UInt16) -> Float {
        let magnitude = UInt32(half & 0x7FFF) << 13
        let sign = UInt32(half & 0x8000) << 16
        if half & 0x7C00 == 0x7C00 { return Float(bitPattern: sign | magnitude | 0x7F80_0000) }
        let scaled = Float(bitPattern: magnitude) * 0x1p112
        return Float(bitPattern: scaled.bitPattern | sign)
    }

    /// Exact: a bfloat16 is the upper half of an f32.
    @inline(__always)
    static func float(brain: UInt16) -> Float { Float(bitPattern: UInt32(brain) << 16) }

    static func halves(_ values: [Float]) -> [UInt16] { values.map { half($0) } }

    static func floats(halves: [UInt16]) -> [Float] { halves.map { float(half: $0) } }
}
