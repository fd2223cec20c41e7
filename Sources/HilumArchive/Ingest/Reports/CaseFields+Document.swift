import HilumDocuments

extension CaseFields {
    /// Takes what the message of a report says of its case, where no field says it already.
    ///
    /// - Parameter patient: whose it is.
    mutating func fill(from document: ReportDocument, of patient: DICOMPatient?, patientKey: (String) -> String?) {
        if self.patient == nil { self.patient = patient.flatMap { patientKey($0.text) } }
        if date == nil { date = document.date }
        if modality == nil { modality = document.modality }
        var free: [(key: String, value: String?)] = [
            ("study", document.studies.first), ("sex", document.sex),
            (Self.patientNumberKey, patient.flatMap { patientKey($0.number) }),
        ]
        // What the tags of images say is the number itself; of the fields of a message, one of several is it.
        if metadata[ReportKeys.accessions[0]] == nil {
            free += zip(ReportKeys.accessions, document.accessions).map { ($0, $1) }
        }
        for (key, value) in free where metadata[key] == nil { metadata[key] = value }
        metadata[ReportKeys.status] = document.mark
        metadata[ReportKeys.date] = document.writtenAt
    }
}
