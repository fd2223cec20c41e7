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
