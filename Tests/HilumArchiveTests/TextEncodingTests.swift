import Foundation
import Testing

@testable import HilumArchive

@Suite("Encodings of texts")
struct TextEncodingTests {
    private static let said = "Kein Erguss. Größe unverändert – Ödem rückläufig."

    private static func utf16(_ text: String, isLittle: Bool) -> [UInt8] {
        ([0xFEFF] + Array(text.utf16)).flatMap { (unit: UInt16) -> [UInt8] in
            let bytes = [UInt8(unit >> 8), UInt8(unit & 0xFF)]
            return isLittle ? bytes.reversed() : bytes
        }
    }

    @Test("A text beside an image is read as tables are: UTF-8, UTF-16 with its mark, Windows-1252")
    func indexed() throws {
        let scratch = try Scratch()
        let spellings: [String: [UInt8]] = [
            "u8": Array(Self.said.utf8), "marked": [0xEF, 0xBB, 0xBF] + Array(Self.said.utf8),
            "le": Self.utf16(Self.said, isLittle: true), "be": Self.utf16(Self.said, isLittle: false),
            "latin": [UInt8](try #require(Self.said.data(using: .windowsCP1252))),
        ]
        for (seed, (name, bytes)) in spellings.enumerated() {
            try scratch.write("in/\(name).png", makePNG(seed))
            try scratch.write("in/\(name).txt", bytes)
        }
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 5 && summary.refused == [] && summary.guessedTexts == 1)
        #expect(summary.notes.contains { $0.hasPrefix("1 texts are not UTF-8 and were read as Windows-1252") })
        for name in spellings.keys { #expect(try archive.get(id: name)?.report == Self.said, "\(name)") }
    }

    @Test("What is no Western text is not made one")
    func refused() throws {
        // A Japanese sentence as Shift-JIS and as EUC; odd and cut UTF-16; bytes without a meaning; Cyrillic.
        let odd: [[UInt8]] = [
            [0x89, 0x45, 0x8B, 0xB9, 0x90, 0x85, 0x82, 0xF0, 0x94, 0x46, 0x82, 0xDF, 0x82, 0xE9, 0x81, 0x42],
            [0xB1, 0xA6, 0xB6, 0xBB, 0xBF, 0xE5, 0xA4, 0xF2, 0xC7, 0xA7, 0xA4, 0xE1, 0xA4, 0xEB, 0xA1, 0xA3],
            [0xFF, 0xFE, 0x41], [0xFE, 0xFF, 0xD8, 0x00],
            [0x41, 0x42, 0x81], [0xE9, 0x00, 0x41, 0x42], [0xE9, 0x01, 0x41, 0x42], [0xCF, 0xF0, 0xE8, 0xE2],
        ]
        for bytes in odd { #expect(TextEncoding.text(bytes) == nil, "\(bytes)") }
        #expect(TextEncoding.text([]) == .init(text: ""))
        #expect(TextEncoding.text([0x4F, 0x64, 0xE8, 0x6D, 0x65]) == .init(text: "Odème", isGuessed: true))
    }
}
