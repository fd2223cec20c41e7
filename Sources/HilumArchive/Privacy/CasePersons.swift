import HilumDocuments
import HilumImaging
import HilumPrivacy

/// Who and what a case is known to name: masked in its report and its free metadata wherever it stands. In memory alone.
struct CasePersons {
    private var names: [String] = []
    private var ids: [String] = []
    /// What people give as the patient: a number or a name.
    private var patients: [String] = []

    /// Takes what the tags of an image say.
    mutating func add(_ tags: DICOMDescription) {
        for tag in DICOMTag.ofPersons {
            guard let text = tags[tag] else { continue }
            // Several persons stand with a backslash between.
            names += text.split(separator: "\\").map(String.init)
        }
        for tag in [DICOMTag.patientID, .otherPatientIDs] { add(patient: tags[tag]) }
        add(id: tags[.accession])
    }

    /// Takes what the message of a report says.
    mutating func add(_ document: ReportDocument) {
        names += document.names
        for patient in document.patients { add(patient: patient.number) }
        for number in document.numbers + document.accessions { add(id: number) }
    }

    /// Takes what fields say.
    mutating func add(_ fields: CaseFields) {
        add(patient: fields.patient)
        for (key, value) in fields.metadata {
            switch IdentifyingKeys.kind(of: key) {
            case .name: names.append(value)
            case .number: add(id: value)
            default: break
            }
        }
    }

    /// Takes whose the case is; several stand with a backslash between.
    mutating func add(patient: String?) {
        patients += (patient ?? "").split(separator: "\\").map(String.init)
    }

    private mutating func add(id: String?) { ids += (id ?? "").split(separator: "\\").map(String.init) }

    /// What masking is told.
    var known: KnownIdentifiers { KnownIdentifiers(names: names, ids: ids, patients: patients) }
}
