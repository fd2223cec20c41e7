/// The sections and sentences of a report, found in its tokens.
///
/// A heading is a phrase of the lexicon's `[sections]` before a colon or a dash, in brackets, alone on its line, or in capitals
/// at the start of a line. A sentence ends at a full stop that is none of a decimal or an abbreviation, before a list number,
/// and at a line end unless the line was only wrapped.
struct Outline {
    struct Sentence {
        var first: Int
        var end: Int
        var section: ReportSection.Name
    }

    struct Section {
        var name: ReportSection.Name
        var first: Int
        var end: Int
    }

    private(set) var sentences: [Sentence] = []
    private(set) var sections: [Section] = []

    /// A wrapped line is longer than this.
    private static let wrappedByteCount = 50
    /// A longer sentence is cut, so that the work on a text stays in proportion to its length.
    private static let tokenLimit = 300

    private var section = ReportSection.Name.findings
    private var sentenceStart = 0
    private var sectionStart = 0
    private var lastListNumber = 0
    private var lineStart = 0
    /// What a comparison within a line stands in: its first sentence alone is the comparison.
    private var outer: ReportSection.Name?

    /// Replaces the sections and sentences by those of some tokens.
    mutating func find(_ tokens: [Token], _ text: Span<UInt8>, _ lexicon: Lexicon, language: Int) {
        sentences.removeAll(keepingCapacity: true)
        sections.removeAll(keepingCapacity: true)
        section = .findings
        sentenceStart = 0
        sectionStart = 0
        lastListNumber = 0
        lineStart = 0
        outer = nil
        var place = 0
        while place < tokens.count {
            let token = tokens[place]
            if token.flags.contains(.startsLine) { lineStart = place }
            if let heading = heading(tokens, at: place, lexicon, language: language) {
                endSentence(at: place)
                endSection(at: place)
                let isInline = heading.name == .comparison && !token.flags.contains(.startsLine)
                outer = isInline ? (section.isBackground ? .findings : section) : nil
                section = heading.name
                place = heading.end
                sentenceStart = place
                sectionStart = place
                lastListNumber = 0
                continue
            }
            place = step(tokens, at: place, text, lexicon)
        }
        endSentence(at: tokens.count)
        endSection(at: tokens.count)
    }

    /// Looks at one token that begins no heading; returns the place of the next one to look at.
    private mutating func step(_ tokens: [Token], at place: Int, _ text: Span<UInt8>, _ lexicon: Lexicon) -> Int {
        let token = tokens[place]
        if place - sentenceStart >= Self.tokenLimit { endSentence(at: place) }
        let isFirst = place == sentenceStart
        switch token.kind {
        case .number:
            if let end = listNumber(tokens, at: place, text) {
                endSentence(at: place)
                sentenceStart = end
                return end
            }
        case .period, .exclamation:
            if isFirst || token.kind == .exclamation || endsSentence(tokens, at: place, lexicon) {
                endSentence(at: place + 1)
            }
        case .question:
            // Before a word it asks for that word: `? pneumonia`.
            let isGlued = place > 0 && !token.flags.contains(.spaced)
            if isGlued || place + 1 == tokens.count { endSentence(at: place + 1) }
        case .newline:
            if isFirst || breaks(tokens, at: place) { endSentence(at: place + 1) }
            // A history or a comparison ends at an empty line, whether or not a heading follows.
            if token.flags.contains(.blank) && section.isBackground && sentences.last?.section == section {
                leave(for: .findings, at: place + 1)
            }
        case .bullet:
            endSentence(at: place)
            sentenceStart = place + 1
        default: break
        }
        return place + 1
    }

    private mutating func endSentence(at end: Int) {
        if end > sentenceStart { sentences.append(Sentence(first: sentenceStart, end: end, section: section)) }
        sentenceStart = end
        if let outer, sentences.last?.section == .comparison { leave(for: outer, at: end) }
    }

    private mutating func leave(for next: ReportSection.Name, at place: Int) {
        endSection(at: place)
        section = next
        outer = nil
    }

    private mutating func endSection(at end: Int) {
        if end > sectionStart { sections.append(Section(name: section, first: sectionStart, end: end)) }
        sectionStart = end
    }

    // MARK: Headings

