import Foundation
import HilumCore
import Testing

/// `tools/orthanc-feed`, from an Orthanc server into an inbox.
@Suite("Feed from Orthanc", .enabled(if: OrthancServer.hasPython, "/usr/bin/python3 is absent"))
struct OrthancFeedTests {
    private static let feed = SourceTree.root + "/tools/orthanc-feed"
    /// What neither a log nor the name of a file may hold.
    private static let planted = ["philomena", "planted", "1.2.826"]

    private func settings(_ scratch: Scratch, _ more: [String: String] = OrthancServer.login) -> [String: String] {
        ["HOME": scratch.folder, "NETRC": scratch.path("netrc")].merging(more) { _, new in new }
    }

    private func once(_ scratch: Scratch, _ address: String, _ more: [String] = []) throws -> Program.Result {
        let words = [address, scratch.path("inbox"), "--once"] + more
        return try Program.run(words, environment: settings(scratch), program: Self.feed)
    }

    /// Starts a feed that runs until it is ended; its log is appended to.
    private func start(_ scratch: Scratch, _ address: String) throws -> Process {
        let log = scratch.path("feed.log")
        if !FileManager.default.fileExists(atPath: log) { _ = try scratch.handle("feed.log") }
        let handle = try #require(FileHandle(forWritingAtPath: log))
        try handle.seekToEnd()
        return try Program.start(
            [address, scratch.path("inbox")], output: FileHandle.nullDevice, errors: handle,
            environment: settings(scratch), program: Self.feed)
    }

