import CTurboJPEG
import HilumCore
import Testing

@testable import HilumImaging

@Suite struct JPEGTests {
    @Test(arguments: [(8, 8), (64, 48), (31, 17), (1, 1), (300, 7)])
    func `A smooth grey picture comes back within two levels`(_ size: (width: Int, height: Int)) throws {
        let samples = slope(size.width, size.height)
        let decoded = try ImageDecoder.decode(encodedJPEG(samples, size.width, size.height, quality: 100))
        #expect(decoded.width == size.width && decoded.height == size.height)
        #expect(zip(decoded.samples, samples).allSatisfy { abs(Int($0) / 257 - Int($1)) <= 2 })
        #expect(decoded.samples.allSatisfy { $0 % 257 == 0 })
    }

    @Test(arguments: [TJSAMP_444, TJSAMP_422, TJSAMP_420])
    func `A colour picture gives its luma`(_ subsampling: TJSAMP) throws {
        let samples = slope(40, 30)
        let decoded = try ImageDecoder.decode(encodedJPEG(samples, 40, 30, quality: 100, subsampling: subsampling))
        #expect(zip(decoded.samples, samples).allSatisfy { abs(Int($0) / 257 - Int($1)) <= 2 })
    }

    @Test func `A progressive file gives what the plain one gives`() throws {
        let samples = slope(70, 50)
        let plain = try ImageDecoder.decode(encodedJPEG(samples, 70, 50, quality: 90))
        let progressive = try ImageDecoder.decode(encodedJPEG(samples, 70, 50, quality: 90, flags: TJFLAG_PROGRESSIVE))
        #expect(plain == progressive)
    }

    @Test func `A file cut at any place is refused as truncated`() throws {
        let bytes = try encodedJPEG(noisy(96, 80), 96, 80, quality: 90)
        for part in 1..<20 {
            let cut = Array(bytes[..<(bytes.count * part / 20)])
            #expect(codeThrown { _ = try ImageDecoder.decode(cut) } == .truncated(format: .jpeg), "\(part)/20")
        }
        #expect(throws: ImagingError.self) { try ImageDecoder.decode(Array(bytes.dropLast(2))) }
    }

    @Test(arguments: [0, TJFLAG_PROGRESSIVE])
    func `Flipped bytes never crash`(_ flags: Int32) throws {
        let bytes = try encodedJPEG(noisy(64, 56), 64, 56, quality: 85, subsampling: TJSAMP_420, flags: flags)
        var generator = SeededGenerator(seed: 21)
        var refused = 0
        for _ in 0..<1_500 {
            var damaged = bytes
            for _ in 0...generator.integer(below: 4) {
                damaged[generator.integer(below: damaged.count)] = UInt8(generator.integer(below: 256))
            }
            do { _ = try ImageDecoder.decode(damaged) } catch { refused += 1 }
        }
        #expect(refused > 100)
    }

    @Test func `A CMYK file is refused by name`() throws {
        let bytes = try encodedJPEG([UInt8](repeating: 90, count: 16 * 16 * 4), 16, 16, quality: 90, format: TJPF_CMYK)
        #expect(codeThrown { _ = try ImageDecoder.decode(bytes) } == .unsupportedFormat(found: "a CMYK JPEG"))
    }

