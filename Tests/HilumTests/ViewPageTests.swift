import Foundation
import HilumCore
import HilumImaging
import Testing

/// The page of `hilum view` in a real browser without a window: journeys, names, contrast.
@Suite(
    "The viewer's page", .serialized,
    .enabled(if: Viewed.isBuilt && Browser.isThere, "chromium or libmicrohttpd-dev is not installed"))
struct ViewPageTests {
    private static let cards = "document.querySelectorAll('#hits .card')"

    /// Asks for words as a person does, and waits for the answer.
    private func ask(_ text: String, _ browser: Browser) throws {
        try browser.evaluate("delete document.body.dataset.answeredIn; document.getElementById('text').value = ''")
        try browser.evaluate("document.getElementById('text').focus()")
        try browser.type(text)
        try browser.press("Enter")
        try answered(browser)
    }

    private func answered(_ browser: Browser) throws {
        try browser.wait("document.body.dataset.answeredIn && !document.querySelector('#hits[aria-busy]')")
    }

    /// Does something that asks anew, and waits for the answer.
    private func asking(_ browser: Browser, _ action: () throws -> Void) throws {
        try browser.evaluate("delete document.body.dataset.answeredIn")
        try action()
        try answered(browser)
    }

    private func texts(_ selector: String, _ browser: Browser) throws -> [String] {
        try browser.evaluate("[...document.querySelectorAll('\(selector)')].map(e => e.textContent)") as? [String] ?? []
    }

    @Test(
        "A question shows cards with words, findings and ranks; keys open one and go on from it; its address reopens it"
    )
    func journey() throws {
        let viewed = try Viewed(in: try Scratch())
        let browser = try Browser()
        try browser.screen(width: 1440, height: 900, isDark: true)
        try browser.open(viewed.address)
        #expect(try texts("#archive", browser) == ["\(World.caseCount + 3) cases in this archive"])

        try browser.press("/")
        #expect(try browser.evaluate("document.activeElement.id") as? String == "text")
        try ask("left pleural effusion", browser)
        #expect(try browser.evaluate(Self.cards + ".length") as? Int == 12)
        #expect(try texts("#hits mark", browser).contains { $0.contains("effusion") })
        #expect(try texts("#hits .chip.present", browser).contains { $0.contains("effusion") })
        #expect(try texts("#hits .why dt", browser).prefix(2) == ["Meaning", "Words"])
        let address = try #require(try browser.evaluate("location.href") as? String)
        #expect(address.contains("#q=left"))
        let ids = try texts("#hits h2", browser)

        // The keyboard alone: the second card, then it open.
        try browser.press("j")
        try browser.press("j")
        try browser.press("Enter")
        try browser.wait("document.getElementById('case').open")
        #expect(try texts("#case-title", browser).first?.hasSuffix(ids[1]) == true)
        try browser.press("k")
        #expect(try texts("#case-title", browser).first?.hasSuffix(ids[0]) == true)
        try browser.press("h")
        try browser.wait("document.querySelectorAll('#heat-words button').length > 2")
        try browser.press("Escape")
        try browser.wait("!document.getElementById('case').open")
        // The browser says a moment later that the case is closed, and the page gives the focus back then.
        try browser.wait("document.activeElement.closest('#hits > *')?.hit?.id === '\(ids[0])'")

        try asking(browser) { try browser.press("m") }
        #expect(try texts(".part.like span", browser) == ["like " + ids[0]])
        #expect(try !texts("#hits h2", browser).contains(ids[0]))
        try asking(browser) {
            try browser.press("j")
            try browser.press("n")
        }
        #expect(try texts(".part.unlike span", browser).count == 1)
        try asking(browser) {
            try browser.evaluate(
                "{const s = document.getElementById('examples'); s.value = 3; s.dispatchEvent(new Event('change'))}")
        }
        let whole = try #require(try browser.evaluate("location.href") as? String)
        #expect(whole.contains("like=") && whole.contains("unlike=") && whole.contains("examples=3"))
        let found = try texts("#hits h2", browser)

        try browser.open(whole)
        try answered(browser)
        #expect(try texts("#hits h2", browser) == found)
        #expect(try texts(".part.like span", browser) == ["like " + ids[0]])
        try browser.open(address)
        try answered(browser)
        #expect(try texts("#hits h2", browser) == ids)
        try expectQuiet(browser, viewed)
    }

