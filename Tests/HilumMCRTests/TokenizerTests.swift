import HilumCore
@testable import HilumMCR
import Testing

/// A small vocabulary written by hand; ids are positions.
private let pieces =
    Vocabulary.specialPieces + [
        "no", "pleural", "effusion", "##s", "card", "##io", "##megal", "##y", ".", ",", "left", "x", "-", "ray",
        "epanchement",
        "3", "##5", "cm", "胸", "部", "ガ", "な", "し", "右", "肺", "は", "'", "patient", "a", "##b", "aa", "°", "1", "##2",
        "β",
        "straße", "(", ")",
    ]

private func tokenizer() throws -> Tokenizer { Tokenizer(vocabulary: try Vocabulary(pieces: pieces)) }

private func spell(_ text: String, maxLength: Int = 1_000) throws -> [String] {
    let report = try tokenizer().encode(text, maxLength: maxLength)
    return report.ids.dropFirst().dropLast().map { pieces[Int($0)] }
}

struct TokenizerTests {
    @Test(arguments: [
        ("No pleural effusions.", ["no", "pleural", "effusion", "##s", "."]),
        ("CARDIOMEGALY", ["card", "##io", "##megal", "##y"]),
        ("chest", ["[UNK]"]),
        ("x-ray,left", ["x", "-", "ray", ",", "left"]),
        ("Épanchement", ["epanchement"]),
        ("E\u{301}panchement", ["epanchement"]),
        ("STRASSE Straße", ["[UNK]", "straße"]),
        ("3.5 cm", ["3", ".", "[UNK]", "cm"]),
        ("35cm", ["[UNK]"]),
        ("35", ["3", "##5"]),
        ("", []),
        (" \n\t\u{3000}\u{A0}", []),
        ("胸部", ["胸", "部"]),
        ("胸部ガなし。", ["胸", "部", "ガ", "な", "し", "[UNK]"]),
        ("カ\u{3099}なし", ["ガ", "な", "し"]),
        ("右肺left部", ["右", "肺", "left", "部"]),
        ("右肺は12", ["右", "肺", "は", "1", "##2"]),
        ("１２ ｃｍ（左）", ["1", "##2", "cm", "(", "[UNK]", ")"]),
        ("patient’s", ["patient", "'", "[UNK]"]),
        ("left 🫁 ray", ["left", "[UNK]", "ray"]),
        ("left❤\u{FE0F}ray", ["left", "[UNK]", "ray"]),
        ("a\u{200D}b\u{AD}b", ["a", "##b", "##b"]),
        ("3°", ["3", "°"]),
        ("Β β", ["β", "β"]),
        ("aab", ["aa", "##b"]),
        ("aaab", ["[UNK]"]),
        ("[MASK] [cls]", ["[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]),
        ("no\0effusion", ["[UNK]"]),
        ("no\r\neffusion", ["no", "effusion"]),
    ])
    func `known texts have the pieces written down by hand`(text: String, expected: [String]) throws {
        #expect(try spell(text) == expected)
    }

    @Test func `a report begins with CLS and ends with SEP`() throws {
        let report = try tokenizer().encode("no", maxLength: 8)
        #expect(report.ids == [2, 5, 3])
        #expect(report.wordIndex == [-1, 0, -1])
        #expect(try tokenizer().encode("", maxLength: 2).ids == [2, 3])
    }

    @Test func `a word of 100 characters is looked up and one of 101 is unknown`() throws {
        let hundred = "a" + String(repeating: "b", count: 99)
        #expect(try spell(hundred).count == 100)
        #expect(try spell(hundred + "b") == ["[UNK]"])
        #expect(try spell(String(repeating: "b", count: 1 << 20)) == ["[UNK]"])
        let accents = "á" + String(repeating: "b", count: 99)
        #expect(try spell(accents).count == 100)
    }

    @Test func `word ranges give the bytes of each word in the source`() throws {
        let text = "  Épanchement pleural, 右カ\u{3099} effusions"
        let report = try tokenizer().encode(text, maxLength: 100)
        let utf8 = Array(text.utf8)
        let words = report.wordRanges.map { String(decoding: utf8[$0], as: UTF8.self) }
        #expect(words == ["Épanchement", "pleural", ",", "右", "カ\u{3099}", "effusions"])
        #expect(report.wordIndex == [-1, 0, 1, 2, 3, 4, 5, 5, -1])
    }

    @Test func `a long report is cut to the length asked for`() throws {
        let report = try tokenizer().encode("no cardiomegaly left", maxLength: 5)
        #expect(report.ids.map { pieces[Int($0)] } == ["[CLS]", "no", "card", "##io", "[SEP]"])
        #expect(report.isTruncated)
        #expect(report.wordRanges.count == 2)
        let exact = try tokenizer().encode("no cardiomegaly", maxLength: 7)
        #expect(exact.ids.count == 7 && !exact.isTruncated)
    }

    @Test func `ids, word indices and ranges agree on any text`() throws {
        let tokenizer = try tokenizer()
        var generator = SeededGenerator(seed: 7)
        let scalars = Array("abxé -.\n胸ガ゙🫁ß1２\u{301}\u{200D}\u{3000}Ａ".unicodeScalars)
        for _ in 0..<2_000 {
            var view = String.UnicodeScalarView()
            for _ in 0..<generator.integer(below: 24) { view.append(generator.pick(scalars)) }
            let text = String(view)
            let maxLength = 2 + generator.integer(below: 20)
            let report = tokenizer.encode(text, maxLength: maxLength)
            #expect(report.ids.count == report.wordIndex.count && report.ids.count <= maxLength)
            #expect(report.wordIndex.dropFirst().dropLast().map(Int.init).max() ?? -1 == report.wordRanges.count - 1)
            #expect(zip(report.wordRanges, report.wordRanges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
            #expect(report.wordRanges.allSatisfy { !$0.isEmpty && $0.upperBound <= text.utf8.count })
            for range in report.wordRanges {
                #expect(String(validating: Array(text.utf8)[range], as: UTF8.self) != nil)
            }
        }
    }

    @Test func `the unknown share counts pieces, not words`() throws {
        let statistics = try tokenizer().statistics(of: ["no effusions zzz", "left"])
        #expect(statistics == TokenStatistics(wordCount: 4, pieceCount: 5, unknownCount: 1))
        #expect(try tokenizer().unknownShare(["no effusions zzz", "left"]) == 0.2)
        #expect(try tokenizer().unknownShare([String]()) == 0)
    }

    @Test(arguments: [
        ("No  pleural\n effusion.", "no pleural effusion"),
        ("NO PLEURAL EFFUSION", "no pleural effusion"),
        ("(X-ray) is 3.5 cm, <1%.", "x-ray is 3.5 cm <1%"),
        (" - Épanchement : non -", "epanchement non"),
        ("-5 °C", "-5 °c"),
        ("「胸部」。 異常 なし。", "胸部 異常 なし"),
        (" . ", ""),
        ("", ""),
    ])
    func `normalised reports are those written down by hand`(text: String, expected: String) {
        #expect(normalisedReport(text) == expected)
        #expect(normalisedReport(expected) == expected)
        #expect(normalisedReportHash(text) == normalisedReportHash(expected))
    }

    @Test func `the hash of a normalised report never changes`() {
        #expect(normalisedReportHash("No pleural effusion.") == 0x1EFE_5E14_5B8B_CCD1)
        #expect(normalisedReportHash("left effusion") != normalisedReportHash("right effusion"))
    }
}
