import Foundation
import HilumCore
import Testing

/// Identifiers of patients, from the command line to the last byte that the program writes.
@Suite("Privacy")
struct PrivacyCallTests {
    private static let report = """
        Patient Name: Harrowgate, Belinda Q. MRN: 00482917 DOB: 04/17/1951
        Seen by Dr. Okonkwo on March 9. Left pleural effusion and a 3.2 cm mass. Called to (617) 555-0123.
        Dictated by: Ingrid Sorrell, MD on 03/12/2019 15:10
        """
    private static let inReports = [
        "harrowgate", "belinda", "00482917", "04/17/1951", "okonkwo", "march 9", "555-0123", "sorrell", "03/12/2019",
    ]
    private static let inNames = ["abernathy", "case-of-trelawney", "patient-99120", "riverbend"]

    /// Which of `needles` stand in the bytes of files below `folder`, or in their names, in any case of letters.
    private func found(_ needles: [String], below folder: String) throws -> [String] {
        var found: [String] = []
        let walk = try #require(FileManager.default.enumerator(atPath: folder))
        while let name = walk.nextObject() as? String {
            found += needles.filter { name.lowercased().contains($0) }
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            let bytes = try FileIO.read("\(folder)/\(name)").map { 65...90 ~= $0 ? $0 | 32 : $0 }
            found += needles.filter { Data(bytes).range(of: Data($0.utf8)) != nil }.map { "\($0) in \(name)" }
        }
        return found
    }

    private func said(_ text: String, _ needles: [String]) -> [String] {
        needles.filter { text.lowercased().contains($0) }
    }

