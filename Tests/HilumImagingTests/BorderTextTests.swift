import Foundation
import HilumCore
import Testing

@testable import HilumImaging

/// Text near the border is found, and anatomy, markers and noise are not.
@Suite struct BorderTextTests {
    /// A drawn film: dark corners, bright stripes like ribs, noise.
    private func film(width: Int = 900, height: Int = 1100, seed: UInt64 = 1) -> GrayImage {
        var generator = SeededGenerator(seed: seed)
        var samples = [UInt16](repeating: 0, count: width * height)
        for y in 0..<height {
            for x in 0..<width {
                let (dx, dy) = (Double(x) / Double(width) - 0.5, Double(y) / Double(height) - 0.5)
                let body = max(0, 0.75 - 2.4 * (dx * dx + dy * dy))
                let rib = sin(40 * dy + 9 * dx * dx) > 0.6 ? 0.12 : 0
                let noise = Double(generator.integer(below: 1000)) / 20_000
                samples[y * width + x] = UInt16(min(1, body + (body > 0.1 ? rib : 0) + noise + 0.02) * 65_535)
            }
        }
        return GrayImage(width: width, height: height, samples: samples)
    }

    /// Writes in the built-in font.
    private func write(
        _ text: String, on image: inout GrayImage, x: Int, y: Int, scale: Double, grey: UInt16 = 65_535
    ) {
        var left = x
        for glyph in BitmapFont.glyphs(text) {
            let mask = BitmapFont.mask(glyph, scale: scale)
            for row in 0..<mask.height {
                for column in 0..<mask.width where (0..<image.width).contains(left + column) {
                    let share = UInt32(mask.coverage[row * mask.width + column])
                    let place = (y + row) * image.width + left + column
                    image.samples[place] = UInt16(
                        (UInt32(image.samples[place]) * (255 - share) + UInt32(grey) * share) / 255)
                }
            }
            left += BitmapFont.advance(scale)
        }
    }

    private static let names = ["TANAKA HANAKO", "ID 00482917", "Smith, John", "1951-04-17"]

    @Test(arguments: names)
    func `A name in any corner is found, and where it stands`(name: String) {
        for scale in [1.5, 2, 3, 4] {
            for (right, below) in [(false, false), (true, false), (false, true), (true, true)] {
                var image = film()
                let width = BitmapFont.glyphs(name).count * BitmapFont.advance(scale)
                let (x, y) = (right ? image.width - width - 12 : 12, below ? image.height - 60 : 14)
                write(name, on: &image, x: x, y: y, scale: scale)
                let line = BorderText.lines(in: image).first
                #expect((line?.letterCount ?? 0) >= 4, "\(name) \(scale) \(right) \(below)")
                guard let place = line?.place else { continue }
                #expect(abs(place.x - x) < 6 * Int(scale) + 8 && abs(place.y - y) < 12, "\(place) \(x) \(y)")
            }
        }
    }

    @Test func `Dark letters on a light ground are found too`() {
        var image = film()
        for index in image.samples.indices { image.samples[index] = 65_535 - image.samples[index] }
        write("TANAKA HANAKO", on: &image, x: 20, y: 20, scale: 3, grey: 0)
        #expect((BorderText.lines(in: image).first?.letterCount ?? 0) >= 4)
    }

    @Test func `A film without text, side markers, and text in its middle are nothing`() {
        for seed in 1...4 as ClosedRange<UInt64> { #expect(BorderText.lines(in: film(seed: seed)) == []) }
        for marker in ["L", "R", "PA", "AP"] {
            var image = film()
            write(marker, on: &image, x: 20, y: 30, scale: 5)
            #expect(BorderText.lines(in: image) == [], "\(marker)")
        }
        var image = film()
        write("TANAKA HANAKO", on: &image, x: 330, y: 540, scale: 3)
        #expect(BorderText.lines(in: image) == [])
        #expect(BorderText.lines(in: noiseImage(width: 700, height: 500, seed: 3)).isEmpty)
    }

    @Test func `A large film is reduced, and the place is that of the film`() throws {
        var image = film(width: 3000, height: 3600)
        for (scale, y) in [(6.0, 40)] { write("TANAKA HANAKO", on: &image, x: 60, y: y, scale: scale) }
        let line = try #require(BorderText.lines(in: image).first)
        #expect(line.letterCount >= 6 && abs(line.place.x - 60) < 20 && abs(line.place.y - 40) < 20, "\(line)")
    }

    @Test func `Pictures of odd sizes have no text and do no harm`() {
        for (width, height) in [(1, 1), (1, 3000), (5000, 1), (7, 9), (1537, 2), (16, 16)] {
            let image = noiseImage(width: width, height: height, seed: 5)
            #expect(BorderText.lines(in: image).isEmpty, "\(width) \(height)")
        }
        #expect(
            BorderText.lines(in: GrayImage(width: 40, height: 40, samples: [UInt16](repeating: 9, count: 1600))) == [])
    }

    @Test func `Decoding notes the text, and gives the same picture as without looking`() throws {
        var image = film()
        write("TANAKA HANAKO", on: &image, x: 20, y: 20, scale: 3)
        let bytes = try PNGEncoder.encode(image)
        let plain = try ImageDecoder.decodeWithNotes(bytes, fitting: 96)
        let looked = try ImageDecoder.decodeWithNotes(bytes, fitting: 96, findsText: true)
        #expect(plain.notes == [] && plain.image == looked.image)
        guard case .text(let letters)? = looked.notes.first else {
            Issue.record("no text was noted")
            return
        }
        #expect(letters >= 6)
    }

    @Test(
        .enabled(if: SharedData.has("openi-pairs") && SharedData.has("cxr-real"), "../shared/data is absent"))
    func `On real films it finds the words that are there, and nothing on films without words`() throws {
        func share(_ folder: String, every step: Int) throws -> (share: Double, count: Int) {
            let names = try FileManager.default.contentsOfDirectory(atPath: SharedData.root + "/" + folder).sorted()
            let taken = stride(from: 0, to: names.count, by: step).map { names[$0] }
            let found = try taken.count { name in
                try !BorderText.lines(in: ImageDecoder.decode(SharedData.bytes(folder + "/" + name))).isEmpty
            }
            return (Double(found) / Double(taken.count), taken.count)
        }
        // Its words were cut off or are too small to read.
        let small = try share("openi-pairs/images", every: 25)
        // Published films of all devices: AP ERECT, SUPINE, PORTABLE.
        let large = try share("cxr-real/images", every: 1)
        print("text near the border: \(small) of small films, \(large) of published ones")
        #expect(small.share <= 0.02)
        #expect(large.share > 0.25 && large.share < 0.4)
    }
}
