import Foundation
import HilumCore
import HilumPrivacy
import HilumReports
import Testing

/// Masking must not change what a report says of the patient.
@Suite("Findings of masked reports")
struct MaskedFindingsTests {
    private static let corpus: String? = {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] ?? root.path + "/../shared"
        let path = shared + "/data/report-corpus/openi_reports.jsonl"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    private static let head = "Patient Name: Harrowgate, Belinda\nMRN: 00482917\nDOB: 04/17/1951\n"
    private static let tail = """

        Comparison with the study of 11/2/2018 from Mercy Medical Center. Discussed with Dr. Okonkwo at 1445 on 3/12/2019.
        Dictated by: Ingrid Sorrell, MD on 03/12/2019 15:10
        """

    /// Findings with all that is said of them but where it stands.
    private static func findings(_ text: String, _ reader: ReportReader) -> [String] {
        reader.read(text).findings.map { finding in
            [
                finding.name, finding.assertion.rawValue, finding.side?.value.rawValue ?? "",
                finding.place?.value ?? "", finding.size?.value ?? "", finding.severity?.value ?? "",
            ].joined(separator: "|")
        }
    }

    @Test(
        "At least 99.5 % of reports say the same after masking, with and without identifiers",
        .enabled(if: corpus != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func findingsStay() throws {
        let masking = try ReportMasking.shared()
        let reader = ReportReader(lexicon: try Lexicon.shared())
        let plain = try FileIO.read(try #require(Self.corpus)).split(separator: 10).map { line in
            let row = try JSON(parsing: line)
            return ["comparison", "indication", "findings", "impression"].compactMap { key in
                row[key]?.string.map { "\(key.uppercased()): \($0)" }
            }.joined(separator: "\n")
        }
        #expect(plain.count > 2000)
        for (name, texts) in [("without", plain), ("with", plain.map { Self.head + $0 + Self.tail })] {
            let same = texts.count { Self.findings($0, reader) == Self.findings(masking.mask($0).text, reader) }
            print("\(same) of \(texts.count) reports \(name) identifiers say the same after masking")
            #expect(Double(same) >= 0.995 * Double(texts.count))
        }
    }

    /// Every word of the lexicon by which something is called, and words that deny or say a side.
    private static func words(_ lexicon: Lexicon, _ language: ReportLanguage) -> Set<String> {
        let phrases = lexicon.names.flatMap { lexicon.synonyms(of: $0.name, in: language) }
        return Set(phrases.map { $0.trimmingCharacters(in: .whitespaces) })
    }

    @Test("What a report says stays where the patient is called by a word that says it")
    func wordsThatAreNames() throws {
        let masking = try ReportMasking.shared()
        let lexicon = try Lexicon.shared()
        let reader = ReportReader(lexicon: lexicon)
        var words = Self.words(lexicon, .english).filter { $0.count > 2 && $0.allSatisfy { $0.isASCII && $0.isLetter } }
        // Names of people, which go.
        words.subtract(["chilaiditi", "swan", "dobbhoff", "dobhoff", "peg"])
        words.formUnion(["no", "not", "without", "right", "left", "bilateral", "normal", "clear", "negative"])
        words.formUnion(["small", "low"])
        #expect(words.count > 400)
        var lost: [String] = []
        var lostWords: Set<String> = []
        for word in words.sorted() {
            let name = word.capitalized
            let text = """
                \(name) is seen. No \(word). Left \(word). \(name) on the right. Impression: \(name).
                \(name) left effusion. No pneumothorax. Right lung clear. There is no mass, \(word) or nodule.
                """
            for patient in ["\(name), Minjun", "\(name)^J", "\(name.uppercased())^MINJUN^A", "Minjun, \(name)"] {
                let masked = masking.mask(text, known: KnownIdentifiers(names: [patient], patients: [patient])).text
                if Self.findings(masked, reader) != Self.findings(text, reader) {
                    lost.append("\(patient): \(masked)")
                    lostWords.insert(word)
                }
            }
        }
        #expect(lostWords.sorted() == [], "\(lost.prefix(2))")
    }

    @Test("So it does in Japanese")
    func japaneseWordsThatAreNames() throws {
        let masking = try ReportMasking.shared()
        let lexicon = try Lexicon.shared()
        let reader = ReportReader(lexicon: lexicon)
        var words = Self.words(lexicon, .japanese).filter { word in
            let isKanjiOrKatakana = word.unicodeScalars.allSatisfy {
                0x30A1...0x30FC ~= $0.value || 0x4E00...0x9FFF ~= $0.value
            }
            return 2...4 ~= word.count && isKanjiOrKatakana
        }
        words.subtract(["上野", "中野", "下野"])
        words.formUnion(["ガン", "ナシ", "右側", "右肺癌", "異常"])
        #expect(words.count > 300)
        var lost: [String] = []
        for word in words.sorted() {
            let text = "右\(word)を認める。\(word)なし。左に\(word)あり。異常なし。肺ガンの疑い。"
            for patient in ["\(word)^太郎", "KAN^TARO=\(word)^太郎", word] {
                let masked = masking.mask(text, known: KnownIdentifiers(names: [patient], patients: [patient])).text
                guard Self.findings(masked, reader) != Self.findings(text, reader) else { continue }
                lost.append("\(patient): \(masked)")
            }
        }
        #expect(lost.isEmpty, "\(lost.count) \(lost.map { $0.prefix(9) }.prefix(60)) \(lost.prefix(2))")
    }
}
