import HilumReports
import HilumWords

/// A question in words: what the table of words is asked, and what the question demands of findings.
///
/// What it names is read by the reader of reports, so that "no effusion", 胸水なし and `no effusion` ask the same.
///
/// Thread rule: an immutable value.
struct WordQuestion {
    /// A finding that the question names.
    struct Demand: Equatable {
        /// Whether the question asks for reports that deny it.
        let isDenied: Bool
        let name: [UInt8]
        let side: [UInt8]?
        let place: [UInt8]?
    }

    /// How much more than another word the name of a finding counts, and its side or place.
    private static let nameWeight: Float = 3
    private static let attributeWeight: Float = 1.5

    private(set) var query: WordQuery
    let demands: [Demand]

    /// - Throws: `.badRequest` for a phrase without an end.
    init(_ text: String, _ reader: ReportReader) throws {
        let findings = reader.read(text).findings
        do {
            query = try WordQueryParser.parse(text) { _ in Self.named(findings) }
        } catch let error as WordsError { throw ArchiveError(.badRequest, "\(error)") }
        var demands: [Demand] = []
        for index in query.clauses.indices {
            guard case .term(let term) = query.clauses[index].kind, term.first == FindingTerm.mark else { continue }
            let isName = term.withUnsafeBytes { FindingTerm.name($0) != nil }
            query.clauses[index].weight = isName ? Self.nameWeight : Self.attributeWeight
            query.clauses[index].dependsOnLength = false
            let clause = query.clauses[index]
            guard isName, !clause.isExcluded, clause.assertions != .any else { continue }
            let others = query.clauses.compactMap { other -> [UInt8]? in
                guard other.range == clause.range, case .term(let term) = other.kind else { return nil }
                return term
            }
            demands.append(
                Demand(
                    isDenied: clause.assertions == .denied, name: term,
                    side: others.first { $0.contains(UInt8(ascii: "|")) },
                    place: others.first { $0.contains(UInt8(ascii: "@")) }))
        }
        self.demands = demands
    }

    /// What of the question no report contains and the lexicon does not know, in the spelling of the question.
    func unknown(_ words: [String]) -> [String] {
        let bytes = Array(query.text.utf8)
        let named = Set(
            query.clauses.compactMap { clause -> String? in
                guard case .term(let term) = clause.kind, term.first == FindingTerm.mark,
                    clause.range.upperBound <= bytes.count
                else { return nil }
                return String(decoding: bytes[clause.range], as: UTF8.self)
            })
        return words.filter { !named.contains($0) }
    }

    /// Whether a part of the question is known: a finding of the lexicon, or a word that is not among `unknown`.
    func isKnown(unknown: [String]) -> Bool {
        let bytes = Array(query.text.utf8)
        func isUnknown(_ range: Range<Int>) -> Bool {
            unknown.contains(String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self))
        }
        return query.clauses.contains { clause in
            guard !clause.isExcluded else { return false }
            switch clause.kind {
            case .term(let term): return term.first == FindingTerm.mark || !isUnknown(clause.range)
            case .prefix: return !isUnknown(clause.range)
            case .phrase(let words): return words.contains { !isUnknown($0.range) }
            }
        }
    }

    /// What the question names, and, with no terms of their own, the words that give side, place and denial.
    private static func named(_ findings: [ReportFinding]) -> [WordQueryParser.Finding] {
        var named: [WordQueryParser.Finding] = []
        func add(_ range: Range<Int>?, _ terms: [[UInt8]], _ assertions: AssertionWeights) {
            // Two readings of the same words: the first one counts.
            guard let range, !named.contains(where: { $0.range.overlaps(range) }) else { return }
            named.append(.init(range: range, terms: terms, assertions: assertions))
        }
        for finding in findings {
            var terms = [FindingTerm.term(finding.name)]
            if let side = finding.side?.value { terms.append(FindingTerm.term(finding.name, side: side)) }
            if let place = finding.place?.value { terms.append(FindingTerm.term(finding.name, place: place)) }
            let assertions: AssertionWeights
            switch finding.assertion {
            case .present, .other: assertions = .affirmed
            case .uncertain: assertions = AssertionWeights(present: 1, uncertain: 1)
            case .absent: assertions = .denied
            }
            add(finding.range, terms, assertions)
        }
        for finding in findings {
            for range in [finding.side?.range, finding.place?.range, finding.cue] { add(range, [], .any) }
        }
        return named
    }
}
