import HilumCore
import HilumIndex
import HilumReports
import HilumWords
import LMDB

/// What the words of reports say to a question.
struct WordAnswer {
    /// The best first.
    var hits: [WordHit] = []
    /// What of the question nobody knows.
    var unknown: [String] = []
    /// Whether a part of the question is known; also when there are no reports at all.
    var isKnown = true
    /// Findings of the question that no report speaks of, and what was asked in their place.
    var unsaid: [WordQuestion.Unsaid] = []
    /// Reports that the question excludes.
    var excluded = ItemSet()
    /// How well a case meets what the question demands of findings.
    var demands = DemandedFindings()
}

/// How many reports speak of a finding.
public struct SaidFinding: Sendable, Equatable {
    /// The stable name.
    public let name: String
    /// Reports that affirm it, also under a narrower name.
    public let affirmed: Int
    /// Reports that deny it.
    public let denied: Int
    /// Reports that doubt it, also under a narrower name.
    public let uncertain: Int
}

/// The cases that a condition of a filter finds by what their reports say.
struct SaidCases {
    var cases = ItemSet()
    /// Whether only those count that were given no findings.
    var needsNoFindings = false
}

/// Which reports meet the demands of a question.
///
/// A report that affirms what is asked for comes before one that merely doubts it, and that before one that does not speak of it; one that
/// denies it comes last. Side and place count among those that affirm it.
struct DemandedFindings {
    private struct Lists {
        var isDenied: Bool
        var affirmed: CaseNumbers
        var uncertain: CaseNumbers
        var denied: CaseNumbers
        var atSide: CaseNumbers
        var atPlace: CaseNumbers
    }

    private var lists: [Lists] = []

    /// Whether the question demands nothing.
    var isEmpty: Bool { lists.isEmpty }

    mutating func add(
        isDenied: Bool, affirmed: CaseNumbers, uncertain: CaseNumbers, denied: CaseNumbers, atSide: CaseNumbers,
        atPlace: CaseNumbers
    ) {
        lists.append(
            Lists(
                isDenied: isDenied, affirmed: affirmed, uncertain: uncertain, denied: denied, atSide: atSide,
                atPlace: atPlace))
    }

    /// The more the better; 0 for a case that does not speak of it.
    func degree(of number: UInt32) -> Int {
        lists.reduce(0) { sum, lists in
            if lists.affirmed.contains(number) {
                if lists.isDenied { return sum - 4 }
                return sum + 4 + (lists.atSide.contains(number) ? 1 : 0) + (lists.atPlace.contains(number) ? 1 : 0)
            }
            if lists.isDenied {
                return sum + (lists.denied.contains(number) ? 4 : lists.uncertain.contains(number) ? -2 : 0)
            }
            return sum + (lists.uncertain.contains(number) ? 2 : lists.denied.contains(number) ? -4 : 0)
        }
    }
}

extension Archive {
    /// Asks the words of reports.
    ///
    /// - Parameters:
    ///   - limit: how many hits at most.
    ///   - matching: which cases may be hits; nil for all.
    ///   - request: has the time that is left.
    /// - Throws: `.limit` for too many words; `.deadline`; `.damaged`.
    func answer(_ text: String, limit: Int, matching: ItemSet?, until request: SearchRequest) throws -> WordAnswer {
        let reader = try ReportWords.sharedReader()
        var question = try WordQuestion(text, reader)
        let lengths = try wordLengths()
        let corpus = try request.corpus.map { try $0.statistics(of: question) }
        var answer = WordAnswer()
        guard lengths.documentCount > 0 else { return answer }
        // What a part of an archive lacks, another may have.
        if corpus == nil {
            answer.unsaid = try question.widen(reader) { term in
                try saidCases(term, .present).count > 0 || saidCases(term, .uncertain).count > 0
            }
        }
        // Kept in memory from question to question: "no pneumothorax" is said in most reports.
        for demand in question.demands {
            func said(_ term: [UInt8]?, _ assertion: WordAssertion) throws -> CaseNumbers {
                try term.map { try saidCases($0, assertion) } ?? CaseNumbers([])
            }
            try answer.demands.add(
                isDenied: demand.isDenied, affirmed: said(demand.name, .present),
                uncertain: said(demand.name, .uncertain), denied: said(demand.name, .absent),
                atSide: said(demand.side, .present), atPlace: said(demand.place, .present))
        }
        try store.environment.read { transaction in
            let table = WordTable(store: store)
            let stored = try table.head(transaction, nextNumber: progress.withLock { $0.nextNumber })
            let head = stored.words
            // What only a report says that was not read yet is not unknown.
            let isWhole =
                stored.unread.isEmpty
                || !attributes.read { $0.withText.items.contains { stored.unread.contains($0) } }
            try table.withBlocks(transaction) { blocks in
                let result = try words.search(
                    question.query, head, store: blocks, lengths: lengths, limit: limit,
                    isAllowed: matching.map { set in { set.contains($0) } }, statistics: corpus,
                    beforeClause: { try checkTime(request) })
                answer.hits = result.hits
                answer.unknown = isWhole ? question.unknown(result.unknown) : []
                answer.isKnown = !question.looksForSomething || question.isKnown(unknown: answer.unknown)
                for clause in question.query.clauses where clause.isExcluded {
                    for number in try words.documents(matching: clause, head, store: blocks, lengths: lengths) {
                        answer.excluded.insert(number)
                    }
                }
            }
        }
        return answer
    }

