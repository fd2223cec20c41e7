/// Text that a device or a person wrote into a picture near its border: names, numbers, dates, and words such as `PORTABLE`.
///
/// Letters are told from anatomy by four properties, each of which is plain to check:
///
/// 1. **Strokes.** A pixel belongs to a stroke if it is among the brightest quarter of the range and stands out by 35 % of the range from
///    the grey that is left when all that is narrower than 15 pixels is removed (a white top-hat). The same is done with the negative, for
///    dark letters on a light ground.
/// 2. **Letters.** Connected strokes are a letter if their box is 6 pixels to 5 % of the shorter side high, at most 1.6 times as wide as
///    high, and filled neither hardly nor wholly.
/// 3. **Lines.** Letters are a line if they follow one another with gaps of at most 1.6 letter heights, are of like height, and stand on one
///    base line or hang from one upper line.
/// 4. **Border.** Only the outer fifth of the picture counts on each side. Anatomy is seldom there, and names are seldom elsewhere.
///
/// A side marker is one letter, or two, and no line of text: lines begin with `leastLetters`. What the letters say is not read, so a name
/// and `PORTABLE` are the same to it. Larger pictures are reduced to at most 1,536 pixels first.
/// Thread rule: any thread; nothing is shared.
public enum BorderText {
    /// A line of letters.
    public struct Line: Sendable, Equatable {
        /// Connected strokes in it, which are about its letters; letters that touch count as one.
        public var letterCount: Int
        /// Where it is, in pixels of the picture as it was given.
        public var place: PixelRect
    }

    /// Letters of the shortest line that counts.
    public static let leastLetters = 4

    static let longestSide = 1536
    private static let bandShare = 0.2
    /// Of 255.
    private static let leastBrightness: UInt8 = 191
    private static let leastContrast: UInt8 = 89
    private static let leastHeight = 6
    private static let letterShare = 0.05
    /// Letters beyond this number are noise.
    private static let mostLetters = 4000

    /// The lines of text near the border of a picture, the longest first.
    ///
    /// - Complexity: O(width · height).
    public static func lines(in image: GrayImage) -> [Line] {
        let plane = BytePlane(image, longestSide: longestSide)
        let shorter = min(plane.width, plane.height)
        let highest = max(12, Int(letterShare * Double(shorter)))
        let window = min(15, max(5, highest / 2)) | 1
        var found: [Line] = []
        for isNegative in [false, true] {
            let values = isNegative ? plane.inverted() : plane
            var strokes = values.standingOut(by: leastContrast, from: leastBrightness, window: window)
            strokes.clear(
                inside: PixelRect(
                    x: Int(bandShare * Double(plane.width)), y: Int(bandShare * Double(plane.height)),
                    width: plane.width - 2 * Int(bandShare * Double(plane.width)),
                    height: plane.height - 2 * Int(bandShare * Double(plane.height))))
            let letters = strokes.components().filter { isLetter($0, highest: highest) }
            guard letters.count <= mostLetters else { continue }
            for line in joined(letters, highest: highest) {
                found.append(
                    Line(letterCount: line.count, place: plane.original(line.place, of: image)))
            }
        }
        return found.sorted { ($0.letterCount, $1.place.y, $1.place.x) > ($1.letterCount, $0.place.y, $0.place.x) }
    }

    private static func isLetter(_ component: Component, highest: Int) -> Bool {
        let (width, height) = (component.place.width, component.place.height)
        guard height >= leastHeight, height <= highest, 5 * width <= 8 * height else { return false }
        let fill = Double(component.pixelCount) / Double(width * height)
        // A narrow full box is an I or a 1; a wide one is a block.
        return fill >= 0.12 && !(Double(width) > 0.45 * Double(height) && fill > 0.92)
    }

    /// Letters that follow one another, from left to right, as runs of at least `leastLetters`.
    private static func joined(_ letters: [Component], highest: Int) -> [(count: Int, place: PixelRect)] {
        let letters = letters.map(\.place).sorted { ($0.x, $0.y) < ($1.x, $1.y) }
        var isUsed = [Bool](repeating: false, count: letters.count)
        var lines: [(count: Int, place: PixelRect)] = []
        for start in letters.indices where !isUsed[start] {
            var run = [start]
            var last = letters[start]
            for next in letters.indices[(start + 1)...] where !isUsed[next] {
                let letter = letters[next]
                let gap = letter.x - (last.x + last.width)
                if gap > 4 * highest { break }
                if follows(last, letter) {
                    run.append(next)
                    last = letter
                }
            }
            guard run.count >= leastLetters else { continue }
            for index in run { isUsed[index] = true }
            lines.append((run.count, run.dropFirst().reduce(letters[start]) { $0.union(letters[$1]) }))
        }
        return lines
    }

    private static func follows(_ last: PixelRect, _ letter: PixelRect) -> Bool {
        let (lower, higher) = (min(last.height, letter.height), max(last.height, letter.height))
        let gap = letter.x - (last.x + last.width)
        guard gap >= -2, 5 * gap <= 8 * higher, 10 * lower >= 6 * higher else { return false }
        let top = abs(letter.y - last.y)
        let base = abs(letter.y + letter.height - last.y - last.height)
        return 5 * min(top, base) <= higher
    }
}

extension PixelRect {
    /// The smallest rectangle that holds both.
    fileprivate func union(_ other: PixelRect) -> PixelRect {
        let left = min(x, other.x)
        let top = min(y, other.y)
        return PixelRect(
            x: left, y: top, width: max(x + width, other.x + other.width) - left,
            height: max(y + height, other.y + other.height) - top)
    }
}
