import CHilumSystem
import Foundation
import HilumArchive
import HilumCore
import Synchronization
import Testing

@testable import HilumServer

/// A copy beside leaders that fail in every way.
@Suite("Following a leader that fails")
struct PullerTests {
    /// What a leader answers to CHANGES and SNAPSHOT, by a socket of its own.
    private final class StubLeader: Sendable {
        let path: String
        private let listener: Int32
        private let asked = Asked()

        private final class Asked: Sendable {
            let lines = Mutex<[String]>([])
        }

        /// - Parameter answer: nil says nothing, and keeps the client waiting.
        init(in folder: TemporaryFolder, answer: @escaping @Sendable (String) -> String?) throws {
            path = folder.path + "/leader"
            listener = hilum_unix_socket(0)
            try #require(hilum_unix_bind(listener, path) == 0 && listen(listener, 8) == 0)
            Thread { [asked, listener] in
                while true {
                    let client = accept(listener, nil, nil)
                    guard client >= 0 else { return }
                    Thread { Self.serve(client, asked, answer) }.start()
                }
            }.start()
        }

        deinit {
            shutdown(listener, Int32(SHUT_RDWR))
            close(listener)
        }

        private static func serve(_ client: Int32, _ asked: Asked, _ answer: (String) -> String?) {
            defer { close(client) }
            var line: [UInt8] = []
            var byte: UInt8 = 0
            while read(client, &byte, 1) == 1 {
                guard byte == 10 else {
                    line.append(byte)
                    continue
                }
                let text = String(decoding: line, as: UTF8.self)
                line = []
                asked.lines.withLock { $0.append(text) }
                guard let reply = answer(text).map({ Array(($0 + "\n").utf8) }) else { continue }
                _ = reply.withUnsafeBytes { write(client, $0.baseAddress, $0.count) }
            }
        }

        func count(_ verb: String) -> Int { lines.count { $0.hasPrefix(verb) } }
        var lines: [String] { asked.lines.withLock { $0 } }
    }

    /// A copy of an empty archive.
    private func copy(_ folder: TemporaryFolder) throws -> Archive {
        try Archive.create(at: folder.path + "/archive")
        _ = try Archive.snapshot(of: folder.path + "/archive", to: folder.path + "/snapshot")
        _ = try Archive.restore(folder.path + "/snapshot", to: folder.path + "/copy", asCopy: true)
        var options = Archive.Options()
        options.followsLeader = true
        return try Archive(path: folder.path + "/copy", mode: .readWrite, options: options)
    }

    /// Follows in a thread of its own until `body` returns; for how many seconds it went on after that.
    private func following(
        _ leader: StubLeader, _ folder: TemporaryFolder, until body: () throws -> Void
    ) throws -> Double {
        let archive = try copy(folder)
        defer { archive.close() }
        let place = LeaderCopy(leader: .socket(leader.path), path: folder.path + "/copy")
        let isEnding = AtomicFlag()
        let thread = WorkerThread("follow") {
            _ = Puller(place, archive, Following(), isEnding: isEnding).run(every: 0.02)
        }
        do { try body() } catch {
            isEnding.raise()
            thread.join()
            throw error
        }
        let began = monotonicSeconds()
        isEnding.raise()
        thread.join()
        return monotonicSeconds() - began
    }

    @Test(
        "A gap, or what fits into no answer, asks for a snapshot; where none can be made, later and later",
        arguments: ["STALE it missed something", "LIMIT the reply is too long"])
    func pauses(refusal: String) throws {
        let folder = try TemporaryFolder()
        let places = Mutex<[Bool]>([])
        let leader = try StubLeader(in: folder) { line in
            guard line.hasPrefix("SNAPSHOT") else { return "ERR \(refusal)" }
            // The folder above is there, two below the one of the copy: no other machine has it.
            let place = line.dropFirst("SNAPSHOT to=".count).trimmingCharacters(in: ["\""])
            var status = stat()
            let above = FilePath.folder(of: place)
            let isThere = stat(above, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            places.withLock { $0.append(isThere && place.contains("/copy.follow-snapshot/")) }
            return "ERR NOTFOUND there is no such folder"
        }
        let began = monotonicSeconds()
        _ = try following(leader, folder) {
            #expect(eventually { leader.count("SNAPSHOT") >= 2 })
            // The second one waited for a second, and the third waits for two.
            #expect(monotonicSeconds() - began >= 1)
            usleep(500_000)
            #expect(leader.count("SNAPSHOT") == 2 && leader.count("CHANGES") == 2, "\(leader.lines.count)")
        }
        #expect(places.withLock { $0 } == [true, true])
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!names.contains { $0.hasPrefix("copy.") }, "\(names)")
    }

    @Test("A copy ends at once, whatever its leader is silent about", arguments: ["CHANGES", "SNAPSHOT"])
    func ends(silence: String) throws {
        let folder = try TemporaryFolder()
        let leader = try StubLeader(in: folder) { line in
            line.hasPrefix(silence) ? nil : "ERR STALE it missed something"
        }
        let took = try following(leader, folder) { #expect(eventually { leader.count(silence) == 1 }) }
        #expect(took < 5, "\(took) s")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!names.contains { $0.hasPrefix("copy.") }, "\(names)")
    }
}
