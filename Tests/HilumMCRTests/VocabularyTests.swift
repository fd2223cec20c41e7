import Foundation
import HilumCore
import HilumPhantom
@testable import HilumMCR
import Testing

private func sentences(_ count: Int, seed: UInt64) -> [String] {
    var generator = SeededGenerator(seed: seed)
    let sides = ["left", "right", "bilateral"]
    let degrees = ["small", "moderate", "large", "trace", "minimal"]
    let findings = ["effusion", "effusions", "consolidation", "nodule", "atelectasis", "pneumothorax", "opacities"]
    return (0..<count).map { _ in
        let size = 1 + generator.integer(below: 40)
        return "\(generator.pick(degrees)) \(generator.pick(sides)) \(generator.pick(findings)), \(size) mm."
            .capitalized
    }
}

struct VocabularyTests {
    @Test func `the same texts give the same vocabulary in any order`() throws {
        let texts = sentences(2_000, seed: 3)
        let terms = ["pleural effusion", "cardiomegaly", "Kerley B lines"]
        let first = try VocabularyBuilder.build(texts: texts, terms: terms, size: 320)
        let second = try VocabularyBuilder.build(texts: texts.reversed(), terms: terms, size: 320)
        #expect(first == second)
        #expect(SHA256.hex(first.text) == "be9e33be55a72decfc7dc1379d61143449bb8af215756a932a5315a366348caf")
    }

    @Test func `a built vocabulary has the special pieces first and every piece once`() throws {
        let vocabulary = try VocabularyBuilder.build(texts: sentences(500, seed: 4), terms: ["hilum"], size: 330)
        #expect(Array(vocabulary.pieces.prefix(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        #expect([vocabulary.padID, vocabulary.unknownID, vocabulary.classID, vocabulary.separatorID] == [0, 1, 2, 3])
        #expect(vocabulary.maskID == 4)
        #expect(Set(vocabulary.pieces).count == vocabulary.count && vocabulary.count <= 330)
        for (id, piece) in vocabulary.pieces.enumerated() { #expect(vocabulary.id(of: piece) == Int32(id)) }
        #expect(vocabulary.id(of: "hilum") != nil && vocabulary.id(of: "hilu") == nil && vocabulary.id(of: "") == nil)
    }

    @Test func `printable ASCII and accented Latin text is never unknown`() throws {
        let vocabulary = try VocabularyBuilder.build(texts: [String](), terms: [], size: 300)
        let tokenizer = Tokenizer(vocabulary: vocabulary)
        let ascii = String(decoding: UInt8(0x20)...0x7E, as: UTF8.self)
        let latin = "Œdème pulmonaire, Ærø, Łódź, größe, ångström, señal, ÇĞİŞ, čeština, þorn, 5 µm², 37,5 °C ± ½"
        let words = "zq9x Q7 pneumoultra " + ascii.map { "x\($0)x" }.joined(separator: " ")
        #expect(tokenizer.unknownShare([ascii, latin, words]) == 0)
    }

    @Test func `frequent words and words of terms become one piece, digits stay single`() throws {
        let terms = ["Kerley B lines", "T12 fracture"]
        let vocabulary = try VocabularyBuilder.build(texts: sentences(2_000, seed: 5), terms: terms, size: 400)
        for word in ["effusion", "effusions", "left", "kerley", "lines", "fracture"] {
            #expect(vocabulary.id(of: word) != nil, "\(word)")
        }
        #expect(vocabulary.id(of: "12") == nil && vocabulary.id(of: "t12") == nil && vocabulary.id(of: "##12") == nil)
        let report = Tokenizer(vocabulary: vocabulary).encode("12 mm", maxLength: 10)
        #expect(report.ids.map { vocabulary.pieces[Int($0)] } == ["[CLS]", "1", "##2", "mm", "[SEP]"])
    }

    @Test func `few merged pieces are wasted when places are short`() throws {
        var generator = SeededGenerator(seed: 6)
        let syllables = [
            "pneu", "mo", "tho", "rax", "car", "dio", "me", "ga", "ly", "ate", "lec", "ta", "sis", "fib", "ro",
        ]
        let texts = (0..<3_000).map { _ in
            (0...generator.integer(below: 4)).map { _ in generator.pick(syllables) }.joined()
        }
        let vocabulary = try VocabularyBuilder.build(texts: texts, terms: [], size: 400)
        #expect(vocabulary.count == 400)
        let tokenizer = Tokenizer(vocabulary: vocabulary)
        let used = Set(texts.flatMap { tokenizer.encode($0, maxLength: 99).ids })
        let merged = (0..<400).filter { vocabulary.pieces[$0].filter { $0 != "#" }.unicodeScalars.count > 1 }.dropFirst(
            5)
        #expect(merged.count > 150)
        let wasted = merged.count { !used.contains(Int32($0)) }
        // Only the eighth of the room that goes to shared syllables may hold unused ones.
        #expect(wasted <= 20, "\(wasted) of \(merged.count)")
    }

    @Test func `characters of other scripts join the alphabet`() throws {
        let vocabulary = try VocabularyBuilder.build(
            texts: ["胸部に異常なし", "легкие без изменений", "두 폐 모두 정상"], terms: ["胸水"], size: 400)
        #expect(Tokenizer(vocabulary: vocabulary).unknownShare(["胸水なし", "изменений", "폐"]) == 0)
        #expect(vocabulary.id(of: "##部") == nil)
    }

    @Test func `a vocabulary survives its file`() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("vocab-\(getpid()).txt").path
        defer { unlink(path) }
        let vocabulary = try VocabularyBuilder.build(texts: sentences(100, seed: 8), terms: ["肺"], size: 310)
        try vocabulary.write(to: path)
        #expect(try Vocabulary(path: path) == vocabulary)
    }

