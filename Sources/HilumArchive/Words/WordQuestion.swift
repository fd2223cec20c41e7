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
        var name: [UInt8]
        var side: [UInt8]?
        var place: [UInt8]?
    }

    /// A finding that the question names and no report affirms or doubts.
    struct Unsaid: Equatable {
        let name: String
        /// The nearest wider finding that one does, for which the question is asked in its place; nil where there is none.
        let wider: String?
    }

    /// How much more than another word the name of a finding counts, and its side or place.
    private static let nameWeight: Float = 3
    private static let attributeWeight: Float = 1.5

    private(set) var query: WordQuery
    private(set) var demands: [Demand]

    /// A longer question is asked by its beginning; it is a report, of which vectors know more than words.
    private static let byteLimit = 8 << 10
    private static let clauseLimit = 256
    private static let exclusionLimit = 64
    private static let demandLimit = 16

    /// - Throws: `.limit` for more than 64 exclusions.
    init(_ text: String, _ reader: ReportReader) throws {
        let text = Self.beginning(of: text)
        let findings = reader.read(text).findings
        query = try Self.parse(text, Self.named(findings))
        query.clauses = Self.distinct(query.clauses)
        guard query.clauses.count(where: \.isExcluded) <= Self.exclusionLimit else {
            throw ArchiveError(.limit, "the question excludes more than \(Self.exclusionLimit) words; leave some out")
        }
        query.clauses = Self.mostTelling(query.clauses)
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
            let demand = Demand(
                isDenied: clause.assertions == .denied, name: term,
                side: others.first { $0.contains(UInt8(ascii: "|")) },
                place: others.first { $0.contains(UInt8(ascii: "@")) })
            if demands.count < Self.demandLimit { demands.append(demand) }
        }
        self.demands = demands
    }

    /// Asks for wider findings in the place of those that nobody speaks of: without it, the first hits of `tension pneumothorax` would be as
    /// good as drawn, and most of them would deny a pneumothorax.
    ///
    /// - Parameter isSaid: whether a report affirms or doubts the finding of this term.
    mutating func widen(_ reader: ReportReader, isSaid: ([UInt8]) throws -> Bool) rethrows -> [Unsaid] {
        var unsaid: [Unsaid] = []
        for index in demands.indices where !demands[index].isDenied {
            let term = demands[index].name
            guard let name = term.withUnsafeBytes({ FindingTerm.name($0) }), try !isSaid(term) else { continue }
            let wider = try reader.lexicon.lineage(of: name).dropFirst().first { try isSaid(FindingTerm.term($0)) }
            if !unsaid.contains(where: { $0.name == name }) { unsaid.append(Unsaid(name: name, wider: wider)) }
            guard let wider else { continue }
            let other = FindingTerm.term(wider)
            demands[index].name = other
            demands[index].side = demands[index].side.map { other + $0.dropFirst(term.count) }
            demands[index].place = demands[index].place.map { other + $0.dropFirst(term.count) }
            for place in query.clauses.indices where !query.clauses[place].isExcluded {
                guard case .term(let old) = query.clauses[place].kind, old.starts(with: term) else { continue }
                let rest = old.dropFirst(term.count)
                guard rest.isEmpty || rest.first == UInt8(ascii: "|") || rest.first == UInt8(ascii: "@") else {
                    continue
                }
                query.clauses[place].kind = .term(other + rest)
            }
        }
        return unsaid
    }

    /// Up to `byteLimit`, cut between words where there are any.
    private static func beginning(of text: String) -> String {
        guard text.utf8.count > byteLimit else { return text }
        let bytes = text.utf8.prefix(byteLimit)
        let end = bytes.lastIndex(where: { $0 <= UInt8(ascii: " ") }) ?? bytes.endIndex
        return String(decoding: bytes[..<end], as: UTF8.self)
    }

    /// A quotation mark without its partner is none: people write inches so.
    private static func parse(_ text: String, _ named: [WordQueryParser.Finding]) throws -> WordQuery {
        do { return try WordQueryParser.parse(text) { _ in named } } catch let error as WordsError {
            guard error.code == .unclosedPhrase else { throw error }
            var bytes = Array(text.utf8)
            if let last = bytes.lastIndex(of: UInt8(ascii: "\"")) { bytes[last] = UInt8(ascii: " ") }
            return try WordQueryParser.parse(String(decoding: bytes, as: UTF8.self)) { _ in named }
        }
    }

    /// Clauses that ask for the same are one.
    private static func distinct(_ clauses: [WordQuery.Clause]) -> [WordQuery.Clause] {
        var seen: Set<[UInt8]> = []
        return clauses.filter { clause in
            var key: [UInt8] = [clause.isExcluded ? 1 : 0]
            for assertion in WordAssertion.allCases {
                withUnsafeBytes(of: clause.assertions[assertion].bitPattern) { key.append(contentsOf: $0) }
            }
            switch clause.kind {
            case .term(let term): key += [0] + term
            case .prefix(let prefix): key += [1] + prefix
            case .phrase(let words):
                for word in words { key += [2, UInt8(truncatingIfNeeded: word.offset)] + word.term }
            }
            return seen.insert(key).inserted
        }
    }

    /// At most `clauseLimit`: exclusions and findings, then the first of the other words.
    private static func mostTelling(_ clauses: [WordQuery.Clause]) -> [WordQuery.Clause] {
        guard clauses.count > clauseLimit else { return clauses }
        func isNamed(_ clause: WordQuery.Clause) -> Bool {
            if case .term(let term) = clause.kind { return clause.isExcluded || term.first == FindingTerm.mark }
            return clause.isExcluded
        }
        return Array((clauses.filter(isNamed) + clauses.filter { !isNamed($0) }).prefix(clauseLimit))
    }

    /// Whether the question looks for something in reports, and does not only exclude.
    var looksForSomething: Bool { !query.isEmpty }

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