    /// The cases that a condition of a filter finds by what reports say; nil for a condition that asks for something else.
    ///
    /// `affirmed`, `denied` and `uncertain` ask the reports alone; `finding` asks them about cases that were given no findings.
    func saidCases(_ condition: Filter.Condition, until deadline: Double? = nil) throws -> SaidCases? {
        guard let assertion = Self.assertion(of: condition.key) else { return nil }
        let reader = try ReportWords.sharedReader()
        var all = ItemSet()
        for value in condition.values {
            guard case .equal(let text) = value, let term = Self.findingTerm(text, reader) else {
                if condition.key.hasPrefix("finding") { continue }
                throw ArchiveError(
                    .badRequest,
                    "\(condition.key)= takes the name of a finding, such as effusion; 'hilum findings --names' lists them"
                )
            }
            try Self.checkTime(deadline)
            let cases = try saidCases(term, assertion).set
            all = all.isEmpty ? cases : all.union(cases)
        }
        return SaidCases(cases: all, needsNoFindings: condition.key.hasPrefix("finding"))
    }

    /// What a filter or a facet by this key asks reports for; nil for a key of the metadata.
    static func assertion(of key: String) -> WordAssertion? {
        switch key {
        case "affirmed", "finding", "findings": .present
        case "denied": .absent
        case "uncertain": .uncertain
        default: nil
        }
    }

    /// The term of what a person wrote: a stable name, or any wording of the lexicon, with or without a side.
    static func findingTerm(_ text: String, _ reader: ReportReader) -> [UInt8]? {
        if reader.lexicon.names.contains(where: { $0.name == text }) { return FindingTerm.term(text) }
        let findings = reader.read(text).findings
        guard let finding = findings.first, findings.count == 1 else { return nil }
        // Other words than those of the finding and its side would be passed over.
        var rest = Array(text.utf8)
        for range in [finding.range, finding.side?.range].compactMap(\.self) {
            for place in range where place < rest.count { rest[place] = UInt8(ascii: " ") }
        }
        guard rest.allSatisfy({ $0 == UInt8(ascii: " ") }) else { return nil }
        return FindingTerm.term(finding.name, side: finding.side?.value)
    }

    /// The cases whose reports say `assertion` about a finding.
    func saidCases(_ finding: [UInt8], _ assertion: WordAssertion) throws -> CaseNumbers {
        let key = SaidTable.Key(term: finding, assertion: assertion)
        let (known, version) = said.cases(key)
        if let known { return known }
        let lengths = try wordLengths()
        guard lengths.documentCount > 0 else { return CaseNumbers([]) }
        let weights: AssertionWeights =
            switch assertion {
            case .present: AssertionWeights(present: 1)
            case .uncertain: .suspected
            case .absent: .denied
            case .other: AssertionWeights(other: 1)
            }
        let cases = try store.environment.read { transaction in
            let table = WordTable(store: store)
            let head = try table.head(transaction, nextNumber: 0).words
            return try table.withBlocks(transaction) {
                CaseNumbers(
                    try words.documents(
                        matching: .init(.term(finding), assertions: weights), head, store: $0, lengths: lengths))
            }
        }
        said.keep(cases, key, madeAt: version)
        return cases
    }

    /// How many reports speak of each finding, device and place that the lexicon names, the most often affirmed first; what none speaks
    /// of is left out.
    ///
    /// - Complexity: O(reports that speak of any), about a second for a million reports.
    public func saidFindings() throws -> [SaidFinding] {
        try withArchiveErrors {
            let reader = try ReportWords.sharedReader()
            var findings: [SaidFinding] = []
            for name in reader.lexicon.names {
                let term = FindingTerm.term(name.name)
                let finding = try SaidFinding(
                    name: name.name, affirmed: saidCases(term, .present).count,
                    denied: saidCases(term, .absent).count, uncertain: saidCases(term, .uncertain).count)
                if finding.affirmed + finding.denied + finding.uncertain > 0 { findings.append(finding) }
            }
            return findings.sorted { ($1.affirmed, $0.name) < ($0.affirmed, $1.name) }
        }
    }

