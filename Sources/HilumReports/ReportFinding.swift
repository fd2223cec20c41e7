/// One mention of a finding, a device or an operation in a report.
public struct ReportFinding: Sendable, Equatable {
    /// What the report says about it.
    public enum Assertion: String, Sendable, CaseIterable {
        /// It is there.
        case present
        /// It is denied, or it is gone.
        case absent
        /// It may be there.
        case uncertain
        /// It is of another time or person, or only asked for.
        case other
    }

    /// A side of the patient.
    public enum Side: String, Sendable, CaseIterable {
        /// The patient's left.
        case left
        /// The patient's right.
        case right
        /// Both.
        case bilateral
    }

    /// How it differs from an earlier examination.
    public enum Change: String, Sendable, CaseIterable {
        /// It was not there before.
        case new
        /// It is as before.
        case unchanged
        /// It is more than before.
        case increased
        /// It is less than before.
        case decreased
        /// It is gone; such a finding is absent.
        case resolved
    }

    /// A value, and the bytes that say so.
    public struct Marked<Value: Sendable & Equatable>: Sendable, Equatable {
        /// The value.
        public var value: Value
        /// UTF-8 bytes of the text.
        public var range: Range<Int>
    }

    /// The stable name, the same in every language; `Lexicon.names` lists all.
    public var name: String
    /// What the report says about it.
    public var assertion: Assertion
    /// The words that deny it, doubt it or put it elsewhere; nil where none do.
    public var cue: Range<Int>?
    /// On which side, if the report says so.
    public var side: Marked<Side>?
    /// Where, by the name of a place.
    public var place: Marked<String>?
    /// How large: `tiny`, `small`, `moderate`, `large`, or a measure such as `8 mm` or `3.2 x 2.1 cm`.
    public var size: Marked<String>?
    /// How severe: `mild`, `moderate`, `severe`.
    public var severity: Marked<String>?
    /// How it changed.
    public var change: Marked<Change>?
    /// The section it stands in.
    public var section: ReportSection.Name
    /// The index of its sentence.
    public var sentence: Int
    /// The bytes it was read from, from its first word to its last.
    public var range: Range<Int>
}
