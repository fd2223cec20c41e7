/// Puts the entries of lexicon files into the tables that reading needs.
struct LexiconBuilder {
    let names: NameTable
    var words = NewWords(table: TokenTable(), language: 0)
    var trie = PhraseTrie.Builder()
    var sizes: [String] = []
    var severities: [String] = []
    var units: [String] = []
    var rules = PairRules()
    var abbreviations: Set<Int32> = []
    var titles: Set<Int32> = []
    /// By name and language, the phrases as they were read.
    var spoken: [String: [[String]]] = [:]

    private var tokenizer = Tokenizer()
    /// The numbers of parts, by the language that they were read from and their name or their text.
    private var parts: [String: Int] = [:]
    /// The phrases of `{parts}` by the same key, for those that stand inside of phrases.
    private var partPhrases: [String: [String]] = [:]

    init(names: NameTable) { self.names = names }

    /// Everything that a file holds.
    mutating func add(_ text: LexiconText, language: Int) throws(ReportsError) {
        words.language = language
        for entry in text.entries where entry.block == "objects" || entry.block == "qualities" {
            try addPart(entry, text, from: language, for: language)
        }
        for entry in text.entries { try add(entry, text, from: language, for: language) }
    }

    /// What a language takes from another one: names of things, not how sentences are made.
    mutating func borrow(_ text: LexiconText, from: Int, for language: Int) throws(ReportsError) {
        words.language = language
        let blocks: Set<String> = ["findings", "places", "sides", "sizes", "severities", "units"]
        for entry in text.entries where entry.block == "objects" || entry.block == "qualities" {
            try addPart(entry, text, from: from, for: language)
        }
        for entry in text.entries where blocks.contains(entry.block) {
            try add(entry, text, from: from, for: language, isBorrowed: true)
        }
    }

    private mutating func add(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int, isBorrowed: Bool = false
    ) throws(ReportsError) {
        func meaning(_ kind: PhraseTrie.Meaning.Kind, _ value: Int) -> PhraseTrie.Meaning {
            PhraseTrie.Meaning(kind: kind, value: Int16(value))
        }
        switch entry.block {
        case "language", "objects", "qualities": return
        case "findings", "places":
            return try addNamed(entry, text, from: from, for: language, isBorrowed: isBorrowed)
        case "abbreviations":
            for phrase in entry.phrases {
                if entry.head == "titles" {
                    titles.formUnion(number(phrase))
                } else {
                    abbreviations.formUnion(number(phrase))
                }
            }
        case "sizes": try addAll(entry, text, meaning(.size, Self.index(entry.head, in: &sizes)), language)
        case "severities":
            try addAll(entry, text, meaning(.severity, Self.index(entry.head, in: &severities)), language)
        case "units": try addAll(entry, text, meaning(.unit, Self.index(entry.head, in: &units)), language)
        case "sides":
            try addAll(
                entry, text, meaning(.side, try index(entry, text, ReportFinding.Side.allCases.map(\.rawValue))),
                language)
        case "changes":
            try addAll(
                entry, text, meaning(.change, try index(entry, text, ReportFinding.Change.allCases.map(\.rawValue))),
                language)
        case "cues": try addAll(entry, text, meaning(.cue, try index(entry, text, Cue.names)), language)
        case "sections":
            try addAll(
                entry, text, meaning(.section, try index(entry, text, ReportSection.Name.allCases.map(\.rawValue))),
                language)
        default: throw text.error(entry.line, "no block is called [\(entry.block)]")
        }
    }

    /// The place of an entry's name among those that its block knows.
    private func index(
        _ entry: LexiconText.Entry, _ text: LexiconText, _ known: [String]
    ) throws(ReportsError) -> Int {
        guard let index = known.firstIndex(of: entry.head) else {
            throw text.error(entry.line, "'\(entry.head)' has no place in [\(entry.block)]")
        }
        return index
    }

    private static func index(_ name: String, in names: inout [String]) -> Int {
        if let index = names.firstIndex(of: name) { return index }
        names.append(name)
        return names.count - 1
    }

    private mutating func addAll(
        _ entry: LexiconText.Entry, _ text: LexiconText, _ meaning: PhraseTrie.Meaning, _ language: Int
    ) throws(ReportsError) {
        for phrase in entry.phrases {
            let words = number(phrase)
            guard !words.isEmpty else { throw text.error(entry.line, "'\(phrase)' has no word") }
            trie.add(words, meaning, language: language)
        }
    }

