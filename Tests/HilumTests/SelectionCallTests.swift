import Foundation
import HilumCore
import Testing

/// What `hilum search` and `hilum facet` select and count, by the archive and by its daemon.
@Suite("Selections")
struct SelectionCallTests {
    @Test("A vector that names another model than the archive's is no question, by either door")
    func foreignVectors() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        for (model, status) in [(world.model, Int32(0)), (try World.otherModel(in: scratch), 1)] {
            let file = scratch.path("question\(status).npy")
            #expect(try Program.run(["embed", "--model", model, "--text", "effusion", "--out", file]).status == 0)
            for place in [[archive], ["--socket", daemon.socket]] {
                let found = try Program.run(["search"] + place + ["--vec", file])
                #expect(found.status == status, "\(found.errors)")
                #expect(found.errors.contains("two encoders cannot be compared") == (status == 1))
            }
            // A file that was written over is not the one that was sealed.
            unlink(scratch.path("question\(status).jsonl"))
            #expect(try Program.run(["search", archive, "--vec", file]).status == 0)
        }
    }

    @Test("A space of imported vectors takes a vector of any encoder")
    func spaces() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let (lines, space, file) = (scratch.path("lines"), scratch.path("space"), scratch.path("question.npy"))
        #expect(try Program.run(["embed", "--model", world.model, "--text", "effusion", "--out", file]).status == 0)
        let dimension = (try FileIO.read(file).count - 128) / 4
        #expect(try Program.run(["export", archive, lines]).status == 0)
        #expect(try Program.run(["init", space, "--space", "theirs", "--dim", "\(dimension)"]).status == 0)
        #expect(try Program.run(["import", space, lines]).status == 0)
        let found = try Program.run(["search", space, "--vec", file, "--json"])
        #expect(try found.status == 0 && found.objects().count == 10, "\(found.errors)")
    }

    @Test("Groups, doubles, diversity, weights and pages are answered alike by the archive and by its daemon")
    func bothDoors() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        func ids(_ place: [String], _ words: [String]) throws -> [String] {
            let result = try Program.run(["search"] + place + ["--json"] + words)
            #expect(result.status == 0, "\(words): \(result.errors)")
            return try result.objects().compactMap { $0["id"] as? String }
        }
        let all = try ids([archive], ["--text", "effusion", "-k", "100"])
        #expect(all.count == World.caseCount)
        for words in [
            ["--text", "effusion", "--text", "nodule"], ["--text", "effusion", "--unlike", all[3], "-k", "48"],
            ["--id", all[0], "--id", all[1], "--other", "-k", "48"],
            ["--id", all[0], "--unlike", all[1], "--weights", "id=2 unlike=0.5"],
            ["--text", "effusion", "--weights", "vector=0 words=1"], ["--text", "effusion", "--group", "view"],
            ["--id", all[0], "--dedup", "0.9"], ["--id", all[0], "--mmr", "0.3"],
        ] {
            let own = try ids([archive], words)
            let served = try ids(["--socket", daemon.socket], words)
            #expect(own == served && !own.isEmpty, "\(words)")
            #expect(Set(own).count == own.count)
        }
        #expect(try !ids([archive], ["--id", all[0], "--other", "-k", "48"]).contains(all[0]))
    }

    @Test("A group says how many others it has, in the table and as JSON")
    func groups() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let words = ["search", archive, "--text", "effusion", "--group", "site"]
        let objects = try Program.run(words + ["--json"]).objects()
        let groups = objects.compactMap { $0["group"] as? [String: Any] }
        let others = groups.compactMap { $0["others"] as? Int }
        #expect(groups.allSatisfy { $0["by"] as? String == "site" })
        // One hit a site, and all cases are behind them.
        #expect(Set(groups.compactMap { $0["value"] as? String }).count == objects.count)
        #expect(others.reduce(objects.count, +) == World.caseCount && others.count == objects.count)
        let table = try Program.run(words)
        #expect(table.lines.first?.hasSuffix("others") == true)
        #expect(table.lines.last?.hasSuffix("\(others.last ?? -1)") == true)
        let mistyped = try Program.run(["search", archive, "--text", "effusion", "--group", "patinet"])
        #expect(mistyped.status == 1 && mistyped.errors.contains("did you mean 'patient'?"))
    }

    @Test("Pages follow one another until the last says so, and a change makes their cursors stale")
    func pages() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let question = ["search", archive, "--text", "effusion", "-k", "20", "--json"]
        var found: [String] = []
        var cursor = "start"
        var pageCount = 0
        while cursor != "end", pageCount < 9 {
            let page = try Program.run(question + ["--cursor", cursor])
            #expect(page.status == 0, "\(page.errors)")
            found += try page.objects().compactMap { $0["id"] as? String }
            cursor = page.errors.firstMatch(of: /next page: --cursor ([0-9a-f]+)/).map { String($0.output.1) } ?? "end"
            if cursor == "end" { #expect(page.errors.contains("that is the last page")) }
            pageCount += 1
        }
        #expect(pageCount == 3 && found.count == World.caseCount && Set(found).count == found.count)

        let daemon = try Daemon(archive: archive, in: scratch)
        let session = try daemon.session()
        let first = try #require(try session.ask("SEARCH text=effusion k=5 cursor=start").last)
        let next = try #require(first.firstMatch(of: /cursor=([0-9a-f]+)$/)?.output.1)
        #expect(try session.ask("SEARCH text=effusion k=5 cursor=\(next)").count == 6)
        #expect(try session.ask("SEARCH text=nodule k=5 cursor=\(next)").last?.hasPrefix("ERR BADREQ") == true)
        #expect(try session.ask("PUT id=new report=\"a small effusion\"").last?.hasPrefix("OK") == true)
        #expect(try session.ask("SEARCH text=effusion k=5 cursor=\(next)").last?.hasPrefix("ERR STALE") == true)
    }

    @Test("Facets count cases by value, by the archive and by its daemon")
    func facets() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        for words in [
            ["--by", "view"], ["--by", "affirmed", "-k", "3"], ["--by", "finding", "--where", "view=PA"],
            ["--by", "denied", "--where", "view=PA,AP site=A"], ["--by", "patient", "-k", "48"],
        ] {
            let own = try Program.run(["facet", archive, "--json"] + words)
            let served = try Program.run(["facet", "--socket", daemon.socket, "--json"] + words)
            #expect(own.status == 0 && served.status == 0, "\(words): \(own.errors) \(served.errors)")
            #expect(own.text == served.text && !own.lines.isEmpty && own.errors == served.errors, "\(words)")
        }
        let views = try Program.run(["facet", archive, "--by", "view", "--json"]).objects()
        #expect(views.compactMap { $0["count"] as? Int }.reduce(0, +) == World.caseCount)
        let table = try Program.run(["facet", archive, "--by", "view"])
        #expect(table.lines.first?.hasPrefix("value") == true && table.lines.count == views.count + 1)
        let mistyped = try Program.run(["facet", archive, "--by", "veiw"])
        #expect(mistyped.status == 1 && mistyped.errors.contains("did you mean 'view'?"))
        let daemonSays = try Program.run(["facet", "--socket", daemon.socket, "--by", "veiw"])
        #expect(daemonSays.status == 1 && daemonSays.errors.contains("did you mean 'view'?"))
    }

    @Test("A daemon explains a search and helps whoever asks")
    func explanations() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let daemon = try Daemon(archive: world.archive(in: scratch, indexed: true), in: scratch)
        let session = try daemon.session()
        let lines = try session.ask("EXPLAIN SEARCH text=effusion view=PA k=4")
        #expect(lines.last?.hasPrefix("OK hits=4 ") == true)
        let parts = try lines.dropLast().compactMap { line in
            try (JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["part"] as? String
        }
        #expect(parts.first == "plan" && Set(parts) == ["plan", "filter", "leg", "stage"])
        #expect(try session.ask("HELP SEARCH").contains { $0.hasPrefix(#"{"option":"group""#) })
    }
}
