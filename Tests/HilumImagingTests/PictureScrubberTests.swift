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

    @Test func aFileThatIsNotWholeIsLeftToTheDecoder() throws {
        let plain = try PNGEncoder.encode(picture())
        for count in [8, 20, 40, plain.count - 1] {
            #expect(try PictureScrubber.scrubbed(Array(plain[..<count])) == Array(plain[..<count]))
        }
        for bytes in [[0xFF, 0xD8, 0xFF], [0xFF, 0xD8, 0xFF, 0xE0], [0xFF, 0xD8, 0xFF, 0xE1, 0, 1], []] as [[UInt8]] {
            #expect(try PictureScrubber.scrubbed(bytes) == bytes)
        }
    }

    /// Segments of a JPEG without a picture: what is looked at is which of them stay.
    @Test func aJPEGLosesCommentsAndProfilesAndKeepsItsOrientation() throws {
        func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
            [0xFF, marker, UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 0xFF)] + content
        }
        func exif(_ orientation: UInt8) -> [UInt8] {
            var content = Array("Exif\0\0MM\0*".utf8)
            content += [0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0] as [UInt8]
            return content
        }
        let table = segment(0xDB, [UInt8](repeating: 3, count: 65))
        let scan = segment(0xDA, [1, 1, 0, 0, 63, 0]) + [0x12, 0xFF, 0x00, 0x34, 0xFF, 0xD0, 0x56]
        let name = Array("Harrowgate".utf8)
        let file =
            [0xFF, 0xD8] + segment(0xE1, exif(6) + name) + segment(0xE2, name) + segment(0xFE, name) + table + scan
            + segment(0xFE, name) + scan + [0xFF, 0xD9] + name
        let scrubbed = try PictureScrubber.scrubbed(file)
        #expect(scrubbed == [0xFF, 0xD8] + segment(0xE1, exif(6)) + table + scan + scan + [0xFF, 0xD9])
        #expect(try PictureScrubber.scrubbed(scrubbed) == scrubbed)
        let upright = try PictureScrubber.scrubbed(
            [0xFF, 0xD8] + segment(0xE1, exif(1)) + table + scan + [0xFF, 0xD9])
        #expect(upright == [0xFF, 0xD8] + table + scan + [0xFF, 0xD9])
    }
}
