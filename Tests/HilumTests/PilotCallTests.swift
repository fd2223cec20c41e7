import Foundation
import HilumCore
import HilumEvaluation
import Testing

@testable import hilum

/// `hilum pilot` as a person calls it, and the page it writes.
@Suite("Pilot calls")
struct PilotCallTests {
    /// A call on the shared phantoms with the untrained model: two short folds.
    private static func words(_ folder: String, _ out: String, _ more: String...) throws -> [String] {
        ["pilot", folder, "--out", out, "--model", try World.shared().model, "--folds", "2", "--steps", "2", "--quiet"]
            + more
    }

    @Test("A trial writes a page with all its parts, figures beside it, and says the same again from the kept folds")
    func pageAndResume() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let page = scratch.path("trial.html")
        let first = try Program.run(try Self.words(world.phantoms, page, "--json", "--plots", scratch.path("plots")))
        #expect(first.status == 0, "\(first.errors)")
        let figures = try first.object()
        let summary = try #require(figures["summary"] as? [String: Any])
        #expect(summary["pair_count"] as? Int == World.caseCount)
        #expect(summary["fold_count"] as? Int == 2)
        #expect((figures["cost"] as? [String: Any])?["fold_seconds"] as? [Double] != nil)
        let html = String(decoding: try FileIO.read(page), as: UTF8.self)
        for part in ["summary", "result", "figures", "findings", "cost", "failed", "limits", "method"] {
            #expect(html.contains("<section id=\"\(part)\">"), "\(part) is missing")
        }
        #expect(html.contains("<svg role=\"img\""))
        #expect(html.contains("src=\"data:image/png;base64,"))
        #expect(!html.contains("http://") && !html.contains("https://"), "the page must need no network")
        #expect(FileManager.default.fileExists(atPath: scratch.path("plots/recall.png")))
        let json = try FileIO.read(scratch.path("trial.json"))
        #expect(String(decoding: json, as: UTF8.self) == first.text)
        // All of it names cases, and the page shows their films.
        #expect(scratch.rights("trial.html") == 0o600 && scratch.rights("trial.json") == 0o600)
        #expect(scratch.rights("trial.work") == 0o700)
        for name in ["begun", "fold-1", "fold-2"] { #expect(scratch.rights("trial.work/\(name).json") == 0o600) }

        // One fold is lost, the other kept: the figures are those of the first run, and only the one is run again.
        try FileManager.default.removeItem(atPath: scratch.path("trial.work/fold-2.json"))
        let kept = try FileIO.read(scratch.path("trial.work/fold-1.json"))
        let second = try Program.run(try Self.words(world.phantoms, page, "--json"))
        #expect(second.status == 0)
        #expect(try FileIO.read(scratch.path("trial.work/fold-1.json")) == kept)
        #expect(try second.object()["summary"] as? NSDictionary == summary as NSDictionary)
        // With all folds kept, the bytes are the same too.
        let written = try FileIO.read(page)
        let third = try Program.run(try Self.words(world.phantoms, page, "--json"))
        #expect(third.text == second.text)
        #expect(try FileIO.read(page) == written)
        // Other options are another trial.
        let other = try Program.run(try Self.words(world.phantoms, page, "--seed", "2"))
        #expect(other.status == 0)
        #expect(try FileIO.read(scratch.path("trial.work/fold-1.json")) != kept)
    }

