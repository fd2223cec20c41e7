/// A word of a text: what it is found by, and where it stands.
public struct ScannedWord: Sendable, Equatable {
    /// What kind of word it is.
    public enum Kind: Sendable, Equatable {
        /// Letters, with digits behind.
        case word
        /// Digits, with decimals.
        case number
        /// Two neighbouring Chinese or Japanese characters, or the last of a run by itself.
        case characters
    }

    /// Its kind.
    public let kind: Kind
    /// Its place among the words of the text; masked words have one too.
    public let position: UInt32
    /// Where it stands in the text, in bytes of UTF-8.
    public let range: Range<Int>
    /// Where its term stands among the bytes that `WordScanner.withTerms` lends.
    public let term: Range<Int>
    /// Whether it is the last character of a run.
    let isLastCharacter: Bool
}
