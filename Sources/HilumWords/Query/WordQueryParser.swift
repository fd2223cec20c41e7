/// Reads a question as a person types it.
///
/// | typed | meaning |
/// | --- | --- |
/// | `effusion` | the word, or the finding that it names and that the report affirms |
/// | `"left lower lobe"` | the words one behind the other |
/// | `effus*` | words that begin so |
/// | `-fracture` | no report with it |
/// | `no effusion` | the report denies it |
/// | `any:effusion` | whatever the report says about it |
///
/// `-` and `any:` or `no` may be combined, in this order, and each may stand before a phrase. A run of Chinese or Japanese characters is the
/// phrase of its pairs; a single character matches wherever it stands.
/// Thread rule: a value type; one owner at a time.
public struct WordQueryParser {
    /// A part of the question that names a finding: it is looked up by this name instead of by its words.
    public struct Finding: Sendable, Equatable {
        /// Where it stands in the question, in bytes.
        public var range: Range<Int>
        /// The names of which each makes a clause, such as that of a finding, the widest first; terms that no scanner yields. None: the range
        /// is passed over.
        public var terms: [[UInt8]]
        /// What the report must say about it where the question has no `no` and no `any:` before it.
        public var assertions: AssertionWeights

        /// A finding named by a question.
        public init(range: Range<Int>, terms: [[UInt8]], assertions: AssertionWeights = .affirmed) {
            self.range = range
            self.terms = terms
            self.assertions = assertions
        }
    }

    /// Finds what a question names; its ranges must not overlap.
    public typealias FindingReader = (_ question: String) throws -> [Finding]

    private let bytes: [UInt8]
    private let text: String
    private let findings: [Finding]
    private var clauses: [WordQuery.Clause] = []
    private var scanner = WordScanner()

    /// What stands before a word and is not used up yet.
    private struct Prefix {
        var isExcluded = false
        var assertions: AssertionWeights?
        /// Where it begins.
        var start: Int?
    }

    /// Reads a question.
    ///
    /// - Parameter findings: finds what the question names; by default nothing.
    /// - Throws: `.unclosedPhrase`; what `findings` throws.
    public static func parse(_ text: String, findings: FindingReader = { _ in [] }) throws -> WordQuery {
        var parser = WordQueryParser(text, try findings(text))
        try parser.read()
        return WordQuery(clauses: parser.clauses, text: text)
    }

    private init(_ text: String, _ findings: [Finding]) {
        self.text = text
        bytes = Array(text.utf8)
        self.findings = findings.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    private mutating func read() throws(WordsError) {
        var index = 0
        var prefix = Prefix()
        while index < bytes.count {
            if bytes[index] <= UInt8(ascii: " ") {
                index += 1
                continue
            }
            if let finding = finding(at: index) {
                add(finding, prefix)
                // What names nothing, such as the side of a finding, stands between a prefix and what it belongs to.
                if !finding.terms.isEmpty { prefix = Prefix() }
                index = finding.range.upperBound
            } else if bytes[index] == UInt8(ascii: "\"") {
                index = try readPhrase(index, prefix)
                prefix = Prefix()
            } else if let end = readPrefix(index, &prefix) {
                index = end
            } else {
                index = readWords(index, prefix)
                prefix = Prefix()
            }
        }
    }

    private func finding(at index: Int) -> Finding? {
        findings.first {
            $0.range.lowerBound == index && $0.range.upperBound > index && $0.range.upperBound <= bytes.count
        }
    }

    private mutating func add(_ finding: Finding, _ prefix: Prefix) {
        // A report without the left effusion may well have a right one: only the narrowest name is excluded.
        for term in prefix.isExcluded ? finding.terms.suffix(1) : finding.terms[...] {
            clauses.append(
                WordQuery.Clause(
                    .term(term), assertions: prefix.assertions ?? finding.assertions, isExcluded: prefix.isExcluded,
                    range: finding.range))
        }
    }

    /// Reads `-`, `any:` or `no ` where something follows it; the end of it, or nil.
    private func readPrefix(_ index: Int, _ prefix: inout Prefix) -> Int? {
        let isBegin = index == 0 || bytes[index - 1] <= UInt8(ascii: " ")
        if bytes[index] == UInt8(ascii: "-"), isBegin, follows(index + 1), !prefix.isExcluded, prefix.assertions == nil
        {
            prefix.isExcluded = true
            return index + 1
        }
        guard prefix.assertions == nil else { return nil }
        if has("any:", at: index), follows(index + 4) {
            prefix.assertions = .any
            return index + 4
        }
        if has("no ", at: index) {
            var end = index + 3
            while end < bytes.count && bytes[end] == UInt8(ascii: " ") { end += 1 }
            if follows(end) && bytes[end] != UInt8(ascii: "-") {
                prefix.assertions = .denied
                return end
            }
        }
        return nil
    }

    /// Whether something stands at `index` that a prefix may belong to.
    private func follows(_ index: Int) -> Bool { index < bytes.count && bytes[index] > UInt8(ascii: " ") }

    private func has(_ word: StaticString, at index: Int) -> Bool {
        guard index + word.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<word.utf8CodeUnitCount).allSatisfy { place in
            let byte = bytes[index + place]
            let lower = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
            return lower == word.utf8Start[place]
        }
    }

