import HilumReports
import Testing

/// What a sentence says of each finding, in English and in Japanese.
@Suite("Assertions")
struct AssertionTests {
    @Test("The reach of a cue ends where a reader's would", arguments: englishCases)
    func english(_ sentence: String, _ expected: [String]) throws { try expect(sentence, expected) }

    @Test("A predicate at the end of a Japanese clause speaks of what is listed before it", arguments: japaneseCases)
    func japanese(_ sentence: String, _ expected: [String]) throws { try expect(sentence, expected) }

    @Test("A side without a noun is a second finding, with its own assertion", arguments: secondSides)
    func secondSide(_ sentence: String, _ expected: [String]) throws {
        let reading = ReportReader(lexicon: try Lexicon.shared()).read(sentence)
        let said = reading.findings.map { finding in
            [finding.name, finding.assertion.rawValue, finding.side?.value.rawValue, finding.size?.value]
                .compactMap(\.self).joined(separator: " ")
        }
        #expect(said == expected, "\(sentence)")
    }

    private static let secondSides: [(String, [String])] = [
        ("Effusions: small right, none left.", ["effusion present right small", "effusion absent left"]),
        ("Small right effusion but none on the left.", ["effusion present right small", "effusion absent left"]),
        (
            "The right effusion has resolved; the left has increased.",
            ["effusion absent right", "effusion present left"]
        ),
        ("Right and left effusions.", ["effusion present bilateral"]),
        ("Left greater than right pleural effusions.", ["effusion present bilateral"]),
        ("Right pneumothorax, left chest tube.", ["pneumothorax present right", "chest-tube present left"]),
        ("Right effusion, small left pneumothorax.", ["effusion present right", "pneumothorax present left small"]),
        ("左胸水は消失したが右に少量残存。", ["effusion absent left", "effusion present right small"]),
        ("胸水は右が中等量、左が少量。", ["effusion present right moderate", "effusion present left small"]),
    ]

    @Test("A size beside an earlier one says how a finding changed", arguments: changes)
    func change(_ sentence: String, _ expected: ReportFinding.Change?) throws {
        let finding = try #require(ReportReader(lexicon: try Lexicon.shared()).read(sentence).findings.first)
        #expect(finding.change?.value == expected, "\(sentence)")
    }

    private static let changes: [(String, ReportFinding.Change?)] = [
        ("Left pleural effusion, previously moderate, is now small.", .decreased),
        ("Left apical pneumothorax measures 12 mm, previously 20 mm.", .decreased),
        ("Nodule now measures 1.2 cm, previously 9 mm.", .increased),
        ("The nodule measures 8 mm, previously 8 mm.", .unchanged),
        ("The effusion is smaller.", .decreased),
        ("The effusion is smaller than before.", .decreased),
        ("The nodule has increased in size.", .increased),
        ("Left greater than right pleural effusions.", nil),
        ("左上肺野結節、径１５ｍｍ、前回９ｍｍ。", .increased),
        ("結節は増大している。", .increased),
    ]

