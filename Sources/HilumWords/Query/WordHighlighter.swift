/// Finds where a text matches a question, by scanning the text again.
///
/// Clauses of a finding's name match no word of a text; whoever named the finding knows where it stands.
/// Thread rule: a value type; one owner at a time. Its memory is used again from text to text.
public struct WordHighlighter: Sendable {
    private let clauses: [WordQuery.Clause]
    private var scanner = WordScanner()

    /// A highlighter of what `query` looks for; exclusions are not marked.
    public init(_ query: WordQuery) { clauses = query.clauses.filter { !$0.isExcluded } }

    /// The ranges that match, in bytes of UTF-8, ascending and without overlaps.
    ///
    /// Assertions play no part: a word is marked wherever it stands.
    public mutating func ranges(in text: String) -> [Range<Int>] {
        scanner.scan(text)
        var ranges: [Range<Int>] = []
        scanner.withTerms { terms in
            for clause in clauses {
                switch clause.kind {
                case .term(let term): mark({ $0.elementsEqual(term) }, terms, &ranges)
                case .prefix(let prefix): mark({ $0.starts(with: prefix) }, terms, &ranges)
                case .phrase(let words): markPhrase(words, terms, &ranges)
                }
            }
        }
        return Self.joined(ranges)
    }

    private func mark(
        _ isMatch: (UnsafeRawBufferPointer) -> Bool, _ terms: UnsafeRawBufferPointer, _ ranges: inout [Range<Int>]
    ) {
        for word in scanner.words where isMatch(UnsafeRawBufferPointer(rebasing: terms[word.term])) {
            ranges.append(word.range)
        }
    }

    private func markPhrase(
        _ phrase: [WordQuery.PhraseWord], _ terms: UnsafeRawBufferPointer, _ ranges: inout [Range<Int>]
    ) {
        let words = scanner.words
        start: for start in words.indices {
            var place = start
            for wanted in phrase {
                let position = Int(words[start].position) + wanted.offset
                while place < words.count && Int(words[place].position) < position { place += 1 }
                guard place < words.count, Int(words[place].position) == position,
                    terms[words[place].term].elementsEqual(wanted.term)
                else { continue start }
            }
            ranges.append(words[start].range.lowerBound..<words[place].range.upperBound)
        }
    }

    private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
        var joined: [Range<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, range.lowerBound < last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                joined.append(range)
            }
        }
        return joined
    }
}