    /// What the words of a question come to here, for a search over several archives (`WordCorpus`).
    ///
    /// - Throws: `.limit` for too many exclusions; `.damaged`.
    public func wordCounts(of text: String) throws -> WordCounts {
        try withArchiveErrors {
            try checkText(text)
            let question = try WordQuestion(text, ReportWords.sharedReader())
            let lengths = try wordLengths()
            return try store.environment.read { transaction in
                let table = WordTable(store: store)
                let head = try table.head(transaction, nextNumber: progress.withLock { $0.nextNumber }).words
                return try table.withBlocks(transaction) { blocks in
                    let (all, words) = try self.words.statistics(
                        of: question.query, head, store: blocks, lengths: lengths)
                    let unknown = question.unknown(words)
                    return WordCounts(
                        corpus: WordCorpus(
                            documents: all.documentCount, length: all.totalLength, matches: all.matchCounts),
                        unknown: unknown,
                        isKnown: !question.looksForSomething || question.isKnown(unknown: unknown),
                        demandsFindings: !question.demands.isEmpty)
                }
            }
        }
    }

    /// The lengths of reports, read when they are first wanted. Opening does not read them.
    private func wordLengths() throws -> LengthTable {
        try lengthsOfReports.withLock { lengths in
            if let lengths { return lengths }
            let live = attributes.read { $0.live }
            let read = try store.environment.read { transaction in
                let table = WordTable(store: store)
                let head = try table.head(transaction, nextNumber: 0).words
                // A block that is missing would be words that nobody wrote.
                try table.checkBlocks(transaction, head)
                return try table.withBlocks(transaction) { try LengthTable(head, store: $0) { live.contains($0) } }
            }
            lengths = read
            return read
        }
    }

    // MARK: Reports of older releases

    /// Reports that were stored by a release without words, and are not found by their words yet.
    public func unreadReportCount() throws -> Int {
        try withArchiveErrors {
            try store.environment.read { transaction in
                let next = progress.withLock { $0.nextNumber }
                let unread = try WordTable(store: store).head(transaction, nextNumber: next).unread
                return attributes.read { $0.withText.items.count { unread.contains($0) } }
            }
        }
    }

    /// Reads the next reports of an older release into the table of words.
    ///
    /// Call it again and again while it returns a number above 0; each call is a short transaction, and what it wrote stays.
    /// - Returns: how many case numbers it went through; 0 when nothing is left.
    /// - Throws: `.readOnly`, `.damaged`, `.io`.
    public func readOldReports() throws -> Int {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        return try withArchiveErrors {
            let reader = try ReportWords.sharedReader()
            let table = WordTable(store: store)
            // Read and parsed beside other writes, which must not wait for it.
            let next = progress.withLock { $0.nextNumber }
            let (unread, texts) = try store.environment.read { transaction in
                try oldReports(transaction, table, nextNumber: next)
            }
            guard !unread.isEmpty else { return 0 }
            let all = parallelMap(texts, threads: defaultThreadCount) { ($0.0, ReportWords($0.1, reader)) }
            writing.lock()
            defer { writing.unlock() }
            _ = try writableCounters()
            let live = attributes.read { $0.withText }
            let end = texts.count < Self.oldReportCount ? unread.upperBound : texts[texts.count - 1].0 + 1
            let read = all.filter { live.contains($0.0) }
            let isDone = try store.environment.write { transaction -> Bool in
                var head = try table.head(transaction, nextNumber: next)
                // Another call was faster.
                guard head.unread == unread else { return false }
                head.unread = end..<unread.upperBound
                try table.add(transaction, read, to: &head, live: live)
                return true
            }
            if isDone {
                noteWords(read)
                // Pages and facets of before lack them.
                attributes.write { $0.noteChange() }
            }
            return Int(end - unread.lowerBound)
        }
    }

    /// The unread cases, and the next of their reports.
    private func oldReports(
        _ transaction: borrowing ReadTransaction, _ table: WordTable, nextNumber: UInt32
    ) throws -> (unread: Range<UInt32>, texts: [(UInt32, String)]) {
        let unread = try table.head(transaction, nextNumber: nextNumber).unread
        var texts: [(UInt32, String)] = []
        guard !unread.isEmpty else { return (unread, []) }
        try store.forEach(transaction, .reports, from: UInt64(unread.lowerBound)) { key, payload in
            let number = UInt32(truncatingIfNeeded: UInt64(keyBytes: key) ?? 0)
            guard unread.contains(number), texts.count < Self.oldReportCount else { return false }
            texts.append((number, String(decoding: payload, as: UTF8.self)))
            return true
        }
        return (unread, texts)
    }

    private static let oldReportCount = 512

    /// Takes reports out of the answers whose cases are gone.
    func forgetWords(_ numbers: [UInt32]) {
        lengthsOfReports.withLock { lengths in for number in numbers { lengths?.remove(number) } }
        said.remove(numbers)
    }

    /// Makes reports known that a transaction wrote.
    func noteWords(_ reports: [(number: UInt32, words: ReportWords)]) {
        lengthsOfReports.withLock { lengths in
            for report in reports { lengths?.insert(report.number, length: report.words.length) }
        }
        said.insert(reports)
    }
}