    private func expect(_ sentence: String, _ expected: [String]) throws {
        let reading = ReportReader(lexicon: try Lexicon.shared()).read(sentence)
        let said = reading.findings.map { "\($0.name) \($0.assertion.rawValue)" }
        for one in expected { #expect(said.contains(one), "\(sentence): \(said)") }
    }

    private static let englishCases: [(String, [String])] = [
        ("No effusion but a small pneumothorax.", ["effusion absent", "pneumothorax present"]),
        ("No change in the effusion.", ["effusion present"]),
        ("The effusion has resolved.", ["effusion absent"]),
        ("The pneumonia has not resolved.", ["pneumonia present"]),
        ("A small effusion cannot be completely excluded.", ["effusion uncertain"]),
        ("Not only consolidation but also effusion.", ["consolidation present", "effusion present"]),
        ("No evidence of pneumonia, effusion, or edema.", ["pneumonia absent", "effusion absent", "edema absent"]),
        ("Pneumothorax: none.", ["pneumothorax absent"]),
        ("Effusion: small left.", ["effusion present"]),
        ("Heart size is normal.", ["cardiomegaly absent"]),
        ("Normal heart size and mediastinal contours.", ["cardiomegaly absent", "widened-mediastinum absent"]),
        ("The heart is normal and the aorta is tortuous.", ["cardiomegaly absent", "tortuous-aorta present"]),
        ("There are no XXXX of a pleural effusion.", ["effusion absent"]),
        ("This is atelectasis rather than pneumonia.", ["atelectasis present", "pneumonia absent"]),
        ("Likely atelectasis rather than pneumonia.", ["atelectasis uncertain", "pneumonia uncertain"]),
        ("Opacity, atelectasis rather than pneumonia, and no effusion.", ["pneumonia absent", "effusion absent"]),
        ("No new consolidation.", ["consolidation absent"]),
        ("Unchanged small effusion.", ["effusion present"]),
        ("Rule out pneumonia.", ["pneumonia other"]),
        ("Concern for pneumonia.", ["pneumonia uncertain"]),
        (
            "Opacity in the left base, atelectasis versus pneumonia.",
            ["lung-opacity present", "atelectasis uncertain", "pneumonia uncertain"]
        ),
        ("No pneumothorax, small left effusion.", ["pneumothorax absent", "effusion present"]),
        ("No pleural effusion, heart is enlarged.", ["effusion absent", "cardiomegaly present"]),
        ("No effusion and the heart is enlarged.", ["effusion absent", "cardiomegaly present"]),
        ("No pleural line to suggest pneumothorax.", ["pneumothorax absent"]),
        ("History of tuberculosis.", ["tuberculosis other"]),
        ("Mother had lung cancer.", ["lung-cancer other"]),
        ("Status post sternotomy.", ["sternotomy-wires present"]),
        ("Effusions are no longer present, but atelectasis persists.", ["effusion absent", "atelectasis present"]),
        ("There is cardiomegaly and effusion cannot be excluded.", ["cardiomegaly present", "effusion uncertain"]),
        (
            "Effusion, pneumothorax and consolidation are not seen.",
            ["effusion absent", "pneumothorax absent", "consolidation absent"]
        ),
        (
            "no effusion no pneumothorax mild cardiomegaly",
            ["effusion absent", "pneumothorax absent", "cardiomegaly present"]
        ),
        ("lungs clear heart enlarged no effusion", ["cardiomegaly present", "effusion absent"]),
        ("The costophrenic angles are sharp.", ["costophrenic-blunting absent"]),
        ("The heart is not enlarged.", ["cardiomegaly absent"]),
        ("Bibasilar opacities likely reflect atelectasis.", ["lung-opacity present", "atelectasis uncertain"]),
        ("Atelectasis is likely.", ["atelectasis uncertain"]),
        ("Cough and fever, ? pneumonia.", ["pneumonia other"]),
        ("Interval removal of the chest tube.", ["chest-tube absent"]),
        ("A pneumothorax, which was visible yesterday, is now gone.", ["pneumothorax absent"]),
        ("No fluid level within the cavity.", ["cavity present"]),
        ("Without a lateral view, a small effusion is not excluded.", ["effusion uncertain"]),
        ("Lungs: No consolidation. Heart: enlarged.", ["consolidation absent", "cardiomegaly present"]),
        ("Left sided pnuemothorax with consolidtion.", ["pneumothorax present", "consolidation present"]),
        ("no pleural effusion", ["effusion absent"]),
        (
            "Retrocardiac atelectasis has slightly increased, and superimposed infection cannot\nbe excluded.",
            ["atelectasis present", "lung-infection uncertain"]
        ),
        ("Pneumothorax absent, effusion present.", ["pneumothorax absent", "effusion present"]),
        ("Mediastinal widening is likely due to tortuous vessels.", ["widened-mediastinum present"]),
    ]

    private static let japaneseCases: [(String, [String])] = [
        ("肺炎よりも無気肺を疑う。", ["pneumonia uncertain", "atelectasis uncertain"]),
        ("肺炎というよりは無気肺である。", ["pneumonia absent", "atelectasis present"]),
        ("前回よりも胸水は増加している。", ["effusion present"]),
        ("胸水なし。", ["effusion absent"]),
        ("胸水を認めない。", ["effusion absent"]),
        ("胸水や気胸は認めません。", ["effusion absent", "pneumothorax absent"]),
        ("左胸水少量あり、気胸なし。", ["effusion present", "pneumothorax absent"]),
        ("胸水は認めないが、右気胸を認める。", ["effusion absent", "pneumothorax present"]),
        ("右上葉結節、肺癌疑い", ["nodule present", "lung-cancer uncertain"]),
        ("肺炎や無気肺の可能性があります。", ["pneumonia uncertain", "atelectasis uncertain"]),
        ("気胸は否定できない。", ["pneumothorax uncertain"]),
        ("明らかな肺結節は指摘できない。", ["nodule absent"]),
        ("前回見られた胸水は消失している。", ["effusion absent"]),
        ("胸水に変化なし。", ["effusion present"]),
        ("胸水は少ない。", ["effusion present"]),
        ("胸水だけでなく気胸も認める。", ["effusion present", "pneumothorax present"]),
        ("活動性結核を示唆する所見を認めない。", ["tuberculosis absent"]),
        ("肺結核の既往がある。", ["tuberculosis other"]),
        ("肺炎除外目的。", ["pneumonia other"]),
        ("心胸郭比は正常範囲内です。", ["cardiomegaly absent"]),
        ("心陰影の拡大を認める。", ["cardiomegaly present"]),
        ("ペースメーカーリードの断線なし。", ["pacing-lead present"]),
        ("ﾍﾟｰｽﾒｰｶｰ留置後、気胸なし。", ["pneumothorax absent"]),
        ("胸水(－)、心拡大(+)", ["effusion absent", "cardiomegaly present"]),
        ("consolidationなし。pleural effusionあり。", ["consolidation absent", "effusion present"]),
        ("結節影以外に異常なし。", ["nodule present"]),
        ("肺炎ないし無気肺を疑う。", ["pneumonia uncertain", "atelectasis uncertain"]),
        ("肺炎か。", ["pneumonia uncertain"]),
        ("右上葉結節の精査を勧めます。", ["nodule present"]),
        ("結核の既往なし。", ["tuberculosis absent"]),
    ]
}
