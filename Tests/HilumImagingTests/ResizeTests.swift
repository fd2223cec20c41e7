import HilumCore
import Testing

@testable import HilumImaging

@Suite struct ResizeTests {
    @Test(arguments: [(7, 5, 3), (64, 64, 9), (3, 2, 50), (1, 1, 8), (1024, 3, 64), (5, 700, 33)])
    func `A constant picture stays constant`(_ width: Int, _ height: Int, _ side: Int) {
        let image = GrayImage(
            width: width, height: height, samples: [UInt16](repeating: 54_321, count: width * height))
        let small = image.resized(width: side, height: max(1, side / 2))
        #expect(small.samples.allSatisfy { $0 == 54_321 })
    }

    @Test func `A chequer of four pixels becomes its mean`() {
        let image = GrayImage(width: 2, height: 2, samples: [65_535, 0, 0, 65_535])
        #expect(image.resized(width: 1, height: 1).samples == [32_768])
    }

    @Test func `Edges count by their exact share`() {
        let image = GrayImage(width: 3, height: 1, samples: [300, 600, 900])
        #expect(image.resized(width: 2, height: 1).samples == [400, 800])
        let larger = GrayImage(width: 2, height: 1, samples: [100, 400]).resized(width: 3, height: 1)
        #expect(larger.samples == [100, 250, 400])
    }

    @Test(arguments: [(97, 61, 13, 7), (40, 40, 39, 41), (13, 9, 31, 20), (128, 96, 32, 24)])
    func `The result equals the plain area average, written out in full`(_ w: Int, _ h: Int, _ nw: Int, _ nh: Int) {
        let image = noiseImage(width: w, height: h, seed: UInt64(w))
        let fast = image.resized(width: nw, height: nh)
        for y in 0..<nh {
            for x in 0..<nw {
                var total = 0
                for sy in 0..<h {
                    let rows = min((y + 1) * h, (sy + 1) * nh) - max(y * h, sy * nh)
                    guard rows > 0 else { continue }
                    for sx in 0..<w {
                        let columns = min((x + 1) * w, (sx + 1) * nw) - max(x * w, sx * nw)
                        if columns > 0 { total += rows * columns * Int(image.samples[sy * w + sx]) }
                    }
                }
                #expect(Int(fast.samples[y * nw + x]) == (total + w * h / 2) / (w * h))
            }
        }
    }

    @Test func `The mean is preserved`() {
        let image = noiseImage(width: 210, height: 330, seed: 11)
        let small = image.resized(width: 21, height: 22)
        #expect(abs(mean(image) - mean(small)) < 0.5)
    }

    @Test func `The longest allowed side does not overflow`() {
        let image = GrayImage(width: 65_535, height: 1, samples: [UInt16](repeating: 65_535, count: 65_535))
        #expect(image.resized(width: 3, height: 1).samples == [65_535, 65_535, 65_535])
        let tall = GrayImage(width: 1, height: 65_535, samples: image.samples)
        #expect(tall.resizedToFit(side: 2).samples.max() == 65_535)
    }

    @Test func `The picture is centred and the padding is black`() {
        let wide = GrayImage(width: 80, height: 40, samples: [UInt16](repeating: 1_000, count: 3_200))
            .resizedToFit(side: 20)
        #expect(wide.width == 20 && wide.height == 20)
        for y in 0..<20 {
            let isPicture = (5..<15).contains(y)
            #expect((0..<20).allSatisfy { wide.samples[20 * y + $0] == (isPicture ? 1_000 : 0) })
        }
        let tall = GrayImage(width: 3, height: 10, samples: [UInt16](repeating: 7, count: 30)).resizedToFit(side: 10)
        #expect(Array(tall.samples[..<10]) == [0, 0, 0, 7, 7, 7, 0, 0, 0, 0])
        let strip = GrayImage(width: 5_000, height: 1, samples: [UInt16](repeating: 9, count: 5_000))
        #expect(strip.resizedToFit(side: 9).samples.filter { $0 == 9 }.count == 9)
    }

    @Test func `Nothing is flipped or turned`() {
        var samples = [UInt16](repeating: 0, count: 64 * 64)
        for y in 0..<32 { for x in 0..<16 { samples[64 * y + x] = 60_000 } }
        let small = GrayImage(width: 64, height: 64, samples: samples).resizedToFit(side: 8)
        #expect(small.samples[0] == 60_000 && small.samples[8 * 3 + 1] == 60_000)
        #expect(small.samples[7] == 0 && small.samples[8 * 7] == 0 && small.samples[2] == 0)
    }

    @Test func `A picture of the wanted size is returned as it is`() {
        let image = noiseImage(width: 32, height: 32, seed: 12)
        #expect(image.resizedToFit(side: 32) == image)
    }

    @Test func `A radiograph of 1,024 pixels is made small in a few milliseconds`() {
        let image = noiseImage(width: 1_024, height: 1_024, seed: 13)
        var best = Double.infinity
        for _ in 0..<9 {
            let started = monotonicSeconds()
            let small = image.resizedToFit(side: 128)
            best = min(best, monotonicSeconds() - started)
            #expect(small.width == 128)
        }
        print("1,024² to 128²: \(best * 1e3) ms at best of 9")
        #expect(best < 0.03)
    }

    private func mean(_ image: GrayImage) -> Double {
        image.samples.reduce(0) { $0 + Double($1) } / Double(image.samples.count)
    }
}
