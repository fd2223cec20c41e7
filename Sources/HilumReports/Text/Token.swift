/// A piece of a report: a word, a number, a mark of punctuation, or one character of Chinese or Japanese script.
struct Token {
    enum Kind: UInt8 {
        case word, character, number
        /// What de-identification left of a word: `XXXX`, `___`, a form of `ReportMask`.
        case mask
        case period, comma, semicolon, colon, question, exclamation
        case open, close, slash, dash, bullet, newline, symbol
        /// A sign in brackets, `(-)` and `(+)`: absent and present.
        case minus, plus

        var isText: Bool { self == .word || self == .character || self == .number || self == .mask }
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
        /// A full stop of Japanese, which ends a sentence whatever follows.
        static let wide = Flags(rawValue: 16)
        /// An empty line follows this line end.
        static let blank = Flags(rawValue: 32)
    }

    /// Its number in the table of words; −1 for a word that no lexicon has.
    var id: Int32
    var start: Int32
    var end: Int32
    var kind: Kind
    var flags: Flags
}
