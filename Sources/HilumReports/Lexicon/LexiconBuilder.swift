/// Puts the entries of lexicon files into the tables that reading needs.
struct LexiconBuilder {
    let names: NameTable
    var words = NewWords(table: TokenTable(), language: 0)
    var trie: PhraseTrie.Builder
    var sizes: [String] = []
    var severities: [String] = []
    var units: [String] = []
    var rules = PairRules()
    var abbreviations: Set<Int32> = []
    var titles: Set<Int32> = []
    /// By language, the words that `(-)` stands for.
    var denials: [[Int32]]
    /// By language, words that may stand in a sentence of `[alone]` and change nothing.
    var ignored: [Set<Int32>]
    /// How many bytes of patterns were cut into words.
    private(set) var readByteCount = 0

    private let languageCount: Int
    private var tokenizer = Tokenizer()
    /// The words of the text that was read last.
    private var numbers: [Int32] = []
    /// Whether words that are known of another language become those of one more.
    private var isBorrowing = false
    private var pattern = PhrasePattern()
    /// The parts of the pattern that is being read.
    private var parts: [Range<Int>] = []
    /// By language, the patterns of its file that were read: another one may borrow them.
    private var read: [Int: WordParts] = [:]
    /// Those of the file that is being added.
    private var file = WordParts(patternCount: 0)
    /// The numbers of what pair rules speak of.
    private var partNumbers: [PartKey: Int] = [:]
    /// The patterns of `{parts}`, for those that stand inside of phrases.
    private var partPatterns: [PartKey: [Range<Int>]] = [:]

    /// What pair rules speak of: `{heart}`, or words of their own.
    private struct PartKey: Hashable {
        enum Form { case named, object, quality }

        /// The language whose file has it.
        let language: Int
        let form: Form
        let text: String
    }

    /// - Parameter sizeHint: about how many words the phrases have together.
    init(names: NameTable, languageCount: Int, sizeHint: Int) {
        self.names = names
        self.languageCount = languageCount
        denials = Array(repeating: [], count: languageCount)
        ignored = Array(repeating: [], count: languageCount)
        trie = PhraseTrie.Builder(sizeHint: sizeHint)
    }

    /// Everything that a file holds.
    mutating func add(_ text: LexiconText, language: Int) throws(ReportsError) {
        begin(text, from: language, for: language)
        defer { read[language] = file }
        for entry in text.entries where entry.block == "objects" || entry.block == "qualities" {
            try addPart(entry, text, from: language, for: language)
        }
        for entry in text.entries { try add(entry, text, from: language, for: language) }
    }

    /// What a language takes from another one: names of things, not how sentences are made.
    mutating func borrow(_ text: LexiconText, from: Int, for language: Int) throws(ReportsError) {
        begin(text, from: from, for: language)
        defer { read[from] = file }
        let blocks = ["findings", "alone", "places", "sides", "sizes", "severities", "units"]
        for entry in text.entries where entry.block == "objects" || entry.block == "qualities" {
            try addPart(entry, text, from: from, for: language)
        }
        for entry in text.entries where blocks.contains(entry.block) {
            try add(entry, text, from: from, for: language)
        }
    }

