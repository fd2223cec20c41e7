import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// The daemon as a service: signals, its log, and archives without the right to write.
@Suite("Service")
struct ServiceTests {
    private func waitFor(_ what: String, within seconds: Double = 60, _ condition: () throws -> Bool) throws {
        let end = monotonicSeconds() + seconds
        while try !condition() {
            try #require(monotonicSeconds() < end, "\(what)")
            usleep(10_000)
        }
    }

    @Test("No unit takes the folders from those to whom hilum.tmpfiles gives them")
    func units() throws {
        let root =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/tools/systemd"
        func lines(_ name: String) throws -> [String] {
            String(decoding: try FileIO.read("\(root)/\(name)"), as: UTF8.self).split(separator: "\n").map(String.init)
        }
        // Folder → rights.
        var rights: [String: String] = [:]
        for line in try lines("hilum.tmpfiles") where line.hasPrefix("d ") {
            let words = line.split(separator: " ").map(String.init)
            rights[words[1]] = words[2]
        }
        #expect(rights["/var/lib/hilum/inbox"] == "2770" && rights.count == 2)
        let units = try FileManager.default.contentsOfDirectory(atPath: root).filter { $0.hasSuffix(".service") }
        #expect(units.count == 3)
        for unit in units {
            func value(_ key: String) throws -> String? {
                try lines(unit).first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.count + 1)) }
            }
            for folder in (try value("StateDirectory") ?? "").split(separator: " ") {
                // What the manager makes it, at each start.
                let made = try value("StateDirectoryMode") ?? "0755"
                #expect(rights["/var/lib/\(folder)"] == made, "\(unit): \(folder)")
            }
        }
    }

    @Test("An empty folder, which may be a disk that is not mounted, gets no archive and no sign of one")
    func emptyFolder() throws {
        let root = SourceTree.root + "/tools/systemd"
        func line(_ unit: String, _ key: String) throws -> String {
            let lines = String(decoding: try FileIO.read("\(root)/\(unit)"), as: UTF8.self).split(separator: "\n")
            let line = try #require(lines.first { $0.hasPrefix("\(key)=/bin/sh -c '") })
            return String(line.dropFirst(key.count + "=/bin/sh -c '".count).dropLast())
        }
        let scratch = try Scratch()
        let place = scratch.path("lib")
        func run(_ line: String) throws -> (status: Int32, text: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            let script = line.replacing("/var/lib/hilum", with: place).replacing("/usr/bin/hilum", with: "echo")
            process.arguments = ["-c", script]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            process.waitUntilExit()
            let said = output.fileHandleForReading.availableData
            return (process.terminationStatus, String(decoding: said, as: UTF8.self))
        }
        let start = try line("hilum.service", "ExecStartPre")
        let night = try line("hilum-reembed.service", "ExecCondition")
        let makes = "init \(place)/archive\n"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        #expect(try run(start) == (0, makes), "nothing is there")
        try FileManager.default.createDirectory(atPath: place + "/archive", withIntermediateDirectories: true)
        for _ in 0..<2 {
            #expect(try run(start) == (0, ""), "an empty folder")
            #expect(try run(night).status != 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: place + "/archive") == [])
        }
        _ = try scratch.write("lib/archive/writer.lock", "")
        #expect(try run(start) == (0, makes), "it was begun")
        _ = try scratch.write("lib/archive/data.mdb", "")
        #expect(try run(start) == (0, ""), "it is there")
        #expect(try run(night).status == 0)
    }

    @Test("SIGHUP and SIGUSR1 do not end a daemon; SIGHUP reads the level of its log again")
    func hangup() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let level = try scratch.write("level", "error\n")
        let daemon = try Daemon(
            archive: world.archive(in: scratch), in: scratch, environment: ["HILUM_LOG": level])
        #expect(!daemon.errors.contains(" started: "), "the level is error: \(daemon.errors)")
        _ = try scratch.write("level", "debug\n")
        for signal in [SIGUSR1, SIGUSR2, SIGHUP] { kill(daemon.identifier, signal) }
        try waitFor("the level is read again") { daemon.errors.contains("the log begins at debug") }
        #expect(try daemon.session().ask("PING") == ["OK PONG"])
        #expect(daemon.stop() == 0)
        #expect(daemon.errors.contains(" info stopped: "), "\(daemon.errors)")
    }

    @Test("After a rename, SIGHUP begins a new audit file, and changes are noted there")
    func auditIsRotated() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let audit = scratch.path("audit")
        let daemon = try Daemon(archive: world.archive(in: scratch), in: scratch, environment: ["HILUM_AUDIT": audit])
        let session = try daemon.session()
        func lineCount(_ path: String) -> Int { (try? FileIO.read(path))?.count { $0 == 10 } ?? -1 }
        #expect(try session.ask("PUT id=a report=clear").last?.hasPrefix("OK") == true)
        #expect(lineCount(audit) == 1)
        #expect(rename(audit, audit + ".1") == 0)
        kill(daemon.identifier, SIGHUP)
        try waitFor("a new file is there") { lineCount(audit) == 0 }
        #expect(try session.ask("DELETE id=a").last?.hasPrefix("OK") == true)
        #expect(lineCount(audit) == 1 && lineCount(audit + ".1") == 1)
        #expect(daemon.stop() == 0)
    }

    @Test("A file name with a line feed begins no line of the log, and names appear as hashes only")
    func forgedLine() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let inbox = scratch.path("inbox")
        let forged = "2026-01-01T00:00:00Z info started: all is well"
        try FileIO.makeFolder(inbox)
        try FileIO.writeAtomically(inbox + "/doe\n\(forged).png", Array("no picture".utf8))
        try FileIO.writeAtomically(inbox + "/Jane-Doe.txt", [0xFF, 0xFE, 0x41])
        try FileIO.writeAtomically(inbox + "/Jane-Doe-2.xyz", Array("foreign".utf8))
        let archive = try world.archive(in: scratch)
        let daemon = try Daemon(archive: archive, in: scratch, inbox: inbox)
        let session = try daemon.session()
        func figure(_ name: String) throws -> Int {
            let metrics = try session.ask("METRICS").joined()
            let match = try #require(metrics.firstMatch(of: try Regex("\(name) ([0-9]+)")), "\(name) is missing")
            return Int(match.output[1].substring ?? "") ?? -1
        }
        try waitFor("three refusals") { try figure("hilum_inbox_refused_total") >= 3 }
        let drawn = PhantomGenerator(seed: 5, site: .a, side: 64).makeCase(1)
        _ = try scratch.write("inbox/dropped.txt", drawn.report)
        try FileIO.writeAtomically(inbox + "/dropped.png", try PNGEncoder.encode(drawn.image))
        try waitFor("a case is taken") { try figure("hilum_inbox_taken_total") == 1 }
        try waitFor("nothing waits") { try figure("hilum_inbox_waiting") == 0 }
        #expect(daemon.stop() == 0)
        let log = daemon.errors
        #expect(!log.split(separator: "\n").contains { $0.hasPrefix(forged) }, "\(log)")
        for name in ["doe", "Doe", "dropped"] { #expect(!log.contains(name), "\(name) stands in the log: \(log)") }
        #expect(log.split(separator: "\n").count { $0.contains("inbox: took 1 case") } == 1, "\(log)")
        let refusals = log.split(separator: "\n").filter { $0.contains("inbox: refused #") }
        #expect(refusals.count == 3, "\(log)")
        let name = try Program.run(["stats", archive, "--logged", inbox + "/Jane-Doe.txt"])
        #expect(name.status == 0, "\(name.errors)")
        let hash = name.text.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(hash.count == 13 && refusals.contains { $0.contains(hash) }, "\(hash): \(log)")

        // The next daemon refuses them again, and says so once more only of the one that has changed.
        try FileIO.writeAtomically(inbox + "/Jane-Doe.txt", [0xFF, 0xFE, 0x41, 0x42, 0x43])
        let next = try Daemon(archive: archive, in: scratch, inbox: inbox)
        let again = try next.session()
        try waitFor("the refusals are counted again") {
            try again.ask("METRICS").joined().contains("hilum_inbox_refused_total 3")
        }
        #expect(next.stop() == 0)
        #expect(next.errors.split(separator: "\n").count { $0.contains("inbox: refused #") } == 1, "\(next.errors)")
    }

    @Test("An inbox with an unknown parent, or in the archive, is refused and not made")
    func unknownInbox() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch)
        for inbox in [scratch.path("nowhere/inbox"), archive + "/inbox"] {
            let result = try Program.run(["serve", archive, "--socket", scratch.path("s"), "--inbox", inbox])
            #expect(result.status == 1, "\(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: inbox))
        }
    }

    @Test("A socket whose path or lock is a file of an archive is refused, and names the file")
    func socketOnAFileOfTheArchive() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let other = scratch.path("other")
        #expect(try Program.run(["init", other, "--model", world.model]).status == 0)
        for (socket, file) in [
            ("\(archive)/writer", "\(archive)/writer.lock"), ("\(archive)/data.mdb", "\(archive)/data.mdb"),
            ("\(archive)/./model", "\(archive)/./model"), ("\(archive)/log.key", "\(archive)/log.key"),
            ("\(other)/writer", "\(other)/writer.lock"), ("\(other)/lock.mdb", "\(other)/lock.mdb"),
        ] {
            let result = try Program.run(["serve", archive, "--socket", socket])
            #expect(result.status == 1, "\(socket): \(result.errors)")
            #expect(result.errors.contains("\(file) "), "\(socket): \(result.errors)")
            #expect(result.errors.contains("--socket"), "\(socket): \(result.errors)")
        }
        #expect(try Program.run(["check", archive]).status == 0)
    }

    @Test("Who may not write an archive is told which file stands in the way and what to do")
    func withoutRights() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        chmod(scratch.folder, 0o755)
        chmod(archive, 0o755)
        // Root may do everything, so another user asks.
        let prefix = getuid() == 0 ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        guard prefix.isEmpty || FileManager.default.isExecutableFile(atPath: prefix[0]) else { return }
        func ask(_ words: [String]) throws -> Program.Result {
            guard let program = prefix.first else { return try Program.run(words) }
            return try Program.run(Array(prefix.dropFirst()) + [Program.path] + words, program: program)
        }
        for (file, mode, verb, says) in [
            ("lock.mdb", mode_t(0o444), "stats", "every reader registers there"),
            ("data.mdb", mode_t(0o000), "stats", "no right to read it"),
            ("data.mdb", mode_t(0o444), "delete", "no right to write it"),
        ] {
            chmod(archive + "/lock.mdb", 0o666)
            chmod(archive + "/data.mdb", 0o666)
            chmod("\(archive)/\(file)", mode)
            let result = try verb == "stats" ? ask(["stats", archive]) : ask(["delete", archive, "x"])
            // A program in a folder that this user may not enter cannot be started.
            if result.status == 126 || result.errors.contains("setpriv:") { return }
            #expect(result.status == 1, "\(result.errors)")
            #expect(result.errors.contains("\(archive)/\(file)") && result.errors.contains(says), "\(result.errors)")
            #expect(result.errors.contains("chmod"), "\(result.errors)")
        }
        chmod(archive + "/data.mdb", 0o444)
        chmod(archive + "/lock.mdb", 0o666)
        let readable = try ask(["stats", archive])
        #expect(readable.status == 0, "what may be read is read: \(readable.errors)")
        // The key is its owner's alone, and whoever may only search need not read it.
        #expect(access(archive + "/log.key", F_OK) == 0)
        for words in [["check", archive], ["check", archive, "--deep"]] {
            let checked = try ask(words)
            #expect(checked.status == 0 && checked.errors.contains("log.key"), "\(checked.text) \(checked.errors)")
        }
        guard Viewed.isBuilt else { return }
        // The page changes nothing, so it needs no more.
        let folder = scratch.path("page")
        try FileIO.makeFolder(folder)
        chmod(folder, 0o777)
        let script = """
            "$1" view "$2" > "$3/out" 2> "$3/errors" & p=$!
            while kill -0 $p 2> /dev/null && ! grep -q http "$3/out"; do sleep 0.05; done
            kill -INT $p; wait $p; cat "$3/out"; cat "$3/errors" >&2
            """
        let words =
            prefix + ["/usr/bin/env", "TMPDIR=/tmp", "/bin/sh", "-c", script, "sh", Program.path, archive, folder]
        let page = try Program.run(Array(words.dropFirst()), program: words[0])
        #expect(page.text.hasPrefix("http://127.0.0.1:"), "\(page.text) \(page.errors)")
    }
}
