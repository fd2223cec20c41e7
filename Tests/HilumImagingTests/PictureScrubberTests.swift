import CTurboJPEG
import Foundation
import HilumCore
import Testing

@testable import HilumImaging

/// What stays of an image file beside its picture.
@Suite struct PictureScrubberTests {
    private func picture() -> GrayImage {
        var generator = SeededGenerator(seed: 4)
        return GrayImage(
            width: 24, height: 16, samples: (0..<(24 * 16)).map { _ in UInt16(generator.integer(below: 65536)) })
    }

    private func holds(_ bytes: [UInt8], _ text: String) -> Bool { Data(bytes).range(of: Data(text.utf8)) != nil }

    private func chunk(_ name: String, _ text: String) -> [UInt8] {
        let count = UInt32(text.utf8.count)
        // Decoders of ancillary chunks may test the checksum; this one is only to be taken out.
        return (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * (3 - $0))) } + Array((name + text).utf8) + [
            0, 0, 0, 0,
        ]
    }

    @Test func aPNGLosesItsTextsAndKeepsItsPicture() throws {
        let plain = try PNGEncoder.encode(picture(), bitDepth: 16)
        #expect(try PictureScrubber.scrubbed(plain) == plain, "where there is nothing else, it stays byte for byte")
        let head = Array(plain[..<33])
        let rest = Array(plain[33...])
        let texts = ["tEXt", "iTXt", "zTXt", "eXIf", "tIME", "prVt"].flatMap { chunk($0, "Harrowgate") }
        let scrubbed = try PictureScrubber.scrubbed(head + texts + rest + Array("Harrowgate".utf8))
        #expect(scrubbed == plain)
        #expect(!holds(scrubbed, "Harrowgate"))
    }

    @Test("Nothing stays behind the samples of a PNG, compressed or not, and the picture does")
    func nothingStaysBehindSamples() throws {
        let name = Array("PATIENT HARROWGATE BELINDA".utf8)
        let plain = try PNGEncoder.encode(picture(), bitDepth: 8)
        let place = try #require(Data(plain).range(of: Data("IDAT".utf8))).lowerBound
        let length = Int(
            UInt32(bigEndian: Data(plain[(place - 4)..<place]).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }))
        let samples = Array(plain[(place + 4)..<(place + 4 + length)])
        let (head, tail) = (plain[..<(place - 4)], plain[(place + 8 + length)...])
        let files = [
            head + PNGBuilder.chunk("IDAT", samples + name) + tail,
            head + PNGBuilder.chunk("IDAT", samples) + PNGBuilder.chunk("IDAT", name) + tail,
        ].map { Array($0) }
        for file in files {
            let before = try ImageDecoder.decode(file)
            #expect(holds(file, "HARROWGATE"))
            let scrubbed = try PictureScrubber.scrubbed(file)
            #expect(!holds(scrubbed, "HARROWGATE"))
            #expect(try ImageDecoder.decode(scrubbed).samples == before.samples)
        }
        #expect(try PictureScrubber.scrubbed(plain) == plain)
    }

    @Test("No more is unpacked than the header says, and nothing of a picture that is too large")
    func bombs() throws {
        let side = 6_000
        let black = GrayImage(width: side, height: side, samples: [UInt16](repeating: 0, count: side * side))
        let plain = try PNGEncoder.encode(black, bitDepth: 8)
        func claiming(_ side: Int) -> [UInt8] {
            let header = PNGBuilder.header(width: side, height: side, bitDepth: 8, colorType: 0)
            return Array(plain[..<8]) + header + Array(plain[(8 + header.count)...])
        }
        #expect(try PictureScrubber.scrubbed(plain) == plain && claiming(side) == plain)
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        // To unpack all of it takes 0.05 s and more.
        let large = claiming(40_000)
        var start = now()
        let error = #expect(throws: ImagingError.self) { try PictureScrubber.scrubbed(large) }
        let refusing = now() - start
        #expect(error?.code == .tooManyPixels(width: 40_000, height: 40_000, limit: 100_000_000))
        let small = claiming(64)
        start = now()
        let kept = try PictureScrubber.scrubbed(small)
        let taking = now() - start
        #expect(try ImageDecoder.decode(kept).width == 64)
        #expect(refusing < 0.02 && taking < 0.02, "\(refusing) s, \(taking) s")
    }

    @Test func aFileThatHoldsNoPictureIsRefusedAsTheDecoderRefusesIt() throws {
        let plain = try PNGEncoder.encode(picture())
        var files = [8, 20, 40, plain.count - 1].map { Array(plain[..<$0]) }
        files += [[0xFF, 0xD8, 0xFF], [0xFF, 0xD8, 0xFF, 0xE0], [0xFF, 0xD8, 0xFF, 0xE1, 0, 1], [], [1, 2, 3]]
        let jpeg = try film()
        files += [20, jpeg.count / 2, jpeg.count - 2].map { Array(jpeg[..<$0]) }
        for file in files {
            let code = codeThrown { _ = try ImageDecoder.decode(file) }
            #expect(code != nil && codeThrown { _ = try PictureScrubber.scrubbed(file) } == code)
        }
    }

    // MARK: JPEG

    /// A JPEG of noise.
    private func film(flags: Int32 = 0) throws -> [UInt8] {
        try encodedJPEG(
            picture().samples.map { UInt8($0 >> 8) }, 24, 16, quality: 90, subsampling: TJSAMP_420, flags: flags)
    }

    private func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
        [0xFF, marker, UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 0xFF)] + content
    }

    private func exif(_ orientation: UInt8) -> [UInt8] {
        var content = Array("Exif\0\0MM\0*".utf8)
        content += [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0] as [UInt8]
        return segment(0xE1, content)
    }

    /// Where markers stand in a file that is whole.
    private func markers(of file: [UInt8]) -> [Int] {
        file.indices.dropLast().filter { file[$0] == 0xFF && file[$0 + 1] != 0 && file[$0 + 1] != 0xFF }
    }

    @Test(arguments: [0, TJFLAG_PROGRESSIVE])
    func aJPEGLosesCommentsAndProfilesAndKeepsItsOrientation(flags: Int32) throws {
        let plain = try film(flags: flags)
        let (start, rest) = (Array(plain[..<2]), Array(plain[2...]))
        let name = Array("Harrowgate".utf8)
        #expect(try PictureScrubber.scrubbed(plain) == plain, "where there is nothing else, it stays byte for byte")
        let texts = segment(0xE2, name) + segment(0xFE, name) + segment(0xED, name) + segment(0xE1, name)
        var turned = exif(6)
        turned.insert(contentsOf: name, at: turned.count)
        turned[3] += UInt8(name.count)
        let scrubbed = try PictureScrubber.scrubbed(start + turned + texts + rest + name)
        #expect(scrubbed == start + exif(6) + rest)
        #expect(try PictureScrubber.scrubbed(scrubbed) == scrubbed)
        #expect(try PictureScrubber.scrubbed(start + exif(1) + exif(6) + rest) == plain, "the first one counts")
    }

    /// Bytes that stand between segments, or behind the samples, are passed over by decoders; they must not stay.
    @Test(arguments: [0, TJFLAG_PROGRESSIVE])
    func nothingStaysBetweenTheSegmentsOfAJPEG(flags: Int32) throws {
        let plain = try film(flags: flags)
        let image = try ImageDecoder.decode(plain)
        let name = Array("PATIENT HARROWGATE".utf8)
        let comment = segment(0xFE, name)
        let inserts = [
            name, [0, 0, 0] + name, name + [0xFF, 0x00] + name, comment + [0, 0, 0], [7, 7, 7] + comment,
            name + [0xFF, 0xFF], comment + name,
        ]
        var decodedCount = 0
        for place in markers(of: plain).dropFirst() {
            for insert in inserts {
                let file = Array(plain[..<place]) + insert + Array(plain[place...])
                // A bound of the JPEG decoder: it reads no stray bytes before the frame.
                guard let decoded = try? ImageDecoder.decode(file), decoded == image else { continue }
                decodedCount += 1
                let scrubbed = try PictureScrubber.scrubbed(file)
                #expect(!holds(scrubbed, "HARROW"), "behind byte \(place)")
                #expect(try ImageDecoder.decode(scrubbed) == image)
            }
        }
        #expect(decodedCount >= 20, "only \(decodedCount) of the files are read")
    }

    @Test("Bytes that fill up before a sample of 0xFF are samples", arguments: [0, TJFLAG_PROGRESSIVE])
    func filledSamplesStay(flags: Int32) throws {
        var generator = SeededGenerator(seed: 11)
        let noise = (0..<64 * 64).map { _ in UInt8(generator.integer(below: 256)) }
        let plain = try encodedJPEG(noise, 64, 64, quality: 95, subsampling: TJSAMP_GRAY, flags: flags)
        let image = try ImageDecoder.decode(plain)
        let start = try #require(Data(plain).range(of: Data([0xFF, 0xDA]))).upperBound
        var count = 0
        for place in start..<(plain.count - 1) where plain[place] == 0xFF && plain[place + 1] == 0 {
            let file = Array(plain[..<place]) + [0xFF, 0xFF] + Array(plain[place...])
            guard let decoded = try? ImageDecoder.decode(file), decoded == image else { continue }
            count += 1
            #expect(try PictureScrubber.scrubbed(file) == file)
        }
        #expect(count >= 5, "only \(count) of the files are read")
    }

    // MARK: Damage

    /// Five letters are enough to know the name by, wherever damage cut it.
    private func holdsName(_ bytes: [UInt8]) -> Bool {
        ["PATIE", "HARRO", "WGATE"].contains { holds(bytes, $0) }
    }

    @Test func whateverDecodesAfterDamageHoldsNoNameOnceItIsScrubbed() throws {
        let name = "PATIENT HARROWGATE"
        let text = Array(name.utf8)
        var files: [[UInt8]] = []
        for flags in [0, TJFLAG_PROGRESSIVE] {
            let plain = try film(flags: flags)
            let frame = try #require(markers(of: plain).first { [0xC0, 0xC2].contains(plain[$0 + 1]) })
            let place = frame + 2 + Int(plain[frame + 3])
            files.append(
                Array(plain[..<2]) + exif(3) + segment(0xE4, text) + Array(plain[2..<place]) + segment(0xFE, text)
                    + Array(plain[place...]))
        }
        let plain = try PNGEncoder.encode(picture(), bitDepth: 16)
        func planted(_ names: String...) -> [UInt8] { names.flatMap { PNGBuilder.chunk($0, text) } }
        files.append(Array(plain[..<33]) + planted("tEXt", "gAMA", "pHYs", "sBIT") + Array(plain[33...]))
        files.append(Array(plain[..<33]) + planted("PLTE", "tRNS") + Array(plain[33...]))
        files.append(Array(plain.dropLast(12)) + planted("iTXt", "eXIf") + Array(plain.suffix(12)))
        files.append(Array(plain.dropLast(12)) + planted("IEND"))
        var readCount = 0
        var generator = SeededGenerator(seed: 29)
        for file in files {
            for round in 0..<250 {
                var damaged = file
                for _ in 0..<(round == 0 ? 0 : 1 + generator.integer(below: 3)) {
                    let place = 2 + generator.integer(below: damaged.count - 2)
                    switch generator.integer(below: 3) {
                    case 0: damaged[place] = UInt8(generator.integer(below: 256))
                    case 1: damaged.insert(UInt8(generator.integer(below: 256)), at: place)
                    default: damaged.remove(at: place)
                    }
                }
                guard let image = try? ImageDecoder.decode(damaged) else { continue }
                readCount += 1
                let scrubbed = try PictureScrubber.scrubbed(damaged)
                #expect(!holdsName(scrubbed), "round \(round)")
                #expect(try ImageDecoder.decode(scrubbed) == image, "round \(round)")
            }
        }
        #expect(readCount > 120, "only \(readCount) of the damaged files are read")
    }
}
