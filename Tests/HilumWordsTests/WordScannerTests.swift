import Testing

@testable import HilumWords

private func terms(_ text: String) -> [String] {
    var scanner = WordScanner()
    scanner.scan(text)
    return scanner.words.map { String(decoding: scanner.term(of: $0), as: UTF8.self) }
}

@Suite("Words of a text")
struct WordScannerTests {
    @Test(
        "Both spellings give the same terms",
        arguments: [
            ("effusions", "Effusion"), ("OPACITIES", "opacity"), ("masses", "mass"), ("branches", "branch"),
            ("apexes", "apex"), ("pneumothoraxes", "pneumothorax"), ("bases", "base"), ("lobes", "lobe"),
            ("ribs", "rib"),
            ("patient's", "patient"), ("patient’s", "patients"), ("Ödem", "odem"), ("Übergröße", "ubergrosse"),
            ("Rippenbrüche", "rippenbruche"), ("Œsophage", "oesophage"), ("épanchement", "EPANCHEMENT"),
            ("o\u{308}dem", "ödem"), ("İstanbul", "istanbul"), ("Łódź", "lodz"), ("ΠΝΕΎΜΩΝ", "πνεύμων"),
            ("ＣＴ", "ct"), ("５．２", "5.2"), ("５ｃｍ", "5 cm"), ("5㎝", "5 cm"), ("٣", "3"), ("ｶﾞｰｾﾞ", "ガーゼ"), ("ﾊﾟﾝﾁ", "パンチ"),
            ("か\u{3099}", "が"),
            ("ｳﾞｧ", "ヴァ"), ("Ёлка", "елка"),
        ])
    func folds(spelling: String, other: String) { #expect(terms(spelling) == terms(other)) }

    @Test("The mask of an identifier is no word, and takes a position")
    func masksAreNoWords() {
        #expect(terms("seen by [NAME] on [DATE] at [PLACE], [AGE]") == ["seen", "by", "on", "at"])
        #expect(terms("[name] [NAMES]") == ["name", "name"])
        var scanner = WordScanner()
        scanner.scan("normal [NAME] heart")
        #expect(scanner.words.map(\.position) == [0, 2])
    }

    @Test(
        "These keep their endings",
        arguments: ["pus", "basis", "thrombus", "mass", "bronchus", "pelvis", "gas", "has", "diagnosis", "t4", "c7s"])
    func keepsEndings(word: String) {
        #expect(terms(word) == [word == "c7s" ? "c7s" : word])
    }

    @Test(
        "A text gives these terms",
        arguments: [
            ("", []), ("  . ,;", []), ("No effusion.", ["no", "effusion"]), ("2.5 cm, 1.2.3", ["2.5", "cm", "1.2.3"]),
            ("x-ray", ["x", "ray"]), ("T4 and 5cm", ["t4", "and", "5", "cm"]), ("end.5", ["end", "5"]),
            ("2019-03-02", ["2019", "03", "02"]), ("don't", ["don", "t"]), ("a_b", ["a", "b"]),
            ("右胸水", ["右胸", "胸水", "水"]), ("肺", ["肺"]), ("CTで胸水", ["ct", "で胸", "胸水", "水"]), ("肺・胸", ["肺", "胸"]),
            ("두 폐", ["두", "폐"]), ("🫁 lungs", ["lung"]),
        ] as [(String, [String])])
    func scans(text: String, expected: [String]) { #expect(terms(text) == expected) }

    @Test("Masks are no words and take a position")
    func countsMasks() {
        var scanner = WordScanner()
        scanner.scan("normal XXXX heart ___ xxxx size _ x")
        #expect(scanner.words.map(\.position) == [0, 2, 5, 6])
        #expect(scanner.positionCount == 7)
    }

    @Test("Ranges are those of the bytes in the text")
    func givesRanges() {
        let text = "Große Effusions, 右ﾊﾞ水: patient's"
        var scanner = WordScanner()
        scanner.scan(text)
        let spelled = scanner.words.map { String(decoding: Array(text.utf8)[$0.range], as: UTF8.self) }
        #expect(spelled == ["Große", "Effusions", "右ﾊﾞ", "ﾊﾞ水", "水", "patient"])
    }

    @Test("A term is cut between characters")
    func cutsLongTerms() {
        let found = terms("a" + String(repeating: "я", count: 300))
        #expect(found == ["a" + String(repeating: "я", count: 99)])
    }

    @Test("Bytes that are not UTF-8 separate words")
    func readsAnyBytes() {
        var scanner = WordScanner()
        for bytes: [UInt8] in [
            [0xFF], [0x61, 0xC3], [0x61, 0xC0, 0x80, 0x62], [0xE3, 0x81], [0xED, 0xA0, 0x80, 0x61],
            [0xF4, 0x90, 0x80, 0x80],
            [0x80, 0x61, 0xE2], [0x61, 0xE2, 0x80],
        ] {
            bytes.withUnsafeBytes { scanner.scan($0) }
            for word in scanner.words {
                #expect(scanner.term(of: word).allSatisfy { $0 == 0x61 || $0 == 0x62 })
            }
        }
    }
}
