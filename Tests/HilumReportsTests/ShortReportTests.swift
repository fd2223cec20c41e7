import HilumReports
import Testing

/// Whole reports of one to four words: which of them say something, and what.
@Suite("Reports of a few words")
struct ShortReportTests {
    private let reader: ReportReader

    init() throws { reader = ReportReader(lexicon: try Lexicon.shared()) }

    /// The findings of a text, with a minus where they are denied; nil where it says nothing.
    private func said(_ text: String) -> [String]? {
        let reading = reader.read(text)
        guard reading.saysSomething else { return nil }
        return reading.findings.map { ($0.assertion == .absent ? "-" : "") + $0.name }
    }

    @Test(
        "A whole report that calls the film normal says so",
        arguments: [
            "Negative.", "negative", "NEGATIVE", "Neg", "neg.", "-ve", "Negative chest.", "Negative CXR", "CXR neg.",
            "Chest negative.", "Negative study.", "Negative radiograph.", "Normal.", "Normal chest.", "CXR normal",
            "WNL", "w.n.l.", "Within normal limits.", "Unremarkable.", "Unremarkable study.", "NAD", "N.A.D.", "NED",
            "No abnormality detected.", "No abnormality.", "No abnormal findings.", "Nothing abnormal detected.",
            "Nil of note.", "Nil significant.", "Nothing significant.", "Nothing of note.", "Nothing focal.",
            "No findings.", "No finding.", "No significant findings.", "No sig findings", "No significant abnormality.",
            "No pathology.", "No disease.", "No evidence of disease.", "No suspicious findings.", "Chest clear.",
            "Essentially normal.", "Essentially negative.", "Grossly unremarkable.", "Normal for age.", "Looks normal.",
            "Normal PA and lateral.", "This is a normal chest.", "OK", "Fine.", "n.p.", "N.P.", "np",
            "IMPRESSION: Negative.", "FINDINGS: Negative.", "Impression\nNegative", "IMPRESSION Negative",
            "EXAM: CXR. IMPRESSION: Negative.", "IMPRESSION:\n1. Negative.", "- Negative", "(negative)", "Negative!",
            "** Negative **", "\"Negative\"", "COMPARISON: None. FINDINGS: Negative",
            "異常なし", "異常無し", "異常なし。", "異常所見なし", "所見なし", "特になし", "特記なし", "特記事項なし", "特記所見なし",
            "特記すべきことなし", "著変なし", "著変認めず", "問題なし", "問題ありません", "正常", "正常範囲", "正常です", "病的所見なし",
            "有意な所見なし", "異常を認めない", "異常認めず", "異常ありません", "胸部異常なし", "明らかな異常なし", "明らかな所見なし", "陰性",
            "特に問題なし", "特に異常なし", "異常（－）", "異常(-)", "所見(-)", "所見：n.p.", "【所見】特になし", "【診断】異常なし",
            "結論：陰性",
        ])
    func normal(_ text: String) { #expect(said(text) == ["normal"]) }

    @Test(
        "A whole report that says something else is read as that",
        arguments: [
            ("No acute disease.", ["-acute-disease"]), ("Nothing acute.", ["-acute-disease"]),
            ("Nil acute.", ["-acute-disease"]), ("No acute abn.", ["-acute-disease"]), ("NACPD", ["-acute-disease"]),
            ("Non-acute.", ["-acute-disease"]), ("No active disease.", ["-acute-disease"]),
            ("活動性病変なし", ["-acute-disease"]), ("Clear.", ["clear-lungs"]), ("All clear.", ["clear-lungs"]),
            ("Lungs clear.", ["clear-lungs"]), ("肺野清明", ["clear-lungs"]), ("Abnormal.", ["-normal"]),
            ("Abnormal study.", ["-normal"]), ("Not normal.", ["-normal"]), ("異常あり", ["-normal"]),
            ("有所見", ["-normal"]), ("No pneumonia.", ["-pneumonia"]), ("胸水なし", ["-effusion"]),
            ("Stable.", []), ("Unchanged.", []), ("No change.", []), ("Same.", []), ("Improved.", []),
            ("Positive.", []), ("Satisfactory.", []), ("Nothing new.", []), ("Benign.", []), ("Indeterminate.", []),
            ("前回同様", []), ("不変", []), ("経過観察", []), ("陽性", []),
        ] as [(String, [String])])
    func others(_ text: String, _ findings: [String]) { #expect(said(text) == findings) }

    @Test(
        "What stands where a report should be says nothing",
        arguments: [
            "", ".", "-", "--", "?", "a", "XXXX", "___", "XXXX XXXX.", "12345", "None.", "none", "N/A", "n/a", "NA",
            "Nil.", "No.", "Yes", "None seen.", "Nothing seen.", "Not seen.", "not available", "Not applicable",
            "see attached", "See attached report.", "Report to follow.", "Pending", "TBD", "No report.",
            "No report available", "No comparison.", "Comparison: None", "INDICATION: negative",
            "See above.", "As above.", "See CT.", "Dictated.", "Unread", "Cancelled", "Test patient.", "No images",
            "Evidence of disease?", "なし", "無し", "別紙参照", "未読影", "読影中", "該当なし", "不明", "省略",
            "後日報告", "レポートなし", "比較なし", "既往歴：特になし",
        ])
    func fillers(_ text: String) { #expect(said(text) == nil) }

    @Test(
        "A short sentence speaks of the examination only where nothing else stands under its heading"
    )
    func amongOthers() {
        #expect(said("HEART\nNormal\nLUNGS\nLarge left effusion\nBONES\nNegative")?.contains("normal") == false)
        #expect(said("IMPRESSION: Negative. Nothing new.") == [])
        #expect(said("FINDINGS: Small effusion. IMPRESSION: No acute disease.") == ["effusion", "-acute-disease"])
    }

    @Test(
        "The same words in a longer sentence are none of these phrases",
        arguments: [
            "COVID negative.", "No findings suggest it.", "Negative for pneumonia.", "The patient feels fine.",
            "Rh negative mother.", "Negative?", "Normal variant?", "Abnormal gait.",
        ])
    func longerSentences(_ text: String) { #expect(said(text)?.contains("normal") != true) }
}
