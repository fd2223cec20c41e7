import HilumCore

/// Reads what a radiology report says.
///
/// ```
/// UTF-8 ─ Tokenizer ─ tokens ─ Outline ─ sections, sentences
///                                 │ each sentence
///                                 ▼
///                  SentenceMarks: phrases of the lexicon, pairs of them
///                                 │ reach of cues, attributes
///                                 ▼
///                           ReportFinding
/// ```
/// | folder, file | contents |
/// | --- | --- |
/// | `ReportReader.swift` | the way from text to findings |
/// | `ReportReading.swift`, `ReportFinding.swift` | what is read: sections, sentences, findings |
/// | `ReportLabels.swift` | what a report affirms, as labels for training and evaluation |
/// | `Lexicon/` | names, phrases and cues, from the files in `Resources/Lexicon` |
/// | `Text/` | tokens and the table of words |
/// | `Reading/` | sections and sentences, marks in a sentence, how far a cue reaches, attributes |
///
/// It looks for phrases and the cues around them, like NegEx, ConText, NegBio and CheXpert's labeler, and parses no grammar. It
/// reads a question in words by the same rules, as a sentence without a heading. Errors and logs never hold text.
///
/// Thread rule: an immutable value; any number of threads.
public struct ReportReader: Sendable {
    /// The words that it knows.
    public let lexicon: Lexicon
    private let words: KnownWords
    private let isVerbLast: [Bool]

    /// A reader that knows the words of a lexicon.
    public init(lexicon: Lexicon) {
        self.lexicon = lexicon
        words = KnownWords(table: lexicon.words, spelling: lexicon.spelling)
        isVerbLast = lexicon.isVerbLast
    }

    /// Reads a text.
    ///
    /// - Parameter language: what it is written in; nil to tell by its words.
    public func read(_ text: String, language: ReportLanguage? = nil) -> ReportReading {
        var text = text
        text.makeContiguousUTF8()
        return read(utf8: text.utf8.span, language: language)
    }

    /// Reads a text of UTF-8 bytes; malformed ones are passed over.
    ///
    /// - Parameter language: what it is written in; nil to tell by its words. A language without a lexicon is read like nil.
    /// - Complexity: O(n) in the length of the text; a sentence of more than 300 words is read in parts.
    public func read(utf8 text: Span<UInt8>, language: ReportLanguage? = nil) -> ReportReading {
        var tokenizer = Tokenizer()
        var words = words
        tokenizer.tokenize(text, &words)
        let tokens = tokenizer.tokens
        let language = language.flatMap { lexicon.languages.firstIndex(of: $0) } ?? spoken(tokens, text)
        var outline = Outline()
        outline.find(tokens, text, lexicon, language: language)
        var reading = ReportReading(language: lexicon.languages[language], sections: [], sentences: [], findings: [])
        for section in outline.sections {
            if let range = range(tokens, section.first, section.end) {
                reading.sections.append(ReportSection(name: section.name, range: range))
            }
        }
        var marks = SentenceMarks()
        for (number, sentence) in outline.sentences.enumerated() {
            guard let range = range(tokens, sentence.first, sentence.end) else { continue }
            reading.sentences.append(ReportSentence(range: range, section: sentence.section))
            marks.collect(tokens, sentence, lexicon, language: language, isVerbLast: isVerbLast[language])
            if marks.mentions.isEmpty {
                marks.addAlone(
                    tokens, sentence, lexicon, language: language, isWholeSection: isWhole(number, outline, tokens))
            }
            reading.saysSomething = reading.saysSomething || marks.saySomething
            guard !marks.mentions.isEmpty else { continue }
            marks.reach(isVerbLast: isVerbLast[language])
            let sentenceReader = SentenceReader(
                tokens: tokens, sentence: sentence, index: reading.sentences.count - 1,
                isVerbLast: isVerbLast[language])
            sentenceReader.read(marks, text, lexicon, into: &reading.findings)
        }
        return reading
    }

    /// Whether a sentence is all that stands under its heading.
    private func isWhole(_ number: Int, _ outline: Outline, _ tokens: [Token]) -> Bool {
        let sentences = outline.sentences
        let first = sentences[number].first
        guard let section = outline.sections.first(where: { $0.first <= first && first < $0.end }) else { return true }
        func isInSection(_ other: Int) -> Bool {
            sentences[other].first >= section.first && sentences[other].first < section.end
                && tokens[sentences[other].first..<sentences[other].end].contains { $0.kind.isText }
        }
        // Lines without a word are no sentences, so the neighbours are not always the next ones.
        return !sentences.indices.contains { $0 != number && isInSection($0) }
    }

    /// The language that knows the most tokens; the first of several. Its script must be there: abbreviations and the words of a letterhead
    /// (`MD`, `MRN`, a street) are no sign of a language that would write its sentences in another one.
    private func spoken(_ tokens: [Token], _ text: Span<UInt8>) -> Int {
        guard lexicon.languages.count > 1 else { return 0 }
        // Kana, Han, Hangul and their wide and narrow forms begin with these bytes; accented Latin, Greek and Cyrillic do not.
        var isEastAsian = false
        for token in tokens where Int(token.start) < text.count && text[Int(token.start)] >= 0xE3 { isEastAsian = true }
        var counts = [Int](repeating: 0, count: lexicon.languages.count)
        for token in tokens where token.id >= 0 {
            let known = lexicon.words.languages[Int(token.id)]
            for index in counts.indices where known & (1 << UInt32(index)) != 0 { counts[index] += 1 }
        }
        for index in counts.indices where lexicon.languages[index].isEastAsian && !isEastAsian { counts[index] = 0 }
        var best = 0
        for index in counts.indices where counts[index] > counts[best] { best = index }
        return best
    }

    /// The bytes of tokens without line ends around them; nil where nothing is left.
    private func range(_ tokens: [Token], _ first: Int, _ end: Int) -> Range<Int>? {
        var first = first
        var end = end
        while first < end && tokens[first].kind == .newline { first += 1 }
        while first < end && tokens[end - 1].kind == .newline { end -= 1 }
        guard first < end else { return nil }
        return Int(tokens[first].start)..<Int(tokens[end - 1].end)
    }
}
