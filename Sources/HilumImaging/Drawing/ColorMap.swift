/// Maps a number in 0 … 1 to a colour by linear interpolation between evenly spaced anchor colours.
struct ColorMap: Sendable {
    private let anchors: [RGBColor]

    init(anchors: [RGBColor]) {
        precondition(anchors.count >= 2, "a colour map needs two colours")
        self.anchors = anchors
    }

    /// The colour of `value`. Values outside 0 … 1 are clamped; NaN counts as 0.
    func color(_ value: Double) -> RGBColor {
        let place = value.isNaN ? 0 : min(max(value, 0), 1) * Double(anchors.count - 1)
        let index = min(Int(place), anchors.count - 2)
        return anchors[index].mixed(with: anchors[index + 1], place - Double(index))
    }

    /// From dark violet over blue-green to yellow. Lightness rises evenly, so the map also works in greyscale.
    static let heat = ColorMap(anchors: [
        RGBColor(64, 6, 84), RGBColor(66, 56, 130), RGBColor(48, 102, 141), RGBColor(36, 142, 140),
        RGBColor(62, 180, 112), RGBColor(150, 213, 62), RGBColor(250, 230, 42),
    ])

    /// Colours for the series of a plot that differ in lightness as well as in hue; repeats after eight.
    static func series(_ index: Int) -> RGBColor { seriesColors[index % seriesColors.count] }

    private static let seriesColors = [
        RGBColor(31, 100, 180), RGBColor(222, 110, 20), RGBColor(30, 140, 80), RGBColor(190, 40, 60),
        RGBColor(120, 80, 170), RGBColor(110, 85, 70), RGBColor(0, 160, 175), RGBColor(120, 120, 120),
    ]
}
