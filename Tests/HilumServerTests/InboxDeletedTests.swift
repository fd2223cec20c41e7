import Foundation
import HilumCore
import Testing

@testable import HilumArchive
@testable import HilumServer

/// What was deleted does not come back from the inbox, however often the daemon starts.
@Suite("Deleted cases of an inbox")
struct InboxDeletedTests {
    /// Until the inbox has taken a file that is new.
    private func settle(_ folder: TemporaryFolder, _ archive: Archive, _ name: String) throws {
        try folder.write("inbox/\(name).txt", "marker \(name)")
        #expect(eventually { isThere(archive, name) })
    }

    private func touch(_ folder: TemporaryFolder, _ name: String, _ turn: Int) throws {
        let date = Date(timeIntervalSince1970: 1e9 + Double(turn))
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: "\(folder.path)/inbox/\(name)")
    }

    @Test("Neither a start nor a new time of its files brings it back; new content does", arguments: ["", " forget=1"])
    func staysDeleted(option: String) throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/e1.png", 1)
        try folder.write("inbox/e1.txt", "Left effusion.")
        try serveInbox(folder) { archive, client in
            #expect(eventually { (try? archive.get(id: "e1"))?.hasReport == true })
            #expect(try client.request("DELETE id=e1\(option)").status.isOK)
            try touch(folder, "e1.png", 0)
            try settle(folder, archive, "first")
            #expect(!isThere(archive, "e1"))
        }
        for turn in 1...2 {
            try serveInbox(folder) { archive, _ in
                try settle(folder, archive, "start\(turn)")
                #expect(!isThere(archive, "e1"))
                try touch(folder, "e1.png", turn)
                try touch(folder, "e1.txt", turn)
                try settle(folder, archive, "touched\(turn)")
                #expect(!isThere(archive, "e1"))
                #expect(try archive.check(deep: true).findings == [])
            }
        }
        try serveInbox(folder) { archive, _ in
            try folder.write("inbox/e1.txt", "Right effusion.")
            #expect(eventually { (try? archive.get(id: "e1"))?.report == "Right effusion." })
        }
    }
}