    /// The files in the inbox, below it, the feed's own apart.
    private func files(_ scratch: Scratch) -> [String] {
        let names = FileManager.default.enumerator(atPath: scratch.path("inbox"))?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(".dcm") }.sorted()
    }

    /// Whether each file in the inbox is one of those that were drawn, byte by byte.
    private func areWhole(_ scratch: Scratch, _ server: OrthancServer) throws -> Bool {
        let drawn = try FileManager.default.contentsOfDirectory(atPath: server.files).filter { $0.hasSuffix(".dcm") }
        let contents = try Set(drawn.map { try FileIO.read(server.files + "/" + $0) })
        return try files(scratch).allSatisfy { contents.contains(try FileIO.read(scratch.path("inbox/" + $0))) }
    }

    private func waitFor(_ what: String, within seconds: Double = 90, _ condition: () throws -> Bool) throws {
        let end = monotonicSeconds() + seconds
        while try !condition() {
            try #require(monotonicSeconds() < end, "\(what)")
            usleep(20_000)
        }
    }

    private func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    @Test("Each wanted file comes once and whole, also after a reply that was cut and a file that could not be read")
    func onceAndWhole() throws {
        let scratch = try Scratch()
        let server = try OrthancServer(.double, in: scratch)
        try server.receive(0..<2)
        try server.fail("cut")
        let cut = try once(scratch, server.address)
        #expect(cut.status == 1 && cut.errors.contains("ended"), "\(cut.errors)")
        #expect(files(scratch).isEmpty)
        #expect(try once(scratch, server.address).errors.contains(" files: 2, up to change 4,"))

        // The report; the CT is not asked for, and what cannot be read holds nothing up.
        try server.receive(0..<OrthancServer.instanceCount)
        try server.fail("unreadable", "2")
        let missed = try once(scratch, server.address)
        #expect(missed.status == 0)
        #expect(missed.errors.contains(" files: 1, up to change 10, unreadable: 1"), "\(missed.errors)")
        try server.fail("unreadable", nil)
        #expect(try once(scratch, server.address).errors.contains(" files: 1, up to change 10, unreadable: 0"))
        #expect(try once(scratch, server.address).errors == "")
        #expect(text(server.files + "/asked").split(separator: "\n") == ["0", "0", "1", "2", "4", "2"])
        #expect(files(scratch).count == 4 && Set(files(scratch).map { $0.prefix(44) }).count == 2)
        #expect(try areWhole(scratch, server))

        // A file that the inbox has lost is not put again; one that the feed forgot is not put twice.
        let lost = try #require(files(scratch).last)
        try FileManager.default.removeItem(atPath: scratch.path("inbox/" + lost))
        #expect(try once(scratch, server.address).errors == "")
        try FileManager.default.removeItem(atPath: scratch.path("inbox/.orthanc-feed"))
        #expect(try once(scratch, server.address).errors.contains(" files: 1, up to change 10, unreadable: 0"))
        #expect(try once(scratch, server.address, ["--modalities", ""]).errors == "")
        try FileManager.default.removeItem(atPath: scratch.path("inbox/.orthanc-feed"))
        #expect(try once(scratch, server.address, ["--modalities", ""]).errors.contains(" files: 1,"), "the CT")
        #expect(try areWhole(scratch, server))
    }

    @Test("An Orthanc that was set up anew, with fewer changes, is taken from its first one")
    func setUpAnew() throws {
        let scratch = try Scratch()
        let server = try OrthancServer(.double, in: scratch)
        try FileIO.makeFolder(scratch.path("inbox/.orthanc-feed"))
        _ = try scratch.write("inbox/.orthanc-feed/state", #"{"last": 4000, "missed": []}"#)
        #expect(try once(scratch, server.address).errors.contains(" files: 4, up to change 10,"))
    }

    @Test("A password comes from the environment or a netrc file, not the address, and a refused one ends the feed")
    func credentials() throws {
        let scratch = try Scratch()
        let server = try OrthancServer(.double, in: scratch)
        func ask(_ address: String, _ more: [String: String]) throws -> Program.Result {
            try Program.run([address, scratch.path("inbox")], environment: settings(scratch, more), program: Self.feed)
        }
        for more in [[:], ["ORTHANC_USER": "feed", "ORTHANC_PASSWORD": "wrong-planted-word"]] {
            let refused = try ask(server.address, more)
            #expect(refused.status == 1 && refused.errors.contains("HTTP 401"), "\(refused.errors)")
            #expect(!refused.errors.contains("planted"))
        }
        let inAddress = try ask(server.address.replacing("//", with: "//feed:planted-word@"), [:])
        #expect(inAddress.status == 2 && inAddress.errors.contains("holds no password"), "\(inAddress.errors)")
        _ = try scratch.write("netrc", "machine 127.0.0.1 login feed planted-word\n")
        let unreadable = try ask(server.address, [:])
        #expect(
            unreadable.status == 1 && unreadable.errors.contains("of the netrc file cannot be read"),
            "\(unreadable.errors)")
        #expect(!unreadable.errors.contains("planted"))
        _ = try scratch.write("netrc", "machine 127.0.0.1 login feed password planted-word\n")
        // A proxy of the environment would get the films of patients.
        let words = [server.address, scratch.path("inbox"), "--once"]
        let proxy = settings(scratch, ["http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"])
        let taken = try Program.run(words, environment: proxy, program: Self.feed)
        #expect(taken.status == 0 && files(scratch).count == 4, "\(taken.errors)")
    }

    @Test("While Orthanc is down the feed waits longer from try to try, and says no name")
    func waits() throws {
        let scratch = try Scratch()
        let server = try OrthancServer(.double, in: scratch)
        try server.fail("down")
        let feed = try start(scratch, server.address)
        defer { kill(feed.processIdentifier, SIGKILL) }
        try waitFor("the second try") { text(scratch.path("feed.log")).contains("again in 20 s") }
        let log = text(scratch.path("feed.log"))
        #expect(log.split(separator: "\n").count == 2 && log.contains("again in 10 s"), "\(log)")
        #expect(!log.contains("127.0.0.1") && !log.contains(scratch.folder))
    }

    @Test(
        "From Debian's Orthanc to a search, with the feed and Orthanc killed meanwhile: each file once, one case a study",
        .enabled(if: OrthancServer.isInstalled, "orthanc is not installed"),
        .enabled(if: OrthancServer.hasGDCM, "libgdcm-dev is not installed"))
    func fromOrthancToASearch() throws {
        let scratch = try Scratch()
        let server = try OrthancServer(.installed, in: scratch)
        try FileIO.makeFolder(scratch.path("inbox"))
        let archive = try World.shared().archive(in: scratch)
        let daemon = try Daemon(archive: archive, in: scratch, inbox: scratch.path("inbox"))
        try server.receive(0..<2)
        var feed = try start(scratch, server.address)
        try waitFor("two files") { files(scratch).count == 2 }
        kill(feed.processIdentifier, SIGKILL)
        feed.waitUntilExit()
        try server.receive(2..<3)
        server.kill()
        try server.start()
        try server.receive(3..<OrthancServer.instanceCount)
        feed = try start(scratch, server.address)
        try waitFor("the report, and the image of the other study") { files(scratch).count == 4 }
        try waitFor("both studies are cases") { try daemon.session().ask("COUNT").last == "OK count=2" }
        // One study is one case: its second image may come later.
        try waitFor("three images") {
            try daemon.session().ask("STATS").joined().contains("\"images\":3")
        }
        // The signals of this process, in which daemons ran, may be ignored by what it starts.
        kill(feed.processIdentifier, SIGKILL)
        feed.waitUntilExit()

        let query = ["search", "--socket", daemon.socket, "--image", server.files + "/1-2.dcm", "-k", "1", "--json"]
        let hit = try #require(try Program.run(query).objects().first)
        #expect(hit["id"] as? String == "1.2.826.0.1.1" && hit["score"] as? Double ?? 0 > 0.999, "\(hit)")
        #expect(try areWhole(scratch, server))
        #expect(daemon.stop() == 0)
        let log = text(scratch.path("feed.log"))
        let put = log.matches(of: /files: (\d+),/).compactMap { Int($0.1) }.reduce(0, +)
        #expect(put <= 4, "no file was put twice: \(log)")
        for said in [log, daemon.errors] + files(scratch) {
            for word in Self.planted { #expect(!said.lowercased().contains(word), "\(word) in \(said)") }
        }
        let names = Set(files(scratch).flatMap { $0.dropLast(4).split(separator: "/").map(String.init) })
        #expect(names.count == 6 && names.allSatisfy { !log.contains($0) })
    }
}
