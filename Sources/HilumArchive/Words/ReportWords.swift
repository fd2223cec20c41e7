import HilumCore
import HilumReports
import HilumWords

/// What the table of words keeps of one report: its words and the findings it names, each with what the report says about it.
///
/// ```
/// report ─┬─ WordScanner ──→ words with their places
///         └─ ReportReader ─→ sentences, findings with assertion ─→ what is said about each word; names of findings as terms
/// ```
///
/// A finding is kept under its stable name (`FindingTerm`), so that a question in one language finds reports in another; what is affirmed or
/// doubted also under its wider names, with its side and its place. A word takes the assertion of the finding that it belongs to, or whose
/// cue reaches over it; any other word is present, and in a section about another time or a question (`isBackground`) `other`.
///
/// Thread rule: an immutable value.
struct ReportWords: Sendable {
    private struct Occurrence {
        var start: UInt32
        var end: UInt32
        var assertion: WordAssertion
        var section: WordSection
        var position: UInt32
    }

    /// The bytes of the terms, one after the other.
    private var terms: [UInt8] = []
    private var occurrences: [Occurrence] = []
    /// Words of the report.
    let length: Int
    /// Whether the lexicon knows a word of the report that says what is seen or where.
    let saysSomething: Bool

    /// The reader that all threads share.
    ///
    /// - Throws: `.io` when the lexicon that belongs to the program is missing.
    static func sharedReader() throws -> ReportReader { try reader.get() }

    private static let reader = Result { () throws -> ReportReader in
        do { return ReportReader(lexicon: try Lexicon.shared()) } catch { throw ArchiveError(.io, "\(error)") }
    }

    /// Reads a report.
    init(_ report: String, _ reader: ReportReader) {
        let reading = reader.read(report)
        var scanner = WordScanner()
        scanner.scan(report)
        length = scanner.positionCount
        saysSomething = reading.saysSomething
        occurrences.reserveCapacity(scanner.words.count + 4 * reading.findings.count)
        terms.reserveCapacity(report.utf8.count + 32 * reading.findings.count)
        var said = WordAssertions(reading)
        var places: [(start: Int, position: UInt32)] = []
        places.reserveCapacity(scanner.words.count)
        scanner.withTerms { bytes in
            for word in scanner.words {
                places.append((word.range.lowerBound, word.position))
                let (assertion, section) = said.look(word.range)
                add(UnsafeRawBufferPointer(rebasing: bytes[word.term]), assertion, section, word.position)
            }
        }
        for finding in reading.findings {
            // The place of the finding's first word.
            let place = places.partitioningIndex { $0.start >= finding.range.lowerBound }
            let position = place < places.count ? places[place].position : UInt32(scanner.positionCount)
            let (assertion, section) = (WordAssertion(finding.assertion), WordSection(finding.section))
            FindingTerm.forEach(of: finding, reader.lexicon) { name, side, place in
                let start = UInt32(terms.count)
                FindingTerm.append(name, side, place, to: &terms)
                occurrences.append(
                    Occurrence(
                        start: start, end: UInt32(terms.count), assertion: assertion, section: section,
                        position: position))
            }
        }
    }

    private mutating func add(
        _ term: UnsafeRawBufferPointer, _ assertion: WordAssertion, _ section: WordSection, _ position: UInt32
    ) {
        let start = UInt32(terms.count)
        terms.append(contentsOf: term)
        occurrences.append(
            Occurrence(
                start: start, end: UInt32(terms.count), assertion: assertion, section: section, position: position))
    }

    /// Calls `body` with the term of every finding and what the report says of it.
    func forEachFinding(_ body: (_ term: UnsafeRawBufferPointer, _ assertion: WordAssertion) -> Void) {
        terms.withUnsafeBytes { bytes in
            for occurrence in occurrences where bytes[Int(occurrence.start)] == FindingTerm.mark {
                body(
                    UnsafeRawBufferPointer(rebasing: bytes[Int(occurrence.start)..<Int(occurrence.end)]),
                    occurrence.assertion)
            }
        }
    }

    /// Adds the report to a segment, as the document `number`.
    func write(to writer: inout SegmentWriter, as number: UInt32) {
        writer.begin(document: number, length: length)
        terms.withUnsafeBytes { bytes in
            for occurrence in occurrences {
                writer.add(
                    term: UnsafeRawBufferPointer(rebasing: bytes[Int(occurrence.start)..<Int(occurrence.end)]),
                    assertion: occurrence.assertion, section: occurrence.section, position: Int(occurrence.position))
            }
        }
    }
}

/// What a report says about each of its words, asked for in the order of the words.
private struct WordAssertions {
    private let reading: ReportReading
    private var sentence = 0
    /// Findings of sentences before the present one.
    private var first = 0

    init(_ reading: ReportReading) { self.reading = reading }

    mutating func look(_ word: Range<Int>) -> (WordAssertion, WordSection) {
        while sentence < reading.sentences.count, reading.sentences[sentence].range.upperBound <= word.lowerBound {
            sentence += 1
        }
        // Headings and the numbers of lists stand between sentences.
        guard sentence < reading.sentences.count, reading.sentences[sentence].range.contains(word.lowerBound) else {
            return (.other, .other)
        }
        let section = reading.sentences[sentence].section
        while first < reading.findings.count, reading.findings[first].sentence < sentence { first += 1 }
        var reached: WordAssertion?
        for index in first..<reading.findings.count {
            let finding = reading.findings[index]
            guard finding.sentence == sentence else { break }
            if finding.range.contains(word.lowerBound) { return (.init(finding.assertion), .init(section)) }
            if let cue = finding.cue,
                word.lowerBound >= min(cue.lowerBound, finding.range.lowerBound),
                word.upperBound <= max(cue.upperBound, finding.range.upperBound)
            {
                reached = .init(finding.assertion)
            }
        }
        return (reached ?? (section.isBackground ? .other : .present), .init(section))
    }
}

extension WordAssertion {
    init(_ assertion: ReportFinding.Assertion) {
        switch assertion {
        case .present: self = .present
        case .absent: self = .absent
        case .uncertain: self = .uncertain
        case .other: self = .other
        }
    }
}

extension WordSection {
    init(_ section: ReportSection.Name) {
        switch section {
        case .impression: self = .impression
        case .findings: self = .findings
        default: self = .other
        }
    }
}

extension RandomAccessCollection {
    /// The first index at which `isSecond` holds; it must hold from there on.
    func partitioningIndex(_ isSecond: (Element) -> Bool) -> Index {
        var low = startIndex
        var count = self.count
        while count > 0 {
            let middle = index(low, offsetBy: count / 2)
            if isSecond(self[middle]) {
                count /= 2
            } else {
                low = index(after: middle)
                count -= count / 2 + 1
            }
        }
        return low
    }
}
