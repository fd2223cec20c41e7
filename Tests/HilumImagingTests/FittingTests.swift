import HilumCore
import Testing

@testable import HilumImaging

/// Pictures that are read at once and fitted row by row, against those that libpng reads and that are resized whole.
@Suite struct FittingTests {
    private static let sides = [(1, 1), (7, 5), (64, 64), (301, 2), (2, 301), (97, 130), (256, 200), (1_024, 1_021)]

    @Test(arguments: sides)
    func `Fitting while decoding gives the bits of decoding and then fitting`(_ width: Int, _ height: Int) throws {
        let image = noiseImage(width: width, height: height, seed: UInt64(width * 2_000 + height))
        for bitDepth in [8, 16] {
            let bytes = try PNGEncoder.encode(image, bitDepth: bitDepth)
            let whole = try ImageDecoder.decode(bytes)
            for side in [1, 13, 96, 97, 224, 300] {
                #expect(try ImageDecoder.decode(bytes, fitting: side) == whole.resizedToFit(side: side), "to \(side)")
            }
        }
    }

    @Test func `Pictures of few bits, with colour, alpha, palette or passes are fitted to the same bits`() throws {
        let palette = PNGBuilder.chunk("PLTE", (0..<48).map { UInt8($0 * 5) })
        var generator = SeededGenerator(seed: 31)
        for (colorType, bitDepth, isInterlaced) in [
            (0, 1, false), (0, 2, false), (0, 4, false), (0, 8, true), (2, 8, false), (2, 16, false), (3, 4, false),
            (4, 8, false), (4, 16, false), (6, 8, false), (6, 16, false),
        ] {
            let planes = [1, 0, 3, 1, 2, 0, 4][colorType]
            // One column: each pass of an interlaced picture that is there has rows of one pixel.
            let (width, height) = isInterlaced ? (1, 8) : (50, 31)
            let rowByteCount = (width * planes * bitDepth + 7) / 8
            let rows = (0..<height).map { _ in (0..<rowByteCount).map { _ in UInt8(generator.integer(below: 256)) } }
            let file = PNGBuilder.file(
                width: width, height: height, bitDepth: bitDepth, colorType: colorType, interlaced: isInterlaced,
                before: colorType == 3 ? palette : [], rows: rows)
            let whole = try ImageDecoder.decode(file)
            for side in [9, 40, 77] {
                #expect(
                    try ImageDecoder.decode(file, fitting: side) == whole.resizedToFit(side: side),
                    "type \(colorType), \(bitDepth) bits, to \(side)")
            }
        }
    }

    @Test(arguments: [(0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)])
    func `Every filter is undone as libpng undoes it`(_ colorType: Int, _ bitDepth: Int) throws {
        let planes = [1, 0, 3, 1, 2, 0, 4][colorType]
        // With a tRNS chunk, whatever it holds, a picture goes through libpng; its raw samples do not depend on that.
        let forLibpng = PNGBuilder.chunk("tRNS", [UInt8](repeating: 0, count: colorType == 2 ? 6 : 2))
        var generator = SeededGenerator(seed: 32)
        for (width, height) in [(1, 9), (3, 8), (4, 4), (5, 40), (61, 83)] {
            var data: [UInt8] = []
            var filter = 0
            for y in 0..<height {
                // Runs of equal filters, so that four rows are undone at once, and others, so that they are not.
                if y % 8 == 0 || generator.chance(0.15) { filter = generator.integer(below: 5) }
                data.append(UInt8(filter))
                data += (0..<(width * planes * bitDepth / 8)).map { _ in UInt8(generator.integer(below: 256)) }
            }
            let head =
                PNGBuilder.signature
                + PNGBuilder.header(width: width, height: height, bitDepth: bitDepth, colorType: colorType)
            let stream = PNGBuilder.zlib(data)
            let cut = stream.count / 3
            let tail =
                PNGBuilder.chunk("IDAT", Array(stream[..<cut])) + PNGBuilder.chunk("IDAT", Array(stream[cut...]))
                + PNGBuilder.chunk("tEXt", Array("a".utf8)) + PNGBuilder.chunk("IEND", [])
            #expect(try ImageDecoder.pngSamples(head + tail) == ImageDecoder.pngSamples(head + forLibpng + tail))
        }
    }

    @Test func `Damage is refused with the same reason, fitted or not`() throws {
        let bytes = try PNGEncoder.encode(noiseImage(width: 64, height: 64, seed: 33), bitDepth: 8)
        var generator = SeededGenerator(seed: 34)
        for _ in 0..<300 {
            var damaged = bytes
            damaged[generator.integer(below: bytes.count)] ^= UInt8(1 + generator.integer(below: 255))
            if generator.chance(0.3) { damaged.removeLast(1 + generator.integer(below: bytes.count - 1)) }
            #expect(
                codeThrown { _ = try ImageDecoder.decode(damaged) }
                    == codeThrown { _ = try ImageDecoder.decode(damaged, fitting: 16) })
        }
        #expect(codeThrown { _ = try ImageDecoder.decode([], fitting: 16) } == .empty)
        let limits = ImageLimits(maxPixelCount: 100)
        let code = codeThrown { _ = try ImageDecoder.decode(bytes, fitting: 16, limits: limits) }
        #expect(code == codeThrown { _ = try ImageDecoder.decode(bytes, limits: limits) } && code != nil)
    }
}
