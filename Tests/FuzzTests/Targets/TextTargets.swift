import Foundation
import HilumCore
import HilumPrivacy
import HilumReports
import HilumWords

@testable import HilumArchive

extension FuzzTarget {
    /// What is read must be written so that it is read the same again.
    static let json = FuzzTarget(
        "json", longestInput: 2048,
        words: ["\\u0000", "\\ud83d\\ude00", "1e999", "-0", "null", "true", "[[[[", "{\"\":", "\u{FEFF}"],
        seeds: {
            bytes([
                "{\"a\":[1,-2.5e-3,true,null,\"x\\n\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":{}}}", "[]", " [ 1 , 2 ] ",
                "\"\\/\\b\\f\"",
                "0", "-0.0e+10", "{\"a\":1,\"a\":2}",
            ])
        },
        finding: { bytes in
            var reader = JSONReader(bytes[...])
            let isSkipped = (try? reader.skip()) != nil && (try? reader.finish()) != nil
            guard let value = try? JSON(parsing: bytes[...]) else { return nil }
            guard isSkipped else { return "what is read cannot be skipped" }
            let text = value.text
            guard let again = try? JSON(parsing: text), again.text == text else {
                return "not the same when read again"
            }
            guard let indented = try? JSON(parsing: value.indentedText), indented.text == text else {
                return "not the same when read again from indented text"
            }
            _ = value.sorted.text
            return nil
        })

    private static let manifestFolder = Result { try scratch("manifest") }

    /// A manifest of JSON lines, CSV or TSV, by the first byte.
    static let manifest = FuzzTarget(
        "manifest", longestInput: 2048,
        words: [
            "id", "report", "image", "report_file", "findings", "NaN", "\"\"", "\r\n", "../", "/dev/zero", ";",
            "=\"001\"",
        ],
        seeds: {
            bytes([
                "j{\"id\":\"a\",\"report\":\"left effusion\",\"image\":\"a.png\",\"patient\":\"p\",\"date\":\"2020-01-02\"}\n",
                "j{\"id\":\"b\",\"report\":\"x\",\"findings\":[\"mass\"],\"n\":NaN,\"image\":[\"a.png\",\"b.png\"]}\r\n\n{}\n",
                "cid,report,view\na,\"left, \"\"effusion\"\"\",PA\nb,x\n", "c\u{FEFF}ID;Report\n=\"001\";text\n",
                "tid\treport\timage\n1\tmass\ta.png;b.png\n",
            ])
        },
        finding: { bytes in
            guard let folder = try? manifestFolder.get(), let kind = bytes.first else { return nil }
            let ending = kind % 3 == 0 ? "csv" : kind % 3 == 2 ? "tsv" : "jsonl"
            let path = "\(folder)/cases.\(ending)"
            guard write(Array(bytes.dropFirst()), to: path) else { return nil }
            guard let items = try? Manifest.read(path) else { return nil }
            for item in items {
                switch item {
                case .refused(let place, let reason):
                    if place.isEmpty || reason.isEmpty { return "a row is refused without place or reason" }
                case .found(let found): if found.id.isEmpty { return "a row without an id is found" }
                }
            }
            return nil
        })

    /// A filter, asked of some values.
    static let filter = FuzzTarget(
        "filter", longestInput: 512,
        words: [
            "=", "!=", "..", "view", "date", "finding", "2019", "-06", "1e999", "nan", "\\ud800", "id=", "patient",
        ],
        seeds: {
            bytes([
                "view=PA", "date=2019-06..2020-01 n!=1..5", "finding=\"pleural effusion\",mass age=40..", "id=case-1",
                "x=..y", "n=-1e3..1e308", "date=..2019", "a.b_c!=\"x\\u00e9\"",
            ])
        },
        finding: { bytes in
            guard let text = String(validating: bytes, as: UTF8.self), let filter = try? Filter(parsing: text) else {
                return nil
            }
            for condition in filter.conditions {
                for value in condition.values {
                    for given in ["", "PA", "2019-06-03", "2019", "12", "-1.5e3", "nan", "NA", "effusion", text] {
                        _ = condition.matches(value, given)
                    }
                }
            }
            return nil
        })

    private static let reader = Result { try ReportWords.sharedReader() }

    /// A question in words.
    static let question = FuzzTarget(
        "question", longestInput: 1024,
        words: ["\"", "-", "*", "any:", "no ", "denied:", "(", ")", " OR ", "なし", "胸水", "effusion", "~", "+"],
        seeds: {
            bytes([
                "left pleural effusion", "no effusion", "\"pleural effusion\" -mass nod*", "any:mass cardiomegaly",
                "胸水なし", "右上葉の結節", "opacity in the left lower lobe, increased",
            ])
        },
        finding: { bytes in
            guard let reader = try? reader.get() else { return "the lexicon cannot be read" }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let question = try? WordQuestion(text, reader) else { return nil }
            let isInside = question.query.clauses.allSatisfy {
                $0.range.lowerBound >= 0 && $0.range.upperBound <= text.utf8.count
            }
            return isInside ? nil : "a clause lies outside of the question"
        })

    /// A report; everything that is read must lie inside of it.
    static let report = FuzzTarget(
        "report", longestInput: 2048,
        words: [
            "no ", "effusion", "left", "right", "FINDINGS:", "IMPRESSION:", ". ", "\n1. ", "3 mm", "increased",
            "unchanged",
            "胸水", "なし", "を認める", "。", "所見：", "pneumothorax", "cannot be excluded", "?", "Ergussbildung", "\u{0301}",
        ],
        seeds: {
            bytes([
                "FINDINGS: Small left pleural effusion, increased. No pneumothorax.\nIMPRESSION:\n1. Effusion. 2. No mass.",
                "Heart size is normal. There is a 12 x 8 mm nodule in the right upper lobe, unchanged since 2019-03-04.",
                "右胸水を認める。気胸なし。\n所見：左下葉に結節影、増大。心拡大は認めない。", "Negative.", "N/A",
                "History of tuberculosis in father. Cannot exclude pneumonia vs. atelectasis.",
            ])
        },
        finding: { bytes in
            guard let reader = try? reader.get() else { return "the lexicon cannot be read" }
            let text = String(decoding: bytes, as: UTF8.self)
            let count = text.utf8.count
            let reading = reader.read(text)
            let ranges =
                reading.sections.map(\.range) + reading.sentences.map(\.range) + reading.findings.map(\.range)
            guard ranges.allSatisfy({ $0.lowerBound >= 0 && $0.upperBound <= count }) else {
                return "what was read lies outside of the report"
            }
            for (one, next) in zip(reading.sentences, reading.sentences.dropFirst())
            where one.range.upperBound > next.range.lowerBound { return "sentences overlap" }
            _ = ReportWords(text, reader)
            return nil
        })

    /// A report whose identifiers go; what is masked stays as it is when it is masked again.
    static let privacy = FuzzTarget(
        "privacy", longestInput: 2048,
        words: [
            "Dr. ", "Mr ", "Patient: ", "ID: ", "1950-01-02", "様", "先生", "〒100-0001", "+49 89 1234", "[", "]", "昭和25年",
        ],
        seeds: {
            bytes([
                "Patient: John Smith, born 02/03/1950, MRN 123-456-789. Seen by Dr. A. Jones, tel. +1 555 0100.",
                "患者：山田太郎様、昭和25年1月2日生。担当：佐藤先生。〒100-0001 東京都千代田区", "No identifiers here. 3 mm nodule.",
                "Contact jane.doe@example.org or https://example.org/x. Accession 20201234.",
            ])
        },
        finding: { bytes in
            guard let masking = try? ReportMasking.shared() else { return "the lists cannot be read" }
            let known = KnownIdentifiers(names: ["Smith^John", "山田^太郎"], ids: ["123456789"])
            let once = masking.mask(String(decoding: bytes, as: UTF8.self), known: known).text
            return masking.mask(once, known: known).text == once ? nil : "masking again masks more"
        })
}
