/// What a report says: its sections, its sentences and its findings.
///
/// Every range counts UTF-8 bytes from the start of the text that was read.
public struct ReportReading: Sendable, Equatable {
    /// The language it was read in.
    public var language: ReportLanguage
    /// In the order of the text. A text without headings is one section, `.findings`.
    public var sections: [ReportSection]
    /// In the order of the text; they do not overlap and leave out headings and list numbers.
    public var sentences: [ReportSentence]
    /// In the order of the text.
    public var findings: [ReportFinding]
    /// Whether a sentence has a word that says what is seen or where: the name of a finding, a device or a place, or a part of one
    /// (`heart`, `normal`), a side, a size, a severity, a change or a measure; or is an answer of a few words (`Negative.`, 特になし).
    /// `N/A`, `None.` and `see attached` are neither.
    public var saysSomething = false
}

/// A language that has a lexicon, by its ISO 639-1 code.
public struct ReportLanguage: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The code: `en`, `ja`.
    public let rawValue: String

    /// The language of a code; the lexicon tells whether it can be read.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// English.
    public static let english = ReportLanguage(rawValue: "en")
    /// Japanese.
    public static let japanese = ReportLanguage(rawValue: "ja")

    /// Whether its sentences are written in Kana, Han or Hangul.
    var isEastAsian: Bool { ["ja", "zh", "ko"].contains(rawValue) }

    /// The code.
    public var description: String { rawValue }
}

/// A part of a report under one heading.
public struct ReportSection: Sendable, Equatable {
    /// What a section is for, whatever its heading is called.
    public enum Name: String, Sendable, CaseIterable {
        /// Why the examination was asked for: indication, history, clinical question.
        case indication
        /// What the examination is compared with.
        case comparison
        /// The examination and how it was done.
        case technique
        /// What is seen; also text without any heading.
        case findings
        /// What it means: impression, conclusion, opinion.
        case impression
        /// What should be done next.
        case recommendation

        /// Whether what is said there is not a finding of this examination.
        public var isBackground: Bool { self == .indication || self == .comparison || self == .technique }
    }

    /// What it is for.
    public var name: Name
    /// From the end of the heading to the next heading, without white space around it.
    public var range: Range<Int>
}

/// A sentence, a line of a list, or a line of a dictation without full stops.
public struct ReportSentence: Sendable, Equatable {
    /// Its bytes, with the full stop.
    public var range: Range<Int>
    /// The section it stands in.
    public var section: ReportSection.Name
}
