import Foundation
import HilumCore
import Testing

@testable import HilumArchive
@testable import HilumServer

@Suite("Reports of messages in an inbox", .enabled(if: decodesDICOM, "built without GDCM"))
struct InboxReportTests {
    private static let text = "Small effusion on the left."

    private func write(_ folder: TemporaryFolder, _ key: String, isImage: Bool, patient: String = "INV-1") throws {
        switch (key, isImage) {
        case ("name", true): try writeImage(folder, "inbox/x.png", 900)
        case (_, true): try HilumServerTests.write(folder, "inbox/IM1.dcm", orderedFilm(1, patient: "INV-1"))
        case ("structured", false):
            var report = SyntheticReport(study: "1.2.3", patient: patient)
            report.content = [SyntheticReport.text("Findings", Self.text)]
            try HilumServerTests.write(folder, "inbox/IM2.dcm", report.bytes())
        case ("name", false):
            try HilumServerTests.write(folder, "inbox/x.hl7", SyntheticMessage(Self.text, patient: patient).bytes())
        default:
            let message = SyntheticMessage(
                Self.text, patient: patient, accession: key == "accession" ? "ACC-1" : nil,
                study: key == "study" ? "1.2.3" : nil)
            try HilumServerTests.write(folder, "inbox/message.hl7", message.bytes())
        }
    }

    private func orderedFilm(_ seed: UInt16, patient: String) -> [UInt8] {
        var file = SyntheticDICOM(
            width: 8, height: 8, samples: (0..<64).map { UInt16(977 * $0 * Int(seed + 1) & 4095) })
        file.text(0x0008_0018, "UI", "1.9.\(seed)")
        file.text(0x0008_0020, "DA", "20260102")
        file.text(0x0008_0050, "SH", "ACC-1")
        file.text(0x0010_0020, "LO", patient)
        file.text(0x0020_000D, "UI", "1.2.3")
        return file.bytes
    }

    private func isWhole(_ archive: Archive, _ id: String) -> Bool {
        guard let record = try? archive.get(id: id) else { return false }
        return record.images.count == 1 && record.report?.hasSuffix(Self.text) == true && (try? archive.count()) == 1
    }