    /// The heading that begins at a place, and the token behind it and its colon.
    private func heading(
        _ tokens: [Token], at place: Int, _ lexicon: Lexicon, language: Int
    ) -> (name: ReportSection.Name, end: Int)? {
        let flags = tokens[place].flags
        guard
            place == sentenceStart || flags.contains(.startsLine) || flags.contains(.capital)
                || tokens[place].kind == .character && flags.contains(.spaced)
        else { return nil }
        var first = place
        let isBracketed = tokens[place].kind == .open
        if isBracketed { first += 1 }
        guard first < tokens.count, tokens[first].id >= 0,
            let found = lexicon.trie.longest(tokens, from: first, limit: tokens.count, language: language)
        else { return nil }
        var name: ReportSection.Name?
        for index in found.meanings where lexicon.trie.meanings[Int(index)].kind == .section {
            name = ReportSection.Name.allCases[Int(lexicon.trie.meanings[Int(index)].value)]
        }
        guard let name else { return nil }
        let startsLine = tokens[place].flags.contains(.startsLine)
        let isAtStart = startsLine || place == sentenceStart
        var end = found.end
        if isBracketed {
            guard end < tokens.count, tokens[end].kind == .close else { return nil }
            end += 1
            if end < tokens.count && tokens[end].kind == .colon { end += 1 }
            return (name, end)
        }
        guard end < tokens.count else { return startsLine && place > 0 ? (name, end) : nil }
        switch tokens[end].kind {
        case .colon:
            guard isAtStart || tokens[place].flags.contains(.capital) || tokens[place].kind == .character else {
                return nil
            }
            return (name, end + 1)
        case .newline: return startsLine ? (name, end + 1) : nil
        case .dash: return startsLine && tokens[place].kind == .word ? (name, end + 1) : nil
        case .period: return isAtStart && tokens[place].flags.contains(.capital) ? (name, end + 1) : nil
        default:
            guard startsLine, !tokens[end].flags.contains(.capitals), tokens[end].kind == .word else { return nil }
            for index in place..<end where !tokens[index].flags.contains(.capitals) { return nil }
            return (name, end)
        }
    }

    // MARK: Ends of sentences

    /// The token behind the number of a list item: `1. `, `2) `; nil for another number.
    private mutating func listNumber(_ tokens: [Token], at place: Int, _ text: Span<UInt8>) -> Int? {
        let token = tokens[place]
        guard place + 1 < tokens.count, token.end - token.start <= 2 else { return nil }
        let sign = tokens[place + 1]
        guard sign.kind == .period || sign.kind == .close, !sign.flags.contains(.spaced) else { return nil }
        var number = 0
        for index in Int(token.start)..<Int(token.end) { number = number * 10 + Int(text[index] & 15) }
        let isFirst = place == sentenceStart
        if place + 2 < tokens.count {
            let next = tokens[place + 2]
            guard isFirst || next.flags.contains(.capital) || next.kind == .character else { return nil }
            guard next.flags.contains(.spaced) || next.kind == .character || next.kind == .word else { return nil }
        } else if !isFirst {
            return nil
        }
        guard isFirst || number == lastListNumber + 1 && lastListNumber > 0 else { return nil }
        lastListNumber = number
        return place + 2
    }

    private func endsSentence(_ tokens: [Token], at place: Int, _ lexicon: Lexicon) -> Bool {
        if tokens[place].flags.contains(.wide) { return true }
        guard place + 1 < tokens.count, place > 0 else { return true }
        let before = tokens[place - 1]
        let next = tokens[place + 1]
        if next.kind == .newline || next.kind == .close { return true }
        let isNewWord = next.flags.contains(.capital) || next.kind == .mask
        if lexicon.titles.contains(before.id) { return false }
        if next.flags.contains(.spaced) { return isNewWord || !lexicon.abbreviations.contains(before.id) }
        if next.kind == .comma || next.kind == .period { return false }
        // No blank follows: `apex.There` ends a sentence, `e.g` and `p.m` do not.
        let isShort = before.end - before.start < 3 || next.end - next.start < 3
        return next.kind == .character || isNewWord && before.end - before.start > 1
            || next.kind == .word && before.kind == .word && !isShort
    }

    /// Whether a line end is the end of a sentence, rather than a line that was wrapped.
    private func breaks(_ tokens: [Token], at place: Int) -> Bool {
        guard place > 0, place + 1 < tokens.count, !tokens[place].flags.contains(.blank) else { return true }
        let before = tokens[place - 1]
        let next = tokens[place + 1]
        if before.kind == .comma || before.kind == .slash { return false }
        if next.kind == .bullet { return true }
        let byteCount = Int(tokens[place].start - tokens[lineStart].start)
        if before.kind == .character { return byteCount < Self.wrappedByteCount }
        if byteCount < Self.wrappedByteCount { return true }
        return next.flags.contains(.capital) && !next.flags.contains(.capitals) || next.kind == .number
    }
}
