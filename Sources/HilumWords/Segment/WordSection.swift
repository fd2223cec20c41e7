/// The part of the report in which a word stands. The raw value is stored.
public enum WordSection: UInt8, CaseIterable, Sendable {
    /// The reader's conclusion.
    case impression = 0
    /// The description of what is seen.
    case findings = 1
    /// Indication, technique, comparison and everything else.
    case other = 2

    /// How many there are.
    static let count = 3
}
