import Foundation
import HilumCore
import HilumPrivacy
import Testing

/// Reports of the Open-i collection, from which people have taken the identifiers: what is masked there is nearly always wrong.
@Suite("Masking of the report corpus", .serialized)
struct MaskingCorpusTests {
    private static let corpus: String? = {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { root.deleteLastPathComponent() }
        let shared = ProcessInfo.processInfo.environment["HILUM_SHARED"] ?? root.path + "/../shared"
        let path = shared + "/data/report-corpus/openi_reports.jsonl"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }()

    /// What this thread took of a processor.
    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static func texts() throws -> [String] {
        let path = try #require(corpus)
        return try FileIO.read(path).split(separator: 10).map { line in
            let row = try JSON(parsing: line)
            return ["image_line", "comparison", "indication", "findings", "impression"].compactMap { key in
                row[key]?.string.map { "\(key.uppercased()): \($0)" }
            }.joined(separator: "\n")
        }
    }

    @Test(
        "At most 8 masks stand in 1,000 reports that hold no identifier",
        .enabled(if: corpus != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func falseMasksAreRare() throws {
        let masking = try ReportMasking.shared()
        var counts = MaskCounts()
        let texts = try Self.texts()
        for text in texts { counts += masking.mask(text).counts }
        let rate = Double(counts.total) * 1000 / Double(texts.count)
        let kinds = ReportMask.allCases.map { "\($0.rawValue) \(counts[$0])" }.joined(separator: "  ")
        print(String(format: "%d reports, %.1f masks per 1,000: %@", texts.count, rate, kinds))
        #expect(texts.count > 2000)
        #expect(rate <= 8)
    }

    @Test(
        "Reports are masked as fast as they are read: the rate is printed",
        .enabled(if: corpus != nil, "needs ../shared/data or $HILUM_SHARED/data"))
    func isFast() throws {
        let masking = try ReportMasking.shared()
        let plain = try Self.texts()
        // With a header and a signature, as reports have that hold identifiers.
        let whole = plain.map {
            "Patient Name: Harrowgate, Belinda\nMRN: 00482917\n\($0)\nDictated by: Ingrid Sorrell, MD on 03/12/2019 15:10"
        }
        for (name, texts) in [("without identifiers", plain), ("with identifiers", whole)] {
            // Time of the processor: others may use the machine.
            let start = Self.processorSeconds()
            for text in texts { _ = masking.mask(text) }
            let seconds = Self.processorSeconds() - start
            print(String(format: "%@: %.0f reports/s on one core", name, Double(texts.count) / seconds))
            // Far below what is reached, so that a busy machine does not fail it.
            #expect(Double(texts.count) / seconds > 1000)
        }
    }
}
