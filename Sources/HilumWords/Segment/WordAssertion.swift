/// What the report says about the thing that a word names. Each word has one posting list per assertion.
///
/// The raw value is stored. `present` and `uncertain` stand side by side, because questions take them together.
public enum WordAssertion: UInt8, CaseIterable, Sendable {
    /// The report affirms it.
    case present = 0
    /// The report suspects it or does not rule it out.
    case uncertain = 1
    /// The report denies it.
    case absent = 2
    /// History, another person, the reason for the study, or no statement at all.
    case other = 3

    /// How many there are.
    static let count = 4
}
