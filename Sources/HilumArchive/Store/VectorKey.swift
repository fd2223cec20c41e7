/// The key of a vector: generation − 1 (16 bits), item (32), part (16).
///
/// So the vectors of another model can be written after those that are searched, and keys of generation 1 equal those of format 1.
package struct VectorKey: Sendable, Equatable {
    package let generation: UInt32
    package let item: UInt32

    package init(generation: UInt32, item: UInt32) {
        precondition((1...1 << 16).contains(generation), "a generation must be from 1 to 65,536")
        self.generation = generation
        self.item = item
    }

    /// - Parameter part: counts parts of `Store.floatsInPart` floats.
    func number(part: Int) -> UInt64 { UInt64(generation - 1) << 48 | UInt64(item) << 16 | UInt64(part) }

    static func split(_ number: UInt64) -> (key: VectorKey, part: Int) {
        (
            VectorKey(generation: UInt32(number >> 48) + 1, item: UInt32(truncatingIfNeeded: number >> 16)),
            Int(number & 0xFFFF)
        )
    }

    static func partCount(dimension: Int) -> Int { (dimension + Store.floatsInPart - 1) / Store.floatsInPart }
}