    @Test("Hostile ids and findings are shown as text, report text only when asked for, and what is missing is named")
    func hostileNames() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let source = scratch.path("cases")
        try FileIO.makeFolder(source)
        let names = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted()
        var rows = ""
        for number in 0..<14 {
            let row: [String: Any] = [
                "id": "<script>alert(\(number))</script>\"'&", "image": world.phantoms + "/images/" + names[number],
                "report": number == 12 ? "  \n" : "Secret sentence number \(number) <b>bold</b>.",
                "patient": "p\(number / 2)",
                "findings": ["<img src=x onerror=alert(1)>"],
            ]
            rows += String(decoding: try JSONSerialization.data(withJSONObject: row), as: UTF8.self) + "\n"
        }
        rows += "{\"id\":\"no-image\",\"report\":\"Only words.\"}\n"
        rows += "{\"id\":\"lost-image\",\"report\":\"Words.\",\"image\":\"missing.png\"}\n"
        try FileIO.writeAtomically(source + "/cases.jsonl", Data(rows.utf8))
        let page = scratch.path("page")
        let result = try Program.run(try Self.words(source, page))
        #expect(result.status == 3, "\(result.errors)")
        #expect(result.errors.contains("left out: 1 without image (no-image)"))
        #expect(result.errors.contains("left out: 1 without report"))
        #expect(result.errors.contains("refused: lost-image"))
        #expect(!result.errors.contains("Secret") && !result.text.contains("Secret"))
        let html = String(decoding: try FileIO.read(page + ".html"), as: UTF8.self)
        #expect(!html.contains("<script") && !html.contains("<img src=x") && !html.contains("<b>bold"))
        #expect(html.contains("&lt;script&gt;alert("))
        #expect(html.contains("&lt;img src=x"))
        #expect(!html.contains("Secret sentence"))
        let json = String(decoding: try FileIO.read(page + ".json"), as: UTF8.self)
        #expect(!json.contains("Secret sentence"))
        let work = try FileIO.read(page + ".work/fold-1.json")
        #expect(!String(decoding: work, as: UTF8.self).contains("Secret"))
        let shown = try Program.run(try Self.words(source, page, "--with-text"))
        #expect(shown.status == 3)
        let open = String(decoding: try FileIO.read(page + ".html"), as: UTF8.self)
        #expect(open.contains("Secret sentence number"))
        #expect(open.contains("&lt;b&gt;bold"))
        #expect(!open.contains("<b>bold"))
    }

    @Test("Too few cases and unreadable folders are a sentence and status 1")
    func tooFew() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let few = try Program.run(try Self.words(world.phantoms, scratch.path("few"), "--limit", "9"))
        #expect(few.status == 1)
        #expect(few.errors.contains("9 pairs of image and report are too few; a pilot needs 10"))
        let none = try Program.run(try Self.words("/nonexistent/data", scratch.path("none")))
        #expect(none.status == 1)
        #expect(none.errors.contains("/nonexistent/data"))
        #expect(!FileManager.default.fileExists(atPath: scratch.path("none.html")))
    }

    @Test("More folds than patients are refused")
    func tooFewPatients() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let source = scratch.path("cases.jsonl")
        let names = try FileManager.default.contentsOfDirectory(atPath: world.phantoms + "/images").sorted()
        var rows = ""
        for number in 0..<12 {
            rows +=
                "{\"id\":\"c\(number)\",\"image\":\"\(world.phantoms)/images/\(names[number])\",\"report\":\"clear\","
            rows += "\"patient\":\"p\(number % 3)\"}\n"
        }
        try FileIO.writeAtomically(source, Data(rows.utf8))
        let result = try Program.run(["pilot", source, "--out", scratch.path("x"), "--model", world.model, "--quiet"])
        #expect(result.status == 1)
        #expect(result.errors.contains("12 pairs of 3 patients cannot be cut into 5 folds"))
    }

    @Test("The model of a trial can be kept and used")
    func keep() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let model = scratch.path("model")
        let call = try Self.words(world.phantoms, scratch.path("trial"), "--keep", model, "--limit", "12")
        #expect(try Program.run(call).status == 0)
        let inspected = try Program.run(["model", "inspect", model, "--json"])
        #expect(inspected.status == 0)
        let again = try Program.run(call)
        #expect(again.status == 1)
        #expect(again.errors.contains("a model stands here already"))
    }

    @Test(
        "A wrong call is a usage error",
        arguments: [
            (["--out", "x.html", "--folds", "1"], "--folds needs a whole number from 2 to 20"),
            (["--out", "x.html", "--folds", "21"], "--folds needs a whole number from 2 to 20"),
            (["--out", "x.pdf"], "--out names an HTML file"),
            (["--folds", "3"], "--out is missing"),
            (["--out", "x", "--steps", "3", "--epochs", "3"], "not both"),
            (["--out", "x", "--batch", "1"], "--batch needs a whole number"),
        ])
    func wrongCalls(words: [String], says: String) throws {
        let result = try Program.run(["pilot", "/nonexistent"] + words)
        #expect(result.status == 2)
        #expect(result.errors.contains(says), "\(result.errors)")
    }

    @Test("Text that is put into a page is escaped, markup is not")
    func escaping() {
        let hostile = "<a href=\"x\" title='y'>&\u{7}\u{202E}"
        let piece: HTML = "<p>\(hostile)</p>"
        #expect(piece.text == "<p>&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;  </p>")
        let outer: HTML = "<div>\(piece)\(7)</div>"
        #expect(outer.text == "<div>\(piece.text)7</div>")
    }
}