    @Test("Filters count and narrow, patients have one card each, and their other studies come when asked for")
    func filters() throws {
        let viewed = try Viewed(in: try Scratch())
        let browser = try Browser()
        try browser.screen(width: 1440, height: 900, isDark: false)
        try browser.open(viewed.address)
        try ask("pleural effusion", browser)
        try browser.wait("document.querySelectorAll('#facets input').length > 4")
        #expect(try texts("#facets legend", browser).prefix(2) == ["Affirmed in the report", "View"])
        try asking(browser) {
            try browser.evaluate("document.querySelector('#facets [data-value=\"view=AP\"]').click()")
        }
        let facts = try texts("#hits .facts", browser)
        #expect(!facts.isEmpty && facts.allSatisfy { $0.contains("AP") })
        try browser.wait("document.getElementById('filter-count').textContent === '1'")
        try asking(browser) { try browser.evaluate("document.getElementById('clear-filters').click()") }

        try browser.open(viewed.address + "#q=pleural+effusion&f.patient=p-two")
        try answered(browser)
        #expect(try browser.evaluate(Self.cards + ".length") as? Int == 1)
        try browser.evaluate("document.querySelector('#hits .open').click()")
        try browser.wait("document.querySelector('#case-facts dd')")
        let views = try texts("#figures figcaption", browser)
        #expect(views.contains { $0.hasPrefix("LATERAL") } || views.count == 1)
        try browser.evaluate(
            "[...document.querySelectorAll('#case button')].find(b => b.textContent.startsWith('Other studies')).click()"
        )
        try browser.wait("!document.querySelector('#case button:disabled:not(header button)')")
        #expect(try texts(".studies strong", browser).count == 1)
        // Markup in a report is text.
        #expect(try browser.evaluate("document.querySelectorAll('#case .report b').length") as? Int == 0)
        try browser.press("Escape")
        try asking(browser) { try browser.evaluate("document.getElementById('group').click()") }
        #expect(try browser.evaluate(Self.cards + ".length") as? Int == 2)
        try expectQuiet(browser, viewed)
    }

    @Test("An image that is chosen is a question, with heat maps over it and over the hit")
    func image() throws {
        let scratch = try Scratch()
        let viewed = try Viewed(in: scratch)
        let browser = try Browser()
        try browser.screen(width: 1440, height: 900, isDark: true)
        try browser.open(viewed.address)
        try asking(browser) { try browser.choose(scratch.path("studies/0.png"), in: "#file") }
        #expect(try texts("#hits h2", browser).first == "two-views")
        #expect((try browser.evaluate("location.hash") as? String)?.hasPrefix("#upload=") == true)
        try browser.evaluate("document.querySelector('#hits .open').click()")
        try browser.wait("[...document.querySelectorAll('#figures img')].every(i => i.naturalWidth > 0)")
        #expect(try texts("#figures figcaption", browser).count == 3)
        try browser.evaluate("document.getElementById('heat-text').value = 'left pleural effusion'")
        try browser.evaluate("document.getElementById('heat-button').click()")
        try browser.wait("document.querySelectorAll('#heat-words button').length === 4")
        let sizes = try browser.evaluate(
            "[...document.querySelectorAll('#figures canvas')].map(c => c.width === c.parentElement.querySelector('img').naturalWidth)"
        )
        #expect(sizes as? [Bool] == [true, true, true])
        // An untrained model may answer to nothing, which the page then says.
        let painted = try browser.evaluate(
            """
            Math.max(...[...document.querySelectorAll('#figures canvas')].map(film => {
              const copy = document.createElement('canvas');
              [copy.width, copy.height] = [film.width, film.height];
              const context = copy.getContext('2d', { willReadFrequently: true });
              context.drawImage(film, 0, 0);
              return context.getImageData(0, 0, copy.width, copy.height).data.reduce((most, v, i) => i % 4 === 3 ? Math.max(most, v) : most, 0);
            }))
            """)
        let note = try texts("#heat-status", browser).first ?? ""
        #expect((painted as? Int ?? 0) > 0 || note.hasPrefix("No part"), "nothing was painted")
        try expectQuiet(browser, viewed)
    }

