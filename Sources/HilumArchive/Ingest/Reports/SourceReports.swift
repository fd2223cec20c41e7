import HilumCore
import HilumDocuments

/// The reports of the messages and structured reports of a source, and the cases that they are of.
///
///     study UID ─────────┐
///     accession number ──┼─→ one case among those that were found: the report is part of it
///     name of the file ──┘   none: a case of its own, which the archive may know better (`Archive.withReports`)
///                            several, or keys that lead to two: refused by name
///
/// Thread rule: a value.
package struct SourceReports: Sendable {
    /// With the place of its file, by which a file of one report may be named.
    struct Item: Sendable {
        var lead: ReportLead
        var place: FilePlace
        var isAlone: Bool
    }

    /// A message or a file that cannot be read, and why.
    package struct Refusal: Sendable {
        /// The file, and the number of the message in it.
        package var place: String
        /// What is wrong.
        package var reason: String
        /// Whether the same file may be read later.
        package var mayPass = false
    }

    private(set) var items: [Item] = []
    /// Messages and files that cannot be read, and why.
    package var refused: [Refusal] = []
    /// What the files hold that is no report.
    package var passedOver = PassedOver()

    /// Reads a file.
    mutating func read(_ file: FoundFile, at path: String, _ kind: ReportFile.Kind, _ finder: inout CaseFinder) {
        let outcomes: [(place: ReportFile.Place, outcome: ReportFile.Outcome)]
        do throws(DocumentError) { outcomes = try ReportFile.outcomes(at: path, kind) } catch {
            return refused.append(
                .init(place: path, reason: error.description, mayPass: error.code == .unreadable))
        }
        if outcomes.isEmpty { refused.append(.init(place: path, reason: "the file holds no message")) }
        var leads: [ReportLead] = []
        for (number, item) in outcomes.enumerated() {
            switch item.outcome {
            case .report(let document):
                leads.append(ReportLead(document, path: path, kind, item.place, number: leads.count + 1))
            case .passedOver(let reason): finder.passOver(reason)
            case .refused(let reason):
                let place = outcomes.count > 1 ? "\(path): message \(number + 1)" : path
                refused.append(.init(place: place, reason: reason))
            }
        }
        let place = FilePlace(path: file.path, role: .message)
        items += leads.map { Item(lead: $0, place: place, isAlone: leads.count == 1) }
    }

    /// Gives each report to its case among `found`, and makes cases of the others.
    ///
    /// - Parameter root: the source.
    mutating func join(_ found: inout [SourceItem], root: String) {
        guard !items.isEmpty else { return }
        let index = ReportIndex(found)
        var alone: [SourceCase] = []
        for item in items {
            switch index.target(of: item) {
            case .none:
                let place = alone.firstIndex { other in other.leads.contains { $0.sharesKey(with: item.lead) } }
                if let place {
                    alone[place].leads.append(item.lead)
                } else {
                    alone.append(Self.ownCase(item, root: root))
                }
            case .one(let place):
                guard case .found(var target) = found[place] else { continue }
                // A row says all of its case.
                if target.isRow && target.leads.isEmpty && target.hasReport {
                    passedOver.add("report of a case whose table says the report")
                    continue
                }
                if let other = target.reportPath { passedOver.addLost("second text of a case", other) }
                target.leads.append(item.lead)
                found[place] = .found(target)
            case .several(let reason): refused.append(.init(place: item.lead.path, reason: reason))
            }
        }
        for place in found.indices {
            guard case .found(var target) = found[place], target.leads.count > 1 else { continue }
            for lead in target.partWrongReports() {
                refused.append(.init(place: lead.path, reason: ReportKeys.anotherPatientThanOthers))
            }
            found[place] = .found(target)
        }
        found += alone.map { .found($0) }
    }

    /// The cases that each report would be by itself.
    package func cases(root: String) -> [SourceCase] { items.map { Self.ownCase($0, root: root) } }

    /// Named by its study, or by its file.
    private static func ownCase(_ item: Item, root: String) -> SourceCase {
        let name = item.isAlone ? item.place.id : "\(item.place.id)#\(item.lead.number)"
        var found = SourceCase(
            place: item.lead.path, name: item.lead.source, id: item.lead.studies.first ?? name)
        found.leads = [item.lead]
        if item.isAlone { found.named = .init(id: item.place.id, source: "\(root)/\(item.place.id)") }
        return found
    }
}

extension ReportLead {
    /// Whether two reports say that they are of one study.
    func sharesKey(with other: ReportLead) -> Bool {
        if !studies.isEmpty && !other.studies.isEmpty { return !Set(studies).isDisjoint(with: other.studies) }
        return accessions.first != nil && accessions.first == other.accessions.first
    }
}
