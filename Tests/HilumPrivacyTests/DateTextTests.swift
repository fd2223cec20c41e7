import HilumPrivacy
import Testing

@Suite("Dates as people write them") struct DateTextTests {
    @Test(
        "Each form is read as what it is, with its time",
        arguments: [
            ("2019", "2019"), ("2019-12", "2019-12"), ("2019-12-31", "2019-12-31"), ("2019/12/31", "2019-12-31"),
            ("2019.12.31", "2019-12-31"), ("2019/1/5", "2019-01-05"), ("20191231", "2019-12-31"),
            ("20191231103000", "2019-12-31"), ("20191231103000.5+0100", "2019-12-31"),
            ("2019年12月31日", "2019-12-31"), ("2019年1月", "2019-01"),
            ("31.12.2019", "2019-12-31"), ("31. 12. 2019", "2019-12-31"), ("1.2.2019", "2019-02-01"),
            ("05.06.2019", "2019-06-05"), ("31/12/2019", "2019-12-31"), ("12/31/2019", "2019-12-31"),
            ("12-31-2019", "2019-12-31"), ("31-12-2019", "2019-12-31"), ("12.31.2019", "2019-12-31"),
            ("5/5/2019", "2019-05-05"), ("12/2019", "2019-12"), ("12.2019", "2019-12"),
            ("31-Dec-2019", "2019-12-31"), ("31 Dec 2019", "2019-12-31"), ("31-DEC-2019", "2019-12-31"),
            ("31 December 2019", "2019-12-31"), ("31. Dezember 2019", "2019-12-31"), ("1. März 2019", "2019-03-01"),
            ("31 Dec. 2019", "2019-12-31"), ("31 December, 2019", "2019-12-31"), ("31Dec2019", "2019-12-31"),
            ("Dec 31 2019", "2019-12-31"), ("Dec 31, 2019", "2019-12-31"), ("Dec. 31, 2019", "2019-12-31"),
            ("december 31,2019", "2019-12-31"), ("Sept 5, 2019", "2019-09-05"), ("December 2019", "2019-12"),
            ("Dec-2019", "2019-12"), ("2019-Dec-31", "2019-12-31"), (" 31.12.2019 ", "2019-12-31"),
            ("2020-02-29", "2020-02-29"), ("31.12.2019 14:30", "2019-12-31 14:30"),
            ("12/31/2019 2:30:05 PM", "2019-12-31 14:30:05"), ("12/31/2019 12:05 AM", "2019-12-31 00:05"),
            ("2019-12-31T10:30:00Z", "2019-12-31T10:30:00Z"),
        ])
    func reads(text: String, iso: String) throws { #expect(try DateText(text).iso == iso) }

    @Test(
        "What has no form of a date, or is no day of the calendar, is none",
        arguments: [
            "", "unknown", "2019-13-45", "2019-02-30", "2019-02-29", "31.11.2019", "30/02/2019", "13/13/2019",
            "31.12.19",
            "12/31/19", "2019-12-31-01", "31.12/2019", "2019-12/31", "Dec 31", "Dec 32 2019", "31 Foo 2019",
            "Dec 312019",
            "0000-01-01", "0000", "20191345", "201912", "1 2 2019", "2019-12-31 Smith", "31.12.2019 Smith", "2019-",
            "2019-06-1", "2019-6",
            "2019T10:30", "12/31/2019 25 PM", "99999999999999999999", "1.5", "2019.5.5.5", "２０１９",
        ])
    func refuses(text: String) { #expect(throws: DateText.Fault.unreadable) { try DateText(text) } }

    @Test("Day and month that both may be the other are told by the table, or not at all")
    func orders() throws {
        for text in ["05/06/2019", "5/6/2019", "05-06-2019 10:30"] {
            #expect(throws: DateText.Fault.ambiguous) { try DateText(text) }
        }
        let american = DateText.orders(of: ["05/06/2019", "12/31/2019", "x", "2019-01-01", "01.02.2019"])
        #expect(american == [UInt8(ascii: "/"): .monthFirst])
        #expect(try DateText("05/06/2019", orders: american).iso == "2019-05-06")
        #expect(try DateText("05.06.2019", orders: american).iso == "2019-06-05")
        #expect(throws: DateText.Fault.ambiguous) { try DateText("05-06-2019", orders: american) }
        let british = DateText.orders(of: ["31/12/2019", "05/06/2019"])
        #expect(try DateText("05/06/2019", orders: british).iso == "2019-06-05")
        // What stands in both orders says nothing, and a month by name neither.
        #expect(DateText.orders(of: ["31/12/2019", "12/31/2019"]) == [:])
        #expect(DateText.orders(of: ["31-Dec-2019", "05-06-2019", "05/05/2019"]) == [:])
        let points = DateText.orders(of: ["12.31.2019"])
        #expect(try DateText("05.06.2019", orders: points).iso == "2019-05-06")
    }
}