    // MARK: Findings and places

    private mutating func addNamed(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int, isBorrowed: Bool
    ) throws(ReportsError) {
        guard let name = names.index(of: entry.head), (names.names[name].kind == .place) == (entry.block == "places")
        else { throw text.error(entry.line, "names.txt has no '\(entry.head)' for [\(entry.block)]") }
        for phrase in entry.phrases {
            var words = Substring(phrase)
            let wording: UInt8 = words.first == "!" ? 1 : words.first == "?" ? 2 : 0
            if wording > 0 { words = words.dropFirst() }
            let halves = words.split(separator: "~").map(LexiconText.trimmed)
            if halves.count == 2 {
                let object = try part(halves[0], isObject: true, entry, text, from: from, for: language)
                let quality = try part(halves[1], isObject: false, entry, text, from: from, for: language)
                rules.add(object, quality, PairRules.Outcome(name: Int16(name), wording: wording))
                continue
            }
            var extra = wording
            var side: Int?
            if let at = words.firstIndex(of: "@") {
                let word = String(words[words.index(after: at)...])
                guard let number = ReportFinding.Side.allCases.firstIndex(where: { $0.rawValue == word }) else {
                    throw text.error(entry.line, "after @ stands left, right or bilateral")
                }
                if entry.block == "places" { extra = UInt8(number + 1) } else { side = number }
                words = LexiconText.trimmed(words[..<at])
            }
            let kind: PhraseTrie.Meaning.Kind = entry.block == "places" ? .place : .finding
            for plain in try filled(String(words), entry, text, from: from) {
                let words = number(plain)
                trie.add(words, PhraseTrie.Meaning(kind: kind, value: Int16(name), extra: extra), language: language)
                if let side { trie.add(words, PhraseTrie.Meaning(kind: .side, value: Int16(side)), language: language) }
            }
        }
        if !isBorrowed {
            var all = spoken[entry.head] ?? []
            while all.count <= language { all.append([]) }
            for phrase in entry.phrases where phrase.first != "!" && phrase.first != "?" {
                all[language].append(
                    phrase.split(separator: "@").first.map { String(LexiconText.trimmed($0)) } ?? phrase)
            }
            spoken[entry.head] = all
        }
    }

    // MARK: Parts

    private mutating func addPart(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int
    ) throws(ReportsError) {
        let key = "\(from){\(entry.head)}"
        let number = part(key, isObject: entry.block == "objects")
        partPhrases[key, default: []] += language == from ? entry.phrases : []
        for phrase in entry.phrases {
            trie.add(
                self.number(phrase), PhraseTrie.Meaning(kind: .part, value: Int16(number)), language: language)
        }
    }

    private mutating func part(_ key: String, isObject: Bool) -> Int {
        if let known = parts[key] { return known }
        parts[key] = rules.isObject.count
        rules.isObject.append(isObject)
        return rules.isObject.count - 1
    }

    /// A half of a rule: `{heart}`, or words of its own.
    private mutating func part(
        _ half: Substring, isObject: Bool, _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int
    ) throws(ReportsError) -> Int {
        if half.first == "{" {
            guard half.last == "}", let known = parts["\(from)\(half)"] else {
                throw text.error(entry.line, "no part is called '\(half)'")
            }
            return known
        }
        let number = part("\(from)\(isObject ? "o" : "q")\(half)", isObject: isObject)
        trie.add(
            self.number(String(half)), PhraseTrie.Meaning(kind: .part, value: Int16(number)), language: language)
        return number
    }

    /// A phrase with each `{part}` in it written out.
    private func filled(
        _ phrase: String, _ entry: LexiconText.Entry, _ text: LexiconText, from: Int
    ) throws(ReportsError) -> [String] {
        guard let open = phrase.firstIndex(of: "{") else { return [phrase] }
        guard let close = phrase[open...].firstIndex(of: "}"), let inner = partPhrases["\(from)\(phrase[open...close])"]
        else { throw text.error(entry.line, "no part is called '\(phrase[open...])'") }
        var all: [String] = []
        for word in inner {
            all += try filled(
                phrase[..<open] + word + phrase[phrase.index(after: close)...], entry, text, from: from)
        }
        return all
    }

    /// The numbers of a phrase's words.
    private mutating func number(_ phrase: String) -> [Int32] {
        let bytes = Array(phrase.utf8)
        tokenizer.tokenize(bytes.span, &words)
        return tokenizer.tokens.map(\.id).filter { $0 >= 0 }
    }
}
