/// Two grey values between which almost all samples of a picture lie.
struct GrayLevels {
    /// The value below which one sample of a hundred lies, and the one above which one of a hundred does.
    let low: Int
    let high: Int

    init(_ image: GrayImage) {
        var histogram = [Int](repeating: 0, count: 65_536)
        for sample in image.samples { histogram[Int(sample)] += 1 }
        let outside = image.samples.count / 100
        func level(_ values: some Sequence<Int>) -> Int {
            var count = 0
            for value in values {
                count += histogram[value]
                if count > outside { return value }
            }
            return 0
        }
        low = level(0..<65_536)
        high = level((0..<65_536).reversed())
    }

    /// Spreads what lies between the levels over the whole range; a picture of one value becomes black.
    func stretch(_ image: inout GrayImage, inverting: Bool) {
        let range = max(high - low, 0)
        for index in image.samples.indices {
            let inside = min(max(Int(image.samples[index]) - low, 0), range)
            let value = range == 0 ? 0 : (inside * 65_535 + range / 2) / range
            image.samples[index] = UInt16(inverting ? 65_535 - value : value)
        }
    }
}
