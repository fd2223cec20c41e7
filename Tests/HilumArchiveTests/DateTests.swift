import HilumCore
import HilumPrivacy
import Testing

@testable import HilumArchive

/// Dates of other countries are read, and what cannot be read is said.
@Suite("Dates of sources") struct DateTests {
    private func index(
        _ scratch: Scratch, _ table: String, dates: DateShift.Mode = .keep
    ) throws -> (archive: Archive, summary: IndexSummary) {
        try scratch.write("in/cases.csv", table)
        try Archive.create(at: scratch.archive, privacy: PrivacySettings(dates: dates))
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder())
        let dry = try BulkIndexer(archive: archive).dryRun(sources: [scratch.path + "/in"])
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        let told = summary.notes.filter { !$0.contains("dates are shifted") }
        #expect(dry.notes == told, "a dry run says the same")
        return (archive, summary)
    }

    @Test("A table's dates are found by every filter of dates, however they are written")
    func filters() throws {
        let scratch = try Scratch()
        let (archive, summary) = try index(
            scratch,
            """
            id,date,report_date,report
            a,31.12.2019,1. Januar 2020,effusion
            b,12/31/2019,,effusion
            c,"Dec 31, 2019",,effusion
            d,31-Dec-2019 14:30,,effusion
            e,2019/12/31,,effusion
            f,20191231,,effusion
            g,2005-01-31,,effusion
            h,31.01.2005,,effusion
            i,,,effusion
            """)
        #expect(summary.stored == 9 && summary.notes == [])
        func count(_ filter: String) throws -> Int { try archive.count(Filter(parsing: filter)) }
        #expect(try count("date=2019") == 6 && count("date=2019-12-31") == 6 && count("date=31.12.2019") == 6)
        #expect(try count("date=2019..") == 6 && count("date=..2018") == 2 && count("date=2005") == 2)
        #expect(try count("date=01.01.2005..31.01.2005") == 2 && count("report_date=2020-01") == 1)
        let stored = try ["a", "b", "c", "d", "e", "f"].map { try archive.get(id: $0)?.fields.date }
        #expect(
            stored == [
                "2019-12-31", "2019-12-31", "2019-12-31", "2019-12-31 14:30", "2019-12-31", "20191231",
            ])
    }

    @Test("Where day and month may be each other, one row of the table tells all, and without one none is guessed")
    func orders() throws {
        let scratch = try Scratch()
        let american = "id,date,report\na,05/06/2019,effusion\nb,12/31/2019,effusion\n"
        let (archive, summary) = try index(scratch, american)
        #expect(summary.notes == [])
        #expect(try archive.get(id: "a")?.fields.date == "2019-05-06")
        let other = try Scratch()
        let (unknown, told) = try index(
            other, "id,date,report\na,05/06/2019,effusion\nb,2019-12-31,effusion\nc,07/08/2019,effusion\n")
        #expect(
            told.notes == [
                "2 cases have a date of which day and month cannot be told apart, first in line 2 of "
                    + "\(SourceScanner.realPath(other.path) ?? other.path)/in/cases.csv"
            ])
        #expect(try unknown.get(id: "a")?.fields.date == "05/06/2019")
        #expect(try unknown.count(Filter(parsing: "date=2019")) == 1)
    }

    @Test("What is no date stays as it is, is counted, and is named by its line")
    func unreadable() throws {
        let scratch = try Scratch()
        let (archive, summary) = try index(
            scratch,
            """
            id,date,report
            a,2019-01-01,effusion
            b,2019-13-45,effusion
            c,2019-02-30,effusion
            d,spring,effusion
            e,31.12.19,effusion
            f,99.99.2019,effusion
            g,2019-06-15 10:30 Uhr,effusion
            """)
        let file = "\(SourceScanner.realPath(scratch.path) ?? scratch.path)/in/cases.csv"
        #expect(summary.stored == 7)
        #expect(summary.notes == ["5 cases have a date that cannot be read, first in line 3 of \(file)"])
        let dates = try ["b", "c", "d", "e", "f", "g"].map { try archive.get(id: $0)?.fields.date }
        #expect(dates == ["2019-13-45", "2019-02-30", "spring", "31.12.19", "99.99.2019", "2019-06-15 10:30 Uhr"])
    }

    @Test("Dates of all forms move alike, and what cannot move is said and goes")
    func shift() throws {
        let scratch = try Scratch()
        let (archive, summary) = try index(
            scratch,
            """
            id,patient,date,report
            a,p1,31.12.2019,effusion
            b,p1,2019-12-31,effusion
            c,p1,12/31/2019,effusion
            d,p1,spring,effusion
            e,,31.12.2019,effusion
            f,p1,"Dec 31, 2019 2:30 PM",effusion
            """, dates: .shift)
        let moved = try #require(try archive.get(id: "b")?.fields.date)
        #expect(moved != "2019-12-31")
        for id in ["a", "c"] { #expect(try archive.get(id: id)?.fields.date == moved) }
        #expect(try archive.get(id: "f")?.fields.date == moved + " 14:30")
        for id in ["d", "e"] { #expect(try archive.get(id: id)?.fields.date == nil) }
        #expect(summary.notes.count == 2 && summary.lostDates == 2)
        #expect(summary.notes.contains { $0.hasPrefix("1 case has a date that cannot be read, in line 5 of ") })
        #expect(summary.notes.contains { $0.hasPrefix("2 cases have a date that was left out, as dates are shifted") })
    }

    @Test("Where dates go, nothing is said of them")
    func drop() throws {
        let scratch = try Scratch()
        let (archive, summary) = try index(scratch, "id,date,report\na,spring,effusion\n", dates: .drop)
        #expect(summary.notes == [])
        #expect(try archive.get(id: "a")?.fields.date == nil)
    }

    @Test("A case that is put says what is wrong with its date; a day of birth is no date of the case")
    func put() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive()
        func notes(_ fields: CaseFields) throws -> [String] {
            let outcome = try archive.put([CaseInput(id: "a", report: "effusion", fields: fields)])[0]
            switch outcome {
            case .stored(_, let notes), .replaced(_, let notes): return notes
            default: return ["\(outcome)"]
            }
        }
        #expect(try notes(CaseFields(date: "2020-13-45")) == ["a date cannot be read"])
        #expect(try notes(CaseFields(date: "05/06/2019")) == ["a date may have the day or the month first"])
        #expect(try notes(CaseFields(date: "31.12.2019")) == [])
        #expect(try archive.get(id: "a")?.fields.date == "2019-12-31")
        #expect(try notes(CaseFields(metadata: ["birth_date": "5/6/60"])) == [])
        #expect(try notes(CaseFields(metadata: ["exam_date": "soon"])) == ["a date cannot be read"])
    }

    @Test("A record beside an image, and stored cases of earlier releases, are read too")
    func others() throws {
        let scratch = try Scratch()
        try scratch.write("in/a.png", makePNG(1))
        try scratch.write("in/a.json", #"{"date":"31.12.2019"}"#)
        try scratch.write("in/b.png", makePNG(2))
        try scratch.write("in/b.json", #"{"date":"2019-13-45"}"#)
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 2 && summary.notes.count == 1)
        #expect(summary.notes.first?.hasPrefix("1 case has a date that cannot be read, in ") == true)
        #expect(try archive.get(id: "a")?.fields.date == "2019-12-31")
        #expect(DatePeriod("31.12.2019") == DatePeriod("2019-12-31") && DatePeriod("05/06/2019") == nil)
    }
}
