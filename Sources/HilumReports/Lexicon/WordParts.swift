/// The patterns of a file as word numbers. A pattern has alternatives, an alternative has parts one behind the other, and at each
/// part stands one of several texts of any number of words.
struct WordParts {
    /// The words of all texts, one behind the other.
    private(set) var numbers: [Int32] = []
    /// By text, where its words end.
    private var ends: [Int] = []
    /// By text, whether it is nothing but blanks.
    private var areBlank: [Bool] = []
    /// By part, where its texts end.
    private var partEnds: [Int] = []
    /// By alternative, its parts.
    private var branches: [Range<Int>] = []
    /// By pattern, its alternatives; empty while it was not read.
    private var patterns: [Range<Int>]

    init(patternCount: Int) { patterns = Array(repeating: 0..<0, count: patternCount) }

    /// The alternatives of a pattern; empty while it was not read.
    func branches(of pattern: Int) -> Range<Int> { patterns[pattern] }

    /// The parts of an alternative.
    func parts(of branch: Int) -> Range<Int> { branches[branch] }

    /// The texts of a part.
    func texts(of part: Int) -> Range<Int> { (part == 0 ? 0 : partEnds[part - 1])..<partEnds[part] }

    /// Where the words of a text stand in `numbers`.
    func words(of text: Int) -> Range<Int> { (text == 0 ? 0 : ends[text - 1])..<ends[text] }

    func isBlank(_ text: Int) -> Bool { areBlank[text] }

    /// Adds a text to the part that is being filled.
    mutating func append(_ tokens: [Token], isBlank: Bool) {
        for token in tokens where token.id >= 0 { numbers.append(token.id) }
        ends.append(numbers.count)
        areBlank.append(isBlank)
    }

    mutating func endPart() { partEnds.append(ends.count) }

    /// Ends an alternative that has the last parts.
    mutating func endBranch(_ pattern: Int) {
        let first = branches.last?.upperBound ?? 0
        branches.append(first..<partEnds.count)
        let start = patterns[pattern].isEmpty ? branches.count - 1 : patterns[pattern].lowerBound
        patterns[pattern] = start..<branches.count
    }
}
