import Foundation
import HilumCore
import HilumReports
import Testing

/// The reports of the Open-i collection against the labels that people gave them.
///
/// The labels are MeSH terms by people who saw the whole record, reduced to 14. A label counts as said when one of its names is
/// present. Uncertain ones are left out: counting them finds more, and is wrong more often. Rows without labels are left out.
@Suite("The report corpus")
struct CorpusTests {
    private static let corpus: String? = {
        let root = ProcessInfo.processInfo.environment["HILUM_SHARED"] ?? SourceFolder.package + "/../shared"
        let path = root + "/data/report-corpus/openi_reports.jsonl"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    /// Which names a label stands for; each takes its kinds with it.
    private static let names: [(label: String, names: [String])] = [
        ("Cardiomegaly", ["cardiomegaly"]), ("Atelectasis", ["atelectasis"]),
        ("Effusion", ["effusion", "pericardial-effusion"]), ("Nodule", ["nodule"]), ("Emphysema", ["emphysema"]),
        ("Infiltration", ["infiltrate"]), ("Pleural_Thickening", ["pleural-thickening"]), ("Pneumonia", ["pneumonia"]),
        ("Edema", ["edema"]), ("Consolidation", ["consolidation"]), ("Fibrosis", ["fibrosis"]), ("Mass", ["mass"]),
        ("Pneumothorax", ["pneumothorax"]),
    ]

    private struct Count {
        var right = 0
        var tooMany = 0
        var missed = 0
        var f1: Double { Double(2 * right) / Double(max(1, 2 * right + tooMany + missed)) }

        func line(_ label: String) -> String {
            let precision = Double(right) / Double(max(1, right + tooMany))
            let recall = Double(right) / Double(max(1, right + missed))
            return String(
                format: "%@ right %4d  too many %3d  missed %3d  precision %.3f  recall %.3f  F1 %.3f",
                label.padding(toLength: 20, withPad: " ", startingAt: 0), right, tooMany, missed, precision, recall, f1)
        }
    }

    @Test(
        "Findings agree with the labels of the corpus: micro F1 at least 0.85",
        .enabled(if: corpus != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func agreesWithLabels() throws {
        let path = try #require(Self.corpus)
        let reader = ReportReader(lexicon: try Lexicon.shared())
        var counts = [Count](repeating: Count(), count: Self.names.count)
        for line in try FileIO.read(path).split(separator: UInt8(ascii: "\n")) {
            let row = try JSON(parsing: line)
            guard case .array(let values)? = row["gold14"] else { continue }
            let labels = Set(values.compactMap(\.string))
            let text = [("FINDINGS", "findings"), ("IMPRESSION", "impression")].compactMap { heading, key in
                row[key]?.string.map { "\(heading): \($0)" }
            }
            let present = reader.read(text.joined(separator: "\n")).findings.filter { $0.assertion == .present }
            let said = Set(present.flatMap { reader.lexicon.lineage(of: $0.name) })
            for (index, (label, names)) in Self.names.enumerated() {
                switch (labels.contains(label), names.contains(where: said.contains)) {
                case (true, true): counts[index].right += 1
                case (true, false): counts[index].missed += 1
                case (false, true): counts[index].tooMany += 1
                case (false, false): break
                }
            }
        }
        var all = Count()
        for (count, (label, _)) in zip(counts, Self.names) {
            print(count.line(label))
            all.right += count.right
            all.tooMany += count.tooMany
            all.missed += count.missed
        }
        print(all.line("all"))
        #expect(all.right + all.missed > 800)
        #expect(all.f1 >= 0.85)
    }
}
