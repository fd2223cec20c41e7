import Foundation
import HilumCore

/// The words of reports: the stable names of findings, devices and places, and how each language says them.
///
/// The files stand in `Resources/`: `names.txt` lists the names, `lexicon-en.txt` and its like what a language calls them. Another
/// language is another file. Thread rule: an immutable value; any number of threads.
public struct Lexicon: Sendable {
    /// What a name is the name of.
    public enum Kind: String, Sendable, CaseIterable {
        /// Something seen: a disease, a sign, a state.
        case finding
        /// A device, an implant, a trace of an operation.
        case device
        /// A place.
        case place
    }

    /// A stable name and its place among the others.
    public struct Name: Sendable, Equatable {
        /// Small letters and hyphens.
        public let name: String
        /// What it is the name of.
        public let kind: Kind
        /// The wider name of which it is a kind.
        public let parent: String?
    }

    /// The languages that can be read, in the order of their codes.
    public let languages: [ReportLanguage]
    /// Every name, in the order of `names.txt`: a parent stands before its kinds.
    public let names: [Name]

    let table: NameTable
    let words: TokenTable
    let spelling: SpellingTable
    let trie: PhraseTrie
    let sizes: [String]
    let severities: [String]
    let units: [String]
    let rules: PairRules
    /// The numbers of words after which a full stop ends a sentence only before a capital.
    let abbreviations: Set<Int32>
    /// Those that a name may follow, so that a capital behind them begins no sentence: `Dr. Smith`.
    let titles: Set<Int32>
    /// By language, whether a predicate at the end of a clause speaks of all that is listed before it.
    let isVerbLast: [Bool]
    /// By language, the words that `(-)` stands for.
    let denials: [[Int32]]
    /// By language, words that may stand in a sentence of `[alone]` and change nothing.
    let ignored: [Set<Int32>]
    /// How many bytes of patterns, and how many words of phrases, were gone through to make it.
    let work: (byteCount: Int, stepCount: Int)
    /// By language, its file, for `synonyms`.
    let texts: [LexiconText]

    private static let read = Result { () throws(ReportsError) -> Lexicon in try Lexicon(folder: findFolder()) }

    /// The lexicon that comes with the program; its files are read once a process.
    ///
    /// - Throws: `ReportsError` with `.missingLexicon` or `.badLexicon`.
    public static func shared() throws(ReportsError) -> Lexicon { try read.get() }

    private static func findFolder() throws(ReportsError) -> String {
        let places = ResourceBundle.places(of: "HilumReports").map { $0 + "/Lexicon" }
        guard let folder = places.first(where: ResourceBundle.isThere) else {
            throw ReportsError(.missingLexicon("it is not beside the program"), path: places.first ?? "Lexicon")
        }
        return folder
    }

    /// Reads the lexicon of a folder: `names.txt` and every `lexicon-CODE.txt`.
    ///
    /// - Throws: `ReportsError` with `.missingLexicon`, `.file` or `.badLexicon`.
    public init(folder: String) throws(ReportsError) {
        let files: [String]
        do { files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
            throw ReportsError(.missingLexicon("the folder cannot be listed"), path: folder)
        }
        var texts: [(language: ReportLanguage, text: LexiconText)] = []
        for file in files where file.hasPrefix("lexicon-") && file.hasSuffix(".txt") {
            let code = String(file.dropFirst("lexicon-".count).dropLast(".txt".count))
            texts.append((ReportLanguage(rawValue: code), try Self.text(folder + "/" + file)))
        }
        guard !texts.isEmpty else { throw ReportsError(.missingLexicon("no lexicon-CODE.txt"), path: folder) }
        try self.init(names: Self.text(folder + "/names.txt"), texts: texts)
    }

    private static func text(_ path: String) throws(ReportsError) -> LexiconText {
        let bytes: [UInt8]
        do { bytes = try FileIO.read(path, limitInBytes: 4 << 20) } catch {
            throw ReportsError(.file("\(error)"), path: path)
        }
        return try LexiconText(bytes, path: path)
    }

