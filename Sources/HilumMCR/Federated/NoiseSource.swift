import Foundation
import HilumCore

/// Where the noise and the choice of groups of a private training come from.
///
/// Noise protects only as long as nobody else can draw it again, so it comes from the system unless a seed was asked for, which
/// is meant for measurements. Thread rule: a value type; one owner at a time.
struct NoiseSource: RandomNumberGenerator {
    private enum Origin {
        case seeded(SeededGenerator)
        /// A system call a number: 0.3 s for a million, little beside the step that they hide.
        case system(SystemRandomNumberGenerator)
    }

    private var origin: Origin
    private var spareNormal: Double?

    /// - Parameters:
    ///   - seed: nil: the system's own random numbers.
    ///   - names: what the noise is for. Two updates that differ in anything have streams of their own: of one stream, their difference
    ///     would be that of the gradients alone.
    init(seed: UInt64?, for names: [String] = []) {
        var hash = SHA256()
        hash.update(names.description)
        let key = hash.finish().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        origin =
            seed.map { .seeded(SeededGenerator(seed: $0, keys: 0xD1_FF, key)) }
            ?? .system(SystemRandomNumberGenerator())
    }

    mutating func next() -> UInt64 {
        switch origin {
        case .seeded(var generator):
            let bits = generator.next()
            origin = .seeded(generator)
            return bits
        case .system(var generator): return generator.next()
        }
    }

    /// A uniform number in `0..<1`.
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A standard normal number (Box–Muller, polar form).
    mutating func normal() -> Double {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        while true {
            let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
            let square = x * x + y * y
            guard square > 0 && square < 1 else { continue }
            let scale = (-2 * log(square) / square).squareRoot()
            spareNormal = y * scale
            return x * scale
        }
    }
}
