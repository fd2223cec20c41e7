import Foundation
import HilumCore
import Testing

@testable import HilumArchive
@testable import HilumServer

/// One image that cannot be read does not keep the rest of its case out of an inbox.
@Suite("Images of an inbox that cannot be read")
struct InboxLostImageTests {
    private func refusals(_ client: Client) throws -> Int? {
        let text = try client.request("METRICS").objects.joined()
        guard let range = text.range(of: "hilum_inbox_refused_total ", options: .backwards) else { return nil }
        return Int(text[range.upperBound...].prefix { $0.isNumber })
    }

    private func names(_ archive: Archive, _ id: String) -> [String] {
        (try? archive.get(id: id))?.images.map { FilePath.name(of: $0.path) } ?? []
    }

    @Test("The others are taken, the bad file is named by its hash, and a sound copy of it is taken")
    func oneIsBad() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try writeImage(folder, "inbox/s1_lateral.png", 2)
        try folder.write("inbox/s1.txt", "Left effusion.")
        let path = folder.path + "/inbox/s1_lateral.png"
        let whole = try FileIO.read(path)
        try FileIO.writeAtomically(path, Array(whole.prefix(50)))
        let names = LogNames(key: Array("key".utf8))
        let memory = folder.path + "/refusals"
        for _ in 0..<2 {
            try serveInbox(folder) {
                $0.logNames = names
                $0.refusalMemory = memory
            } _: { archive, client in
                #expect(eventually { self.names(archive, "s1") == ["s1_pa.png"] })
                #expect(eventually { (try? refusals(client)) == 1 })
                let known = try archive.get(id: "s1")
                #expect(known?.report == "Left effusion.")
            }
            let stamp = try #require(InboxRun.stamp(of: path))
            let lines = try String(contentsOfFile: memory, encoding: .utf8).split(separator: "\n").map(String.init)
            let archive = try Archive(path: folder.path + "/archive", mode: .readOnly)
            var finder = CaseFinder(root: folder.path + "/inbox")
            let files = ["s1_pa.png", "s1_lateral.png", "s1.txt"].map { FoundFile(path: $0) }
            let found = try #require(finder.cases(ofGroup: files).first)
            let lost = try archive.lostImages(of: found.origin)
            #expect(lost.map(\.path) == [path])
            // The file remembers a line of the log by the hash of what it says.
            #expect(lines == lost.map { names.name("\([$0.path]) \([stamp]) \($0.reason)") })
            archive.close()
        }
        try serveInbox(folder) { archive, _ in
            try FileIO.writeAtomically(path, whole)
            #expect(eventually { self.names(archive, "s1").count == 2 })
            #expect(try archive.check(deep: true).findings == [])
        }
    }

    @Test("A stored picture stays when its file becomes empty, noise or too large", arguments: 0..<3)
    func storedPictureStays(damage: Int) throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try writeImage(folder, "inbox/s1_lateral.png", 2)
        let path = folder.path + "/inbox/s1_lateral.png"
        try serveInbox(folder) { archive, client in
            #expect(eventually { self.names(archive, "s1").count == 2 })
            switch damage {
            case 0: try FileIO.writeAtomically(path, [])
            case 1: try FileIO.writeAtomically(path, (0..<3000).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) })
            default: #expect(truncate(path, off_t(ArchiveLimits.imageByteCount) + 1) == 0)
            }
            #expect(eventually { (try? refusals(client)) == 1 })
            #expect(self.names(archive, "s1").count == 2)
            #expect(try archive.check(deep: true).findings == [])
        }
    }
}
