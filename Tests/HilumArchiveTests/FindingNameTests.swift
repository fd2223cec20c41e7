import Testing

@testable import HilumArchive

@Test func aFindingWithASideIsAlsoFoundByItsName() {
    #expect(
        Attributes.names(of: ["effusion left", "effusion right", "cardiomegaly"])
            == ["effusion left", "effusion right", "effusion", "cardiomegaly"])
    #expect(Attributes.names(of: ["left"]) == ["left"])
    #expect(Attributes.names(of: []) == [])
}
