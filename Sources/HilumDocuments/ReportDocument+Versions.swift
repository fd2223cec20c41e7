/// Several versions of one report, and addenda to it.
extension ReportDocument {
    /// How a report that is an addendum alone is marked where it waits for the report that it adds to.
    public static let addendumMark = "addendum"
    private static let addendumHeading = "ADDENDUM:"

    /// What is kept of how far it is.
    public var mark: String { isAddendum ? Self.addendumMark : status.rawValue }

    /// The text of an addendum behind another text, under its heading.
    public static func text(_ text: String, withAddendum addendum: String) -> String {
        "\(text)\n\n\(headed(addendum))"
    }

    /// An addendum under its heading.
    static func headed(_ addendum: String) -> String {
        addendum.uppercased().hasPrefix(addendumHeading.dropLast()) ? addendum : "\(addendumHeading)\n\(addendum)"
    }

    /// One report of several documents that are about the same case: the last version of it, and the addenda.
    ///
    /// - Parameter documents: in the order in which they came.
    /// - Returns: nil for none, and for documents of two patients.
    public static func merged(_ documents: [ReportDocument]) -> ReportDocument? {
        guard var merged = documents.first(where: { !$0.isAddendum }) ?? documents.first else { return nil }
        for document in documents where !document.isAddendum {
            if document.isNewer(thanStatus: merged.status, writtenAt: merged.writtenAt) { merged = document }
        }
        if merged.isAddendum { merged.text = headed(merged.text) }
        let addenda = documents.filter { $0.isAddendum && $0 != documents.first || $0.isAddendum && !merged.isAddendum }
        for addendum in addenda.sorted(by: { ($0.writtenAt ?? "") < ($1.writtenAt ?? "") }) {
            guard !merged.text.contains(addendum.text) else { continue }
            merged.text = text(merged.text, withAddendum: addendum.text)
        }
        for document in documents {
            guard merged.mayBeOfSamePatient(as: document) else { return nil }
            merged.patients += document.patients.filter { !merged.patients.contains($0) }
            merged.accessions += document.accessions.filter { !merged.accessions.contains($0) }
            merged.studies += document.studies.filter { !merged.studies.contains($0) }
            merged.evidence += document.evidence.filter { !merged.evidence.contains($0) }
            merged.names += document.names
            merged.numbers += document.numbers
            merged.date = merged.date ?? document.date
            merged.sex = merged.sex ?? document.sex
        }
        return merged
    }

    /// Whether no number says that both are of two patients.
    public func mayBeOfSamePatient(as other: ReportDocument) -> Bool {
        guard !patients.isEmpty, !other.patients.isEmpty else { return true }
        return patients.contains { one in
            other.patients.contains { two in
                one.number == two.number && (one.issuer == nil || two.issuer == nil || one.issuer == two.issuer)
            }
        }
    }
}
