import HilumCore
import HilumIndex

/// How often the values of a key occur.
///
/// ```
/// key of the metadata ─→ counts by value, or sets of a filter's cases and a value's ─┐
/// affirmed, denied, uncertain ─→ what reports say of each finding (`SaidTable`) ─────┼─→ the most frequent ─→ kept until the next change
/// finding ─→ what cases were given, and what reports of the others affirm ───────────┘   (`FacetMemory`)
/// ```
/// What is counted under a value is what a filter with it finds.
extension Archive {
    /// How many of the matching cases have each value of `key`, the most frequent first.
    ///
    /// A case with several values counts once for each.
    /// - Parameters:
    ///   - key: of the metadata, or `finding`, `affirmed`, `denied` or `uncertain`.
    ///   - limit: how many values at most.
    ///   - deadline: as of `SearchRequest`; nil for none.
    /// - Throws: `.unknownKey`, `.badRequest` for `id` and for a filter that makes no sense, `.deadline`, `.io`, `.damaged`.
    /// - Complexity: O(limit) for what was asked since the last change, and without a filter once the key was counted; else O(matching
    ///   cases), for findings O(n / 64) each.
    public func facet(
        by key: String, _ filter: Filter = Filter(), limit: Int = Facet.standardLimit, until deadline: Double? = nil
    ) throws -> Facet {
        guard limit > 0 else { throw ArchiveError(.badRequest, "a facet has at least one value") }
        guard key != "id" else {
            throw ArchiveError(.badRequest, "each id names one case; COUNT counts cases, and a facet takes another key")
        }
        try checkKeys(of: Filter([Filter.Condition(key: key, values: [])]))
        let question = FacetMemory.Question(key: key, filter: filter, limit: limit)
        let version = attributes.read { $0.version }
        if let known = facets.facet(question, at: version) { return known }
        var facet = try countedFacet(by: key, filter, limit: limit, until: deadline)
        facet.lines = facet.written()
        // What changed meanwhile may be in it by half.
        if attributes.read({ $0.version }) == version { facets.keep(facet, question, madeAt: version) }
        return facet
    }

    private func countedFacet(
        by key: String, _ filter: Filter, limit: Int, until deadline: Double?
    ) throws -> Facet {
        let matching = filter.isEmpty ? nil : try self.matching(filter, until: deadline)
        try Self.checkTime(deadline)
        return try withArchiveErrors {
            var facet = Facet(values: [], distinctCount: 0, caseCount: 0)
            facet.caseCount = matching?.count ?? attributes.read { $0.live.count }
            switch key {
            case "affirmed", "denied", "uncertain":
                let counts = try saidCounts(key, among: matching, until: deadline)
                facet.distinctCount = counts.count
                facet.values = FacetValue.best(limit) { body in for (name, count) in counts { body(name, count) } }
            case "finding", "findings":
                let counts = try findingCounts(among: matching, until: deadline)
                facet.distinctCount = counts.count
                facet.values = FacetValue.best(limit) { body in for (name, count) in counts { body(name, count) } }
            default:
                let counted = try countedValues(of: key, among: matching, limit: limit)
                facet.distinctCount = counted.distinctCount
                if matching == nil { facet.caseCount = counted.caseCount }
                facet.values = counted.values
            }
            return facet
        }
    }

    /// Counts in the tables of the metadata, and keeps what is worth it for the next time.
    private func countedValues(
        of key: String, among matching: ItemSet?, limit: Int
    ) throws -> Attributes.Counted {
        let (counted, version) = try withPostings([key]) {
            ($0.countValues(of: key, among: matching, limit: limit), $0.version)
        }
        if counted.counts != nil || !counted.learned.isEmpty {
            attributes.write { attributes in
                if let counts = counted.counts { attributes.remember(counts, of: key, madeAt: version) }
                attributes.remember(counted.learned, madeAt: version)
            }
        }
        return counted
    }

    /// By name of a finding, how many reports say of it what `key` asks for.
    private func saidCounts(_ key: String, among matching: ItemSet?, until deadline: Double?) throws -> [String: Int] {
        guard let assertion = Self.assertion(of: key) else { return [:] }
        var counts: [String: Int] = [:]
        for name in try ReportWords.sharedReader().lexicon.names {
            try Self.checkTime(deadline)
            let cases = try saidCases(FindingTerm.term(name.name), assertion)
            let count = matching.map { cases.count(in: $0) } ?? cases.count
            if count > 0 { counts[name.name] = count }
        }
        return counts
    }

    /// By finding, how many cases were given it or, where they were given none, have a report that affirms it.
    private func findingCounts(among matching: ItemSet?, until deadline: Double?) throws -> [String: Int] {
        let given = try countedValues(of: "finding", among: matching, limit: Self.everyValue).values
        var learned: [Attributes.Learned] = []
        let (without, version) = try withPostings(["finding"]) { attributes in
            (
                (matching ?? attributes.live).subtracting(attributes.withValue(of: "finding", &learned)),
                attributes.version
            )
        }
        if !learned.isEmpty { attributes.write { $0.remember(learned, madeAt: version) } }
        var counts: [String: Int] = [:]
        for item in given { counts[item.value] = item.count }
        guard !without.isEmpty else { return counts }
        let reader = try ReportWords.sharedReader()
        let names = reader.lexicon.names.map(\.name)
        let known = Set(names)
        for name in names {
            try Self.checkTime(deadline)
            let count = try saidCases(FindingTerm.term(name), .present).count(in: without)
            if count > 0 { counts[name, default: 0] += count }
        }
        // A filter takes another wording of a finding for the finding.
        for item in given where !known.contains(item.value) {
            guard let term = Self.findingTerm(item.value, reader) else { continue }
            counts[item.value, default: 0] += try saidCases(term, .present).count(in: without)
        }
        return counts
    }

    /// More values than any key of findings has.
    private static let everyValue = 1 << 30
}
