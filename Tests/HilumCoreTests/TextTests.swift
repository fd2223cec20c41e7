import HilumCore
import Testing

@Suite struct OneLineTests {
    @Test(
        "A text stays on its line",
        arguments: [
            ("plain", "plain"), ("a\nb", "a b"), ("a\r\nb", "a  b"), ("\u{1B}[2J", " [2J"), ("a\u{85}b", "a b"),
            ("a\u{2028}b\u{2029}", "a b "), ("胸水 é “x”", "胸水 é “x”"), ("\u{7F}", " "), ("", ""),
        ])
    func oneLine(_ text: String, line: String) { #expect(onOneLine(text) == line) }
}

@Suite struct LogNamesTests {
    /// RFC 4231, test case 2.
    @Test("The hash is HMAC-SHA-256")
    func hash() {
        let names = LogNames(key: Array("Jefe".utf8))
        #expect(names.name("what do ya want for nothing?") == "#5bdcc146bf60")
    }

    @Test("Another key gives another hash, and a name is replaced where it stands as a word")
    func replaces() {
        let names = LogNames(key: [1])
        let hash = names.name("p1")
        #expect(hash != LogNames(key: [2]).name("p1") && hash == LogNames(key: [1]).name("p1"))
        #expect(names.replacing(["p1"], in: "p1: no p12, xp1 or p1.") == "\(hash): no p12, xp1 or \(hash).")
        #expect(
            names.replacing(["/in/a b.png", "a b.png", ""], in: "/in/a b.png: bad") == names.name("/in/a b.png")
                + ": bad")
        #expect(names.replacing([], in: "same") == "same")
    }
}

@Suite struct NearestWordTests {
    @Test("The nearest word is suggested when it is near enough")
    func suggestions() {
        #expect(nearest(to: "veiw", among: ["view", "date"]) == "view")
        #expect(nearest(to: "frobnicate", among: ["view", "date"]) == nil)
    }
}
