import Foundation
import HilumCore
import Testing

@testable import HilumImaging

/// Pictures that libdeflate inflates at once, against libpng: the same rows, or the same refusal.
@Suite struct PNGWholeTests {
    private enum Outcome: Equatable {
        case rows(header: [Int], bytes: [UInt8])
        case refused(ImagingError.Code)
    }

    private static let isBuiltIn = PNGReader.canInflateWhole

    private func read(_ file: [UInt8], whole: Bool) -> (outcome: Outcome, isWhole: Bool) {
        file.withUnsafeBytes { raw in
            do throws(ImagingError) {
                let reader = try PNGReader(raw, limits: ImageLimits.standard, inflatingWhole: whole)
                let info = reader.info
                let header = [
                    reader.width, reader.height, reader.channels, reader.bytesPerSample, Int(info.bit_depth),
                    Int(info.color_type), Int(info.interlaced), Int(info.palette_count),
                    Int(info.has_transparent_sample),
                ]
                var bytes: [UInt8] = []
                try reader.forEachRow { row, y, _ in bytes += [UInt8(y & 255)] + row }
                return (.rows(header: header, bytes: bytes), reader.isWhole)
            } catch {
                return (.refused(error.code), false)
            }
        }
    }

    /// Expects the same of both, and returns whether the file was inflated at once.
    @discardableResult
    private func compare(_ file: [UInt8], _ name: String) -> Bool {
        let (fast, isWhole) = read(file, whole: true)
        #expect(fast == read(file, whole: false).outcome, "\(name)")
        return isWhole
    }

    private func file(_ header: [UInt8], _ chunks: [UInt8]...) -> [UInt8] {
        PNGBuilder.signature + header + chunks.flatMap { $0 } + PNGBuilder.chunk("IEND", [])
    }

    private func filtered(
        _ rowByteCount: Int, _ height: Int, filter: Int?, _ generator: inout SeededGenerator
    ) -> [UInt8] {
        (0..<height).flatMap { _ in
            let start = UInt8(filter ?? generator.integer(below: 5))
            return [start] + (0..<rowByteCount).map { _ in UInt8(generator.integer(below: 256)) }
        }
    }

    @Test(arguments: [(0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)])
    func `Each filter gives the rows that libpng gives`(_ colorType: Int, _ bitDepth: Int) {
        let planes = [1, 0, 3, 0, 2, 0, 4][colorType]
        var generator = SeededGenerator(seed: UInt64(41 + colorType))
        for (width, height) in [(1, 1), (1, 7), (2, 3), (17, 12), (129, 6), (300, 5)] {
            for filter in [nil, 0, 1, 2, 3, 4] {
                let data = filtered(width * planes * bitDepth / 8, height, filter: filter, &generator)
                let header = PNGBuilder.header(
                    width: width, height: height, bitDepth: bitDepth, colorType: colorType)
                let png = file(header, PNGBuilder.chunk("IDAT", PNGBuilder.zlib(data)))
                #expect(compare(png, "\(width) x \(height), filter \(filter ?? -1)") == Self.isBuiltIn)
            }
        }
    }

    @Test func `A million random neighbours are predicted as libpng predicts them`() {
        var data: [UInt8] = []
        var rows = 0
        var generator = SeededGenerator(seed: 42)
        while rows < 1_024 {
            data += [0] + (0..<2_000).map { _ in UInt8(generator.integer(below: 256)) }
            data += [4] + (0..<2_000).map { _ in UInt8(generator.integer(below: 256)) }
            rows += 2
        }
        let header = PNGBuilder.header(width: 2_000, height: rows, bitDepth: 8, colorType: 0)
        compare(file(header, PNGBuilder.chunk("IDAT", PNGBuilder.zlib(data))), "Paeth")
    }

    @Test func `Encoded pictures are read at once`() throws {
        for bitDepth in [8, 16] {
            for (width, height) in [(1, 1), (33, 21), (640, 480)] {
                let image = noiseImage(width: width, height: height, seed: 43)
                let png = try PNGEncoder.encode(image, bitDepth: bitDepth)
                #expect(compare(png, "\(width) x \(height)") == Self.isBuiltIn)
            }
        }
        let color = RGBImage(width: 16, height: 16, samples: (0..<768).map { UInt8($0 & 255) })
        #expect(compare(try PNGEncoder.encode(color), "colour") == Self.isBuiltIn)
    }

