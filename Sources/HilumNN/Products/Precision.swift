import CHilumKernels

/// The number format in which inference multiplies.
public enum Precision: String, Sendable, CaseIterable {
    case f32
    /// Weights and the inputs of linear layers in bfloat16, everything else in f32, sums too.
    case bf16

    /// Whether the processor has an instruction for it (avx512bf16); bf16 without one is slower than f32.
    public var isNative: Bool { self == .f32 || hilum_half_is_native() != 0 }

    /// Runs the inner loop of a product `rounds` times with operands that never leave the registers, for benches: no product
    /// of this precision is faster.
    /// - Returns: floating-point operations, a multiply-add counted as two.
    public func multiplyInRegisters(rounds: Int) -> Double {
        var x: Float = 1
        return hilum_multiply_in_registers(self == .bf16 ? 1 : 0, rounds, &x)
    }
}
