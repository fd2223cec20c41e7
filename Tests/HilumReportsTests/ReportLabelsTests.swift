import HilumReports
import Testing

/// What a report affirms, as labels.
@Suite struct ReportLabelsTests {
    private func labels(_ report: String) throws -> [String] {
        ReportLabels(ReportReader(lexicon: try Lexicon.shared())).labels(of: report)
    }

    @Test("Affirmed findings are labels with their side, and both sides are two")
    func sides() throws {
        #expect(
            try labels("FINDINGS: Small left pleural effusion. Heart is enlarged.") == [
                "cardiomegaly", "effusion left",
            ])
        #expect(try labels("Bilateral effusions.") == ["effusion left", "effusion right"])
        #expect(try labels("所見：左胸水を認める。気胸なし。") == ["effusion left"])
    }

    @Test("What is denied, doubted, asked for or of another time is no label")
    func notAffirmed() throws {
        #expect(
            try labels("INDICATION: Rule out pneumothorax. FINDINGS: Possible pneumonia. Left effusion.") == [
                "effusion left"
            ])
        #expect(try labels("FINDINGS: Possible pneumonia.").isEmpty)
    }

    @Test("A report that affirms no finding and denies some is normal")
    func normal() throws {
        #expect(try labels("Lungs are clear. No effusion.") == ["normal"])
        #expect(try labels("Normal chest.") == ["normal"])
        #expect(try labels("胸水なし。") == ["normal"])
        #expect(try labels("PICC in the SVC. No pneumothorax.") == ["normal"])
        #expect(try labels("See attached.").isEmpty)
    }
}