    @Test("It speaks Japanese, and a refusal is said in words")
    func japanese() throws {
        let viewed = try Viewed(in: try Scratch())
        let browser = try Browser()
        try browser.open(viewed.address)
        try browser.evaluate("document.getElementById('language').click()")
        #expect(try browser.evaluate("document.documentElement.lang") as? String == "ja")
        #expect(try texts("#ask button.main", browser) == ["検索"])
        try ask("左胸水", browser)
        #expect(try texts("#hits .chip.present", browser).contains { $0.contains("胸水") })
        #expect(try texts("#status", browser).first?.contains("件") == true)
        try browser.open(viewed.address)
        #expect(try browser.evaluate("document.documentElement.lang") as? String == "ja")
        try ask("\\\"open", browser)
        try browser.open(viewed.address + "#like=nosuch")
        try answered(browser)
        #expect(try browser.evaluate("document.getElementById('problem').hidden") as? Bool == false)
        #expect(try texts("#problem", browser).first?.contains("回答できませんでした") == true)
        // The picture of a case that is not there is missing, and nothing else.
        #expect(browser.complaints.allSatisfy { $0.contains("picture?id=nosuch") }, "\(browser.complaints)")
    }

    @Test("Everything has a name, text stands out, and nothing is cut off: 360 and 1,440 pixels, light and dark")
    func isAccessible() throws {
        let viewed = try Viewed(in: try Scratch())
        let browser = try Browser()
        for width in [360, 1440] {
            for isDark in [true, false] {
                try browser.screen(width: width, height: width == 360 ? 740 : 900, isDark: isDark)
                try browser.open(viewed.address + "#q=left+pleural+effusion+xyzzy&like=two-views&unlike=dark")
                try answered(browser)
                try browser.wait("document.querySelectorAll('#facets input').length > 4")
                try browser.evaluate("document.getElementById('filters').open = true")
                try expectReadable(browser, "\(width) \(isDark ? "dark" : "light"): cards")
                try browser.evaluate("document.querySelector('#hits .open').click()")
                try browser.wait("document.querySelector('#case-facts dd')")
                try browser.press("h")
                try browser.wait("document.querySelectorAll('#heat-words button').length > 2")
                try expectReadable(browser, "\(width) \(isDark ? "dark" : "light"): case")
                try browser.press("Escape")
                try browser.press("?")
                try browser.wait("document.getElementById('keys').open")
                try expectReadable(browser, "\(width) \(isDark ? "dark" : "light"): keys")
            }
        }
        try expectQuiet(browser, viewed)
    }

    /// Names and roles from the accessibility tree, contrast of every text (WCAG 2.2 AA), and no sideways scrolling.
    private func expectReadable(_ browser: Browser, _ what: String) throws {
        let named: Set<String> = [
            "button", "textbox", "searchbox", "checkbox", "slider", "image", "img", "link", "dialog", "search",
            "DisclosureTriangle", "group",
        ]
        let tree = try browser.accessible()
        #expect(tree.count > 20, "\(what)")
        for node in tree where named.contains(node.role) && node.name.isEmpty {
            // Groups come of fieldsets, which have a legend, and of details, whose summary names them.
            if node.role != "group" { Issue.record("\(what): a \(node.role) has no name") }
        }
        let faint = try browser.evaluate(Self.contrastScript) as? [String] ?? ["the script failed"]
        #expect(faint.isEmpty, "\(what): \(faint)")
        let isWide = try browser.evaluate("document.documentElement.scrollWidth > innerWidth") as? Bool
        #expect(isWide == false, "\(what) scrolls sideways")
    }

    /// Texts whose contrast with what lies behind them is below 4.5, or 3 for large ones.
    static let contrastScript = """
        (() => {
          const parse = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
          const light = ([r, g, b]) => {
            const part = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
          };
          const behind = element => {
            for (let at = element; at; at = at.parentElement) {
              const colour = parse(getComputedStyle(at).backgroundColor);
              if (colour.length < 4 || colour[3] === 1) return colour;
            }
            return [255, 255, 255];
          };
          const faint = [];
          const dialog = document.querySelector('dialog[open]');
          const walker = document.createTreeWalker(dialog ?? document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const element = walker.currentNode.parentElement;
            if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, dialog:not([open])')) continue;
            if (element.closest(':disabled')) continue;
            const style = getComputedStyle(element);
            const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            const size = parseFloat(style.fontSize);
            const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
            if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}`);
          }
          return [...new Set(faint)];
        })()
        """

    /// The console is empty, and nothing was fetched from elsewhere.
    private func expectQuiet(_ browser: Browser, _ viewed: Viewed) throws {
        #expect(browser.complaints.isEmpty, "\(browser.complaints)")
        let elsewhere = browser.addresses.filter {
            !$0.hasPrefix("http://127.0.0.1:\(viewed.port)/\(viewed.token)/") && !$0.hasPrefix("data:")
                && $0 != "about:blank"
        }
        #expect(elsewhere.isEmpty, "\(elsewhere)")
    }
}
