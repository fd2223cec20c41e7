import HilumDocuments
import HilumImaging
import HilumPrivacy

/// Who and what a case is known to name: masked in its report and its free metadata wherever it stands. In memory alone.
struct CasePersons {
    private var names: [String] = []
    private var ids: [String] = []

    /// A shorter number may be a measurement.
    private static let leastDigitCount = 4

    /// Takes what the tags of an image say.
    mutating func add(_ tags: DICOMDescription) {
        for tag in DICOMTag.ofPersons {
            guard let text = tags[tag] else { continue }
            // Several persons stand with a backslash between.
            names += text.split(separator: "\\").map(String.init)
        }
        for tag in [DICOMTag.patientID, .otherPatientIDs, .accession] { add(id: tags[tag]) }
    }

    /// Takes what the message of a report says.
    mutating func add(_ document: ReportDocument) {
        names += document.names
        for number in document.patients.map(\.number) + document.numbers + document.accessions { add(id: number) }
    }

    /// Takes what fields say.
    mutating func add(_ fields: CaseFields) {
        add(id: fields.patient)
        for (key, value) in fields.metadata {
            switch IdentifyingKeys.kind(of: key) {
            case .name: names.append(value)
            case .number: add(id: value)
            default: break
            }
        }
    }

    private mutating func add(id: String?) {
        guard let id else { return }
        for part in id.split(separator: "\\") {
            let digits = part.utf8.count { (48...57).contains($0) }
            if digits >= Self.leastDigitCount { ids.append(String(part)) }
        }
    }

    /// What masking is told.
    var known: KnownIdentifiers { KnownIdentifiers(names: names, ids: ids) }
}