    private mutating func readPhrase(_ index: Int, _ prefix: Prefix) throws(WordsError) -> Int {
        guard let close = bytes[(index + 1)...].firstIndex(of: UInt8(ascii: "\"")) else {
            throw WordsError(.unclosedPhrase)
        }
        let range = (index + 1)..<close
        bytes.withUnsafeBytes { scanner.scan(UnsafeRawBufferPointer(rebasing: $0[range])) }
        addPhrase(scanner.words, shift: index + 1, prefix, range: index..<(close + 1))
        return close + 1
    }

    /// Reads up to a space, a quote or a finding.
    private mutating func readWords(_ index: Int, _ prefix: Prefix) -> Int {
        var end = index + 1
        while end < bytes.count, bytes[end] > UInt8(ascii: " "), bytes[end] != UInt8(ascii: "\""),
            finding(at: end) == nil
        {
            end += 1
        }
        bytes.withUnsafeBytes { scanner.scan(UnsafeRawBufferPointer(rebasing: $0[index..<end])) }
        let words = scanner.words
        var next = 0
        while next < words.count {
            let range = (index + words[next].range.lowerBound)..<(index + words[next].range.upperBound)
            if words[next].kind == .characters {
                let start = next
                while !words[next].isLastCharacter { next += 1 }
                let runRange = (index + words[start].range.lowerBound)..<(index + words[next].range.upperBound)
                addPhrase(Array(words[start...next]), shift: index, prefix, range: runRange)
            } else if range.upperBound < end && bytes[range.upperBound] == UInt8(ascii: "*") {
                add(.prefix(prefixTerm(range)), prefix, range)
            } else {
                add(.term(scanner.term(of: words[next])), prefix, range)
            }
            next += 1
        }
        return end
    }

    /// What a word before a `*` begins with: folded, but with its last letters as they are, for `mas*` is no plural.
    private func prefixTerm(_ range: Range<Int>) -> [UInt8] {
        // A letter that never ends a plural protects the ending and comes off again.
        var scanner = WordScanner()
        (bytes[range] + [UInt8(ascii: "z")]).withUnsafeBytes { scanner.scan($0) }
        guard let word = scanner.words.first else { return [] }
        let term = scanner.term(of: word)
        return term.last == UInt8(ascii: "z") ? term.dropLast() : term
    }

    private mutating func add(_ kind: WordQuery.Kind, _ prefix: Prefix, _ range: Range<Int>) {
        clauses.append(
            WordQuery.Clause(
                kind, assertions: prefix.assertions ?? .any, isExcluded: prefix.isExcluded, range: range))
    }

    /// Adds the phrase of the words that the scanner found last.
    private mutating func addPhrase(_ words: [ScannedWord], shift: Int, _ prefix: Prefix, range: Range<Int>) {
        guard let first = words.first else { return }
        if words.count == 1 {
            // A single character begins a pair or stands at the end of a run, so that terms that begin with it are all of them.
            let term = scanner.term(of: first)
            return add(first.kind == .characters ? .prefix(term) : .term(term), prefix, range)
        }
        var kept: [WordQuery.PhraseWord] = []
        for (place, word) in words.enumerated() {
            // In a report the run may go on where it ends here; the pair before holds the last character.
            if word.isLastCharacter && place > 0 && words[place - 1].kind == .characters
                && !words[place - 1].isLastCharacter
            {
                continue
            }
            kept.append(
                WordQuery.PhraseWord(
                    term: scanner.term(of: word), offset: Int(word.position - first.position),
                    range: (word.range.lowerBound + shift)..<(word.range.upperBound + shift)))
        }
        add(kept.count == 1 ? .term(kept[0].term) : .phrase(kept), prefix, range)
    }
}
