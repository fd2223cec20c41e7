import HilumCore
import HilumReports
import Testing

/// Sections, sentences, attributes, and the bytes that they were read from.
@Suite("Reading a report")
struct ReportReaderTests {
    private let reader: ReportReader

    init() throws { reader = ReportReader(lexicon: try Lexicon.shared()) }

    private func text(_ text: String, _ range: Range<Int>?) -> String? {
        range.map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) }
    }

    @Test(
        "Headings of many spellings begin sections, inline, in brackets, or on a line of their own",
        arguments: [
            ("HISTORY: Cough.\nFINDINGS: Clear.\nIMPRESSION: Normal.", [.indication, .findings, .impression]),
            ("Reason for exam: cough. Findings: Clear. Conclusion: Normal.", [.indication, .findings, .impression]),
            (
                "INDICATION\nCough\n\nCOMPARISON\nNone\n\nFINDINGS\nClear lungs.\n",
                [.indication, .comparison, .findings]
            ),
            ("Technique: PA.\nImpression:\n1. Normal.", [.technique, .impression]),
            ("【臨床情報】咳嗽。【所見】胸水なし。【診断】異常なし。", [.indication, .findings, .impression]),
            ("検査目的：肺炎除外\n所見：胸水なし。\n結論：異常なし。", [.indication, .findings, .impression]),
            ("The lungs are clear.", [.findings]),
            ("FINDINGS consistent with edema.", [.findings]),
        ] as [(String, [ReportSection.Name])])
    func sections(_ text: String, _ names: [ReportSection.Name]) {
        #expect(reader.read(text).sections.map(\.name) == names)
    }

    @Test("A section reaches from its heading to the next one, in bytes")
    func sectionRanges() throws {
        let report = "Clinical history: Fièvre.\nFINDINGS: No effusion. \nIMPRESSION:\nNormal chest.\n"
        let reading = reader.read(report)
        #expect(reading.sections.map { text(report, $0.range) } == ["Fièvre.", "No effusion.", "Normal chest."])
    }

    @Test("What a history names is not a finding of the examination")
    func history() {
        let reading = reader.read("INDICATION: pneumonia, effusion. FINDINGS: No effusion.")
        #expect(reading.findings.map(\.assertion) == [.other, .other, .absent])
    }

    @Test(
        "Sentences end at full stops that are none of a decimal or an abbreviation",
        arguments: [
            ("A 3.2 cm mass. No effusion.", 2), ("There are opacities in the apex.There is an effusion.", 2),
            ("1. Cardiomegaly. 2. Small effusion.", 2), ("1. No effusion\n2. No edema", 2),
            ("Atelectasis vs. pneumonia.", 1), ("Dr. Smith was called.", 1),
            ("no effusion\nheart size normal\nlungs clear", 3),
            ("The heart size is within normal limits and there is no\npleural effusion.", 1),
            ("胸水なし。気胸なし。", 2), ("胸水なし\n心拡大なし", 2), ("- No effusion\n- No edema", 2),
        ])
    func sentences(_ text: String, _ count: Int) { #expect(reader.read(text).sentences.count == count) }

    @Test(
        "A side, a place, a size, a severity and a change come from the words around a finding",
        arguments: [
            ("Small left pleural effusion.", "effusion", "left", nil, "small", nil, nil),
            ("Left effusion and right pneumothorax.", "pneumothorax", "right", nil, nil, nil, nil),
            ("Left effusion and right pneumothorax.", "effusion", "left", nil, nil, nil, nil),
            ("Effusion on the left and pneumothorax on the right.", "effusion", "left", nil, nil, nil, nil),
            ("8 mm nodule in the right upper lobe.", "nodule", "right", "upper-lobe", "8 mm", nil, nil),
            ("A nodule in the lingula, measuring 1.2 x 0.8 cm.", "nodule", "left", "lingula", "1.2 x 0.8 cm", nil, nil),
            ("Bibasilar atelectasis, unchanged.", "atelectasis", "bilateral", "base", nil, nil, "unchanged"),
            ("The heart is mildly enlarged.", "cardiomegaly", nil, nil, nil, "mild", nil),
            ("Moderate effusion.", "effusion", nil, nil, "moderate", nil, nil),
            ("Moderate cardiomegaly.", "cardiomegaly", nil, nil, nil, "moderate", nil),
            ("The right pneumothorax has resolved.", "pneumothorax", "right", nil, nil, nil, "resolved"),
            ("Interval increase in the left effusion.", "effusion", "left", nil, nil, nil, "increased"),
            ("Opacity in the left base, which may be pneumonia.", "pneumonia", "left", "base", nil, nil, nil),
            ("右上葉に8mm大の結節を認める。", "nodule", "right", "upper-lobe", "8 mm", nil, nil),
            ("左胸水は減少。", "effusion", "left", nil, nil, nil, "decreased"),
            ("両肺尖部に胸膜肥厚あり。", "pleural-thickening", "bilateral", "apex", nil, nil, nil),
        ] as [(String, String, String?, String?, String?, String?, String?)])
    func attributes(
        _ text: String, _ name: String, _ side: String?, _ place: String?, _ size: String?, _ severity: String?,
        _ change: String?
    ) throws {
        let findings = reader.read(text).findings
        let finding = try #require(findings.first { reader.lexicon.lineage(of: $0.name).contains(name) }, "\(findings)")
        #expect(finding.side?.value.rawValue == side)
        if place != nil { #expect(finding.place?.value == place) }
        #expect(finding.size?.value == size)
        #expect(finding.severity?.value == severity)
        #expect(finding.change?.value.rawValue == change)
    }

    @Test("Ranges name the words that were read")
    func ranges() throws {
        let report = "Naïve text. A small LEFT-sided pleural effusion is not excluded."
        let finding = try #require(reader.read(report).findings.first)
        #expect(text(report, finding.range) == "pleural effusion")
        #expect(text(report, finding.side?.range) == "LEFT-sided")
        #expect(text(report, finding.size?.range) == "small")
        #expect(text(report, finding.cue) == "is not excluded")
    }

    @Test("The language is told by the words, and can be given")
    func language() {
        #expect(reader.read("No pleural effusion.").language == .english)
        let letterhead = """
            Patient Name: Harrowgate, Belinda
            MRN: 00482917
            DOB: 04/17/1951
            Dictated by: Ingrid Sorrell, MD
            """
        let reading = reader.read("\(letterhead)\nIMPRESSION: No effusions. No nodules masses or infiltrates.")
        #expect(reading.language == .english && reading.findings.allSatisfy { $0.assertion == .absent })
        #expect(reader.read("胸水なし。").language == .japanese)
        #expect(reader.read("consolidationなし。").language == .japanese)
        #expect(reader.read("No pleural effusion.", language: .japanese).language == .japanese)
    }

    @Test("A question in one language finds the names of the other")
    func languagesMeet() throws {
        let english = try #require(reader.read("small left pleural effusion").findings.first)
        let japanese = try #require(reader.read("左に少量の胸水").findings.first)
        #expect(english.name == japanese.name && english.side?.value == japanese.side?.value)
        #expect(english.size?.value == japanese.size?.value)
    }

    @Test("Any bytes can be read, and every range lies within them", arguments: [1, 2, 3])
    func anyBytes(seed: UInt64) {
        let seeds = [
            "FINDINGS: No effusion, 3.2 x 4 cm mass (right).\n1. Unchanged. 2. ? pneumonia", "【所見】両側胸水なし、ﾍﾟｰｽﾒｰｶｰ（＋）。",
        ]
        var random = SeededGenerator(seed: seed, keys: 5)
        for round in 0..<2_000 {
            var bytes = Array(seeds[round % 2].utf8)
            for _ in 0..<1 + random.integer(below: 12) {
                let place = random.integer(below: bytes.count)
                switch random.integer(below: 4) {
                case 0: bytes[place] = UInt8(random.integer(below: 256))
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(random.integer(below: 256)), at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + random.integer(below: 9)))
                }
                if bytes.isEmpty { bytes = [0xE3] }
            }
            check(reader.read(utf8: bytes.span), byteCount: bytes.count)
        }
        check(reader.read(""), byteCount: 0)
    }

    @Test("A text without an end of a sentence is read in time that its length sets")
    func endless() {
        let count = 20_000
        for phrase in ["possible effusion, ", "no effusion and ", "heart and aorta enlarged, ", "胸水や", "? "] {
            let text = String(repeating: phrase, count: count)
            let reading = reader.read(text)
            #expect(reading.sentences.count >= 60)
            check(reading, byteCount: text.utf8.count)
        }
    }

    private func check(_ reading: ReportReading, byteCount: Int) {
        let bounds = 0..<byteCount + 1
        func isInside(_ range: Range<Int>) -> Bool {
            bounds.contains(range.lowerBound) && bounds.contains(range.upperBound) && !range.isEmpty
        }
        #expect(
            reading.sections.allSatisfy { isInside($0.range) } && reading.sentences.allSatisfy { isInside($0.range) })
        for finding in reading.findings {
            #expect(isInside(finding.range))
            for range in [
                finding.cue, finding.side?.range, finding.place?.range, finding.size?.range, finding.severity?.range,
                finding.change?.range,
            ] {
                if let range { #expect(isInside(range)) }
            }
        }
        for (one, next) in zip(reading.sentences, reading.sentences.dropFirst()) {
            #expect(one.range.upperBound <= next.range.lowerBound)
        }
    }
}
