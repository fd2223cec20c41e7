import Foundation
import HilumCore
import HilumImaging
import HilumPhantom
import Testing

/// `hilum report`: one file that holds everything, and nothing that runs.
@Suite("The report file")
struct ReportCallTests {
    private static let hostile =
        "Large left pleural effusion, scimitar sign. <script>document.title='x'</script><img src=http://example.org/x.png onerror=alert(1)> "
        + "\" onclick='y' & 胸水あり。\nSecond line."

    /// An archive with two studies of one patient, one of them with a hostile report and two images.
    private func makeArchive(in scratch: Scratch) throws -> String {
        let archive = try World.shared().archive(in: scratch, indexed: true)
        let folder = scratch.path("studies")
        try FileIO.makeFolder(folder)
        let generator = PhantomGenerator(seed: 77, site: .a, side: 700)
        for number in 0..<3 {
            try FileIO.writeAtomically(
                "\(folder)/\(number).png", try PNGEncoder.encode(generator.makeCase(number).image))
        }
        let rows: [JSON] = [
            .object([
                ("id", .string("<i>hostile</i>")), ("image", .strings(["0.png", "1.png"])),
                ("view", .strings(["PA", "LATERAL"])), ("patient", .string("p-<u>1</u>")),
                ("date", .string("2020-02-03")),
                ("report", .string(Self.hostile)), ("ward", .string("<svg onload=z>")),
            ]),
            .object([
                ("id", .string("other")), ("image", .string("2.png")), ("view", .string("PA")),
                ("report", .string("No pleural effusion. Right pneumothorax.")),
            ]),
        ]
        try FileIO.writeAtomically(
            folder + "/cases.jsonl", Array(rows.map { $0.text + "\n" }.joined().utf8))
        let indexed = try Program.run(["index", archive, folder, "--quiet"])
        try #require(indexed.status == 0, "\(indexed.errors)")
        return archive
    }

    /// Everything that an element of the page could fetch or run.
    private func references(in page: String) throws -> [String] {
        let names = ["src", "href", "srcset", "action", "data", "poster", "background"]
        var found: [String] = []
        for name in names {
            for match in page.matches(of: try Regex("<[^>]*\\s\(name)\\s*=\\s*[\"']?([^\"'\\s>]+)")) {
                found.append(String(match.output[1].substring ?? ""))
            }
        }
        return found
    }

    @Test("It holds the question, hits, images and heat maps, escapes everything, and refers to nothing outside")
    func isOneFile() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(in: scratch)
        let file = scratch.path("report.html")
        // The case is asked for by its id too, so that it is among the hits.
        let question = ["--text", "scimitar left pleural effusion <b>", "--id", "<i>hostile</i>"]
        let words = ["report", archive] + question + ["-k", "4", "--out", file]
        let result = try Program.run(words)
        #expect(result.status == 0 && result.output.isEmpty, "\(result.errors)")
        var status = stat()
        #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let page = String(decoding: try FileIO.read(file), as: UTF8.self)
        #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
        let outside = try references(in: page).filter { !$0.hasPrefix("data:image/png;base64,") }
        #expect(outside == [])
        for word in ["<script", "<img src=http", "<svg", "<i>hostile", "<u>1", "@import", "url(", " onerror=\"", "<b>"]
        {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.contains("&lt;script&gt;document.title=&#39;x&#39;&lt;/script&gt;"))
        #expect(page.contains("&lt;i&gt;hostile&lt;/i&gt;") && page.contains("p-&lt;u&gt;1&lt;/u&gt;"))
        #expect(page.contains("left pleural effusion &lt;b&gt;") && page.contains("<mark>"))
        #expect(page.contains("class=\"heat\"") || page.contains("than to words without meaning"))
        #expect(page.ranges(of: "class=\"card case\"").count == 4)
        // Four pictures of at most 480 pixels, and one more for the second view.
        #expect(page.ranges(of: "<figure class=\"found\">").count >= 4 && page.utf8.count < 4 << 20)