    private mutating func add(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int
    ) throws(ReportsError) {
        func meaning(_ kind: PhraseTrie.Meaning.Kind, _ value: Int) -> PhraseTrie.Meaning {
            PhraseTrie.Meaning(kind: kind, value: Int16(value))
        }
        let head = text.string(entry.head)
        switch entry.block {
        case "objects", "qualities": return
        case "language":
            if head == "denial", let pattern = text.patterns(of: entry).first {
                number(text.bytes.span.extracting(pattern))
                denials[language] = numbers
            }
        case "findings", "places": try addNamed(entry, text, from: from, for: language)
        case "alone": try addAlone(entry, text, language)
        case "abbreviations":
            for pattern in text.patterns(of: entry) {
                for phrase in try phrases(pattern, entry, text) {
                    number(phrase.span)
                    if head == "titles" { titles.formUnion(numbers) } else { abbreviations.formUnion(numbers) }
                }
            }
        case "sizes": try addAll(entry, text, meaning(.size, Self.index(head, in: &sizes)))
        case "severities":
            try addAll(entry, text, meaning(.severity, Self.index(head, in: &severities)))
        case "units": try addAll(entry, text, meaning(.unit, Self.index(head, in: &units)))
        case "sides":
            try addAll(
                entry, text, meaning(.side, try index(entry, text, ReportFinding.Side.allCases.map(\.rawValue))))
        case "changes":
            try addAll(
                entry, text, meaning(.change, try index(entry, text, ReportFinding.Change.allCases.map(\.rawValue))))
        case "cues": try addAll(entry, text, meaning(.cue, try index(entry, text, Cue.names)))
        case "sections":
            try addAll(
                entry, text, meaning(.section, try index(entry, text, ReportSection.Name.allCases.map(\.rawValue))))
        default: throw text.error(entry.line, "no block is called [\(entry.block)]")
        }
    }

    /// The place of an entry's name among those that its block knows.
    private func index(
        _ entry: LexiconText.Entry, _ text: LexiconText, _ known: [String]
    ) throws(ReportsError) -> Int {
        let head = text.string(entry.head)
        guard let index = known.firstIndex(of: head) else {
            throw text.error(entry.line, "'\(head)' has no place in [\(entry.block)]")
        }
        return index
    }

    private static func index(_ name: String, in names: inout [String]) -> Int {
        if let index = names.firstIndex(of: name) { return index }
        names.append(name)
        return names.count - 1
    }

    // MARK: Phrases

    private mutating func begin(_ text: LexiconText, from: Int, for language: Int) {
        isBorrowing = from != language
        words.language = language
        trie.language = language
        file = read.removeValue(forKey: from) ?? WordParts(patternCount: text.patterns.count)
    }

    /// Every phrase of an entry, which must have a word.
    private mutating func addAll(
        _ entry: LexiconText.Entry, _ text: LexiconText, _ meaning: PhraseTrie.Meaning
    ) throws(ReportsError) {
        for index in entry.patterns {
            guard try add(index, entry, text, meaning) else {
                throw text.error(entry.line, "'\(text.string(text.patterns[index]))' has no word")
            }
        }
    }

    /// Every phrase of a pattern.
    ///
    /// - Returns: whether each has a word.
    private mutating func add(
        _ index: Int, _ entry: LexiconText.Entry, _ text: LexiconText, _ meaning: PhraseTrie.Meaning
    ) throws(ReportsError) -> Bool {
        if file.branches(of: index).isEmpty { try readParts(index, entry, text) }
        var haveWords = true
        for branch in file.branches(of: index) {
            if !walk(file.parts(of: branch), at: PhraseTrie.Builder.root, isBlank: true, meaning) { haveWords = false }
        }
        return haveWords
    }

    /// Reads the words of a pattern into `file`.
    private mutating func readParts(
        _ index: Int, _ entry: LexiconText.Entry, _ text: LexiconText
    ) throws(ReportsError) {
        try pattern.read(text.bytes.span.extracting(text.patterns[index])) { text.error(entry.line, $0) }
        for branch in 0..<pattern.branchCount {
            pattern.cut(branch: branch, into: &parts)
            let bytes = pattern.bytes
            for part in parts {
                for number in part {
                    let range = pattern.text(number)
                    readByteCount += range.count
                    tokenizer.tokenize(bytes.span.extracting(range), &words)
                    file.append(tokenizer.tokens, isBlank: range.isEmpty || pattern.isBlank(number))
                }
                file.endPart()
            }
            file.endBranch(index)
        }
    }

    /// Goes on from a node with each text of the first part, and of those behind it: what phrases begin with is walked once.
    private mutating func walk(
        _ parts: Range<Int>, at node: Int32, isBlank: Bool, _ meaning: PhraseTrie.Meaning
    ) -> Bool {
        guard let part = parts.first else {
            trie.add(meaning, at: node)
            return node != PhraseTrie.Builder.root || isBlank
        }
        var haveWords = true
        for text in file.texts(of: part) {
            var next = node
            for index in file.words(of: text) {
                let word = file.numbers[index]
                if isBorrowing { words.table.note(word, language: words.language) }
                next = trie.step(next, word)
            }
            let isBlank = isBlank && file.isBlank(text)
            if !walk(parts.dropFirst(), at: next, isBlank: isBlank, meaning) { haveWords = false }
        }
        return haveWords
    }

