import Testing

@testable import HilumArchive

/// Files may get the names of another patient's files.
@Suite struct CarriedFieldsTests {
    private let known = CaseFields(
        patient: "0123456789ab", view: "PA", date: "2020-01-01", site: "A",
        metadata: ["study": "1.2", "sop": "1.2.9", "ward": "3"])

    private func carried(_ fields: CaseFields? = nil) -> CarriedFields {
        CarriedFields(fields: fields ?? known, report: "Effusion.")
    }

    private func complete(_ fresh: CaseFields) -> CaseInput {
        var input = CaseInput(id: "x", image: .bytes([1]))
        carried().complete(&input, with: fresh)
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
        #expect(
            input.report == "Effusion." && Resemblance(known, tags: Whose(fields: fresh), said: CaseFields()) == .same)
    }

    @Test(
        "Patient, study and date of tags and tables are compared like with like",
        arguments: [
            (CaseFields(patient: "ffffffffffff", metadata: ["sop": "7"]), Resemblance.another),
            (CaseFields(patient: "0123456789ab", metadata: ["study": "1.3", "sop": "7"]), .another),
            (CaseFields(patient: "0123456789ab", date: "20200102"), .another),
            (CaseFields(patient: "0123456789ab", date: "2020-01"), .same),
            // A number from a table is no hash, and says nothing against the tags.
            (CaseFields(patient: "p1"), .unknown),
            (CaseFields(view: "PA", site: "A"), .unknown),
            (CaseFields(date: "2020-01-01"), .unknown),
        ]) func resemblances(fresh: CaseFields, resemblance: Resemblance)
    {
        #expect(Resemblance(known, tags: Whose(fields: fresh), said: CaseFields()) == resemblance)
        #expect(Resemblance(known, tags: Whose(fields: CaseFields()), said: fresh) == resemblance)
        let named = CaseFields(patient: "MUELLER")
        #expect(Resemblance(named, tags: Whose(fields: CaseFields()), said: CaseFields(patient: "SCHMIDT")) == .another)
        #expect(Resemblance(named, tags: Whose(fields: CaseFields()), said: named) == .samePatient)
    }

    @Test func whatIsOfAnotherPatientOrWithoutASignIsNeverCarried() throws {
        var carried = carried(CaseFields(patient: "MUELLER"))
        carried.digests = ["old"]
        carried.samePictures = ["/in/a.png"]
        let (overwriting, further) = ((path: "/in/a.png", digest: "new"), (path: "/in/a_lateral.png", digest: "other"))
        let known = (path: "/in/moved.png", digest: "old")
        func decide(_ images: [(path: String, digest: String)], isTelling: Bool = true) throws -> CarriedFields.Decision
        {
            try carried.decision(
                images: images, tags: Whose(fields: CaseFields()), isTelling: { _ throws(ArchiveError) in isTelling })
        }
        for said in [nil, "MUELLER", "SCHMIDT"] {
            for (isTied, hasAllLeft) in [(false, false), (true, false), (false, true), (true, true)] {
                carried.said.patient = said
                carried.isTied = isTied
                carried.hasAllLeft = hasAllLeft
                for (images, isNew, overwrites) in [
                    ([overwriting], true, true), ([further], true, false), ([overwriting, further], true, true),
                    ([known], false, false), ([known, further], false, false), ([], false, false),
                    ([known, overwriting], false, true),
                ] {
                    for isTelling in [true, false] {
                        let decision = try decide(images, isTelling: isTelling)
                        // All of them are known, or one is, and tells.
                        let isShown = !isNew && (isTelling || images.count < 2)
                        var mayCarry = said != "SCHMIDT" && (isShown || isTied || said == "MUELLER")
                        if overwrites, hasAllLeft || !isTied { mayCarry = false }
                        #expect((decision == .carry) == mayCarry)
                        if !mayCarry { #expect((decision == .leave) == overwrites) }
                    }
                }
            }
        }
        // The same patient on the same day: the image is a better one of the same exam.
        (carried.identity.date, carried.said) = ("2020-01-01", CaseFields(patient: "MUELLER", date: "2020-01-01"))
        #expect(try decide([overwriting]) == .carry)
        carried.said.date = nil
        #expect(try decide([overwriting]) == .leave)
        (carried.said, carried.isTied, carried.mayLeave) = (CaseFields(), false, false)
        guard case .refuse = try decide([overwriting]) else { return #expect(Bool(false)) }
        carried.isOverwritten = true
        guard case .refuse = try decide([]) else { return #expect(Bool(false)) }
    }
}
