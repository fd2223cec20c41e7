import HilumCore

/// A piece of a page: a word, a number, a run of one Japanese script, a mark of punctuation.
struct Piece {
    enum Kind: UInt8 {
        case none, word, number, kanji, hiragana, katakana, mark, newline
        /// What de-identification left: a form of `ReportMask`, `XXXX`, `___`.
        case mask
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// White space or a line end stands before it.
        static let spaced = Flags(rawValue: 1)
        /// Its first letter is a capital.
        static let capital = Flags(rawValue: 2)
        /// It has at least two letters, and all are capitals.
        static let capitals = Flags(rawValue: 4)
        /// It is the first on its line.
        static let startsLine = Flags(rawValue: 8)
        /// Its line has no small letter, so that capitals say nothing.
        static let loud = Flags(rawValue: 16)
        /// At least two blanks or a tab stand before it, as between columns.
        static let column = Flags(rawValue: 32)
    }

    /// Characters of the page.
    var start: Int
    var end: Int
    var kind: Kind
    var flags: Flags
    var classes: WordClass
    /// Of a number, up to nine digits, else −1; of a mark, the character.
    var value: Int

    var count: Int { end - start }

    static let none = Piece(start: -1, end: -1, kind: .none, flags: [], classes: [], value: -1)

    func has(_ wanted: WordClass) -> Bool { !classes.isDisjoint(with: wanted) }
    func `is`(_ flag: Flags) -> Bool { flags.contains(flag) }
}
