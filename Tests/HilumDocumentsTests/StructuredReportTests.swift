import Foundation
import HilumImaging
import Testing

@testable import HilumDocuments

@Suite("Structured reports of DICOM")
struct StructuredReportTests {
    private func outcome(_ bytes: [UInt8]) throws -> ReportFile.Outcome {
        let scratch = try Scratch()
        let path = try scratch.write("sr.dcm", bytes)
        #expect(try ReportFile.kind(at: path) == .structuredReport)
        return try #require(try ReportFile.outcomes(at: path, .structuredReport).first?.outcome)
    }

    private func read(_ bytes: [UInt8]) throws -> ReportDocument {
        guard case .report(let document) = try outcome(bytes) else { throw CancellationError() }
        return document
    }

    private var invented: SyntheticReport {
        var report = SyntheticReport(study: "1.2.840.99.1", accession: "ACC-77")
        report.file.text(0x0010_0010, "PN", "INVENTADO^ALBA")
        report.content = [
            SyntheticReport.person("Person Observer Name", "TRUGBILD^IDA"),
            SyntheticReport.item(
                "CONTAINER", "Findings",
                [
                    SyntheticReport.text(
                        "Finding", "A nodule in the right upper lobe.",
                        [SyntheticReport.number("Diameter", "1.2", "cm"), SyntheticReport.coded("Laterality", "Right")]),
                    SyntheticReport.text("Heart", "Normal size."),
                ]),
            SyntheticReport.item("CONTAINER", "Impressions", [SyntheticReport.text("Impression", "Nodule, new.")]),
            SyntheticReport.text("Recommendation", "CT in three months."),
        ]
        return report
    }

    private static let text = """
        Findings:
        A nodule in the right upper lobe.
        Diameter: 1.2 cm
        Laterality: Right
        Heart: Normal size.
        Impressions:
        Nodule, new.
        Recommendation: CT in three months.
        """

    @Test("Containers and items are text under the names of their concepts", arguments: [false, true])
    func treesAreText(isOpen: Bool) throws {
        let document = try read(invented.bytes(isOpen: isOpen))
        #expect(document.text == Self.text)
        #expect(document.studies == ["1.2.840.99.1"] && document.accessions == ["ACC-77"])
        #expect(document.patients == [.init(number: "INVENTED-7")])
        #expect(Set(document.names) == ["INVENTADO^ALBA", "TRUGBILD^IDA"])
        #expect(!document.text.contains("TRUGBILD"))
    }

    @Test("A deflated report is read")
    func deflatedReports() throws {
        var deflated = invented
        deflated.file.transferSyntax = "1.2.840.10008.1.2.1.99"
        #expect(try read(deflated.bytes()).text == Self.text)
    }

    @Test("The items of a continuous container are one sentence")
    func continuousContainers() throws {
        var sentence = SyntheticReport.item(
            "CONTAINER", nil,
            [
                SyntheticReport.text("Text", "A mass of"), SyntheticReport.number("Diameter", "3", "cm"),
                SyntheticReport.text("Text", "was seen."),
            ])
        sentence.text(0x0040_A050, "CS", "CONTINUOUS")
        var report = SyntheticReport()
        report.content = [sentence]
        #expect(try read(report.bytes()).text == "A mass of 3 cm was seen.")
    }

    @Test("What a report used counts as its study where its own leads nowhere, and a preliminary one says so")
    func evidenceAndStatus() throws {
        var report = invented
        var used = SyntheticReport.empty
        used.text(0x0020_000D, "UI", "1.2.840.99.2")
        report.file.sequence(0x0040_A375, [used])
        var request = SyntheticReport.empty
        request.text(0x0008_0050, "SH", "ACC-78")
        request.text(0x0020_000D, "UI", "1.2.840.99.3")
        report.file.sequence(0x0040_A370, [request])
        report.file.text(0x0040_A496, "CS", "PRELIMINARY")
        report.file.text(0x0008_0023, "DA", "20260102")
        report.file.text(0x0008_0033, "TM", "101500.25")
        let document = try read(report.bytes())
        #expect(document.evidence == ["1.2.840.99.2", "1.2.840.99.3"] && document.accessions == ["ACC-77", "ACC-78"])
        #expect(document.status == .preliminary && document.writtenAt == "2026-01-02T10:15:00")
    }