        // Its own file is replaced, another one is not.
        #expect(try Program.run(words + ["--no-heat", "--lang", "ja"]).status == 0)
        let japanese = String(decoding: try FileIO.read(file), as: UTF8.self)
        #expect(
            japanese.contains("<html lang=\"ja\">") && japanese.contains("胸水") && !japanese.contains("class=\"heat\""))
        let mine = try scratch.write("mine.html", "<html>mine</html>")
        #expect(try Program.run(["report", archive, "--text", "effusion", "--out", mine]).status == 1)
        #expect(String(decoding: try FileIO.read(mine), as: UTF8.self) == "<html>mine</html>")
        #expect(try Program.run(["report", archive, "--out", file]).status == 2)
        #expect(try Program.run(["report", archive, "--text", "effusion"]).status == 2)
        #expect(try Program.run(["report", archive, "--id", "nosuch", "--out", scratch.path("x.html")]).status == 4)
        #expect(access(scratch.path("x.html"), F_OK) != 0)
    }

    @Test("A daemon answers the same as the archive, an image and a case are questions too")
    func besideADaemon() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(in: scratch)
        let questions = [
            ["--text", "pleural effusion", "-k", "3", "--where", "view=PA"],
            ["--image", scratch.path("studies/0.png"), "-k", "2", "--heat", "effusion"],
            ["--id", "<i>hostile</i>", "--other", "-k", "2"],
        ]
        func body(_ words: [String], _ name: String) throws -> String {
            let file = scratch.path(name)
            let result = try Program.run(["report"] + words + ["--out", file])
            try #require(result.status == 0, "\(words): \(result.errors)")
            let page = String(decoding: try FileIO.read(file), as: UTF8.self)
            let start = try #require(page.range(of: "<section class=\"question\">"))
            // The date and the name of the archive differ.
            return String(page[start.upperBound...]).replacing(
                /<dl class="facts-list">.*?<\/dl>/, with: "", maxReplacements: 1)
        }
        let own = try questions.map { try body([archive] + $0, "own.html") }
        let daemon = try Daemon(archive: archive, in: scratch)
        for (question, page) in zip(questions, own) {
            #expect(try body(["--socket", daemon.socket] + question, "served.html") == page, "\(question)")
        }
        #expect(own[1].contains("class=\"query\"") && own[2].contains("class=\"query\""))
        #expect(
            try Program.run(["report", "--socket", scratch.path("nobody"), "--text", "x", "--out", scratch.path("y")])
                .status == 5)
    }

    @Test(
        "A browser opens it without a complaint: text stays text, images have sizes, and it reads well in any light",
        .enabled(if: Browser.isThere, "chromium is not installed"))
    func opensInABrowser() throws {
        let scratch = try Scratch()
        let archive = try makeArchive(in: scratch)
        let file = scratch.path("report.html")
        let made = try Program.run(
            [
                "report", archive, "--text", "scimitar left pleural effusion", "--image", scratch.path("studies/0.png"),
                "-k", "5", "--out", file,
            ])
        try #require(made.status == 0, "\(made.errors)")
        let browser = try Browser()
        for (width, isDark) in [(1200, true), (1200, false), (360, false)] {
            try browser.screen(width: width, height: 900, isDark: isDark)
            try browser.call("Page.navigate", ["url": "file://" + file])
            try browser.wait("document.readyState === 'complete' && location.protocol === 'file:'")
            #expect(try browser.evaluate("document.title") as? String == "scimitar left pleural effusion – Hilum")
            #expect(try browser.evaluate("document.scripts.length") as? Int == 0)
            #expect(
                try browser.evaluate("[...document.images].every(i => i.naturalWidth > 0 && i.alt)") as? Bool == true)
            #expect(try browser.evaluate("document.querySelectorAll('.case').length") as? Int == 5)
            #expect(try browser.evaluate("document.documentElement.scrollWidth > innerWidth") as? Bool == false)
            let faint = try browser.evaluate(ViewPageTests.contrastScript) as? [String]
            #expect(faint == [], "\(width) \(isDark)")
        }
        let text =
            try browser.evaluate(
                "[...document.querySelectorAll('.case')].map(c => c.innerText).join()") as? String
        #expect(text?.contains("<script>document.title='x'</script>") == true)
        let elsewhere = browser.addresses.filter {
            !$0.hasPrefix("data:") && !$0.hasPrefix("file://") && $0 != "about:blank"
        }
        #expect(elsewhere == [] && browser.complaints == [], "\(elsewhere) \(browser.complaints)")
        if let folder = ProcessInfo.processInfo.environment["HILUM_SCREENSHOTS"] {
            try browser.screen(width: 1200, height: 1500, isDark: false)
            try Data(browser.screenshot()).write(to: URL(fileURLWithPath: folder + "/report-light.png"))
            try browser.screen(width: 1200, height: 1500, isDark: true)
            try Data(browser.screenshot()).write(to: URL(fileURLWithPath: folder + "/report-dark.png"))
            try FileManager.default.copyItem(atPath: file, toPath: folder + "/report.html")
        }
    }
}
