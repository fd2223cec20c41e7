/// The cases of a source by what reports call them.
struct ReportIndex {
    /// What a report leads to.
    enum Target: Equatable {
        case none
        /// The place of a case in the list.
        case one(Int)
        /// More than one, or keys that do not agree, and why that is refused.
        case several(String)
    }

    private var studies: [String: Set<Int>] = [:]
    private var accessions: [String: Set<Int>] = [:]
    /// By the group of files that may be one case.
    private var groups: [String: Set<Int>] = [:]
    private var studyOfCase: [Int: String] = [:]

    init(_ found: [SourceItem]) {
        for (place, item) in found.enumerated() {
            guard case .found(let source) = item else { continue }
            if let study = source.study {
                studies[study, default: []].insert(place)
                studyOfCase[place] = study
            }
            for accession in source.accessions { accessions[accession, default: []].insert(place) }
            for (key, value) in source.fields.metadata {
                if ReportKeys.isStudy(key) {
                    studies[value, default: []].insert(place)
                    studyOfCase[place] = studyOfCase[place] ?? value
                }
                if ReportKeys.isAccession(key) { accessions[value, default: []].insert(place) }
            }
            if !source.isRow { groups[FilePlace.group(ofID: source.id), default: []].insert(place) }
        }
    }

    /// The case that a report is of.
    func target(of item: SourceReports.Item) -> Target {
        let lead = item.lead
        var byStudy = Set(lead.studies.flatMap { studies[$0] ?? [] })
        if byStudy.isEmpty { byStudy = Set(lead.evidence.flatMap { studies[$0] ?? [] }) }
        if byStudy.count > 1 { return .several(ReportKeys.twoStudies) }
        // The first number that leads anywhere: the others may be numbers of another kind.
        let byNumber = lead.accessions.lazy.compactMap { accessions[$0] }.first ?? []
        if let one = byStudy.first {
            let isElsewhere = !byNumber.isEmpty && !byNumber.contains(one)
            return isElsewhere ? .several(ReportKeys.disagreement) : .one(one)
        }
        if byNumber.count > 1 { return .several(ReportKeys.twoCases) }
        if let one = byNumber.first {
            // It names a study, and this is another one.
            let isOther = studyOfCase[one].map { !(lead.evidence + lead.studies).contains($0) } ?? false
            return isOther && !lead.studies.isEmpty ? .several(ReportKeys.disagreement) : .one(one)
        }
        guard item.isAlone, let named = groups[item.place.group], named.count == 1, let one = named.first else {
            return .none
        }
        // A name is no evidence against a study that says otherwise.
        return studyOfCase[one] != nil && !lead.studies.isEmpty ? .none : .one(one)
    }
}
