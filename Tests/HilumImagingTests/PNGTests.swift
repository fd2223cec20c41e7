import HilumCore
import Testing

@testable import HilumImaging

@Suite struct PNGTests {
    @Test(arguments: [(1, 1), (7, 5), (64, 64), (301, 2), (2, 301)])
    func `A picture of 16 bits comes back unchanged`(_ size: (width: Int, height: Int)) throws {
        let image = noiseImage(width: size.width, height: size.height, seed: 1)
        #expect(try ImageDecoder.decode(PNGEncoder.encode(image, bitDepth: 16)) == image)
    }

    @Test func `A picture of 8 bits comes back rounded to the nearest level`() throws {
        let image = noiseImage(width: 90, height: 41, seed: 2)
        let back = try ImageDecoder.decode(PNGEncoder.encode(image, bitDepth: 8))
        #expect(zip(back.samples, image.samples).allSatisfy { abs(Int($0) - Int($1)) <= 128 })
        #expect(back.samples.allSatisfy { $0 % 257 == 0 })
        #expect(try ImageDecoder.decode(PNGEncoder.encode(back, bitDepth: 8)) == back)
    }

    @Test func `The encoder gives the same bytes each time`() throws {
        let image = noiseImage(width: 120, height: 80, seed: 3)
        #expect(try PNGEncoder.encode(image, bitDepth: 16) == PNGEncoder.encode(image, bitDepth: 16))
    }

    @Test func `A colour picture of equal channels gives exactly that channel`() throws {
        let levels = (0..<256).map { UInt8($0) }
        let color = RGBImage(width: 16, height: 16, samples: levels.flatMap { [$0, $0, $0] })
        let gray = try ImageDecoder.decode(PNGEncoder.encode(color))
        #expect(gray.samples == levels.map { UInt16($0) * 257 })
        let wide = noiseImage(width: 40, height: 3, seed: 4).samples
        let rows = (0..<3).map { y -> [UInt8] in
            var row: [UInt8] = []
            for value in wide[(40 * y)..<(40 * (y + 1))] {
                for _ in 0..<3 { row += [UInt8(value >> 8), UInt8(value & 255)] }
            }
            return row
        }
        let file = PNGBuilder.file(width: 40, height: 3, bitDepth: 16, colorType: 2, rows: rows)
        #expect(try ImageDecoder.decode(file).samples == wide)
    }

    @Test func `Primary colours become their luma`() throws {
        let color = RGBImage(width: 3, height: 1, samples: [255, 0, 0, 0, 255, 0, 0, 0, 255])
        let gray = try ImageDecoder.decode(PNGEncoder.encode(color)).samples
        #expect(gray.map { (Double($0) / 65_535 * 1000).rounded() } == [299, 587, 114])
        #expect(gray.reduce(0) { $0 + Int($1) } == 65_535)
    }

    @Test(arguments: [1, 2, 4])
    func `Samples of few bits are stretched to the full range`(_ bitDepth: Int) throws {
        let top = (1 << bitDepth) - 1
        let perByte = 8 / bitDepth
        let width = top + 1
        var row = [UInt8](repeating: 0, count: (width + perByte - 1) / perByte)
        for value in 0...top {
            row[value / perByte] |= UInt8(value << (8 - bitDepth * (value % perByte + 1)))
        }
        let file = PNGBuilder.file(width: width, height: 1, bitDepth: bitDepth, colorType: 0, rows: [row])
        #expect(try ImageDecoder.decode(file).samples == (0...top).map { UInt16($0 * 65_535 / top) })
        #expect(try ImageDecoder.pngSamples(file).bytes == (0...top).map { UInt8($0) })
    }

    @Test func `Palette, transparency and alpha are composited over black`() throws {
        let palette = PNGBuilder.chunk("PLTE", [255, 255, 255, 10, 10, 10, 200, 200, 200])
        let file = PNGBuilder.file(
            width: 3, height: 1, bitDepth: 8, colorType: 3, before: palette + PNGBuilder.chunk("tRNS", [255, 0]),
            rows: [[0, 1, 2]])
        #expect(try ImageDecoder.decode(file).samples == [65_535, 0, 200 * 257])
        let keyed = PNGBuilder.file(
            width: 2, height: 1, bitDepth: 8, colorType: 0, before: PNGBuilder.chunk("tRNS", [0, 77]), rows: [[77, 78]])
        #expect(try ImageDecoder.decode(keyed).samples == [0, 78 * 257])
        let alpha = PNGBuilder.file(
            width: 3, height: 1, bitDepth: 8, colorType: 4, rows: [[255, 255, 255, 0, 255, 51]])
        #expect(try ImageDecoder.decode(alpha).samples == [65_535, 0, 13_107])
        let colorKey = PNGBuilder.file(
            width: 2, height: 1, bitDepth: 8, colorType: 2, before: PNGBuilder.chunk("tRNS", [0, 9, 0, 9, 0, 8]),
            rows: [[9, 9, 8, 9, 9, 9]])
        #expect(try ImageDecoder.decode(colorKey).samples == [0, 9 * 257])
    }

