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
        #expect(lexicon.kinds(of: "atelectasis") == ["atelectasis", "linear-atelectasis", "lobar-collapse"])
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
            try PhrasePattern.expand(pattern) { ReportsError(.badLexicon(line: 1, $0), path: "x") }
        }
        #expect(try expand("effusion[s]") == ["effusions", "effusion"])
        #expect(
            try expand("(no|without) [any] sign") == ["no any sign", "no sign", "without any sign", "without sign"])
        #expect(try expand("a(b|c[d])") == ["ab", "acd", "ac"])
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
        let names = try LexiconText("[finding]\neffusion\n[place]\nbase\n", path: "names.txt")
        do {
            let bad = try LexiconText(text, path: "lexicon-en.txt")
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
            _ = try NameTable(LexiconText(text, path: "names.txt"))
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
