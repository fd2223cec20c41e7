import HilumImaging

/// What a case takes from the tags of its DICOM files.
extension CaseFields {
    /// The key of a patient's number by itself. Files of one patient may name who gave it or not, so that `patient` differs.
    static let patientNumberKey = "patient_number"

    /// Takes what the tags say where no field says it already. No name of a person is taken, and the patient's number, with who gave it,
    /// only as `patientKey` gives it.
    ///
    /// | field | tag |
    /// | --- | --- |
    /// | `modality`, `view`, `site`, `date` | Modality, View Position, Institution Name, Study Date |
    /// | `study`, `series`, `sop` | the UIDs of study, series and object |
    /// | `patient_number` | Patient ID alone, hashed; `patient` is hashed with who gave it, where a file says so |
    /// | `accession` | Accession Number, by which a report is found to be of the case |
    /// | `laterality`, `body_part`, `sex`, `age` (years), `manufacturer` | as they are called |
    /// | `frame` | `1 of N`, where the file holds N pictures and the first was taken |
    /// | `burned_in` | `yes`, where the device says that it wrote into the picture |
    mutating func fill(from tags: DICOMDescription, patientKey: (String) -> String?) {
        if patient == nil { patient = DICOMPatient(tags).flatMap { patientKey($0.text) } }
        if modality == nil { modality = tags[.modality] }
        if view == nil { view = tags.view }
        if date == nil { date = tags.date }
        if site == nil { site = tags[.institution] }
        let free: [(key: String, value: String?)] = [
            ("study", tags[.study]), (ReportKeys.accessions[0], tags[.accession]), ("series", tags[.series]),
            ("sop", tags[.object]),
            (Self.patientNumberKey, DICOMPatient(tags).flatMap { patientKey($0.number) }),
            ("laterality", tags.laterality), ("body_part", tags[.bodyPart]), ("sex", tags[.sex]),
            ("age", tags.ageInYears.map { String($0) }), ("manufacturer", tags[.manufacturer]),
            ("frame", tags.frameCount > 1 ? "1 of \(tags.frameCount)" : nil),
            ("burned_in", tags.saysBurnedIn ? "yes" : nil),
        ]
        for (key, value) in free where metadata[key] == nil { metadata[key] = value }
    }

    /// Takes what other fields say where these say nothing.
    mutating func fill(from other: CaseFields) {
        for name in Text.allCases where self[name] == nil { self[name] = other[name] }
        metadata.merge(other.metadata) { own, _ in own }
    }
}