    init(names: LexiconText, texts: [(language: ReportLanguage, text: LexiconText)]) throws(ReportsError) {
        let table = try NameTable(names)
        var builder = LexiconBuilder(
            names: table, languageCount: texts.count, sizeHint: texts.reduce(0) { $0 + $1.text.bytes.count })
        languages = texts.map(\.language)
        for index in texts.indices { try builder.add(texts[index].text, language: index) }
        for index in texts.indices {
            guard let entry = Self.setting("borrows", texts[index].text) else { continue }
            for code in texts[index].text.patterns(of: entry).map(texts[index].text.string) {
                guard let from = texts.firstIndex(where: { $0.language.rawValue == code }) else {
                    throw texts[index].text.error(entry.line, "there is no lexicon of '\(code)'")
                }
                try builder.borrow(texts[from].text, from: from, for: index)
            }
        }
        self.table = table
        isVerbLast = texts.map { text in
            let patterns = Self.setting("order", text.text).map { text.text.patterns(of: $0).map(text.text.string) }
            return patterns == ["verb-last"]
        }
        words = builder.words.table
        spelling = SpellingTable(words)
        work = (builder.readByteCount, builder.trie.stepCount)
        trie = builder.trie.finish()
        sizes = builder.sizes
        severities = builder.severities
        units = builder.units
        rules = builder.rules
        abbreviations = builder.abbreviations
        titles = builder.titles
        denials = builder.denials
        ignored = builder.ignored
        self.texts = texts.map(\.text)
        self.names = table.names.map { name in
            Name(name: name.name, kind: name.kind, parent: name.parent.map { table.names[$0].name })
        }
    }

    private static func setting(_ name: String, _ text: LexiconText) -> LexiconText.Entry? {
        text.entries.first { $0.block == "language" && text.string($0.head) == name }
    }

    /// What a language calls a name, in the order of its file; empty for an unknown name. `A ~ B` stands for the two parts in
    /// one clause, in either order.
    ///
    /// - Complexity: O(number of names). Phrases are written out at each call: reports are read without them.
    public func synonyms(of name: String, in language: ReportLanguage) -> [String] {
        guard let index = languages.firstIndex(of: language), let number = table.index(of: name) else { return [] }
        let text = texts[index]
        let block = table.names[number].kind == .place ? "places" : "findings"
        var synonyms: [String] = []
        var reader = PhrasePattern()
        for entry in text.entries where entry.block == block && text.string(entry.head) == name {
            for pattern in text.patterns(of: entry) {
                // The pattern was read once when the lexicon was made, and so is right.
                guard (try? reader.read(text.bytes.span.extracting(pattern)) { text.error(entry.line, $0) }) != nil
                else {
                    continue
                }
                for phrase in reader.phrases()
                where phrase.first != UInt8(ascii: "!") && phrase.first != UInt8(ascii: "?") {
                    let words = phrase.split(separator: UInt8(ascii: "@")).first ?? phrase[...]
                    let isMarked = words.count < phrase.count
                    let end = isMarked ? words.lastIndex { $0 != UInt8(ascii: " ") }.map { $0 + 1 } : words.endIndex
                    synonyms.append(String(decoding: words[..<(end ?? words.startIndex)], as: UTF8.self))
                }
            }
        }
        return synonyms
    }

    /// A name with its wider names, the nearest first; empty for an unknown name.
    public func lineage(of name: String) -> [String] {
        var lineage: [String] = []
        var next = table.index(of: name)
        while let index = next {
            lineage.append(table.names[index].name)
            next = table.names[index].parent
        }
        return lineage
    }

    /// A name and all names that are kinds of it, in the order of `names`; empty for an unknown name.
    ///
    /// - Complexity: O(number of names).
    public func kinds(of name: String) -> [String] {
        guard let wanted = table.index(of: name) else { return [] }
        return table.names.indices.filter { $0 == wanted || table.isKind($0, of: wanted) }.map { table.names[$0].name }
    }
}
