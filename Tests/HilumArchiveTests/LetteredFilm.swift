import HilumCore
import HilumImaging

/// A dark film with bars like letters in its corner.
enum LetteredFilm {
    static func png(_ seed: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: 12, keys: UInt64(seed))
        var image = GrayImage(
            width: 400, height: 400, samples: (0..<160_000).map { _ in UInt16(generator.integer(below: 9_000)) })
        // A corner of the film's own white, so that its range is known.
        image.samples[200 * 400 + 200] = 65_535
        for letter in 0..<8 {
            for y in 20..<34 {
                for x in [0, 1, 6, 7] { image.samples[y * 400 + 20 + 12 * letter + x] = 65_000 }
                if y == 26 || y == 27 { for x in 0..<8 { image.samples[y * 400 + 20 + 12 * letter + x] = 65_000 } }
            }
        }
        return try PNGEncoder.encode(image)
    }
}
