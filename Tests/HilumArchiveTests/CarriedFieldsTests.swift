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
        #expect(input.report == "Effusion." && Resemblance(known, tags: fresh, said: CaseFields()) == .same)
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
        #expect(Resemblance(known, tags: fresh, said: CaseFields()) == resemblance)
        #expect(Resemblance(known, tags: CaseFields(), said: fresh) == resemblance)
        let named = CaseFields(patient: "MUELLER")
        #expect(Resemblance(named, tags: CaseFields(), said: CaseFields(patient: "SCHMIDT")) == .another)
        #expect(Resemblance(named, tags: CaseFields(), said: named) == .same)
    }

    @Test func whatIsOfAnotherPatientOrWithoutASignIsNeverCarried() {
        var carried = carried(CaseFields(patient: "MUELLER"))
        carried.digests = ["old"]
        carried.samePictures = ["/in/a.png"]
        let (overwriting, further) = ((path: "/in/a.png", digest: "new"), (path: "/in/a_lateral.png", digest: "other"))
        let known = (path: "/in/moved.png", digest: "old")
        func decide(_ images: [(path: String, digest: String)]) -> CarriedFields.Decision {
            carried.decision(images: images, tags: CaseFields())
        }
        for said in [nil, "MUELLER", "SCHMIDT"] {
            for isTied in [false, true] {
                carried.said.patient = said
                carried.isTied = isTied
                for (images, isNew, overwrites) in [
                    ([overwriting], true, true), ([further], true, false), ([overwriting, further], true, true),
                    ([known], false, false), ([known, further], false, false), ([], false, false),
                ] {
                    let decision = decide(images)
                    let mayCarry = said != "SCHMIDT" && (!isNew || isTied || said == "MUELLER")
                    #expect((decision == .carry) == mayCarry)
                    if !mayCarry { #expect((decision == .leave) == overwrites) }
                }
            }
        }
        (carried.said, carried.isTied, carried.mayLeave) = (CaseFields(), false, false)
        guard case .refuse = decide([overwriting]) else { return #expect(Bool(false)) }
        carried.isOverwritten = true
        guard case .refuse = decide([]) else { return #expect(Bool(false)) }
    }
}
