import HilumCore
import HilumDocuments

/// Reports that came in messages.
extension SourceCase {
    /// Whether it is nothing but reports of messages, which may be of a stored case.
    package var isReportAlone: Bool {
        imagePaths.isEmpty && reportPath == nil && report == nil && !leads.isEmpty
    }

    /// The id of the stored report that these images take over; nil for none.
    package var waitingID: String? { waiting?.id }

    /// Takes out the reports of other patients, where the tags of the images or the row say whose the case is and another report says the same.
    /// Where any of them says nothing, or the images disagree, all stay, and the case is refused.
    ///
    /// - Returns: what was taken out.
    mutating func partWrongReports() -> [ReportLead] {
        var known = tagged
        if let patient = fields.patient { known.append(DICOMPatient(number: patient, issuer: nil)) }
        guard let whose = known.first, known.allSatisfy({ one in known.allSatisfy(one.mayBe) }),
            leads.allSatisfy({ !$0.patients.isEmpty })
        else { return [] }
        let right = leads.filter { $0.patients.contains { one in known.allSatisfy(one.mayBe) } }
        let wrong = leads.filter { lead in
            !lead.patients.contains { $0.number == whose.number }
        }
        guard !right.isEmpty, right.count + wrong.count == leads.count else { return [] }
        leads = right
        return wrong
    }

    /// What two reports have in common that are of one case.
    package var reportKeys: Set<String> { Set(leads.flatMap { $0.studies + $0.evidence + $0.accessions } + [id]) }

    /// Cases of which no two take over one report: where two may, nobody can tell whose it is, and it goes on waiting.
    package static func withoutContestedReports(_ sources: [SourceCase]) -> [SourceCase] {
        let counts = Dictionary(sources.compactMap { $0.waitingID.map { ($0, 1) } }, uniquingKeysWith: +)
        guard counts.values.contains(where: { $0 > 1 }) else { return sources }
        return sources.map { source in
            guard let id = source.waitingID, counts[id, default: 0] > 1 else { return source }
            var alone = source
            alone.former.removeAll { $0.id == id }
            alone.waiting = nil
            return alone
        }
    }

    /// The report in a file that somebody named as the report of a case, where it is a message or a structured report; nil for a text.
    ///
    /// - Throws: `.badRequest` where it holds no report, or several; `.io`.
    func message(at path: String) throws(ArchiveError) -> ReportDocument? {
        // Why a file cannot be read is said by whoever reads it as a text.
        guard let kind = (try? ReportFile.kind(at: path)) ?? nil else { return nil }
        let outcomes: [ReportFile.Outcome]
        do throws(DocumentError) { outcomes = try ReportFile.outcomes(at: path, kind).map(\.outcome) } catch {
            throw ArchiveError(error.code == .unreadable ? .io : .badRequest, "\(path): \(error)")
        }
        guard outcomes.count == 1, let first = outcomes.first else {
            throw ArchiveError(.badRequest, "\(path): it holds \(outcomes.count) messages, and a case has one report")
        }
        switch first {
        case .report(let document): return document
        case .passedOver(let reason), .refused(let reason): throw ArchiveError(.badRequest, "\(path): \(reason)")
        }
    }

    /// Reads its reports as one: the last version, and addenda.
    ///
    /// - Throws: `.io` for a file that cannot be read now or says something else than when it was found, `.badRequest` for reports of two
    ///   patients.
    func readReports() throws(ArchiveError) -> ReportDocument {
        var documents: [ReportDocument] = []
        for lead in leads {
            let document: ReportDocument
            do throws(DocumentError) { document = try ReportFile.document(at: lead.path, lead.kind, lead.place) } catch
            {
                throw ArchiveError(.io, error.code == .unreadable ? "\(lead.path): \(error)" : lead.hasChanged)
            }
            // Another message may stand there by now, of another patient.
            guard lead.isOf(document) else { throw ArchiveError(.io, lead.hasChanged) }
            documents.append(document)
        }
        guard let merged = ReportDocument.merged(documents) else {
            let names = Set(leads.map { FilePath.name(of: $0.path) }).sorted()
            let shown = names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : "")
            throw ArchiveError(
                .badRequest,
                "\(id): its reports (\(shown)) name two patients, and a case is of one; take away the one that is wrong"
            )
        }
        return merged
    }
}