    @Test(
        "Report and image are one case, whichever comes first, and also when the first one has left",
        arguments: ["study", "accession", "structured", "name"], ["image", "image leaves", "report", "report leaves"])
    func anyOrder(key: String, first: String) throws {
        let imageComesFirst = first.hasPrefix("image")
        let firstLeaves = first.hasSuffix("leaves")
        let folder = try TemporaryFolder()
        let id = key == "name" ? "x" : "1.2.3"
        // Of a name alone nothing shows whose a file was that has left.
        let isRefused = key == "name" && firstLeaves
        let embedder = PixelEmbedder()
        try serveInbox(folder, embedder: embedder) { archive, _ in
            try write(folder, key, isImage: imageComesFirst)
            try #require(eventually { (try? archive.count()) == 1 })
            if firstLeaves {
                for name in try FileManager.default.contentsOfDirectory(atPath: folder.path + "/inbox") {
                    try FileManager.default.removeItem(atPath: "\(folder.path)/inbox/\(name)")
                }
            }
            try write(folder, key, isImage: !imageComesFirst)
            if isRefused {
                #expect(!eventually(within: 1) { isWhole(archive, id) })
            } else {
                #expect(eventually { isWhole(archive, id) })
            }
        }
        guard !isRefused else { return }
        let count = embedder.imageCount.current
        try serveInbox(folder, embedder: embedder) { archive, client in
            // Another daemon sees the files once more.
            try writeImage(folder, "inbox/last.png", 40)
            try #require(eventually { isThere(archive, "last") })
            #expect(
                try archive.get(id: id)?.images.count == 1 && archive.get(id: id)?.report?.hasSuffix(Self.text) == true)
            #expect(try archive.count() == 2)
        }
        #expect(embedder.imageCount.current == count + 1)
    }

    @Test("Report and image that come at once are one case", arguments: ["study", "accession", "structured", "name"])
    func atOnce(key: String) throws {
        let folder = try TemporaryFolder()
        try write(folder, key, isImage: false)
        try write(folder, key, isImage: true)
        try serveInbox(folder) { archive, _ in
            #expect(eventually { isWhole(archive, key == "name" ? "x" : "1.2.3") })
        }
    }

    @Test("A report of another patient is refused, and the image stays without it")
    func anotherPatient() throws {
        let folder = try TemporaryFolder()
        try serveInbox(folder) { archive, client in
            try write(folder, "study", isImage: true)
            try #require(eventually { isThere(archive, "1.2.3") })
            try write(folder, "study", isImage: false, patient: "INV-2")
            #expect(
                try eventually {
                    try client.request("METRICS").objects.joined().contains("hilum_inbox_refused_total 1")
                })
            #expect(try archive.get(id: "1.2.3")?.hasReport == false)
        }
    }

    @Test("Many reports of one study in one file come to the last version")
    func versions() throws {
        let folder = try TemporaryFolder()
        var bytes: [UInt8] = []
        for (number, status) in ["P", "F", "C", "P"].enumerated() {
            bytes += SyntheticMessage(
                "Version \(number).", patient: "INV-1", study: "1.2.3", status: status, at: "2026010210000\(number)"
            ).bytes()
        }
        try HilumServerTests.write(folder, "inbox/all.hl7", bytes)
        try write(folder, "study", isImage: true)
        try serveInbox(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "1.2.3")?.report) == "Version 2." })
            // A new version is there a moment before the old one goes.
            #expect(eventually { (try? archive.count()) == 1 })
        }
    }

    @Test("A link that a row names as its report is given up after some tries, and the table is not read for ever")
    func linkedReports() throws {
        let folder = try TemporaryFolder()
        try HilumServerTests.write(folder, "elsewhere/secret.txt", Array("Of another folder.".utf8))
        try HilumServerTests.write(folder, "inbox/cases.jsonl", Array(#"{"id": "x", "report_file": "x.txt"}"#.utf8))
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/inbox/x.txt", withDestinationPath: folder.path + "/elsewhere/secret.txt")
        try serveInbox(folder, configure: { $0.inbox.retryInSeconds = 0.02 }) { archive, client in
            let isRefused = try eventually {
                let metrics = try client.request("METRICS").objects.joined()
                return metrics.contains("hilum_inbox_refused_total 1") && metrics.contains("hilum_inbox_waiting 0")
            }
            #expect(isRefused)
            #expect(try archive.count() == 0)
        }
    }

    @Test("What is remembered of reports ends with their files, and follows the images that take a report over")
    func rememberedReports() throws {
        let folder = try TemporaryFolder()
        var memory = InboxMemory()
        for number in 0..<20_000 { memory.noteReport("\(folder.path)/gone\(number).hl7", id: "\(number)") }
        #expect(memory.reportedCaseCount <= 8192)
        try HilumServerTests.write(folder, "there.hl7", [1])
        memory.noteReport(folder.path + "/there.hl7", id: "waiting")
        memory.moveReports(of: "waiting", to: "images")
        for number in 0..<20_000 { memory.noteReport("\(folder.path)/gone\(number).hl7", id: "\(number)") }
        #expect(memory.reportFiles(of: "images") == [folder.path + "/there.hl7"])
        #expect(memory.reportFiles(of: "waiting").isEmpty)
    }

    @Test("A case goes with the last of its files, be it the image or the message")
    func missingFiles() throws {
        let folder = try TemporaryFolder()
        try write(folder, "study", isImage: true)
        try write(folder, "study", isImage: false)
        try serveInbox(folder, missing: .delete) { archive, _ in
            try #require(eventually { isWhole(archive, "1.2.3") })
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/IM1.dcm")
            try writeImage(folder, "inbox/other.png", 40)
            try #require(eventually { isThere(archive, "other") })
            #expect(!eventually(within: 1) { !isThere(archive, "1.2.3") })
            try FileManager.default.removeItem(atPath: folder.path + "/inbox/message.hl7")
            #expect(eventually { !isThere(archive, "1.2.3") })
            #expect(isThere(archive, "other"))
        }
    }
}
