import HilumImaging

/// Whose a DICOM file is: a patient's number, and who gave it, for two hospitals may have given the same one.
///
/// A file that does not say who gave its number says nothing against another one. Thread rule: a value.
struct DICOMPatient: Equatable {
    let number: String
    let issuer: String?

    /// Nil for tags without a number.
    init?(_ tags: DICOMDescription) {
        guard let number = tags[.patientID] else { return nil }
        self.init(number: number, issuer: tags[.patientIssuer])
    }

    init(number: String, issuer: String?) {
        self.number = number
        self.issuer = issuer
    }

    /// Whether both may be one patient.
    func mayBe(_ other: DICOMPatient) -> Bool {
        guard number == other.number else { return false }
        guard let issuer, let theirs = other.issuer else { return true }
        return issuer == theirs
    }

    /// What both together say of one patient.
    func merged(with other: DICOMPatient) -> DICOMPatient {
        DICOMPatient(number: number, issuer: issuer ?? other.issuer)
    }

    /// What is hashed to tell patients apart. The unit separator stands in no value of a tag.
    var text: String { issuer.map { "\($0)\u{1F}\(number)" } ?? number }

    /// What may have been hashed of the same patient: by a file that does not say who gave the number, or by an earlier release.
    var spellings: [String] { [text, number] }
}
