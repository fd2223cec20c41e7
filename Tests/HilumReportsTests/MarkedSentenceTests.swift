import Foundation
import HilumCore
import HilumReports
import Testing

/// Sentences that others wrote and marked by hand, in `Resources`, whose heads state their format.
@Suite("Marked sentences")
struct MarkedSentenceTests {
    @Test(
        "Assertions are right in as many sentences as promised",
        .enabled(if: MarkedSentence.areThere, "needs the marked sentences in Resources"),
        arguments: [("en", 0.97), ("ja", 0.95)])
    func assertions(language: String, share: Double) throws {
        let reader = ReportReader(lexicon: try Lexicon.shared())
        let sentences = try MarkedSentence.read(language)
        var wrong: [String] = []
        for sentence in sentences where !sentence.isRight(reader) { wrong.append(sentence.text) }
        let right = Double(sentences.count - wrong.count) / Double(sentences.count)
        print(language, "right", sentences.count - wrong.count, "of", sentences.count)
        for text in wrong { print("  wrong:", text) }
        #expect(right >= share)
    }

    @Test(
        "Sides, places, sizes and changes are right nine times in ten",
        .enabled(if: MarkedSentence.areThere, "needs the marked sentences in Resources"), arguments: ["en", "ja"])
    func attributes(language: String) throws {
        let reader = ReportReader(lexicon: try Lexicon.shared())
        var right = 0
        var all = 0
        for sentence in try MarkedSentence.read(language) {
            let found = sentence.attributes(reader)
            right += found.right
            all += found.all
        }
        print(language, "attributes right", right, "of", all)
        #expect(Double(right) >= 0.9 * Double(all) && all > 100)
    }
}

/// A line of a marked file.
struct MarkedSentence {
    struct Mark {
        let name: String
        let assertion: String
        let attributes: [(key: String, value: String)]
    }

    let text: String
    let marks: [Mark]

    static let folder = SourceFolder.package + "/Tests/HilumReportsTests/Resources"
    static let areThere = FileManager.default.fileExists(atPath: folder + "/sentences-en.tsv")

    /// What the files call a finding, where a name of the lexicon is another.
    private static let names = [
        "abscess": "lung-abscess", "aneurysm": "aortic-aneurysm", "aspiration": "aspiration-pneumonia",
        "congestion": "vascular-congestion", "elevated-diaphragm": "elevated-hemidiaphragm",
        "interstitial-disease": "interstitial-lung-disease", "mediastinal-widening": "widened-mediastinum",
        "opacity": "lung-opacity", "sternotomy": "sternotomy-wires",
    ]

    static func read(_ language: String) throws -> [MarkedSentence] {
        let bytes = try FileIO.read(folder + "/sentences-\(language).tsv")
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            let fields = line.split(separator: "\t")
            guard line.first != "#", fields.count == 3 else { return nil }
            return MarkedSentence(text: String(fields[1]), marks: marks(fields[2]))
        }
    }

    private static func marks(_ field: Substring) -> [Mark] {
        if field == "-" { return [] }
        return field.matches(of: /([^=,\[\]]+)=([a-z]+)(?:\[([^\]]*)\])?/).map { match in
            let name = match.1.trimmingCharacters(in: .whitespaces).replacing(" ", with: "-")
            let attributes = (match.3 ?? "").split { $0 == "," || $0 == ";" }.compactMap { pair -> (String, String)? in
                let parts = pair.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
                return parts.count == 2 ? (parts[0], parts[1]) : nil
            }
            return Mark(name: names[name] ?? name, assertion: String(match.2), attributes: attributes)
        }
    }

    private func findings(of mark: Mark, _ reader: ReportReader) -> [ReportFinding] {
        reader.read(text).findings.filter { reader.lexicon.lineage(of: $0.name).contains(mark.name) }
    }

    /// Whether each marked finding is read with its assertion, and with no other than those marked for it.
    func isRight(_ reader: ReportReader) -> Bool {
        marks.allSatisfy { mark in
            let found = Set(findings(of: mark, reader).map(\.assertion.rawValue))
            let kinds = Set(findings(of: mark, reader).map(\.name)).union([mark.name])
            let allowed = Set(marks.filter { kinds.contains($0.name) }.map(\.assertion))
            return found.contains(mark.assertion) && found.isSubset(of: allowed)
        }
    }

    func attributes(_ reader: ReportReader) -> (right: Int, all: Int) {
        var right = 0
        var all = 0
        for mark in marks {
            let found = findings(of: mark, reader).filter { $0.assertion.rawValue == mark.assertion }
            guard !found.isEmpty else { continue }
            for (key, value) in mark.attributes {
                all += 1
                if found.contains(where: { same(said($0, key), value) }) { right += 1 }
            }
        }
        return (right, all)
    }

    private func said(_ finding: ReportFinding, _ key: String) -> String? {
        switch key {
        case "side": finding.side?.value.rawValue
        case "place": finding.place?.value
        case "size": finding.size?.value
        default: finding.change?.value.rawValue
        }
    }

    /// A measure is marked as it is written: `８ｍｍ` is 8 mm.
    private func same(_ said: String?, _ wanted: String) -> Bool {
        func plain(_ text: String) -> String {
            text.precomposedStringWithCompatibilityMapping.filter { !" -".contains($0) }
        }
        return said.map(plain) == plain(wanted)
    }
}

/// Where the source tree is.
enum SourceFolder {
    static let package: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()
}
