/// The lines of a lexicon file, by their blocks; `Resources/names.txt` and `Resources/lexicon-en.txt` describe the grammar.
///
/// ```
/// # a comment
/// [block]
/// name = phrase, phrase
///     phrase, phrase        a line that begins with a blank continues the one before
/// ```
///
/// The file is read once, as bytes: an entry says where its parts stand, and nothing is copied out of the file.
/// Thread rule: an immutable value; any number of threads.
struct LexiconText: Sendable {
    /// One name with what follows it.
    struct Entry: Sendable {
        let block: String
        /// Where the part before the `=` stands.
        let head: Range<Int>
        /// Which of `patterns` stand behind it.
        fileprivate(set) var patterns: Range<Int>
        let line: Int
    }

    let path: String
    let bytes: [UInt8]
    private(set) var entries: [Entry] = []
    /// Where the patterns stand, cut at commas; none is empty.
    private(set) var patterns: [Range<Int>] = []

    /// - Parameter path: named in errors.
    init(_ bytes: [UInt8], path: String) throws(ReportsError) {
        self.path = path
        self.bytes = bytes
        var block: String?
        var start = 0
        var number = 0
        while start <= bytes.count {
            let end = place(of: UInt8(ascii: "\n"), in: start..<bytes.count) ?? bytes.count
            let isContinued = start < end && bytes[start] == UInt8(ascii: " ")
            let words = trimmed(start..<end)
            start = end + 1
            number += 1
            guard let first = words.first.map({ bytes[$0] }), first != UInt8(ascii: "#") else { continue }
            if !isContinued && first == UInt8(ascii: "[") {
                guard bytes[words.upperBound - 1] == UInt8(ascii: "]") else {
                    throw error(number, "a block begins with [name]")
                }
                block = string(words.dropFirst().dropLast())
                continue
            }
            guard let block else { throw error(number, "this line stands before the first block") }
            if isContinued {
                guard !entries.isEmpty else { throw error(number, "there is no line to continue") }
                addPatterns(words)
            } else {
                let equals = place(of: UInt8(ascii: "="), in: words)
                let head = trimmed(words.lowerBound..<(equals ?? words.upperBound))
                entries.append(
                    Entry(block: block, head: head, patterns: patterns.count..<patterns.count, line: number))
                if let equals { addPatterns(equals + 1..<words.upperBound) }
            }
        }
    }

    /// Those of a run of bytes, to the last entry.
    private mutating func addPatterns(_ range: Range<Int>) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = place(of: UInt8(ascii: ","), in: start..<range.upperBound) ?? range.upperBound
            let pattern = trimmed(start..<end)
            if !pattern.isEmpty { patterns.append(pattern) }
            start = end + 1
        }
        let last = entries.count - 1
        entries[last].patterns = entries[last].patterns.lowerBound..<patterns.count
    }

    /// An error at a line of this file.
    func error(_ line: Int, _ reason: String) -> ReportsError {
        ReportsError(.badLexicon(line: line, reason), path: path)
    }

    /// The patterns of an entry.
    func patterns(of entry: Entry) -> ArraySlice<Range<Int>> { patterns[entry.patterns] }

    /// The text of a range.
    func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// Where a byte first stands in a range.
    func place(of byte: UInt8, in range: Range<Int>) -> Int? {
        for place in range where bytes[place] == byte { return place }
        return nil
    }

    /// What stands between the places of a byte, without blanks around it; pieces without any byte are left out.
    func pieces(of range: Range<Int>, at byte: UInt8) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let end = place(of: byte, in: start..<range.upperBound) ?? range.upperBound
            if end > start { pieces.append(trimmed(start..<end)) }
            start = end + 1
        }
        return pieces
    }

    /// A range without the blanks at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, Self.isBlank(bytes[start]) { start += 1 }
        while end > start, Self.isBlank(bytes[end - 1]) { end -= 1 }
        return start..<end
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 }
}