    /// The words that were read last, as a phrase.
    private mutating func add(_ meaning: PhraseTrie.Meaning) {
        var node = PhraseTrie.Builder.root
        for word in numbers { node = trie.step(node, word) }
        trie.add(meaning, at: node)
    }

    /// Every phrase of a pattern, written out.
    private mutating func phrases(
        _ place: Range<Int>, _ entry: LexiconText.Entry, _ text: LexiconText
    ) throws(ReportsError) -> [[UInt8]] {
        try pattern.read(text.bytes.span.extracting(place)) { text.error(entry.line, $0) }
        return pattern.phrases()
    }

    /// Reads the words of a phrase into `numbers`.
    private mutating func number(_ phrase: Span<UInt8>) {
        readByteCount += phrase.count
        tokenizer.tokenize(phrase, &words)
        numbers.removeAll(keepingCapacity: true)
        for token in tokenizer.tokens where token.id >= 0 { numbers.append(token.id) }
    }

    // MARK: Findings and places

    private mutating func addNamed(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int
    ) throws(ReportsError) {
        let head = text.string(entry.head)
        let isPlace = entry.block == "places"
        guard let name = names.index(of: head), (names.names[name].kind == .place) == isPlace else {
            throw text.error(entry.line, "names.txt has no '\(head)' for [\(entry.block)]")
        }
        let meaning = PhraseTrie.Meaning(kind: isPlace ? .place : .finding, value: Int16(name))
        for index in entry.patterns {
            let pattern = text.patterns[index]
            if text.bytes[pattern].contains(where: Self.isMark) {
                for phrase in try phrases(pattern, entry, text) {
                    try addMarked(phrase[...], meaning, entry, text, from: from)
                }
            } else {
                _ = try add(index, entry, text, meaning)
            }
        }
    }

    /// Phrases that are a sentence by themselves: under the name of a finding, `!` before it where they deny it, or under `something`.
    private mutating func addAlone(
        _ entry: LexiconText.Entry, _ text: LexiconText, _ language: Int
    ) throws(ReportsError) {
        let head = text.string(entry.head)
        if head == "ignored" {
            for index in entry.patterns {
                number(text.bytes.span.extracting(text.patterns[index]))
                ignored[language].formUnion(numbers)
            }
            return
        }
        let isDenied = head.hasPrefix("!")
        let name = head == "something" ? -1 : names.index(of: isDenied ? String(head.dropFirst()) : head)
        guard let name, name < 0 || names.names[name].kind == .finding else {
            throw text.error(entry.line, "names.txt has no '\(head)' for [alone]")
        }
        trie.language = languageCount + language
        defer { trie.language = language }
        let meaning = PhraseTrie.Meaning(kind: .alone, value: Int16(name), extra: isDenied ? 1 : 0)
        try addAll(entry, text, meaning)
    }

