/// By which keys of the metadata a case is found that a report names, and what is said where they lead to more than one.
enum ReportKeys {
    /// The keys under which a case has the numbers by which reports name it: one, and more only for a report that waits for its images.
    static let accessions = ["accession", "accession_2", "accession_3"]
    /// How far the report is, and when this version of it was made.
    static let status = "report_status"
    static let date = "report_date"

    static let twoStudies = "the report names two studies that are two cases; give each a report of its own"
    static let twoCases =
        "several cases have the accession number of the report, and it names no study UID that tells them apart"
    static let disagreement =
        "the study UID of the report leads to another case than its accession number; correct the one that is wrong"
    static let anotherPatient =
        "the report and the case of its study or accession number name two patients, two studies or two dates"
    static let anotherPatientThanOthers =
        "a report names another patient than the case of its study or accession number and than the report beside it, which is taken"
    static let anotherExam =
        "its images or its row and its report name two patients, two studies or dates more than a week apart"
    static let undated =
        "the archive keeps no time of the stored report (--dates), so nothing tells which version is the newer one; "
        + "send the newer one as corrected (OBR-25 C), or delete the case first"
    static let undatedCorrections =
        "the archive keeps no time of the stored report (--dates), so nothing tells which of two corrected versions is the newer one; "
        + "delete the case first, and send the newer one again"
    static let nameAlone =
        "the report has the name of a stored case, and nothing shows that both are of one patient; "
        + "name the accession number or the study UID in it"

    /// Whether values of this key are UIDs of studies.
    static func isStudy(_ key: String) -> Bool { ["study", "studyuid", "studyinstanceuid"].contains(plain(key)) }

    /// Whether values of this key are accession numbers.
    static func isAccession(_ key: String) -> Bool {
        ["accession", "accessionnumber", "accessionno", "accession2", "accession3"].contains(plain(key))
    }

    /// Whether cases with two values of this key are of two patients or two exams.
    static func tellsExams(_ key: String) -> Bool { isStudy(key) || tellsPatient(key) || plain(key) == "date" }

    /// Whether a value of this key is one patient's, or one order's.
    static func tellsPatient(_ key: String) -> Bool {
        isAccession(key)
            || ["patient", "patientid", "patientname", "patientnumber", "mrn", "birthdate", "patientbirthdate"]
                .contains(plain(key))
    }

    /// A key without what spellings of it differ in: capitals, blanks, hyphens, points and underscores.
    static func plain(_ key: String) -> String {
        String(decoding: key.utf8.filter { ![32, 45, 46, 95].contains($0) }, as: UTF8.self).lowercased()
    }
}
