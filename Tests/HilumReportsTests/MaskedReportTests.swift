import HilumCore
import HilumReports
import Testing

/// What masks of identifiers do to the reading of a report: nothing.
@Suite("Masked reports")
struct MaskedReportTests {
    private let reader: ReportReader

    init() throws { reader = ReportReader(lexicon: try Lexicon.shared()) }

    private func said(_ text: String) -> [String] {
        reader.read(text).findings.map { "\($0.name) \($0.assertion.rawValue)" }
    }

    @Test("A mask reads as XXXX does", arguments: ReportMask.allCases)
    func readsAsXXXX(mask: ReportMask) {
        let texts = [
            "Dr. # was told. There is a small left effusion.", "Compared to #, no pneumothorax. Effusion.",
            "#-year-old with cough. Cardiomegaly since #.", "There are no # of a pleural effusion.",
            "# effusion on the left, small in size.",
            "#", "前回（#）と比べ胸水は増加。気胸なし。", "#先生へ報告。心拡大あり。", "No effusion. # Pneumonia.",
        ]
        for text in texts {
            let masked = text.replacing("#", with: mask.rawValue)
            #expect(said(masked) == said(text.replacing("#", with: "XXXX")), "\(masked)")
        }
    }

    @Test("A report of masks alone says nothing")
    func masksSayNothing() {
        for mask in ReportMask.allCases { #expect(!reader.read(mask.rawValue).saysSomething) }
        #expect(!reader.read("[NAME] [DATE] [PLACE]").saysSomething)
    }

    @Test("A word in brackets is still a word")
    func bracketsStay() {
        #expect(said("There is an effusion [small].") == ["effusion present"])
        #expect(ReportMask.allCases.allSatisfy { $0.rawValue.utf8.count == $0.byteCount })
    }
}