    @Test(.enabled(if: SharedData.has("png-suite")))
    func `The PNG suite is read as libpng reads it`() throws {
        let folder = SharedData.root + "/png-suite"
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".png") }
        #expect(names.count > 100)
        var wholeCount = 0
        for name in names where compare(try SharedData.bytes("png-suite/" + name), name) { wholeCount += 1 }
        #expect(wholeCount > 30 || !Self.isBuiltIn, "\(wholeCount) of \(names.count)")
    }

    @Test(arguments: [8, 16])
    func `Damaged files give the same picture or the same refusal`(_ bitDepth: Int) throws {
        let bytes = try PNGEncoder.encode(noiseImage(width: 48, height: 40, seed: 44), bitDepth: bitDepth)
        let header = Array(bytes[8..<33])
        let data = Array(bytes[41..<(bytes.count - 16)])
        var generator = SeededGenerator(seed: UInt64(45 + bitDepth))
        for number in 0..<600 {
            var damaged = bytes
            switch number % 4 {
            case 0:
                for _ in 0...generator.integer(below: 3) {
                    damaged[generator.integer(below: damaged.count)] ^= UInt8(1 + generator.integer(below: 255))
                }
            case 1: damaged.removeLast(1 + generator.integer(below: bytes.count - 1))
            case 2:
                // The checksum is right, so that the damage reaches the stream: flipped, cut or longer.
                var stream = data
                for _ in 0..<generator.integer(below: 3) {
                    stream[generator.integer(below: stream.count)] ^= UInt8(1 << generator.integer(below: 8))
                }
                if generator.chance(0.3) { stream.removeLast(1 + generator.integer(below: 20)) }
                if generator.chance(0.3) { stream += [UInt8](repeating: 7, count: 1 + generator.integer(below: 9)) }
                damaged = file(header, PNGBuilder.chunk("IDAT", stream))
            default:
                var fields = Array(header[8..<21])
                fields[generator.integer(below: 13)] = UInt8(generator.integer(below: 65))
                damaged = file(PNGBuilder.chunk("IHDR", fields), PNGBuilder.chunk("IDAT", data))
            }
            compare(damaged, "damage \(number)")
        }
    }

    @Test func `Chunks out of order, strange ones and too many bytes go to libpng`() {
        var generator = SeededGenerator(seed: 46)
        let rows = filtered(20, 9, filter: nil, &generator)
        let header = PNGBuilder.header(width: 20, height: 9, bitDepth: 8, colorType: 0)
        let stream = PNGBuilder.zlib(rows)
        let data = PNGBuilder.chunk("IDAT", stream)
        let text = PNGBuilder.chunk("tEXt", Array("a".utf8))
        let (first, second) = (
            PNGBuilder.chunk("IDAT", Array(stream[..<50])), PNGBuilder.chunk("IDAT", Array(stream[50...]))
        )
        var wrong = text
        wrong[wrong.count - 1] ^= 1
        var badFilter = rows
        badFilter[21] = 5
        var badSum = stream
        badSum[badSum.count - 1] ^= 1
        let files: [(String, Bool, [UInt8])] = [
            ("text around", true, file(header, text, data, text)), ("two parts", true, file(header, first, second)),
            ("an empty part", true, file(header, first, PNGBuilder.chunk("IDAT", []), second)),
            ("text between", false, file(header, first, text, second)), ("twice", false, file(header, data, data)),
            ("no data", false, file(header)), ("no end", false, PNGBuilder.signature + header + data),
            ("bytes behind", false, file(header, data) + [0]), ("a wrong checksum", false, file(header, wrong, data)),
            ("tRNS", false, file(header, PNGBuilder.chunk("tRNS", [0, 9]), data)),
            ("a late tRNS", false, file(header, data, PNGBuilder.chunk("tRNS", [0, 9]))),
            ("a palette", false, file(header, PNGBuilder.chunk("PLTE", [1, 2, 3]), data)),
            ("unknown and critical", false, file(header, PNGBuilder.chunk("ABCD", []), data)),
            ("no name", false, file(header, PNGBuilder.chunk("a1Cd", []), data)),
            ("a reserved name", false, file(header, PNGBuilder.chunk("abcd", []), data)),
            ("two headers", false, file(header, header, data)),
            ("filter 5", false, file(header, PNGBuilder.chunk("IDAT", PNGBuilder.zlib(badFilter)))),
            ("a wrong sum", false, file(header, PNGBuilder.chunk("IDAT", badSum))),
            ("more bytes", false, file(header, PNGBuilder.chunk("IDAT", PNGBuilder.zlib(rows + [1])))),
            ("fewer bytes", false, file(header, PNGBuilder.chunk("IDAT", PNGBuilder.zlib(rows.dropLast())))),
            ("behind the stream", false, file(header, PNGBuilder.chunk("IDAT", stream + [9]))),
            ("a small window", true, file(header, PNGBuilder.chunk("IDAT", [0x08, 0x1D] + stream.dropFirst(2)))),
        ]
        for (name, isUsual, png) in files {
            #expect(compare(png, name) == (isUsual && Self.isBuiltIn), "\(name)")
        }
        let long = PNGBuilder.zlib(filtered(40, 9, filter: nil, &generator))
        let small = file(
            PNGBuilder.header(width: 40, height: 9, bitDepth: 8, colorType: 0),
            PNGBuilder.chunk("IDAT", [0x08, 0x1D] + long.dropFirst(2)))
        #expect(!compare(small, "a window smaller than the rows"))
    }

    @Test func `Hostile files cost no more than their bytes`() {
        let header = PNGBuilder.header(width: 100, height: 100, bitDepth: 8, colorType: 0)
        var generator = SeededGenerator(seed: 47)
        let stream = PNGBuilder.zlib(filtered(100, 100, filter: nil, &generator))
        // A chunk a byte, and an empty one after each.
        let parts = stream.flatMap { PNGBuilder.chunk("IDAT", [$0]) + PNGBuilder.chunk("IDAT", []) }
        #expect(compare(file(header, parts), "tiny chunks") == Self.isBuiltIn)
        for length in [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF3, 0xFFFF_FFFF] {
            let lying = PNGBuilder.word(length) + Array("IDAT".utf8) + stream
            #expect(!compare(PNGBuilder.signature + header + lying, "length \(length)"))
        }
        // Rows of 4 KB, and a stream that goes on for a megabyte.
        let bomb = PNGBuilder.zlib([UInt8](repeating: 0, count: 1 << 20))
        let small = PNGBuilder.header(width: 64, height: 64, bitDepth: 8, colorType: 0)
        #expect(!compare(file(small, PNGBuilder.chunk("IDAT", bomb)), "a bomb"))
    }
}