    @Test func `a vocabulary of BERT keeps its own ids`() throws {
        let text = "[PAD]\r\n[unused0]\r\n#\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\n!\r\nthe\r\n##s\r\n##\r\n"
        let vocabulary = try Vocabulary(text: Array(text.utf8))
        #expect(vocabulary.count == 11)
        #expect([vocabulary.unknownID, vocabulary.classID, vocabulary.separatorID, vocabulary.maskID] == [3, 4, 5, 6])
        #expect(Tokenizer(vocabulary: vocabulary).encode("The thes #", maxLength: 9).ids == [4, 8, 8, 9, 2, 5])
    }

    @Test(arguments: [
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", "no [MASK]"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", "line 7 repeats"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[PAD]\n", "line 6 repeats"),
        ("[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n[MASK]\n", "line 3 is empty"),
        ("", "no [PAD]"),
        ("{\"model\":{}}", "no [PAD]"),
    ])
    func `a bad vocabulary is refused in words`(text: String, reason: String) {
        let error = #expect(throws: MCRError.self) { try Vocabulary(text: Array(text.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func `bytes that are not UTF-8 and files that are too large are refused`() {
        #expect(throws: MCRError.self) { try Vocabulary(text: [0x5B, 0xFF, 0x0A]) }
        #expect(throws: MCRError.self) { try Vocabulary(pieces: [String(repeating: "a", count: 5 << 20)]) }
        #expect(throws: FileError.self) { try Vocabulary(path: "/nowhere/vocab.txt") }
    }
}

/// `$HILUM_SHARED/data`, or `../shared/data` beside the package.
private let sharedData: String = {
    if let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] { return "\(shared)/data" }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return root.deletingLastPathComponent().appendingPathComponent("shared/data").path
}()
private let corpusPath = "\(sharedData)/report-corpus/cases.jsonl"

struct CorpusCoverageTests {
    @Test(.enabled(if: FileManager.default.isReadableFile(atPath: corpusPath), "needs shared/data/report-corpus"))
    func `a vocabulary of phantoms and general wording covers real reports`() throws {
        let corpus = try String(decoding: FileIO.read(corpusPath), as: UTF8.self).split(separator: "\n").compactMap {
            line in
            (try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["report"] as? String
        }
        #expect(corpus.count > 2_000)
        let wording = try RadiologyWording.shared()
        var texts = wording.sentences(count: 4_000, seed: 1)
        for site in PhantomSite.allCases {
            let generator = PhantomGenerator(seed: 1, site: site, side: 64)
            texts += (0..<200).map { generator.makeCase($0).report }
        }
        let vocabulary = try VocabularyBuilder.build(texts: texts, terms: wording.terms, size: 4_096)
        let statistics = Tokenizer(vocabulary: vocabulary).statistics(of: corpus)
        #expect(statistics.unknownShare < 0.02, "\(statistics)")
        #expect(statistics.piecesPerWord < 1.2, "\(statistics)")
    }
}
