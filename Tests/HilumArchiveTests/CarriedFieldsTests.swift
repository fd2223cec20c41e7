import Testing

@testable import HilumArchive

/// Files of an inbox may get the names of another patient's files.
@Suite struct CarriedFieldsTests {
    private let known = CaseFields(
        patient: "0123456789ab", view: "PA", date: "2020-01-01", site: "A",
        metadata: ["study": "1.2", "sop": "1.2.9", "ward": "3"])

    private func complete(_ fresh: CaseFields) -> CaseInput {
        var input = CaseInput(id: "x", image: .bytes([1]))
        CarriedFields(fields: known, report: "Effusion.").complete(&input, with: fresh)
        return input
    }

    @Test func picturesWithoutTagsKeepEverything() {
        let input = complete(CaseFields())
        #expect(input.fields == known && input.report == "Effusion.")
    }

    @Test func thePictureItselfAgainKeepsWhatSomebodySaidOfIt() {
        let fresh = CaseFields(patient: "0123456789ab", view: "AP", metadata: ["study": "1.2", "sop": "1.2.9"])
        #expect(complete(fresh).fields == known)
    }

    @Test func anotherPictureOfTheStudySaysItsOwn() {
        let fresh = CaseFields(
            patient: "0123456789ab", view: "AP", date: "2024-09-09", metadata: ["study": "1.2", "sop": "1.2.10"])
        let input = complete(fresh)
        #expect(input.fields.view == "AP" && input.fields.date == "2024-09-09" && input.fields.site == "A")
        #expect(input.fields.metadata == ["study": "1.2", "sop": "1.2.10", "ward": "3"])
        #expect(input.report == "Effusion.")
    }

    @Test(
        "another patient's picture gets nothing",
        arguments: [
            CaseFields(patient: "ffffffffffff", metadata: ["sop": "7"]),
            CaseFields(patient: "0123456789ab", metadata: ["study": "1.3", "sop": "7"]),
        ]) func another(fresh: CaseFields)
    {
        let input = complete(fresh)
        #expect(input.fields == CaseFields() && input.report == nil)
    }

    @Test func aNumberFromATableSaysNothingAgainstTheTags() {
        var input = CaseInput(id: "x", image: .bytes([1]))
        let table = CaseFields(patient: "p1", site: "A")
        CarriedFields(fields: table, report: "Effusion.").complete(&input, with: CaseFields(patient: "0123456789ab"))
        #expect(input.fields.site == "A" && input.report == "Effusion.")
    }
}
