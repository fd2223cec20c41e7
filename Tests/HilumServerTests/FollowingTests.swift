import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumServer

/// What a copy says of itself, and what it refuses.
@Suite struct FollowingTests {
    private func handler(_ following: Following?) -> RequestHandler {
        var configuration = ServerConfiguration()
        configuration.following = following
        return RequestHandler(archive: FakeArchive(), configuration: configuration)
    }

    private func ask(_ line: String, _ handler: RequestHandler, mayWrite: Bool = true) throws -> String {
        guard case .request(let request)? = items(line + "\n").first else {
            Issue.record("\(line) is no request")
            return ""
        }
        switch handler.route(request, mayWrite: mayWrite) {
        case .reply(let reply): return String(decoding: reply.bytes, as: UTF8.self)
        case .read: return String(decoding: handler.read(request).bytes, as: UTF8.self)
        case .write: return "to be written"
        }
    }

    @Test("PING, HELLO and METRICS say how far a copy is behind, and an archive of its own says nothing of it")
    func lag() throws {
        let following = Following()
        let handler = handler(following)
        #expect(try ask("PING", handler) == "OK PONG lag=unknown behind=0\n")
        #expect(try ask("HELLO", handler).contains(#""lag":null,"behind":0"#))
        #expect(try ask("METRICS", handler).contains(#"hilum_follower_lag_seconds -1\n"#))
        following.note(currentAt: monotonicSeconds() - 12, behind: 0)
        #expect(try ask("PING", handler).hasPrefix("OK PONG lag=12."))
        following.note(currentAt: nil, behind: 7)
        #expect(try ask("PING", handler).hasSuffix(" behind=7\n"))
        #expect(try ask("METRICS", handler).contains(#"hilum_follower_behind_cases 7\n"#))
        let own = self.handler(nil)
        #expect(try ask("PING", own) == "OK PONG\n")
        #expect(try !ask("HELLO", own).contains("lag") && !ask("METRICS", own).contains("follower"))
    }

    @Test("The lag is written with two decimals, whatever it is")
    func spelling() {
        #expect(Following.Lag(seconds: 0, behind: 0).statusText == "lag=0.00 behind=0")
        #expect(Following.Lag(seconds: 0.004, behind: 1).statusText == "lag=0.01 behind=1")
        #expect(Following.Lag(seconds: 1234.5, behind: 0).statusText == "lag=1234.50 behind=0")
    }

    @Test(
        "A copy refuses changes and answers questions",
        arguments: ["PUT id=a report=b", "DELETE id=a", "REEMBED pause"])
    func refuses(_ line: String) throws {
        #expect(try ask(line, handler(Following())).hasPrefix("ERR READONLY "))
        #expect(try !ask(line, handler(nil)).hasPrefix("ERR READONLY"))
        #expect(try ask("REEMBED status", handler(Following())).contains("\nOK "))
    }

    @Test("CHANGES is for those who may change the archive, and takes positions only")
    func changes() throws {
        #expect(try ask("CHANGES", handler(nil), mayWrite: false).hasPrefix("ERR DENIED "))
        #expect(try ask("CHANGES since=x", handler(nil)).hasPrefix("ERR BADREQ "))
    }

    @Test("What may read much is kept from those who ask for little")
    func lanes() throws {
        let handler = handler(nil)
        for (line, lane) in [
            ("WORDS text=a", WorkerPool.Lane.heavy), ("CHANGES", .heavy), ("EMBED text=a", .heavy),
            ("GET id=a", .light),
            ("COUNT", .light),
        ] {
            guard case .request(let request)? = items(line + "\n").first else { throw CancellationError() }
            #expect(handler.lane(of: request) == lane, "\(line)")
        }
    }

    @Test("A search by statistics of many archives says that its vector is missing, unless words are asked alone")
    func missingVectors() throws {
        let handler = handler(nil)
        for line in ["SEARCH text=effusion corpus=2,9,1", "SEARCH text=effusion mode=vector corpus=2,9,1"] {
            let answer = try ask(line, handler)
            #expect(answer.hasPrefix("ERR BADREQ ") && answer.contains("vec="), "\(answer)")
        }
        for line in [
            "SEARCH text=effusion mode=words corpus=2,9,1",
            "SEARCH text=effusion vec=f32:AACAPwAAAAAAAAAAAAAAAA== corpus=2,9,1",
        ] {
            #expect(try !ask(line, handler).contains("vec= (EMBED"))
        }
    }

    @Test("What CHANGES writes is read as it was")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: FlatEmbedder())
        defer { archive.close() }
        try archive.put((0..<5).map { CaseInput(id: "case-\($0)", report: "Report \($0) \"quoted\" 胸水") })
        _ = try archive.delete(id: "case-2")
        let handler = RequestHandler(archive: archive, configuration: ServerConfiguration())
        let text = try archive.position().text.replacing("/6/1/", with: "/1/0/")
        let begin = try #require(ArchivePosition(text))
        let lines = try ask("CHANGES since=\(begin.text)", handler).split(separator: "\n").map(String.init)
        let last = try #require(lines.last)
        let status = try #require(Client.Status(line: last))
        let read = try ChangesVerb.read(Client.Answer(objects: lines.dropLast(), status: status))
        let meant = try archive.changes(since: begin)
        #expect(read.position == meant.position && read.left == [3] && read.items.count == 4)
        for (item, other) in zip(read.items, meant.items) {
            #expect(item.number == other.number && item.entry == other.entry && item.report == other.report)
            #expect(item.reportVector == other.reportVector && item.imageVectors == other.imageVectors)
        }
    }
}

/// One vector for every text.
private struct FlatEmbedder: Embedder {
    let modelID = String(repeating: "b", count: 64)
    let dimension = 4

    func embed(images: [GrayImage], threads: Int) throws -> [Float] { images.flatMap { _ in [1, 0, 0, 0] as [Float] } }
    func embed(reports: [String], threads: Int) throws -> [Float] { reports.flatMap { _ in [0, 1, 0, 0] as [Float] } }
}
