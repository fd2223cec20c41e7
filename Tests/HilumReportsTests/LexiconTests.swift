import HilumCore
import Testing

@testable import HilumReports

/// The words that reports are read by.
@Suite("Lexicon")
struct LexiconTests {
    @Test("At least 120 findings and devices have a stable name, and each is said in English and in Japanese")
    func isLarge() throws {
        let lexicon = try Lexicon.shared()
        #expect(lexicon.languages == [.english, .japanese])
        let things = lexicon.names.filter { $0.kind != .place }
        #expect(things.count >= 120, "\(things.count)")
        #expect(Set(lexicon.names.map(\.name)).count == lexicon.names.count)
        for name in lexicon.names {
            for language in lexicon.languages where lexicon.synonyms(of: name.name, in: language).isEmpty {
                Issue.record("\(language) has no word for \(name.name)")
            }
        }
    }

    @Test("A name is found by itself, as its words, in either language")
    func namesAreRead() throws {
        let lexicon = try Lexicon.shared()
        let reader = ReportReader(lexicon: lexicon)
        for name in lexicon.names where name.kind != .place {
            for language in lexicon.languages {
                for synonym in lexicon.synonyms(of: name.name, in: language).prefix(40) {
                    guard !synonym.contains("~"), !synonym.contains("{") else { continue }
                    let names = reader.read(synonym, language: language).findings.map(\.name)
                    #expect(
                        names.contains {
                            lexicon.lineage(of: $0).contains(name.name) || lexicon.lineage(of: name.name).contains($0)
                        },
                        "\(name.name): '\(synonym)' is read as \(names)")
                }
            }
        }
    }

    @Test("A kind of something leads to its wider names")
    func lineage() throws {
        let lexicon = try Lexicon.shared()
        #expect(lexicon.lineage(of: "lobar-collapse") == ["lobar-collapse", "atelectasis"])
        #expect(lexicon.lineage(of: "picc") == ["picc", "central-line", "catheter"])
        #expect(lexicon.lineage(of: "no such name").isEmpty)
        #expect(lexicon.lineage(of: "lung-collapse") == ["lung-collapse", "atelectasis"])
        #expect(
            lexicon.kinds(of: "atelectasis")
                == ["atelectasis", "linear-atelectasis", "lobar-collapse", "lung-collapse"])
        #expect(lexicon.kinds(of: "no such name").isEmpty)
    }

    @Test(
        "What drawn cases are labelled with is in the lexicon",
        arguments: [
            "effusion", "consolidation", "nodule", "cardiomegaly", "pneumothorax", "pacemaker", "endotracheal tube",
            "nasogastric tube", "chest tube", "central line",
        ])
    func phantomLabels(label: String) throws {
        let reader = ReportReader(lexicon: try Lexicon.shared())
        #expect(reader.read(label).findings.map(\.name) == [label.replacing(" ", with: "-")])
    }

    @Test("A pattern stands for all its phrases")
    func patterns() throws {
        func expand(_ pattern: String) throws -> [String] {
            var reader = PhrasePattern()
            let bytes = Array(pattern.utf8)
            try reader.read(bytes.span) { ReportsError(.badLexicon(line: 1, $0), path: "x") }
            return reader.phrases().map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(try expand("effusion[s]") == ["effusions", "effusion"])
        #expect(
            try expand("(no|without) [any] sign") == ["no any sign", "no sign", "without any sign", "without sign"])
        #expect(try expand("a(b|c[d])") == ["ab", "acd", "ac"])
        #expect(try expand("[a]  (b|[c ]d)x | e") == ["a bx", "a c dx", "a dx", "bx", "c dx", "dx", "e"])
        #expect(try expand("(a|a) [ ]") == ["a"])
        #expect(throws: ReportsError.self) { try expand(String(repeating: "(a|b)", count: 13)) }
    }

    @Test("Every phrase that a pattern stands for leads to what its line means")
    func phrasesAreKnown() throws {
        let lexicon = try Lexicon.shared()
        var words = KnownWords(table: lexicon.words, spelling: lexicon.spelling)
        var tokenizer = Tokenizer()
        var pattern = PhrasePattern()
        var count = 0
        for language in lexicon.languages.indices {
            let text = lexicon.texts[language]
            for entry in text.entries where entry.block == "cues" || entry.block == "changes" {
                let head = text.string(entry.head)
                let cue =
                    Cue.names.firstIndex(of: head) ?? ReportFinding.Change.allCases.map(\.rawValue).firstIndex(of: head)
                let value = try #require(cue)
                let kind: PhraseTrie.Meaning.Kind = entry.block == "cues" ? .cue : .change
                for place in text.patterns(of: entry) {
                    try pattern.read(text.bytes.span.extracting(place)) { text.error(entry.line, $0) }
                    for phrase in pattern.phrases() {
                        tokenizer.tokenize(phrase.span, &words)
                        let tokens = tokenizer.tokens.filter { $0.id >= 0 }
                        let found = lexicon.trie.longest(tokens, from: 0, limit: tokens.count, language: language)
                        let isKnown =
                            found.map { found in
                                found.end == tokens.count
                                    && lexicon.trie.meanings[
                                        Int(found.meanings.lowerBound)..<Int(found.meanings.upperBound)
                                    ]
                                    .contains(PhraseTrie.Meaning(kind: kind, value: Int16(value)))
                            } ?? false
                        if !isKnown { Issue.record("\(head): \(String(decoding: phrase, as: UTF8.self))") }
                        count += 1
                    }
                }
            }
        }
        #expect(count > 20_000, "\(count)")
    }

    @Test("Making the lexicon reads each byte of its files about once, and walks no phrase from its beginning again")
    func work() throws {
        let lexicon = try Lexicon.shared()
        let byteCount = lexicon.texts.reduce(0) { $0 + $1.bytes.count }
        #expect(lexicon.work.byteCount <= byteCount, "\(lexicon.work.byteCount) of \(byteCount)")
        #expect(
            lexicon.work.stepCount <= 2 * lexicon.trie.nodeCount,
            "\(lexicon.work.stepCount) of \(lexicon.trie.nodeCount)")
    }

    @Test("Words of a pattern that go on over a bracket are read as one")
    func openWords() throws {
        let names = try LexiconText(Array("[finding]\neffusion\nmass\n[place]\nbase\n".utf8), path: "names.txt")
        let text = """
            [findings]
            effusion = (inter|intra)[lobar]fluid[s] (of|in [the ]) (a|b)c, 胸[部]水(x|貯留)[y]z
            mass = (x|yy[ ])m | (ca)(ncer), (1|2).5 cm
            [places]
            base = base
            """
        let lexicon = try Lexicon(
            names: names, texts: [(.english, LexiconText(Array(text.utf8), path: "lexicon-en.txt"))])
        let reader = ReportReader(lexicon: lexicon)
        for phrase in ["interlobarfluids of ac", "intrafluid in the bc", "胸水xyz", "胸部水貯留z", "胸水貯留yz"] {
            #expect(reader.read(phrase).findings.map(\.name) == ["effusion"], "\(phrase)")
        }
        for phrase in ["xm", "yym", "yy m", "cancer", "2.5 cm"] {
            #expect(reader.read(phrase).findings.map(\.name) == ["mass"], "\(phrase)")
        }
        for phrase in ["ca", "inter lobar fluid of ac", "x m", "5 cm"] {
            #expect(reader.read(phrase).findings.isEmpty, "\(phrase)")
        }
    }

    @Test(
        "A lexicon that breaks its grammar is refused, by line and reason",
        arguments: [
            ("effusion = x", "before the first block"), ("[findings]\nno-such-name = x", "no 'no-such-name'"),
            ("[findings]\neffusion = (a", "not closed"), ("[findings]\neffusion = a)", "not opened"),
            ("[findings]\neffusion = {x} ~ y", "no part is called '{x}'"),
            ("[cues]\nshout = x", "has no place in [cues]"),
            ("[nothing]\na = b", "no block is called [nothing]"), ("[places]\nbase = x @up", "after @ stands"),
            ("[language]\nborrows = xx", "no lexicon of 'xx'"),
        ])
    func badGrammar(_ text: String, _ reason: String) throws {
        let names = try LexiconText(Array("[finding]\neffusion\n[place]\nbase\n".utf8), path: "names.txt")
        do {
            let bad = try LexiconText(Array(text.utf8), path: "lexicon-en.txt")
            _ = try Lexicon(names: names, texts: [(.english, bad)])
            Issue.record("'\(text)' was accepted")
        } catch {
            #expect(error.description.contains(reason) && error.description.hasPrefix("lexicon-en.txt:"), "\(error)")
        }
    }

    @Test(
        "Names that break their grammar are refused",
        arguments: [
            ("[finding]\nUpper", "small letters"), ("[finding]\na < b", "does not stand above"),
            ("[finding]\na\na", "twice"),
            ("[thing]\na", "no block"), ("[finding]\na : loud", "no flag"),
        ])
    func badNames(_ text: String, _ reason: String) throws {
        do {
            _ = try NameTable(LexiconText(Array(text.utf8), path: "names.txt"))
            Issue.record("'\(text)' was accepted")
        } catch {
            #expect(error.description.contains(reason), "\(error)")
        }
    }

    @Test("A misspelt word is read as the one that it is near, unless several are")
    func spelling() throws {
        let reader = ReportReader(lexicon: try Lexicon.shared())
        for word in ["atelectsis", "consolidatoin", "cardiomegally", "pneumothorrax", "emphysena"] {
            #expect(reader.read("Left \(word).").findings.count == 1, "\(word)")
        }
        #expect(reader.read("Contrast injection.").findings.isEmpty)
    }
}
