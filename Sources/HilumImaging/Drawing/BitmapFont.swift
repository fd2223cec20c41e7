import Foundation

/// A fixed-width bitmap font for printable ASCII, drawn for Hilum: glyphs of 5 × 8 pixels in cells of 6 × 10.
///
/// Rows 0–6 stand on the base line, row 7 is for descenders. Accents are dropped and common typographic signs become
/// similar ASCII characters. Any other character is drawn as a hollow box.
enum BitmapFont {
    private static let glyphWidth = 5
    private static let glyphHeight = 8

    /// The coverage (0 … 255) of one character at one size, `[height, width]` row-major.
    struct Mask: Sendable {
        let width: Int
        let height: Int
        let coverage: [UInt8]
    }

    /// Columns from one character to the next.
    static func advance(_ scale: Double) -> Int { Int((6 * nearest(scale)).rounded()) }

    /// Rows from one line to the next.
    static func lineHeight(_ scale: Double) -> Int { Int((10 * nearest(scale)).rounded()) }

    /// The glyph index of each character of `text`.
    static func glyphs(_ text: String) -> [Int] {
        text.folding(options: [.diacriticInsensitive, .widthInsensitive], locale: nil).unicodeScalars.flatMap {
            scalar in
            if let ascii = lookAlikes[scalar] { return ascii.unicodeScalars.map { Int($0.value) - 32 } }
            let code = Int(scalar.value)
            if (0x0300...0x036F).contains(code) { return [] }
            return [(32..<127).contains(code) ? code - 32 : boxGlyph]
        }
    }

    /// A glyph at a scale from 1 to 6 in steps of one half. Scale 1 is the bitmap itself; larger scales are smoothed.
    static func mask(_ glyph: Int, scale: Double) -> Mask { masks[Int(2 * nearest(scale)) - 2][glyph] }

    private static func nearest(_ scale: Double) -> Double { min(max((2 * scale).rounded() / 2, 1), 6) }

    private static let lookAlikes: [Unicode.Scalar: String] = [
        "\n": " ", "\t": " ", "\u{A0}": " ", "‘": "'", "’": "'", "“": "\"", "”": "\"", "–": "-", "—": "-", "−": "-",
        "…": "...", "→": "->", "←": "<-", "×": "x", "·": ".", "•": "*", "µ": "u", "μ": "u", "≤": "<=", "≥": ">=",
        "ß": "ss",
        "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "±": "+-", "²": "2", "³": "3",
    ]

    private static let boxGlyph = 95

    private static let masks: [[Mask]] = (2...12).map { halves in
        bitmaps.map { bitmap in
            if halves == 2 {
                return Mask(width: glyphWidth, height: glyphHeight, coverage: bitmap.map { $0 ? 255 : 0 })
            }
            // Doubled twice with smooth corners, then resized to the requested size.
            let fine = doubled(doubled(bitmap, width: glyphWidth), width: 2 * glyphWidth)
            let image = GrayImage(
                width: 4 * glyphWidth, height: 4 * glyphHeight, samples: fine.map { $0 ? 65_535 : 0 })
            let size = image.resized(width: (glyphWidth * halves + 1) / 2, height: glyphHeight * halves / 2)
            return Mask(width: size.width, height: size.height, coverage: size.samples.map { UInt8($0 >> 8) })
        }
    }

    /// Doubles a bitmap and rounds its corners with the rule known as EPX or Scale2x: each of the four new pixels takes the
    /// value of its two neighbours if they are equal and the opposite two are not.
    private static func doubled(_ bitmap: [Bool], width: Int) -> [Bool] {
        let height = bitmap.count / width
        func at(_ x: Int, _ y: Int) -> Bool {
            x >= 0 && y >= 0 && x < width && y < height && bitmap[y * width + x]
        }
        var result = [Bool](repeating: false, count: 4 * bitmap.count)
        for y in 0..<height {
            for x in 0..<width {
                let (up, down, left, right) = (at(x, y - 1), at(x, y + 1), at(x - 1, y), at(x + 1, y))
                let value = at(x, y)
                let isFlat = up == down || left == right
                let target = 4 * y * width + 2 * x
                result[target] = !isFlat && left == up ? up : value
                result[target + 1] = !isFlat && up == right ? right : value
                result[target + 2 * width] = !isFlat && left == down ? left : value
                result[target + 2 * width + 1] = !isFlat && down == right ? down : value
            }
        }
        return result
    }

    /// The drawings below as `[glyph][row · 5 + column]`, followed by the hollow box.
    private static let bitmaps: [[Bool]] = {
        var glyphs: [[Bool]] = []
        for band in drawings.split(separator: "\n\n") {
            let lines = band.split(separator: "\n").map { $0.split(separator: " ") }
            for column in lines[0].indices {
                glyphs.append(lines.flatMap { line in line[column].map { $0 == "#" } })
            }
        }
        let box = ["#####", "#...#", "#...#", "#...#", "#...#", "#...#", "#####", "....."]
        return glyphs + [box.flatMap { row in row.map { $0 == "#" } }]
    }()