    @Test("Japanese is read in every set that DICOM has for it")
    func japanese() throws {
        var report = SyntheticReport()
        report.file.text(0x0008_0005, "CS", "\\ISO 2022 IR 87")
        report.file.text(0x0010_0010, "PN", "KAKU^U=\u{1B}$B2M6u\u{1B}(B^\u{1B}$BB@O:\u{1B}(B")
        report.content = [SyntheticReport.text(nil, "\u{1B}$B1&>eMU$K7k@a$rG'$a$k!#\u{1B}(B")]
        let named = try read(report.bytes())
        #expect(named.text == "右上葉に結節を認める。" && named.names == ["KAKU^U=架空^太郎"])
        report = SyntheticReport()
        report.file.text(0x0008_0005, "CS", "ISO_IR 192")
        report.content = [SyntheticReport.text("所見", "胸水を認めない。")]
        #expect(try read(report.bytes()).text == "所見: 胸水を認めない。")
    }

    @Test("A report without a text is passed over, and one in a set that is not declared is refused")
    func emptyAndUnreadable() throws {
        #expect(try outcome(SyntheticReport().bytes()) == .passedOver("DICOM: a structured report without a text"))
        var report = SyntheticReport()
        var item = SyntheticReport.text(nil, "x")
        item.elements[0x0040_A160] = ("UT", [0xFC, 0xFD])
        report.content = [item]
        guard case .refused(let reason) = try outcome(report.bytes()) else { throw CancellationError() }
        #expect(reason.contains("character set"))
    }

    @Test("Deep trees, long promises and cut files are refused in words")
    func hostileTrees() throws {
        var nested = SyntheticReport.text("Finding", "deep")
        for _ in 0..<40 { nested = SyntheticReport.item("CONTAINER", "Findings", [nested]) }
        var deep = SyntheticReport()
        deep.content = [nested]
        guard case .refused(let reason) = try outcome(deep.bytes()) else { throw CancellationError() }
        #expect(reason.contains("nested deeper"))
        let whole = invented.bytes()
        let sequence = try #require(whole.firstRange(of: [0x40, 0x00, 0x30, 0xA7] as [UInt8])?.lowerBound)
        for count in stride(from: sequence + 14, to: whole.count - 1, by: 7) {
            guard case .refused = ReportFile.structuredReport(Array(whole[..<count])) else {
                Issue.record("\(count) of \(whole.count) bytes are a report")
                continue
            }
        }
        for place in stride(from: 132, to: whole.count, by: 3) {
            var changed = whole
            changed[place] = 0xFF
            _ = ReportFile.structuredReport(changed)
        }
    }

    @Test(
        "The sample of the DICOM toolkit's authors is read as their program shows it",
        .enabled(if: sample != nil, "no shared data"))
    func sampleOfOthers() throws {
        let path = try #require(sample)
        let found = try ReportFile.outcomes(at: path, .structuredReport)
        guard case .report(let document)? = found.first?.outcome else { throw CancellationError() }
        // The headings and values as `dsrdump` prints them.
        #expect(document.text.contains("A mass of 3 cm was detected."))
        #expect(document.text.contains("Diameter: 3 cm") && document.text.contains("Inferred Sample Text"))
        #expect(document.names.contains("Riesmeier^Jörg") && !document.text.contains("Riesmeier"))
        #expect(document.status == .final && document.writtenAt == "2001-02-13T18:47:46")
    }
}

/// A structured report by others, where this checkout has the shared data.
private let sample: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    let folders = [
        ProcessInfo.processInfo.environment["HILUM_SHARED"].map { $0 + "/data" }, package + "/../shared/data",
    ]
    return folders.compactMap { $0.map { $0 + "/dicom-samples/test-SR.dcm" } }.first {
        FileManager.default.fileExists(atPath: $0)
    }
}()
