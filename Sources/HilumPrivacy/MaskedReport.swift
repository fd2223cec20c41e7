/// A report without its identifiers. Thread rule: a value.
public struct MaskedReport: Sendable, Equatable {
    /// The text, with a form of `ReportMask` where an identifier stood.
    public let text: String
    /// How many masks were put in; those that the text already had do not count.
    public let counts: MaskCounts
}
