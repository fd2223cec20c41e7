/// The lines of a lexicon file, by their blocks; `Resources/names.txt` and `Resources/lexicon-en.txt` describe the grammar.
///
/// ```
/// # a comment
/// [block]
/// name = phrase, phrase
///     phrase, phrase        a line that begins with a blank continues the one before
/// ```
struct LexiconText {
    /// One name with what follows it.
    struct Entry {
        let block: String
        /// The part before the `=`.
        var head: String
        /// The part behind it, cut at commas.
        var phrases: [String]
        let line: Int
    }

    let path: String
    private(set) var entries: [Entry] = []

    /// - Parameter path: named in errors.
    init(_ text: String, path: String) throws(ReportsError) {
        self.path = path
        var block: String?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let number = index + 1
            let isContinued = line.first == " "
            let words = Self.trimmed(line)
            if words.isEmpty || words.first == "#" { continue }
            if !isContinued && words.first == "[" {
                guard words.last == "]" else { throw error(number, "a block begins with [name]") }
                block = String(words.dropFirst().dropLast())
                continue
            }
            guard let block else { throw error(number, "this line stands before the first block") }
            if isContinued {
                guard !entries.isEmpty else { throw error(number, "there is no line to continue") }
                entries[entries.count - 1].phrases += try phrases(words, number)
            } else if let equals = words.firstIndex(of: "=") {
                let head = String(Self.trimmed(words[..<equals]))
                let rest = words[words.index(after: equals)...]
                entries.append(Entry(block: block, head: head, phrases: try phrases(rest, number), line: number))
            } else {
                entries.append(Entry(block: block, head: String(words), phrases: [], line: number))
            }
        }
    }

    /// An error at a line of this file.
    func error(_ line: Int, _ reason: String) -> ReportsError {
        ReportsError(.badLexicon(line: line, reason), path: path)
    }

    private func phrases(_ text: Substring, _ line: Int) throws(ReportsError) -> [String] {
        var phrases: [String] = []
        for phrase in text.split(separator: ",") {
            let words = Self.trimmed(phrase)
            if !words.isEmpty { phrases += try PhrasePattern.expand(String(words)) { error(line, $0) } }
        }
        return phrases
    }

    static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first == " " || first == "\t" || first == "\r" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text = text.dropLast() }
        return text
    }
}