    /// An Exif segment that says how the picture is to be turned.
    private func exif(_ orientation: UInt8, isBig: Bool) -> [UInt8] {
        let header: [UInt8] = isBig ? [0x4D, 0x4D, 0, 42, 0, 0, 0, 8] : [0x49, 0x49, 42, 0, 8, 0, 0, 0]
        // Two tags: the width of the picture, which is passed over, and the orientation.
        let tags: [UInt8] =
            isBig
            ? [0, 2, 1, 0, 0, 3, 0, 0, 0, 1, 0, 9, 0, 0, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
            : [2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
        let body = Array("Exif".utf8) + [0, 0] + header + tags
        return [0xFF, 0xE1, UInt8((body.count + 2) >> 8), UInt8((body.count + 2) & 255)] + body
    }

    @Test(arguments: 0...9, [true, false])
    func `A picture is turned as its Exif orientation says`(_ orientation: Int, _ isBig: Bool) throws {
        // Black, but for a bright left half of the top and a dim rest of it.
        let (width, height) = (32, 16)
        let samples = (0..<(width * height)).map { place -> UInt8 in
            place / width >= 8 ? 0 : place % width < 16 ? 240 : 120
        }
        let plain = try encodedJPEG(samples, width, height, quality: 100)
        let file = Array(plain[..<2]) + exif(UInt8(orientation), isBig: isBig) + Array(plain[2...])
        let decoded = try ImageDecoder.decode(file)
        let isTurned = (5...8).contains(orientation)
        try #require(decoded.width == (isTurned ? height : width) && decoded.height == (isTurned ? width : height))
        /// The middle of each quarter: top left, top right, bottom left, bottom right.
        func quarters(_ image: GrayImage) -> [Int] {
            let places = [(1, 1), (3, 1), (1, 3), (3, 3)]
            return places.map { x, y -> Int in
                let row = image.height * y / 4
                let sample = image.samples[row * image.width + image.width * x / 4]
                return (Int(sample) / 257 + 10) / 60
            }
        }
        let expected: [Int: [Int]] = [
            2: [2, 4, 0, 0], 3: [0, 0, 2, 4], 4: [0, 0, 4, 2], 5: [4, 0, 2, 0], 6: [0, 4, 0, 2], 7: [0, 2, 0, 4],
            8: [2, 0, 4, 0],
        ]
        #expect(quarters(decoded) == expected[orientation] ?? [4, 2, 0, 0])
        let fitted = try ImageDecoder.decode(file, fitting: 16)
        #expect(fitted == decoded.resizedToFit(side: 16))
        #expect(ImageDecoder.pixelCount(of: file) == width * height)
    }

    @Test func `A damaged Exif segment turns nothing and refuses nothing`() throws {
        let plain = try encodedJPEG(noisy(24, 16), 24, 16, quality: 90)
        let image = try ImageDecoder.decode(plain)
        let segment = exif(6, isBig: true)
        var generator = SeededGenerator(seed: 22)
        for _ in 0..<500 {
            var damaged = segment
            for place in 10..<damaged.count where generator.integer(below: 6) == 0 {
                damaged[place] = UInt8(generator.integer(below: 256))
            }
            let decoded = try ImageDecoder.decode(Array(plain[..<2]) + damaged + Array(plain[2...]))
            #expect(decoded.samples.count == image.samples.count)
        }
    }

    @Test func `A warning of the decoder is a note while every pixel is there`() throws {
        let plain = try encodedJPEG(noisy(40, 24), 40, 24, quality: 90)
        let image = try ImageDecoder.decode(plain)
        // Bytes between the picture and its end, as some exporters leave them.
        var stray = plain
        stray.insert(contentsOf: [0, 0, 0, 0], at: stray.count - 2)
        // A revision of JFIF that is not known.
        var revision = plain
        let place = try #require(revision.indices.first { revision[$0...].starts(with: Array("JFIF".utf8) + [0]) })
        revision[place + 5] = 7
        for file in [stray, revision] {
            #expect(try ImageDecoder.decode(file) == image)
            let notes = try ImageDecoder.decodeWithNotes(file, fitting: nil).notes
            guard case .warning? = notes.first, notes.count == 1 else {
                Issue.record("\(notes)")
                continue
            }
        }
        #expect(try ImageDecoder.decodeWithNotes(plain, fitting: 20).notes == [])
    }

    @Test func `A picture of one even grey is noted as blank, whatever its format`() throws {
        let grey = try encodedJPEG([UInt8](repeating: 128, count: 32 * 32), 32, 32, quality: 90)
        let png = try PNGEncoder.encode(
            GrayImage(width: 9, height: 5, samples: Array(repeating: 4_000, count: 45)), bitDepth: 16)
        for side in [nil, 8] {
            #expect(try ImageDecoder.decodeWithNotes(grey, fitting: side).notes == [.blank])
            #expect(try ImageDecoder.decodeWithNotes(png, fitting: side).notes == [.blank])
        }
        let film = try encodedJPEG(slope(32, 32), 32, 32, quality: 90)
        #expect(try ImageDecoder.decodeWithNotes(film, fitting: 8).notes == [])
    }

    @Test func `Pictures of other kinds are named, with what to do`() throws {
        func file(_ text: String, _ rest: [UInt8] = []) -> [UInt8] {
            Array(text.utf8) + rest + Array(repeating: 0, count: 40)
        }
        let kinds: [(String, [UInt8])] = [
            ("a WEBP picture", Array("RIFF".utf8) + [9, 0, 0, 0] + file("WEBPVP8 ")), ("a GIF picture", file("GIF89a")),
            ("a TIFF picture", file("II", [0x2A, 0])), ("a TIFF picture", file("MM", [0, 0x2A])),
            ("a TIFF picture", file("II", [0x2B, 0])), ("a HEIC picture", [0, 0, 0, 24] + file("ftypheic")),
            ("a HEIC picture", [0, 0, 0, 24] + file("ftypmif1")),
            ("an AVIF picture", [0, 0, 0, 24] + file("ftypavif")),
            ("a JPEG XL picture", [0xFF, 0x0A] + file("")), ("a BMP picture", file("BM")),
            ("a JPEG 2000 picture", [0xFF, 0x4F, 0xFF, 0x51] + file("")),
            (
                "a CMYK JPEG",
                try encodedJPEG(
                    [UInt8](repeating: 90, count: 16 * 16 * 4), 16, 16, quality: 90, format: TJPF_CMYK)
            ),
        ]
        for (name, bytes) in kinds {
            let error = #expect(throws: ImagingError.self) { try ImageDecoder.decode(bytes) }
            #expect(
                error?.description.hasPrefix("\(name) is not read; convert it to PNG") == true,
                "\(error?.description ?? "")")
        }
    }

    @Test func `A lossless or 12-bit file is refused as unsupported`() throws {
        let bytes = try encodedJPEG(slope(16, 16), 16, 16, quality: 90)
        let frame = try #require(
            bytes.indices.dropLast().first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        var lossless = bytes
        lossless[frame + 1] = 0xC3
        var deep = bytes
        deep[frame + 1] = 0xC1
        deep[frame + 4] = 12
        for file in [lossless, deep] {
            guard case .unsupportedFormat = codeThrown({ _ = try ImageDecoder.decode(file) }) else {
                Issue.record("not refused as unsupported")
                continue
            }
        }
    }

    private func slope(_ width: Int, _ height: Int) -> [UInt8] {
        (0..<(width * height)).map { UInt8(20 + ($0 % width + $0 / width) * 200 / (width + height)) }
    }

    private func noisy(_ width: Int, _ height: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: 20)
        return (0..<(width * height)).map { _ in UInt8(generator.integer(below: 256)) }
    }
}
