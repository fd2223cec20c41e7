/// Some pixels of a picture.
struct PixelMask {
    let width: Int
    let height: Int
    /// `[height, width]` row-major.
    private var isSet: [Bool]

    /// - Parameter isSet: `[height, width]` row-major.
    init(width: Int, height: Int, isSet: [Bool]) {
        precondition(isSet.count == width * height, "a mask says something of every pixel")
        self.width = width
        self.height = height
        self.isSet = isSet
    }

    /// Takes the pixels of a rectangle out.
    mutating func clear(inside place: PixelRect) {
        guard place.width > 0, place.height > 0 else { return }
        for y in place.y..<(place.y + place.height) {
            for x in place.x..<(place.x + place.width) { isSet[y * width + x] = false }
        }
    }

    /// Pixels that touch one another, also at their corners, in the order of their first pixels.
    ///
    /// - Complexity: O(width · height).
    func components() -> [Component] {
        var left = isSet
        var found: [Component] = []
        var waiting: [Int] = []
        for start in left.indices where left[start] {
            left[start] = false
            waiting.append(start)
            var (first, last) = ((x: start % width, y: start / width), (x: start % width, y: start / width))
            var count = 0
            while let pixel = waiting.popLast() {
                let (x, y) = (pixel % width, pixel / width)
                count += 1
                first = (min(first.x, x), min(first.y, y))
                last = (max(last.x, x), max(last.y, y))
                for nearY in max(0, y - 1)...min(height - 1, y + 1) {
                    for nearX in max(0, x - 1)...min(width - 1, x + 1) where left[nearY * width + nearX] {
                        left[nearY * width + nearX] = false
                        waiting.append(nearY * width + nearX)
                    }
                }
            }
            found.append(
                Component(
                    place: PixelRect(
                        x: first.x, y: first.y, width: last.x - first.x + 1, height: last.y - first.y + 1),
                    pixelCount: count))
        }
        return found
    }
}

/// Pixels of a mask that touch one another.
struct Component {
    /// The smallest rectangle around them.
    var place: PixelRect
    var pixelCount: Int
}
