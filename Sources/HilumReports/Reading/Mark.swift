/// A phrase of the lexicon or a sign that matters, at its place in a sentence.
struct Mark {
    enum Kind: UInt8 {
        case finding, part, place, side, size, severity, change, cue, comma, colon, slash, paren, measure
    }

    /// Which cues reach it.
    struct Reach: OptionSet {
        let rawValue: UInt8
        static let denied = Reach(rawValue: 1)
        static let doubted = Reach(rawValue: 2)
        static let elsewhere = Reach(rawValue: 4)
        static let gone = Reach(rawValue: 8)
    }

    var kind: Kind
    var value: Int16
    var extra: UInt8 = 0
    /// Its tokens.
    var first: Int
    var end: Int
    /// Whether a finding is read here: a finding, or the later part of a pair.
    var isMention = false
    /// Whether the finding is said by a thing and what follows it: `heart is enlarged`.
    var isClause = false
    /// Whether it is the earlier part of a pair.
    var isUsed = false
    /// Whether it is a size or a measure of an earlier examination.
    var isEarlier = false
    /// Whether what is read here says how something is as a whole, so that no list goes past it: `normal heart size`.
    var isVerdict = false
    var reach: Reach = []
    /// The index of the mark whose cue reaches it, by the last one that did; −1 for none.
    var cue = -1

    /// The cue, if it is one.
    var asCue: Cue? { kind == .cue ? Cue(rawValue: UInt8(truncatingIfNeeded: value)) : nil }
    func isCue(_ wanted: Cue) -> Bool { kind == .cue && value == Int16(wanted.rawValue) }
}
