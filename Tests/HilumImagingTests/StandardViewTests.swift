import Testing

@testable import HilumImaging

/// One film in many forms has one view.
@Suite struct StandardViewTests {
    /// A drawing with the layout of a chest film: dark lungs, a bright middle and belly, dark air at the shoulders.
    private static func film(width: Int = 300, height: Int = 340, seed: UInt64 = 1) -> GrayImage {
        var image = noiseImage(width: width, height: height, seed: seed)
        for y in 0..<height {
            for x in 0..<width {
                let (u, v) = (Double(x) / Double(width) - 0.5, Double(y) / Double(height))
                var value = 0.55
                if abs(u) < 0.1 { value = 0.85 }
                if v > 0.8 { value = 0.7 + 0.5 * abs(u) }
                let lung = (abs(u) - 0.25) * (abs(u) - 0.25) / 0.018 + (v - 0.45) * (v - 0.45) / 0.1
                if lung < 1 { value = 0.3 }
                if v < 0.2 && abs(u) > 0.3 { value = 0.05 }
                let noise = Double(image.samples[y * width + x]) / 65_535 - 0.5
                image.samples[y * width + x] = UInt16((value + 0.06 * noise) * 60_000)
            }
        }
        return image
    }

    private static func mapped(_ image: GrayImage, _ change: (Double) -> Double) -> GrayImage {
        var copy = image
        for index in copy.samples.indices {
            copy.samples[index] = UInt16(min(max(change(Double(image.samples[index])), 0), 65_535).rounded())
        }
        return copy
    }

    private static func framed(_ image: GrayImage, by border: Int, value: UInt16) -> GrayImage {
        let (width, height) = (image.width + 2 * border, image.height + 2 * border)
        var samples = [UInt16](repeating: value, count: width * height)
        for y in 0..<image.height {
            for x in 0..<image.width { samples[(y + border) * width + x + border] = image.samples[y * image.width + x] }
        }
        return GrayImage(width: width, height: height, samples: samples)
    }

    /// The largest and the mean difference of two views, in parts of the range.
    private func difference(_ left: StandardView, _ right: StandardView) -> (most: Double, mean: Double) {
        let parts = zip(left.image.samples, right.image.samples).map { abs(Double($0) - Double($1)) / 65_535 }
        return (parts.max() ?? 1, parts.reduce(0, +) / Double(parts.count))
    }

    @Test func `Contrast, brightness and bit depth leave the view as it is`() {
        let film = Self.film()
        let view = StandardView(of: film, side: 112)
        #expect(!view.isInverted)
        let changes: [(name: String, change: (Double) -> Double)] = [
            ("half the contrast", { $0 / 2 + 16_000 }), ("an eighth of the brightness", { $0 / 8 }),
            ("12 bits in 16", { ($0 / 16).rounded(.down) }), ("8 bits", { ($0 / 257).rounded() * 257 }),
        ]
        for (name, change) in changes {
            let other = StandardView(of: Self.mapped(film, change), side: 112)
            let (most, mean) = difference(view, other)
            #expect(most < 0.02 && mean < 0.002, "\(name): \(most), \(mean)")
        }
    }

    @Test func `A negative has the view of its film`() {
        let film = Self.film(seed: 4)
        let view = StandardView(of: film, side: 96)
        let negative = StandardView(of: Self.mapped(film) { 65_535 - $0 }, side: 96)
        #expect(negative.isInverted && !view.isInverted)
        #expect(difference(view, negative).most < 0.001)
    }

    @Test(arguments: [UInt16(65_535), 0, 30_000])
    func `A frame is cut off`(_ value: UInt16) {
        let film = Self.film(width: 320, height: 320, seed: 9)
        let view = StandardView(of: film, side: 96)
        let framed = StandardView(of: Self.framed(film, by: 40, value: value), side: 96)
        // The frame ends between two pixels of the smaller square, so edges move by a part of a pixel.
        #expect(difference(view, framed).mean < 0.03)
        #expect(abs(framed.region.x - 40) <= 3 && abs(framed.region.width - 320) <= 6)
        #expect(abs(framed.region.y - 40) <= 3 && abs(framed.region.height - 320) <= 6)
    }

    @Test func `Sides of other lengths are kept, and padding has no part in the region`() {
        let film = Self.film(width: 400, height: 220, seed: 2)
        let view = StandardView(of: film, side: 64)
        #expect(view.image.width == 64 && view.image.height == 64)
        #expect(abs(view.region.width - 400) <= 8 && abs(view.region.height - 220) <= 8)
        #expect(view.image.samples[..<(64 * 10)].allSatisfy { $0 == 0 })
    }

    @Test func `A picture and its reading square have the same view`() {
        let film = Self.film(width: 611, height: 500, seed: 3)
        let side = 112
        let square = film.resizedToFit(side: StandardView.readingSide(side))
        #expect(StandardView(of: film, side: side).image == StandardView(of: square, side: side).image)
    }

    @Test func `Pictures without content have a view too`() {
        for image in [
            GrayImage(width: 1, height: 1, samples: [9]),
            GrayImage(width: 50, height: 3, samples: [UInt16](repeating: 65_535, count: 150)),
            GrayImage(width: 2, height: 900, samples: [UInt16](repeating: 0, count: 1_800)),
        ] {
            let view = StandardView(of: image, side: 32)
            #expect(view.image.width == 32 && view.image.height == 32)
            #expect(view.region.width > 0 && view.region.height > 0)
            #expect(view.region.x + view.region.width <= image.width)
            #expect(view.region.y + view.region.height <= image.height)
        }
    }

    @Test func `A picture that is no film keeps its polarity`() {
        // A slope from left to right and its negative are mirror images of each other: neither is a film.
        for isNegative in [false, true] {
            var slope = noiseImage(width: 200, height: 200, seed: 12)
            for place in slope.samples.indices {
                let value = 10_000 + 200 * (place % 200) + Int(slope.samples[place]) / 60
                slope.samples[place] = UInt16(isNegative ? 65_535 - value : value)
            }
            #expect(!StandardView(of: slope, side: 64).isInverted)
        }
    }

    @Test func `The crop of a film that is not square does not depend on its contrast`() {
        for seed in UInt64(1)...6 {
            let film = Self.framed(Self.film(width: 260, height: 330, seed: seed), by: 12, value: 14_000)
            let view = StandardView(of: film, side: 112)
            let flat = StandardView(of: Self.mapped(film) { $0 / 2 + 12_000 }, side: 112)
            let negative = StandardView(of: Self.mapped(film) { 65_535 - $0 }, side: 112)
            #expect(view.region == flat.region && view.region == negative.region)
        }
    }
}
