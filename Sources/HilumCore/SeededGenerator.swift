import Foundation

/// A seeded pseudo-random generator (SplitMix64), 16 bytes of state, about 1 ns a draw.
///
/// `SystemRandomNumberGenerator` is a system call and cannot be seeded, so nothing in Hilum uses it.
/// A generator made with `init(seed:keys:)` is counter-based: the stream is a pure function of the seed and the keys
/// (epoch, sample, purpose …), so that any draw can be repeated without replaying the ones before it.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
/// Thread rule: a value type; one owner at a time.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64
    @usableFromInline var spareNormal: Double?

    /// The stream that belongs to `seed`.
    public init(seed: UInt64) {
        state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15)
    }

    /// The stream that belongs to `seed` and `keys`; a different order of keys gives a different stream.
    public init(seed: UInt64, keys: UInt64...) {
        var mixed = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15)
        for key in keys {
            mixed = Self.mix(mixed ^ Self.mix(key &+ 0xD1B5_4A32_D192_ED03))
        }
        state = mixed
    }

    /// The stream of `init(seed:keys:)` for one key, without an array; inlined, for loops over millions of keys.
    @inlinable
    public init(seed: UInt64, key: UInt64) {
        let mixed = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15)
        state = Self.mix(mixed ^ Self.mix(key &+ 0xD1B5_4A32_D192_ED03))
    }

    /// The next 64 random bits.
    @inlinable
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A uniform number in `0..<1` with 53 random bits.
    @inlinable
    public mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// A uniform number in `range`.
    public mutating func uniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// A uniform integer in `0..<bound` (Lemire's multiply-and-shift; the bias is below 2⁻³² for any `Int32` bound).
    public mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0, "the bound must be positive")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A standard normal number (Box–Muller, polar form).
    public mutating func normal() -> Double {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        while true {
            let x = 2 * uniform() - 1
            let y = 2 * uniform() - 1
            let square = x * x + y * y
            if square > 0 && square < 1 {
                let scale = (-2 * log(square) / square).squareRoot()
                spareNormal = y * scale
                return x * scale
            }
        }
    }

    /// True with probability `probability`.
    public mutating func chance(_ probability: Double) -> Bool {
        uniform() < probability
    }

    /// One element of a non-empty array.
    public mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[integer(below: elements.count)]
    }

    /// Fisher–Yates, in place. Complexity: O(n).
    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        guard elements.count > 1 else { return }
        for i in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(i, integer(below: i + 1))
        }
    }

    @inlinable
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
