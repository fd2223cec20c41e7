import Foundation
import HilumCore
import HilumReports

/// What reports are read to say, against labels by people, and how fast.
///
/// The corpus is a file of JSON lines with `findings`, `impression` and `gold14`, labels reduced to 14. A label counts as said
/// when one of its names is present in the report; rows without labels are left out.
struct FindingsBench {
    static let usage = """
        usage: hilum-bench findings --corpus openi_reports.jsonl [--rounds R] [--misses]

        Prints a table by label, and one JSON line a figure: micro F1, and reports/s of one thread's processor time (the best of
        R rounds, 5). --misses lists the ids behind each label's errors. Ends with 1 if a figure does not hold.

        """

    /// Which names a label stands for; each takes its kinds with it.
    static let names: [(label: String, names: [String])] = [
        ("Cardiomegaly", ["cardiomegaly"]), ("Atelectasis", ["atelectasis"]),
        ("Effusion", ["effusion", "pericardial-effusion"]), ("Nodule", ["nodule"]), ("Emphysema", ["emphysema"]),
        ("Infiltration", ["infiltrate"]), ("Pleural_Thickening", ["pleural-thickening"]), ("Pneumonia", ["pneumonia"]),
        ("Edema", ["edema"]), ("Consolidation", ["consolidation"]), ("Fibrosis", ["fibrosis"]), ("Mass", ["mass"]),
        ("Pneumothorax", ["pneumothorax"]),
    ]

    private struct Row {
        let id: String
        let text: [UInt8]
        let labels: Set<String>
    }

    private struct Tally {
        var right = 0
        var tooMany: [String] = []
        var missed: [String] = []

        var f1: Double { Double(2 * right) / Double(max(1, 2 * right + tooMany.count + missed.count)) }

        func line(_ label: String) -> String {
            let precision = Double(right) / Double(max(1, right + tooMany.count))
            let recall = Double(right) / Double(max(1, right + missed.count))
            return "\(label.padding(toLength: 20, withPad: " ", startingAt: 0))"
                + String(
                    format: "%6d %9d %7d %10.3f %7.3f %6.3f", right, tooMany.count, missed.count, precision, recall, f1)
        }
    }

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(arguments, values: ["corpus", "rounds"], flags: ["misses"])
    }

    /// - Returns: whether every figure holds.
    func run() throws -> Bool {
        guard let path = options.text("corpus") else { throw BenchError("--corpus is missing") }
        let rows = try FileIO.read(path).split(separator: UInt8(ascii: "\n")).compactMap(row)
        let reader = ReportReader(lexicon: try Lexicon.shared())
        let all = agreement(rows, reader)
        let speed = Double(rows.count) / seconds(rows, reader, rounds: try options.count("rounds", 5))
        print(
            "{\"figure\":\"findings: micro F1 against gold14\",\"value\":\(String(format: "%.4f", all.f1)),"
                + "\"target\":0.85,\"holds\":\(all.f1 >= 0.85)}")
        print(
            "{\"figure\":\"findings: reports/s a core\",\"value\":\(Int(speed)),\"target\":20000,\"holds\":\(speed >= 20_000)}"
        )
        return all.f1 >= 0.85 && speed >= 20_000
    }

    private func row(_ line: ArraySlice<UInt8>) throws -> Row? {
        let json = try JSON(parsing: line)
        guard case .array(let values)? = json["gold14"] else { return nil }
        let text = [("FINDINGS", "findings"), ("IMPRESSION", "impression")].compactMap { heading, key in
            json[key]?.string.map { "\(heading): \($0)" }
        }
        return Row(
            id: json["uid"]?.string ?? "", text: Array(text.joined(separator: "\n").utf8),
            labels: Set(values.compactMap(\.string)))
    }

    private func agreement(_ rows: [Row], _ reader: ReportReader) -> Tally {
        var tallies = [Tally](repeating: Tally(), count: Self.names.count)
        for row in rows {
            let present = reader.read(utf8: row.text.span).findings.filter { $0.assertion == .present }
            let said = Set(present.flatMap { reader.lexicon.lineage(of: $0.name) })
            for (index, (label, names)) in Self.names.enumerated() {
                let isSaid = names.contains(where: said.contains)
                if row.labels.contains(label) {
                    if isSaid { tallies[index].right += 1 } else { tallies[index].missed.append(row.id) }
                } else if isSaid {
                    tallies[index].tooMany.append(row.id)
                }
            }
        }
        var all = Tally()
        print("label                right  too many  missed  precision  recall     F1")
        for (tally, (label, _)) in zip(tallies, Self.names) {
            print(tally.line(label))
            if options.has("misses") {
                print("  too many: \(tally.tooMany.joined(separator: " "))")
                print("  missed: \(tally.missed.joined(separator: " "))")
            }
            all.right += tally.right
            all.tooMany += tally.tooMany
            all.missed += tally.missed
        }
        print(all.line("all"))
        return all
    }

    /// Processor time of this thread for all reports once, the fastest of several rounds.
    private func seconds(_ rows: [Row], _ reader: ReportReader, rounds: Int) -> Double {
        var best = Double.infinity
        var found = 0
        for _ in 0..<rounds {
            let start = Self.threadSeconds()
            for row in rows { found += reader.read(utf8: row.text.span).findings.count }
            best = min(best, Self.threadSeconds() - start)
        }
        precondition(found > 0, "nothing was found")
        return best
    }

    private static func threadSeconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }
}