    /// The glyphs from space to tilde, sixteen side by side.
    private static let drawings = """
        ..... ..#.. .#.#. .#.#. ..#.. ##..# .##.. ..#.. ...#. .#... ..... ..... ..... ..... ..... ....#
        ..... ..#.. .#.#. .#.#. .#### ##..# #..#. ..#.. ..#.. ..#.. ..#.. ..#.. ..... ..... ..... ....#
        ..... ..#.. .#.#. ##### #.#.. ...#. #.#.. .#... .#... ...#. #.#.# ..#.. ..... ..... ..... ...#.
        ..... ..#.. ..... .#.#. .###. ..#.. .#... ..... .#... ...#. .###. ##### ..... ##### ..... ..#..
        ..... ..#.. ..... ##### ..#.# .#... #.#.# ..... .#... ...#. #.#.# ..#.. .##.. ..... ..... .#...
        ..... ..... ..... .#.#. ####. #..## #..#. ..... ..#.. ..#.. ..#.. ..#.. .##.. ..... .##.. #....
        ..... ..#.. ..... .#.#. ..#.. #..## .##.# ..... ...#. .#... ..... ..... ..#.. ..... .##.. #....
        ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... .....

        .###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###. ..... ..... ...#. ..... .#... .###.
        #...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...# .##.. .##.. ..#.. ..... ..#.. #...#
        #..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...# .##.. .##.. .#... ##### ...#. ....#
        #.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .#### ..... ..... #.... ..... ....# ...#.
        ##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....# .##.. .##.. .#... ##### ...#. ..#..
        #...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#. .##.. .##.. ..#.. ..... ..#.. .....
        .###. .###. ##### .###. ...#. .###. .###. .#... .###. .##.. ..... ..#.. ...#. ..... .#... ..#..
        ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#... ..... ..... ..... .....

        .###. .###. ####. .###. ####. ##### ##### .###. #...# .###. ..### #...# #.... #...# #...# .###.
        #...# #...# #...# #...# #...# #.... #.... #...# #...# ..#.. ...#. #..#. #.... ##.## #...# #...#
        #.### #...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #.... #.#.# ##..# #...#
        #.#.# ##### ####. #.... #...# ####. ####. #.### ##### ..#.. ...#. ##... #.... #.#.# #.#.# #...#
        #.### #...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #.... #...# #..## #...#
        #.... #...# #...# #...# #...# #.... #.... #...# #...# ..#.. #..#. #..#. #.... #...# #...# #...#
        .###. #...# ####. .###. ####. ##### #.... .#### #...# .###. .##.. #...# ##### #...# #...# .###.
        ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

        ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# ##### .###. #.... .###. ..#.. .....
        #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....# .#... #.... ...#. .#.#. .....
        #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#. .#... .#... ...#. #...# .....
        ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#.. .#... ..#.. ...#. ..... .....
        #.... #.#.# #.#.. ....# ..#.. #...# #...# #.#.# .#.#. ..#.. .#... .#... ...#. ...#. ..... .....
        #.... #..#. #..#. ....# ..#.. #...# .#.#. #.#.# #...# ..#.. #.... .#... ....# ...#. ..... .....
        #.... .##.# #...# ####. ..#.. .###. ..#.. .#.#. #...# ..#.. ##### .###. ....# .###. ..... .....
        ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... #####

        .#... ..... #.... ..... ....# ..... ..##. ..... #.... ..#.. ...#. #.... .##.. ..... ..... .....
        ..#.. ..... #.... ..... ....# ..... .#..# ..... #.... ..... ..... #.... ..#.. ..... ..... .....
        ..... .###. ####. .#### .#### .###. .#... .#### #.##. .##.. ..##. #..#. ..#.. ##.#. #.##. .###.
        ..... ....# #...# #.... #...# #...# ###.. #...# ##..# ..#.. ...#. #.#.. ..#.. #.#.# ##..# #...#
        ..... .#### #...# #.... #...# ##### .#... #...# #...# ..#.. ...#. ##... ..#.. #.#.# #...# #...#
        ..... #...# #...# #.... #...# #.... .#... .#### #...# ..#.. ...#. #.#.. ..#.. #.#.# #...# #...#
        ..... .#### ####. .#### .#### .###. .#... ....# #...# .###. #..#. #..#. .###. #.#.# #...# .###.
        ..... ..... ..... ..... ..... ..... ..... .###. ..... ..... .##.. ..... ..... ..... ..... .....

        ..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ...#. ..#.. .#... .....
        ..... ..... ..... ..... .#... ..... ..... ..... ..... ..... ..... ..#.. ..#.. ..#.. .....
        ####. .#### #.##. .#### ###.. #...# #...# #...# #...# #...# ##### ..#.. ..#.. ..#.. .#..#
        #...# #...# ##..# #.... .#... #...# #...# #...# .#.#. #...# ...#. .#... ..#.. ...#. #.#.#
        #...# #...# #.... .###. .#... #...# #...# #.#.# ..#.. #...# ..#.. ..#.. ..#.. ..#.. #..#.
        ####. .#### #.... ....# .#..# #..## .#.#. #.#.# .#.#. .#### .#... ..#.. ..#.. ..#.. .....
        #.... ....# #.... ####. ..##. .##.# ..#.. .#.#. #...# ....# ##### ...#. ..#.. .#... .....
        #.... ....# ..... ..... ..... ..... ..... ..... ..... .###. ..... ..... ..... ..... .....
        """
}