    /// Whether a byte says more of a phrase than its words.
    private static func isMark(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "?"), UInt8(ascii: "~"), UInt8(ascii: "@"), UInt8(ascii: "{"): true
        default: false
        }
    }

    /// A phrase that says by its marks that it denies or doubts, that it has two parts, or on which side it is.
    private mutating func addMarked(
        _ phrase: ArraySlice<UInt8>, _ meaning: PhraseTrie.Meaning, _ entry: LexiconText.Entry, _ text: LexiconText,
        from: Int
    ) throws(ReportsError) {
        var phrase = phrase
        var meaning = meaning
        let wording: UInt8 = phrase.first == UInt8(ascii: "!") ? 1 : phrase.first == UInt8(ascii: "?") ? 2 : 0
        if wording > 0 { phrase = phrase.dropFirst() }
        let halves = phrase.split(separator: UInt8(ascii: "~")).map(Self.trimmed)
        if halves.count == 2 {
            let object = try part(halves[0], isObject: true, entry, text, from: from)
            let quality = try part(halves[1], isObject: false, entry, text, from: from)
            rules.add(object, quality, PairRules.Outcome(name: meaning.value, wording: wording))
            return
        }
        meaning.extra = wording
        var side: PhraseTrie.Meaning?
        if let at = phrase.firstIndex(of: UInt8(ascii: "@")) {
            let word = String(decoding: phrase[(at + 1)...], as: UTF8.self)
            guard let number = ReportFinding.Side.allCases.firstIndex(where: { $0.rawValue == word }) else {
                throw text.error(entry.line, "after @ stands left, right or bilateral")
            }
            if meaning.kind == .place {
                meaning.extra = UInt8(number + 1)
            } else {
                side = PhraseTrie.Meaning(kind: .side, value: Int16(number))
            }
            phrase = Self.trimmed(phrase[..<at])
        }
        for plain in try filled(phrase, entry, text, from: from) {
            number(plain.span)
            add(meaning)
            if let side { add(side) }
        }
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let blank = UInt8(ascii: " ")
        guard let first = text.firstIndex(where: { $0 != blank }) else { return [] }
        return text[first...(text.lastIndex { $0 != blank } ?? first)]
    }

    // MARK: Parts

    private mutating func addPart(
        _ entry: LexiconText.Entry, _ text: LexiconText, from: Int, for language: Int
    ) throws(ReportsError) {
        let key = PartKey(language: from, form: .named, text: text.string(entry.head))
        let number = part(key, isObject: entry.block == "objects")
        if language == from { partPatterns[key, default: []] += text.patterns(of: entry) }
        let meaning = PhraseTrie.Meaning(kind: .part, value: Int16(number))
        for index in entry.patterns { _ = try add(index, entry, text, meaning) }
    }

    private mutating func part(_ key: PartKey, isObject: Bool) -> Int {
        if let known = partNumbers[key] { return known }
        partNumbers[key] = rules.isObject.count
        rules.isObject.append(isObject)
        return rules.isObject.count - 1
    }

    /// A half of a rule: `{heart}`, or words of its own.
    private mutating func part(
        _ half: ArraySlice<UInt8>, isObject: Bool, _ entry: LexiconText.Entry, _ text: LexiconText, from: Int
    ) throws(ReportsError) -> Int {
        let words = String(decoding: half, as: UTF8.self)
        if half.first == UInt8(ascii: "{") {
            let key = PartKey(language: from, form: .named, text: String(words.dropFirst().dropLast()))
            guard half.last == UInt8(ascii: "}"), let known = partNumbers[key] else {
                throw text.error(entry.line, "no part is called '\(words)'")
            }
            return known
        }
        let key = PartKey(language: from, form: isObject ? .object : .quality, text: words)
        let number = part(key, isObject: isObject)
        self.number(half.span)
        add(PhraseTrie.Meaning(kind: .part, value: Int16(number)))
        return number
    }

    /// A phrase with each `{part}` in it written out.
    private mutating func filled(
        _ phrase: ArraySlice<UInt8>, _ entry: LexiconText.Entry, _ text: LexiconText, from: Int
    ) throws(ReportsError) -> [ArraySlice<UInt8>] {
        guard let open = phrase.firstIndex(of: UInt8(ascii: "{")) else { return [phrase] }
        let close = phrase[open...].firstIndex(of: UInt8(ascii: "}")) ?? phrase.endIndex
        let part = String(decoding: phrase[(open + 1)..<close], as: UTF8.self)
        guard close < phrase.endIndex,
            let patterns = partPatterns[PartKey(language: from, form: .named, text: part)]
        else { throw text.error(entry.line, "no part is called '{\(part)}'") }
        var all: [ArraySlice<UInt8>] = []
        for pattern in patterns {
            for words in try phrases(pattern, entry, text) {
                let plain = phrase[..<open] + words + phrase[(close + 1)...]
                all += try filled(plain[...], entry, text, from: from)
            }
        }
        return all
    }
}
