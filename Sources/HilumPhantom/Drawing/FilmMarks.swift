import Foundation
import HilumCore

/// Letters and digits burnt into the corners of a film: the side, the view, a number or a time.
///
/// They never contradict the case: R stands on the patient's right, the view is the report's.
struct FilmMarks {
    let plan: CasePlan

    func draw(on sheet: inout FilmSheet) {
        var random = SeededGenerator(seed: plan.grainSeed, keys: 40)
        if random.chance(0.8) {
            let side = random.pick(Laterality.allCases)
            let letter = side == .right ? "R" : "L"
            let word = side == .right ? "RT" : "LT"
            let x = 0.5 + side.sign * random.float(0.36, 0.47)
            let size = random.scale(0.026, 0.075)
            let isHigh = random.chance(0.8)
            let y = isHigh ? random.float(0.02, 0.26) : random.float(0.72, 0.92)
            write(random.chance(0.75) ? letter : word, at: SIMD2(x, y), size: size, on: &sheet, &random)
        }
        if random.chance(0.4) {
            let words =
                plan.isPortable
                ? ["AP", "PORTABLE", "SUPINE", "AP SUPINE", "BED", "A-P"] : ["PA", "ERECT", "P-A", "UPRIGHT"]
            write(
                random.pick(words), at: corner(&random), size: random.scale(0.018, 0.036), on: &sheet, &random)
        }
        if random.chance(0.35) {
            let hour = padded(random.integer(below: 24), 2)
            let minute = padded(random.integer(below: 60), 2)
            let number = String(random.integer(below: 90_000) + 100)
            let text = random.chance(0.5) ? "\(hour):\(minute)" : number
            write(text, at: corner(&random), size: random.scale(0.016, 0.030), on: &sheet, &random)
        }
    }

    private func corner(_ random: inout SeededGenerator) -> SIMD2<Float> {
        let x = random.chance(0.5) ? random.float(0.09, 0.2) : random.float(0.8, 0.91)
        let y = random.chance(0.6) ? random.float(0.015, 0.07) : random.float(0.93, 0.975)
        return SIMD2(x, y)
    }

    /// Writes `text` around a place; `size` is the height of a letter in fractions of the side.
    private func write(
        _ text: String, at place: SIMD2<Float>, size: Float, on sheet: inout FilmSheet,
        _ random: inout SeededGenerator
    ) {
        let rows = Self.bitmap(text)
        let width = rows[0].count
        let scale = Float(sheet.side)
        let cell = max(size * scale / 7, 0.7)
        let turn = random.chance(0.35) ? random.float(-0.35, 0.35) : 0
        let along = SIMD2(cos(turn), sin(turn))
        let ink: Float = random.chance(0.85) ? random.float(0.72, 1) : random.float(0, 0.15)
        let strength = random.float(0.55, 1)
        // On a plate of lead or of film, darker or lighter than the letter.
        let plate: Float? = random.chance(0.12) ? (ink > 0.5 ? 0.05 : 0.9) : nil
        let middle = place * scale
        let reach = Int((Float(max(width, 8)) * cell * 0.5 + 3 * cell).rounded(.up))
        let half = SIMD2(Float(width), 7) * 0.5
        for y in max(0, Int(middle.y) - reach)..<max(0, min(sheet.side, Int(middle.y) + reach + 1)) {
            for x in max(0, Int(middle.x) - reach)..<max(0, min(sheet.side, Int(middle.x) + reach + 1)) {
                let d = SIMD2(Float(x) + 0.5 - middle.x, Float(y) + 0.5 - middle.y)
                let cellPlace = SIMD2(d.x * along.x + d.y * along.y, d.y * along.x - d.x * along.y) / cell + half
                let offset = y * sheet.side + x
                if let plate, cellPlace.x > -1.5, cellPlace.y > -1.5, cellPlace.x < Float(width) + 1.5,
                    cellPlace.y < 8.5
                {
                    sheet.level[offset] += (plate - sheet.level[offset]) * 0.85
                }
                let alpha = Self.cover(rows, cellPlace)
                if alpha > 0 { sheet.level[offset] += (ink - sheet.level[offset]) * strength * alpha }
            }
        }
    }

    /// How much a place is covered: between the centres of the cells, in proportion.
    private static func cover(_ rows: [[Bool]], _ place: SIMD2<Float>) -> Float {
        let x = place.x - 0.5
        let y = place.y - 0.5
        let column = Int(x.rounded(.down))
        let row = Int(y.rounded(.down))
        let fx = x - Float(column)
        let fy = y - Float(row)
        func at(_ row: Int, _ column: Int) -> Float {
            guard row >= 0, column >= 0, row < 7, column < rows[0].count else { return 0 }
            return rows[row][column] ? 1 : 0
        }
        let upper = at(row, column) + (at(row, column + 1) - at(row, column)) * fx
        let lower = at(row + 1, column) + (at(row + 1, column + 1) - at(row + 1, column)) * fx
        return smooth((upper + (lower - upper) * fy) * 1.3)
    }

    /// Seven rows of the text's cells, a column between letters.
    private static func bitmap(_ text: String) -> [[Bool]] {
        var rows = [[Bool]](repeating: [], count: 7)
        for letter in text {
            let glyph = glyphs[letter] ?? [0, 0, 0, 0, 0, 0, 0]
            for (row, bits) in glyph.enumerated() {
                if !rows[row].isEmpty { rows[row].append(false) }
                for bit in 0..<5 { rows[row].append(bits & (16 >> UInt8(bit)) != 0) }
            }
        }
        return rows
    }

    /// Letters of five by seven cells, a row in five bits.
    private static let glyphs: [Character: [UInt8]] = [
        "A": [14, 17, 17, 31, 17, 17, 17], "B": [30, 17, 17, 30, 17, 17, 30], "C": [14, 17, 16, 16, 16, 17, 14],
        "D": [30, 17, 17, 17, 17, 17, 30], "E": [31, 16, 16, 30, 16, 16, 31], "G": [14, 17, 16, 23, 17, 17, 15],
        "H": [17, 17, 17, 31, 17, 17, 17], "I": [14, 4, 4, 4, 4, 4, 14], "L": [16, 16, 16, 16, 16, 16, 31],
        "N": [17, 25, 21, 19, 17, 17, 17], "O": [14, 17, 17, 17, 17, 17, 14], "P": [30, 17, 17, 30, 16, 16, 16],
        "R": [30, 17, 17, 30, 20, 18, 17], "S": [15, 16, 16, 14, 1, 1, 30], "T": [31, 4, 4, 4, 4, 4, 4],
        "U": [17, 17, 17, 17, 17, 17, 14], "0": [14, 17, 17, 17, 17, 17, 14], "1": [4, 12, 4, 4, 4, 4, 14],
        "2": [14, 17, 1, 2, 4, 8, 31], "3": [30, 1, 1, 14, 1, 1, 30], "4": [2, 6, 10, 18, 31, 2, 2],
        "5": [31, 16, 30, 1, 1, 17, 14], "6": [14, 16, 30, 17, 17, 17, 14], "7": [31, 1, 2, 4, 8, 8, 8],
        "8": [14, 17, 17, 14, 17, 17, 14], "9": [14, 17, 17, 15, 1, 1, 14], ":": [0, 4, 4, 0, 4, 4, 0],
        "-": [0, 0, 0, 14, 0, 0, 0],
    ]
}
