import Testing

@testable import HilumWords

/// A clause in a few characters: `-` excluded, then what it takes, then what it looks for.
private func spelled(_ question: String, findings: WordQueryParser.FindingReader = { _ in [] }) throws -> [String] {
    try WordQueryParser.parse(question, findings: findings).clauses.map { clause in
        let assertions: String =
            switch clause.assertions {
            case .any: ""
            case .denied: "no:"
            case .affirmed: "yes:"
            default: "?:"
            }
        let kind: String =
            switch clause.kind {
            case .term(let term): String(decoding: term, as: UTF8.self)
            case .prefix(let prefix): String(decoding: prefix, as: UTF8.self) + "*"
            case .phrase(let words):
                words.map { "\($0.offset)" + String(decoding: $0.term, as: UTF8.self) }.joined(separator: " ")
            }
        return (clause.isExcluded ? "-" : "") + assertions + kind
    }
}

@Suite("The grammar of questions")
struct WordQueryParserTests {
    @Test(
        "A question has these clauses",
        arguments: [
            ("", []), ("left effusions", ["left", "effusion"]), ("\"left lower lobes\"", ["0left 1lower 2lobe"]),
            ("\"effusions\"", ["effusion"]), ("\"\" a", ["a"]), ("effus* Masses*", ["effus*", "masses*"]),
            ("mas*", ["mas*"]),
            ("-fracture rib", ["-fracture", "rib"]), ("- rib", ["rib"]), ("follow-up", ["follow", "up"]),
            ("no effusion mass", ["no:effusion", "mass"]), ("No  effusion", ["no:effusion"]), ("no", ["no"]),
            ("no -rib", ["no", "-rib"]),
            ("nodule", ["nodule"]), ("no \"lower lobe\"", ["no:0lower 1lobe"]), ("any:effusion", ["effusion"]),
            ("ANY:\"lower lobe\"", ["0lower 1lobe"]), ("-no effusion", ["-no:effusion"]),
            ("-\"lower lobe\"", ["-0lower 1lobe"]),
            ("any: x", ["any", "x"]), ("胸水", ["胸水"]), ("右胸水", ["0右胸 1胸水"]), ("肺", ["肺*"]),
            ("CT右胸水 no 肺炎", ["ct", "0右胸 1胸水", "no:肺炎"]), ("\"normal XXXX heart\"", ["0normal 2heart"]),
            ("2.5 cm", ["2.5", "cm"]), ("-2.5", ["-2.5"]),
        ] as [(String, [String])])
    func parses(question: String, expected: [String]) throws { #expect(try spelled(question) == expected) }

    @Test("A phrase without an end is an error")
    func refusesUnclosedPhrases() {
        #expect(throws: WordsError(.unclosedPhrase)) { try WordQueryParser.parse("left \"lower lobe") }
    }

    @Test(
        "A finding stands for its words",
        arguments: [
            ("pleural effusion left", ["yes:#effusion", "left"]), ("no pleural effusion", ["no:#effusion"]),
            ("any:pleural effusion", ["#effusion"]), ("small -pleural effusion", ["small", "-yes:#effusion"]),
            ("\"pleural effusion\"", ["0pleural 1effusion"]), ("右pleural effusion", ["右*", "yes:#effusion"]),
        ] as [(String, [String])])
    func replacesFindings(question: String, expected: [String]) throws {
        let found = try spelled(question) { question in
            let bytes = Array(question.utf8)
            let name = Array("pleural effusion".utf8)
            guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: name) }) else { return [] }
            return [WordQueryParser.Finding(range: start..<(start + name.count), terms: [Array("#effusion".utf8)])]
        }
        #expect(found == expected)
    }

    @Test(
        "Highlights are the bytes that match",
        arguments: [
            ("effusion \"lower lobe\"", "Effusions of the lower lobes. lower", ["Effusions", "lower lobes"]),
            ("右胸水", "右胸水を認める。左胸水なし", ["右胸水"]), ("胸水", "右胸水を認める。左胸水なし", ["胸水", "胸水"]),
            ("水", "右胸水、水", ["水", "水"]), ("eff* -lobe", "Effusion in the lobe", ["Effusion"]), ("xyzzy", "nothing", []),
            ("\"normal XXXX heart\"", "normal XXXX heart, normal heart", ["normal XXXX heart"]),
        ] as [(String, String, [String])])
    func highlights(question: String, text: String, expected: [String]) throws {
        var highlighter = WordHighlighter(try WordQueryParser.parse(question))
        let found = highlighter.ranges(in: text).map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) }
        #expect(found == expected)
    }
}
