import Foundation
import HilumCore
import HilumPrivacy
import HilumReports
import Testing

/// Masking must not change what a report says of the patient.
@Suite("Findings of masked reports")
struct MaskedFindingsTests {
    private static let corpus: String? = {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] ?? root.path + "/../shared"
        let path = shared + "/data/report-corpus/openi_reports.jsonl"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    private static let head = "Patient Name: Harrowgate, Belinda\nMRN: 00482917\nDOB: 04/17/1951\n"
    private static let tail = """

        Comparison with the study of 11/2/2018 from Mercy Medical Center. Discussed with Dr. Okonkwo at 1445 on 3/12/2019.
        Dictated by: Ingrid Sorrell, MD on 03/12/2019 15:10
        """

    /// Findings with all that is said of them but where it stands.
    private static func findings(_ text: String, _ reader: ReportReader) -> [String] {
        reader.read(text).findings.map { finding in
            [
                finding.name, finding.assertion.rawValue, finding.side?.value.rawValue ?? "",
                finding.place?.value ?? "", finding.size?.value ?? "", finding.severity?.value ?? "",
            ].joined(separator: "|")
        }
    }

    @Test(
        "At least 99.5 % of reports say the same after masking, with and without identifiers",
        .enabled(if: corpus != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func findingsStay() throws {
        let masking = try ReportMasking.shared()
        let reader = ReportReader(lexicon: try Lexicon.shared())
        let plain = try FileIO.read(try #require(Self.corpus)).split(separator: 10).map { line in
            let row = try JSON(parsing: line)
            return ["comparison", "indication", "findings", "impression"].compactMap { key in
                row[key]?.string.map { "\(key.uppercased()): \($0)" }
            }.joined(separator: "\n")
        }
        #expect(plain.count > 2000)
        for (name, texts) in [("without", plain), ("with", plain.map { Self.head + $0 + Self.tail })] {
            let same = texts.count { Self.findings($0, reader) == Self.findings(masking.mask($0).text, reader) }
            print("\(same) of \(texts.count) reports \(name) identifiers say the same after masking")
            #expect(Double(same) >= 0.995 * Double(texts.count))
        }
    }
}
