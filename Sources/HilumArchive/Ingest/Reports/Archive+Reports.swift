import Foundation
import HilumCore
import HilumDocuments
import LMDB

/// Reports and images of one case that come at different times, or from different places.
///
///     a report comes,  its images are stored ──→ it joins their case, which keeps its own source (`CaseOrigin.joins`)
///     images come,     a report waits for them ─→ they take it over, and the case of the report goes (`SourceCase.waiting`)
extension Archive {
    /// A source, where the archive knows the other half of it.
    ///
    /// - Throws: `.exists` with the reason, where the keys of a report lead to several cases.
    package func withReports(_ source: SourceCase) throws -> SourceCase {
        guard attributes.read({ !$0.live.isEmpty }) else { return source }
        if source.isReportAlone { return try withCase(source) }
        return try withWaitingReport(source)
    }

    // MARK: A report comes

    private func withCase(_ source: SourceCase) throws -> SourceCase {
        var found = source
        guard let number = try target(of: source) else { return try withNamedCase(source) }
        guard let entry = try withArchiveErrors({ try store.environment.read { try store.entry($0, number) } }) else {
            return source
        }
        found.id = entry.id
        found.match = .key
        return found
    }

    /// The one case that the keys of a report lead to; nil for none.
    private func target(of source: SourceCase) throws -> UInt32? {
        var byStudy = try cases(ReportKeys.isStudy, of: source.leads.flatMap(\.studies), areIDs: true)
        if byStudy.isEmpty {
            byStudy = try cases(ReportKeys.isStudy, of: source.leads.flatMap(\.evidence), areIDs: true)
        }
        guard byStudy.count <= 1 else { throw ArchiveError(.exists, "\(source.place): \(ReportKeys.twoStudies)") }
        var byNumber: Set<UInt32> = []
        for lead in source.leads {
            // The first number that leads anywhere: the others may be numbers of another kind.
            for accession in lead.accessions {
                let found = try cases(ReportKeys.isAccession, of: [accession])
                byNumber.formUnion(found)
                if !found.isEmpty { break }
            }
        }
        if let one = byStudy.first {
            guard byNumber.isEmpty || byNumber.contains(one) else {
                throw ArchiveError(.exists, "\(source.place): \(ReportKeys.disagreement)")
            }
            return one
        }
        guard byNumber.count <= 1 else { throw ArchiveError(.exists, "\(source.place): \(ReportKeys.twoCases)") }
        return byNumber.first
    }

    /// The cases that have one of these values under a key of a kind.
    private func cases(_ isWanted: (String) -> Bool, of values: [String], areIDs: Bool = false) throws -> Set<UInt32> {
        guard !values.isEmpty else { return [] }
        var found: Set<UInt32> = []
        if areIDs {
            let named = try withArchiveErrors {
                try store.environment.read { transaction in
                    try values.compactMap { try store.number(transaction, of: $0) }
                }
            }
            found.formUnion(named)
        }
        for key in attributes.read({ $0.keys.keys.filter(isWanted) }) {
            let condition = Filter.Condition(key: key, values: values.map { .equal($0) })
            try matching(Filter([condition])).forEach { found.insert($0) }
        }
        return found
    }

    /// The case whose files have the name of the report's file.
    private func withNamedCase(_ source: SourceCase) throws -> SourceCase {
        guard let named = source.named else { return source }
        let root = String(named.source.dropLast(named.id.count + 1))
        for id in [named.id] + FilePlace.idsOfImages(forReport: named.id) {
            guard let known = try get(id: id), known.hasImage, known.source == "\(root)/\(id)" else { continue }
            // A study that both name is another one.
            let study = known.fields.metadata["study"]
            if let study, source.leads.contains(where: { !$0.studies.isEmpty && !$0.studies.contains(study) }) {
                continue
            }
            var found = source
            found.id = id
            found.match = .name(isTied: try isTied(known, source: "\(root)/\(id)"))
            return found
        }
        return source
    }

    /// Whether an image of a stored case lies where it lay, as it was when all of the case was seen together.
    private func isTied(_ known: CaseRecord, source: String) throws -> Bool {
        let journal = try withArchiveErrors { try store.environment.read { try journalEntry($0, source) } }
        guard journal?.number == known.number, let marks = journal?.marks, !marks.isLoose else { return false }
        var ties = SourceMarks()
        for image in known.images { ties.insert(file: image.path) }
        return ties.hasPart(of: marks)
    }

    // MARK: Images come

    private func withWaitingReport(_ source: SourceCase) throws -> SourceCase {
        guard !source.imagePaths.isEmpty, !source.hasReport, !source.isRow,
            // No report of a message is stored.
            attributes.read({ $0.keys[ReportKeys.status] != nil })
        else { return source }
        var found = source
        if let number = try number(of: source.id) {
            if let one = try waiting(number), ReportLead.place(ofSource: one.source) == source.name {
                found.isTiedToReport = try isAsItWas(one)
            }
            return found
        }
        for accession in source.accessions.sorted() {
            let reports = try cases(ReportKeys.isAccession, of: [accession]).compactMap { try waiting($0) }
            guard reports.count == 1, let one = reports.first else { continue }
            found.waiting = one
            found.former.append(one)
            return found
        }
        for id in FilePlace.idsOfReports(forImage: source.id) {
            guard let number = try number(of: id), let one = try waiting(number),
                ReportLead.place(ofSource: one.source) == "\(source.folder)/\(id)", try isAsItWas(one)
            else { continue }
            found.waiting = one
            found.former.append(one)
            return found
        }
        return found
    }

    private func number(of id: String) throws -> UInt32? {
        try withArchiveErrors { try store.environment.read { try store.number($0, of: id) } }
    }

    /// Whether the file of a report that waits lies there, and says what it said when the report was stored.
    private func isAsItWas(_ waiting: CaseOrigin.Former) throws -> Bool {
        guard let path = ReportLead.path(ofSource: waiting.source), let kind = (try? ReportFile.kind(at: path)) ?? nil
        else { return false }
        let journal = try withArchiveErrors { try store.environment.read { try journalEntry($0, waiting.source) } }
        guard let marks = journal?.marks else { return false }
        var ties = SourceMarks()
        for lead in ReportLead.all(at: path, kind) where lead.source == waiting.source {
            ties.insert(hashOf: lead.identity)
        }
        return ties.hasPart(of: marks)
    }

    /// A stored report that came in a message and has no images yet.
    private func waiting(_ number: UInt32) throws -> CaseOrigin.Former? {
        let entry = try withArchiveErrors { try store.environment.read { try store.entry($0, number) } }
        guard let entry, entry.images.isEmpty, let source = entry.source, ReportLead.path(ofSource: source) != nil
        else {
            return nil
        }
        return CaseOrigin.Former(id: entry.id, source: source)
    }

    /// Whether a stored case is a report that waits for the images of this source.
    static func awaits(_ entry: CaseEntry, _ origin: CaseOrigin) -> Bool {
        guard entry.images.isEmpty, let source = entry.source, let place = ReportLead.place(ofSource: source) else {
            return false
        }
        return origin.takesReports || place == origin.source
    }
}
