import HilumCore
import Testing

@testable import HilumArchive

@Suite struct FilterMatchingTests {
    private func matches(_ filter: String, _ value: String) throws -> Bool {
        let condition = try #require(try Filter(parsing: filter).conditions.first)
        return condition.values.contains { condition.matches($0, value) }
    }

    @Test(
        "a bound of a date covers its whole period, however the date is written",
        arguments: [
            ("date=..2019-06", "2019-06-30", true), ("date=..2019-06", "2019-07-01", false),
            ("date=..2019", "2019-12-31", true), ("date=2019-06..", "2019-06-01", true),
            ("date=2019-06..2019-06", "2019-06-15", true), ("date=2019..2020", "20190615", true),
            ("date=20190615..20190615", "2019-06-15", true), ("date=20190615", "2019-06-15", true),
            ("date=2019-06-15", "20190615", true), ("date=2019-06", "2019-06-15", true),
            ("date=2019", "20190615", true),
            ("date=2019-06-15", "2019-06", false), ("date=2019-06-15..", "2019-06", false),
            ("date=..2019-06-15", "2019-06-15T10:30:00", true), ("date=2019-06-15", "20190615103000", true),
            ("date=2019..", "unknown", false), ("date=..2030", "", false), ("date=unknown", "unknown", true),
            ("study_date=2019-01..2019-06", "20190630", true), ("study_date=2019..2020", "2019-05-05", true),
            ("date=2019.06..", "2019/06/15", true),
        ])
    func dates(_ filter: String, _ value: String, _ isMatch: Bool) throws {
        #expect(try matches(filter, value) == isMatch)
    }

    @Test(
        "text never lies in a range of numbers",
        arguments: [
            ("age=1..9", "5", true), ("age=1..9", "9.0", true), ("age=1..9", "9.5", false), ("age=-3..", "-2.5", true),
            ("age=1..9", "nan", false), ("age=1..", "NA", false), ("age=..9", "", false), ("age=0..", "inf", false),
            ("age=0..", "1e999", false), ("age=0..20", "0x10", false), ("age=..1000", "2e2", true),
            ("grade=a..c", "b", true), ("grade=a..c", "d", false), ("grade=1..3", "2b", false),
        ])
    func numbers(_ filter: String, _ value: String, _ isMatch: Bool) throws {
        #expect(try matches(filter, value) == isMatch)
    }

    @Test(
        "a wrong form is refused with the right one",
        arguments: [
            ("view=PA,site=B", "write view=… site=…"), ("view=PA;site=B", "write view=… site=…"),
            ("view=PA,site!=B", "write view=… site=…"), (#"view="PA, site=B""#, "write view=… site=…"),
            ("date>=2019", "date=A.. from A on"), ("date<=2019", "date=..B up to B"),
            ("date>2019", "date=A.. from A on"),
            ("date<2019", "date=..B up to B"), ("date=>2019", "date=A.. from A on"), ("date=<2019", "date=..B"),
            ("view==PA", "write view=…"), ("view:PA", "write view=…"), ("View=PA", "write view="),
            ("date=spring..", "a bound is 2019, 2019-06"), ("date=..2019-13", "a bound is 2019, 2019-06"),
            ("view=PA and site=B", "separated by spaces"),
        ])
    func wrongForms(_ filter: String, _ advice: String) {
        let error = #expect(throws: ArchiveError.self, "\(filter)") { try Filter(parsing: filter) }
        #expect(error?.reason.contains(advice) == true, "\(filter): \(String(describing: error))")
        for value in ["PA", "spring", "2019-13"] { #expect(error?.reason.contains(value) == false) }
    }

    @Test(
        "what only looks like a wrong form is read",
        arguments: ["note=a-b,c", "note=\"x = y\"", "vec_id=YWJj==", "url=a?b=c"])
    func rightForms(_ filter: String) { #expect(throws: Never.self) { try Filter(parsing: filter) } }

    @Test(
        "a date is read in its usual forms and in no other",
        arguments: [
            ("2019", 20_190_101, 20_191_231), ("2019-06", 20_190_601, 20_190_631),
            ("2019-06-15", 20_190_615, 20_190_615),
            ("20190615", 20_190_615, 20_190_615), ("2019/06/15", 20_190_615, 20_190_615),
            ("2019-06-15 10:30", 20_190_615, 20_190_615),
        ])
    func periods(_ text: String, _ first: Int, _ last: Int) {
        let period = DatePeriod(text)
        #expect(period?.firstDay == first && period?.lastDay == last)
    }

    @Test(
        "what is no date is none",
        arguments: [
            "", "19", "201906", "2019-6", "2019-13", "2019-00", "2019-06-32", "2019-06/15", "0000", "2019-06-1",
            "x2019", "2019T10",
        ])
    func noDates(_ text: String) { #expect(DatePeriod(text) == nil) }
}

@Suite struct FilterKeyTests {
    @Test("a key that no case has is refused, and a near one is named")
    func unknownKeys() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        defer { archive.close() }
        var input = CaseInput(id: "a", report: "a small effusion")
        input.fields = CaseFields(view: "PA", metadata: ["ward": "3", "scanner": "x"])
        _ = try archive.put([input])
        for (text, wanted) in [
            ("wrad=3", "did you mean 'ward'?"), ("veiw=PA", "did you mean 'view'?"),
            ("limit!=3", "there are affirmed, date"),
        ] {
            let filter = try Filter(parsing: text)
            let error = #expect(throws: ArchiveError.self) { try archive.count(filter) }
            let key = filter.conditions[0].key
            #expect(error?.code == .unknownKey(key))
            #expect(
                error?.reason.contains("no case has the key '\(key)'") == true && error?.reason.contains(wanted) == true
            )
        }
        // Keys of every case may be asked for though none has a value there.
        for text in ["site=A", "modality!=CR", "finding=nodule", "denied=effusion", "date=2019..", "id=a..b"] {
            #expect(throws: Never.self) { try archive.count(try Filter(parsing: text)) }
        }
        #expect(try archive.count(try Filter(parsing: "ward=1..5 scanner=x")) == 1)
        #expect(try archive.count(try Filter(parsing: "scanner=1..5")) == 0)
    }
}
