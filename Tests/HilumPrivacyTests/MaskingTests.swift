import HilumCore
import HilumPrivacy
import Testing

@Suite("Masking of reports")
struct MaskingTests {
    private static func masking() throws -> ReportMasking { try ReportMasking.shared() }

    @Test("No planted identifier survives, and what was found stays", arguments: PlantedReport.all.indices)
    func plantedIdentifiersGo(index: Int) throws {
        let report = PlantedReport.all[index]
        let masked = try Self.masking().mask(report.text, known: report.known)
        for hidden in report.hidden {
            #expect(report.text.contains(hidden), "the test itself: \(hidden) is not in the report")
            #expect(!masked.text.contains(hidden), "\(hidden) is left in: \(masked.text)")
        }
        for kept in report.kept { #expect(masked.text.contains(kept), "\(kept) is lost from: \(masked.text)") }
        #expect(masked.counts.total >= report.hidden.count / 2)
    }

    @Test("At least 60 identifiers are planted, in both languages")
    func enoughIsPlanted() {
        #expect(PlantedReport.all.reduce(0) { $0 + $1.hidden.count } >= 60)
        #expect(PlantedReport.japanese.reduce(0) { $0 + $1.hidden.count } >= 20)
    }

    @Test("Sentences without identifiers stay as they are", arguments: PlainSentences.all)
    func plainSentencesStay(sentence: String) throws {
        #expect(try Self.masking().mask(sentence).text == sentence)
    }

    @Test("At least 80 sentences must stay")
    func enoughSentences() { #expect(PlainSentences.all.count >= 80) }

    @Test(
        "Each identifier becomes the form of its kind",
        arguments: [
            ("Dr. Okonkwo agrees.", "Dr. [NAME] agrees."), ("Compared to 3/12/2019.", "Compared to [DATE]."),
            ("MRN: 00482917.", "MRN: [NUMBER]."), ("Write to a.b@example.org now.", "Write to [CONTACT] now."),
            ("A 94-year-old man.", "A [AGE]-year-old man."), ("He lives at 42 Elm Street.", "He lives at [ADDRESS]."),
            ("Sent from Mercy General Hospital.", "Sent from [PLACE]."), ("Jane Roe, MD", "[NAME], MD"),
            ("患者名：鶴巻花子", "患者名：[NAME]"), ("2019年3月12日撮影", "[DATE]撮影"), ("佐藤先生へ報告", "[NAME]先生へ報告"),
            ("92歳女性", "[AGE]歳女性"), ("〒100-0001 東京都千代田区1-1", "[ADDRESS]"), ("聖路加国際病院より紹介", "[PLACE]より紹介"),
        ])
    func formsAreFixed(text: String, wanted: String) throws {
        #expect(try Self.masking().mask(text).text == wanted)
    }

    @Test(
        "A date or a number goes whatever word stands behind it",
        arguments: [
            ("Comparison: 3/4/2019 films.", ["3/4", "2019"]), ("Compared with 03/04/2019 views", ["03/04"]),
            ("with the 2019-03-04 images", ["03-04"]), ("12/11/2018 film", ["12/11"]),
            ("since 2019-03-04 x 2 days", ["03-04"]), ("Call 617-555-0123 x 45", ["617", "0123", "45"]),
            ("Call (617) 555-0123 ext. 45.", ["0123", "45"]), ("Phone 617 555 0123, x4567 now", ["0123", "4567"]),
            ("Tel 617-555-0123 x45", ["0123", "45"]), ("compared to 12/11 films", ["12/11"]),
            ("DOB 3/4/51 M", ["3/4/51"]), ("12/11/18 views", ["12/11"]), ("3/4/2019films", ["3/4"]),
            ("Comparison: March 12 films", ["March", "12"]), ("the Mar 2019 images", ["Mar"]),
            ("seen 12/3 in clinic", ["12/3"]), ("12-Mar-19 films", ["12-Mar"]), ("taken at 0930 images", ["0930"]),
            ("MRN: 123 456 789 film", ["123", "456", "789"]), ("see E12345678 images", ["12345678"]),
            ("Age 92 M", ["92"]), ("MRI of 1/2/2019 - films", ["1/2"]),
        ])
    func whatStandsBehindHidesNothing(text: String, hidden: [String]) throws {
        let masked = try Self.masking().mask(text).text
        for part in hidden { #expect(!masked.contains(part), "\(part) is left in: \(masked)") }
    }

    @Test(
        "Names where a report says whose it is without a header",
        arguments: [
            ("JONAS FELDWEG: effusion.", ["JONAS", "FELDWEG"]), ("JONAS FELDWEG:\nEffusion.", ["JONAS", "FELDWEG"]),
            ("RE: FELDWEG, JONAS.", ["JONAS", "FELDWEG"]), ("Re: Jonas Feldweg", ["Jonas", "Feldweg"]),
            ("FELDWEG, JONAS: effusion.", ["JONAS", "FELDWEG"]),
            ("Feldweg, Jonas A.: effusion.", ["Jonas", "Feldweg"]),
            ("KLARA M FELDWEG: effusion.", ["KLARA", "FELDWEG"]), ("re: john smith", ["john", "smith"]),
            ("Pt: john smith", ["john", "smith"]), ("patient is john smith", ["john", "smith"]),
            ("Name FELDWEG JONAS", ["JONAS", "FELDWEG"]), ("Patient name Feldweg Jonas", ["Jonas", "Feldweg"]),
            ("pt john smith has a cough", ["john", "smith"]), ("Patient maria feldweg coughs", ["maria", "feldweg"]),
            ("Seen at Mercy General Hospital, Room 412B, Boston.", ["Mercy", "412B", "Boston"]),
            ("Seen at Mercy General Hospital, Boston.", ["Mercy", "Boston"]),
            ("[PLACE], Room 412B, Boston", ["412B", "Boston"]),
            ("Mary-Anne St. John coughs", ["Mary", "Anne", "John"]),
            ("Dr. Mary St. Clair agrees", ["Mary", "Clair"]),
        ])
    func namesWithoutHeader(text: String, hidden: [String]) throws {
        let masked = try Self.masking().mask(text).text
        for part in hidden { #expect(!masked.contains(part), "\(part) is left in: \(masked)") }
    }

    @Test("Masks are counted by kind, and nothing else is kept")
    func countsAreOfKinds() throws {
        let masked = try Self.masking().mask("Dr. Okonkwo called on 3/12/2019 and 3/13/2019. MRN: 00482917")
        #expect(masked.counts[.name] == 1)
        #expect(masked.counts[.date] == 2)
        #expect(masked.counts[.number] == 1)
        #expect(masked.counts.total == 4)
        var sum = MaskCounts()
        sum += masked.counts
        sum += masked.counts
        #expect(sum[.date] == 4)
    }

    @Test("What was masked by other means stays as it is")
    func otherMasksStay() throws {
        let text =
            "Compared to XXXX by Dr. XXXX. Seen by ___ on ___ and [**First Name 12**] at [**Hospital 3**]. [NAME] [DATE]"
        let masked = try Self.masking().mask(text)
        #expect(masked.text == text)
        #expect(masked.counts.total == 0)
    }
}

@Suite("Known identifiers")
struct KnownIdentifierTests {
    @Test(
        "Known names go wherever they stand, in any order, case and script",
        arguments: [
            ("HARROWGATE^BELINDA", "the chest of belinda harrowgate is clear", ["belinda", "harrowgate"]),
            ("Harrowgate, Belinda", "Harrowgate's film. BELINDA has no effusion", ["Harrowgate", "BELINDA"]),
            ("O'Malley^Sean", "films of o'malley and O’Malley", ["malley", "Malley"]),
            ("Young^Ann", "Young has a mass; the young woman coughs", ["Young"]),
            (
                "YAMADA^HANAKO=鶴巻^花子=つるまき^はなこ", "鶴巻花子殿、鶴巻 花子、ツルマキハナコ、ﾂﾙﾏｷ ﾊﾅｺ、つるまきさん、Yamada",
                ["鶴巻", "花子", "ツルマキ", "ﾊﾅｺ", "つるまき", "Yamada"]
            ),
            ("林^健", "林 健、林健の胸部", ["林", "健"]),
        ])
    func namesGo(name: String, text: String, hidden: [String]) throws {
        let masked = try ReportMasking.shared().mask(text, known: KnownIdentifiers(names: [name]))
        for part in hidden { #expect(!masked.text.contains(part), "\(part) is left in: \(masked.text)") }
        #expect(masked.counts[.name] > 0)
    }

    @Test("A known name that is a word stays where it is that word, and a part of a word is no name")
    func wordsStay() throws {
        let known = KnownIdentifiers(names: ["Young^Mass", "Li^A", "森^肺"])
        let text = "The young woman has a mass in the lingula. Alignment of a line is normal. 肺野に異常なし。"
        #expect(try ReportMasking.shared().mask(text, known: known).text == text)
    }

    @Test(
        "Known ids go, whatever stands between their digits",
        arguments: [
            ("0048-2917", "No. 482917"), ("AB12", "seen as ab12."), ("123", "patient 123, bed"), ("7-1-2", "712"),
        ])
    func idsGo(id: String, text: String) throws {
        let masked = try ReportMasking.shared().mask(text, known: KnownIdentifiers(ids: [id]))
        #expect(masked.counts[.number] == 1, "\(masked.text)")
    }

    @Test("A known id is no part of a longer number, and one of two digits is no id")
    func otherNumbersStay() throws {
        let text = "A nodule of 1234 HU, and 12 mm."
        #expect(try ReportMasking.shared().mask(text, known: KnownIdentifiers(ids: ["123", "12"])).text == text)
    }
}