    @Test(arguments: [(1, 1), (2, 3), (5, 5), (8, 8), (9, 17), (3, 1)])
    func `An interlaced picture is put together from its passes`(_ size: (width: Int, height: Int)) throws {
        let steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        var rows: [[UInt8]] = []
        for (x0, y0, dx, dy) in steps where x0 < size.width {
            for y in stride(from: y0, to: size.height, by: dy) {
                rows.append(stride(from: x0, to: size.width, by: dx).map { UInt8(y * size.width + $0) })
            }
        }
        let file = PNGBuilder.file(
            width: size.width, height: size.height, bitDepth: 8, colorType: 0, interlaced: true, rows: rows)
        let expected = (0..<(size.width * size.height)).map { UInt16($0) * 257 }
        #expect(try ImageDecoder.decode(file).samples == expected)
    }

    @Test func `Text chunks and profiles do not matter, even broken ones`() throws {
        let junk =
            PNGBuilder.chunk("zTXt", [1, 2, 3]) + PNGBuilder.chunk("iCCP", Array("x".utf8))
            + PNGBuilder.chunk("gAMA", PNGBuilder.word(1)) + PNGBuilder.chunk("prVt", [9])
        let file = PNGBuilder.file(width: 1, height: 1, bitDepth: 8, colorType: 0, before: junk, rows: [[5]])
        #expect(try ImageDecoder.decode(file).samples == [5 * 257])
    }

    @Test func `A file cut at any place is refused as truncated`() throws {
        let bytes = try PNGEncoder.encode(noiseImage(width: 64, height: 64, seed: 5), bitDepth: 16)
        for part in 1...20 {
            let cut = Array(bytes[..<min(bytes.count * part / 20, bytes.count - 1)])
            #expect(codeThrown { _ = try ImageDecoder.decode(cut) } == .truncated(format: .png), "\(part)/20")
        }
    }

    @Test func `A wrong checksum in any critical chunk is refused`() throws {
        let bytes = try PNGEncoder.encode(noiseImage(width: 16, height: 16, seed: 6), bitDepth: 8)
        for place in [29, 41, bytes.count - 20, bytes.count - 1] {
            var damaged = bytes
            damaged[place] ^= 0x10
            #expect(throws: ImagingError.self) { try ImageDecoder.decode(damaged) }
        }
    }

    @Test(arguments: [false, true])
    func `Flipped bytes never crash and never give another size`(_ isWide: Bool) throws {
        let image = noiseImage(width: 33, height: 21, seed: 7)
        let bytes = try PNGEncoder.encode(image, bitDepth: isWide ? 16 : 8)
        var generator = SeededGenerator(seed: 8)
        var refused = 0
        for _ in 0..<2_000 {
            var damaged = bytes
            for _ in 0...generator.integer(below: 3) {
                damaged[generator.integer(below: damaged.count)] ^= UInt8(1 + generator.integer(below: 255))
            }
            do {
                let decoded = try ImageDecoder.decode(damaged)
                #expect(decoded.width == 33 && decoded.height == 21)
            } catch { refused += 1 }
        }
        #expect(refused > 1_900)
    }

    @Test func `Damage that checksums do not show never crashes`() throws {
        // The checksum is made right again after the flip, so that the damage reaches the decoder behind it.
        var generator = SeededGenerator(seed: 9)
        let bytes = try PNGEncoder.encode(noiseImage(width: 33, height: 21, seed: 7), bitDepth: 16)
        for _ in 0..<1_000 {
            var header = Array(bytes[16..<29])
            var data = Array(bytes[41..<(bytes.count - 16)])
            if generator.chance(0.5) {
                header[3 + 4 * generator.integer(below: 2)] = UInt8(generator.integer(below: 80))
            }
            if generator.chance(0.3) { header[8 + generator.integer(below: 5)] = UInt8(generator.integer(below: 17)) }
            data[generator.integer(below: data.count)] = UInt8(generator.integer(below: 256))
            let file =
                PNGBuilder.signature + PNGBuilder.chunk("IHDR", header) + PNGBuilder.chunk("IDAT", data)
                + PNGBuilder.chunk("IEND", [])
            let isRefused = codeThrown { _ = try ImageDecoder.decode(file) } != nil
            #expect(isRefused == (codeThrown { _ = try ImageDecoder.pngSamples(file) } != nil))
        }
    }
}