    @Test("What a daemon takes by PUT and inbox leaves no identifier in archive, snapshot, log, figures or errors")
    func daemonKeepsNothing() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        let made = try Program.run(["init", archive, "--model", world.model, "--deid", "require", "--dates", "shift"])
        try #require(made.status == 0, "\(made.errors)")
        try FileIO.makeFolder(scratch.path("inbox"))
        let daemon = try Daemon(
            archive: archive, in: scratch, inbox: scratch.path("inbox"), environment: ["HILUM_LOG_LEVEL": "debug"])
        let session = try daemon.session()
        let quoted = Argument.quoted(Self.report)
        let put = try session.ask(
            "PUT id=case-of-trelawney patient=patient-99120 site=\"Riverbend\" date=2019-03-12 report=\(quoted)")
        let status = try #require(put.last)
        #expect(status.hasPrefix("OK id=") && !status.contains("trelawney"))
        let name = try #require(status.split(separator: " ").first { $0.hasPrefix("id=") }).dropFirst(3)
        _ = try scratch.write("inbox/abernathy/1.txt", Self.report + "\nThe apex is clear.")
        _ = try scratch.write("inbox/abernathy/2.png", "no picture")
        let deadline = monotonicSeconds() + 60
        while try session.ask("COUNT").last != "OK count=2", monotonicSeconds() < deadline { usleep(50_000) }
        #expect(try session.ask("COUNT").last == "OK count=2")
        let shown = try session.ask("GET id=\(name) with=meta,report,path").joined(separator: "\n")
        #expect(shown.contains("left pleural effusion") || shown.contains("Left pleural effusion"))
        #expect(said(shown, Self.inReports + Self.inNames + ["2019-03-12"]) == [])
        #expect(try session.ask("COUNT patient=patient-99120").last == "OK count=1")
        let hits = try session.ask("SEARCH text=\"pleural effusion\" k=5 with=report,path").joined(separator: "\n")
        #expect(hits.contains(name) && said(hits, Self.inReports + Self.inNames) == [])
        for line in ["STATS", "METRICS", "HELLO", "FACET by=patient", "FACET by=site"] {
            let reply = try session.ask(line).joined(separator: "\n")
            #expect(said(reply, Self.inReports + Self.inNames) == [], "\(line)")
        }
        let figures = try session.ask("METRICS").joined(separator: "\n")
        #expect(figures.contains("hilum_masked_total") && figures.contains("kind=\\\"name\\\""))
        let refused = try session.ask("PUT id=\(String(repeating: "x", count: 300)) report=\(quoted)")
        #expect(refused.last?.hasPrefix("ERR") == true && said(refused.joined(), Self.inReports) == [])
        let copy = scratch.path("copy")
        #expect(try session.ask("SNAPSHOT to=\(copy)").last?.hasPrefix("OK") == true)
        #expect(daemon.stop() == 0)
        #expect(said(daemon.errors, Self.inReports + Self.inNames) == [])
        #expect(try found(Self.inReports + Self.inNames, below: archive) == [])
        #expect(try found(Self.inReports + Self.inNames, below: copy) == [])
        let stats = try Program.run(["stats", archive, "--json"])
        #expect(try stats.object()["deid"] as? String == "require" && stats.object()["dates"] as? String == "shift")
        let get = try Program.run(["get", archive, "case-of-trelawney", "--json"])
        #expect(get.status == 0 && said(get.text, Self.inReports + Self.inNames) == [])
    }

    @Test(
        "index masks by default and counts it, leaves reports alone where it is off, and refuses what a filter fails at"
    )
    func indexCounts() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        #expect(try Program.run(["init", archive, "--model", world.model]).status == 0)
        _ = try scratch.write("in/a.txt", Self.report)
        let result = try Program.run(["index", archive, scratch.path("in"), "--json"])
        let masked = try #require(try result.object()["masked"] as? [String: Int])
        #expect((masked["name"] ?? 0) >= 3 && (masked["number"] ?? 0) >= 1 && (masked["date"] ?? 0) >= 3)
        #expect(try found(Self.inReports, below: archive) == [])
        #expect(try Program.run(["init", archive, "--set", "--deid", "off"]).status == 0)
        #expect(try Program.run(["index", archive, scratch.path("in")]).status == 0)
        #expect(try Program.run(["get", archive, "a"]).text.contains("Harrowgate, Belinda"))
        #expect(try Program.run(["init", archive, "--set", "--deid", "require"]).status == 1)
        #expect(try Program.run(["init", archive, "--set"]).status == 2)
        #expect(try Program.run(["init", scratch.path("other"), "--deid", "maybe"]).status == 2)
        _ = try scratch.write("in/b.txt", "effusion of Belinda")
        let broken = try Program.run(
            ["index", archive, scratch.path("in"), "--report-filter", "/nonexistent/filter", "--json"])
        #expect(broken.status == 3 && said(broken.text + broken.errors, ["belinda"]) == [])
        #expect(try Program.run(["index", archive, scratch.path("in"), "--report-filter", "'open"]).status == 1)
    }

    @Test("delete --forget leaves nothing of a case in any file of the archive")
    func forgets() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = scratch.path("archive")
        #expect(try Program.run(["init", archive, "--model", world.model, "--deid", "off"]).status == 0)
        _ = try scratch.write("in/case-of-trelawney.txt", Self.report)
        _ = try scratch.write("in/other.txt", "The heart is large.")
        #expect(try Program.run(["index", archive, scratch.path("in"), world.phantoms, "--quiet"]).status == 0)
        let needles = Self.inReports + ["case-of-trelawney"]
        #expect(try found(needles, below: archive).count >= needles.count)
        #expect(try Program.run(["delete", archive, "nobody", "--forget"]).status == 4)
        #expect(try Program.run(["delete", archive, "case-of-trelawney", "--forget"]).status == 0)
        #expect(try found(needles, below: archive) == [])
        #expect(try Program.run(["check", archive, "--deep"]).status == 0)
        #expect(try Program.run(["get", archive, "other"]).status == 0)
        #expect(try Program.run(["get", archive, "case-of-trelawney"]).status == 4)
    }
}
