/// Finds frames around a picture: padding, the black of a cassette, a white border of a scan.
enum BorderCrop {
    /// The largest share of a side that noisy lines are taken from, in percent; lines of one single value count beyond it.
    private static let most = 30

    /// What is left without lines that are uniform. At least an eighth of each side stays.
    static func content(of image: GrayImage) -> PixelRect {
        var rect = PixelRect(x: 0, y: 0, width: image.width, height: image.height)
        // Padding first: its black would widen the range of a film that has none.
        for edge in [Edge.top, .bottom, .left, .right] {
            rect = remove(edge, from: rect, of: image, tolerance: -1)
        }
        let levels = GrayLevels(image.cropped(to: rect))
        // A line is uniform when all but a tenth of it lies within 6 % of the picture's range.
        let tolerance = (levels.high - levels.low) * 6 / 100
        // A frame may lie within another: black padding around a white border.
        for _ in 0..<4 {
            let before = rect
            for edge in [Edge.top, .bottom, .left, .right] {
                rect = remove(edge, from: rect, of: image, tolerance: tolerance)
            }
            if rect == before { break }
        }
        return rect
    }

    private enum Edge { case top, bottom, left, right }

    /// - Parameter tolerance: the spread of a line that counts as uniform; below 0 lines of one value alone.
    private static func remove(_ edge: Edge, from rect: PixelRect, of image: GrayImage, tolerance: Int) -> PixelRect {
        let isRow = edge == .top || edge == .bottom
        let length = isRow ? rect.height : rect.width
        let side = isRow ? image.height : image.width
        let limit = max(0, length - max(1, side / 8))
        var removed = 0
        var reference: Int?
        while removed < limit {
            let line = samples(edge, removed, rect, of: image).sorted()
            let outside = line.count / 20
            let spread = Int(line[line.count - 1 - outside]) - Int(line[outside])
            let isConstant = line[0] == line[line.count - 1]
            guard isConstant || (spread <= tolerance && removed < side * most / 100) else { break }
            let middle = Int(line[line.count / 2])
            if let reference, abs(middle - reference) > max(tolerance, 0) { break }
            reference = reference ?? middle
            removed += 1
        }
        switch edge {
        case .top: return PixelRect(x: rect.x, y: rect.y + removed, width: rect.width, height: rect.height - removed)
        case .bottom: return PixelRect(x: rect.x, y: rect.y, width: rect.width, height: rect.height - removed)
        case .left: return PixelRect(x: rect.x + removed, y: rect.y, width: rect.width - removed, height: rect.height)
        case .right: return PixelRect(x: rect.x, y: rect.y, width: rect.width - removed, height: rect.height)
        }
    }

    /// The line that lies `depth` lines inside of an edge.
    private static func samples(_ edge: Edge, _ depth: Int, _ rect: PixelRect, of image: GrayImage) -> [UInt16] {
        switch edge {
        case .top, .bottom:
            let row = edge == .top ? rect.y + depth : rect.y + rect.height - 1 - depth
            let start = row * image.width + rect.x
            return Array(image.samples[start..<(start + rect.width)])
        case .left, .right:
            let column = edge == .left ? rect.x + depth : rect.x + rect.width - 1 - depth
            return (rect.y..<(rect.y + rect.height)).map { image.samples[$0 * image.width + column] }
        }
    }
}
