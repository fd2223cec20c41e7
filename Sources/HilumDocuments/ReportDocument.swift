/// One report as it came in a message or a DICOM object, and what it says of whose it is.
///
/// It holds names and numbers of persons, so that they can be masked in the text and compared. Nothing of it is stored as it stands here.
/// Thread rule: a value.
public struct ReportDocument: Sendable, Equatable {
    /// How far a report is.
    public enum Status: String, Sendable, CaseIterable {
        /// Another one will follow.
        case preliminary
        /// Signed.
        case final
        /// It takes the place of a signed one.
        case corrected
    }

    /// A patient's number, and who gave it, if that is said.
    public struct PatientNumber: Sendable, Hashable {
        /// The number.
        public var number: String
        /// Who gave it.
        public var issuer: String?

        /// A number.
        public init(number: String, issuer: String? = nil) {
            self.number = number
            self.issuer = issuer
        }
    }

    /// The report: sections begin with their names.
    public var text: String
    /// UIDs of studies of which it says that it is about them; all of them are the same case.
    public var studies: [String] = []
    /// UIDs of further studies that it used, which count where `studies` lead nowhere.
    public var evidence: [String] = []
    /// What may be the accession number, the likeliest first: sites keep it in different fields.
    public var accessions: [String] = []
    /// The patient's numbers, the hospital's own first.
    public var patients: [PatientNumber] = []
    /// Names of the patient and of those who took care of them.
    public var names: [String] = []
    /// Further numbers that name somebody, such as those of orders and accounts.
    public var numbers: [String] = []
    /// The day of the study, as ISO 8601.
    public var date: String?
    /// `M`, `F` or `O`.
    public var sex: String?
    /// How the study was made, such as `CR`.
    public var modality: String?
    /// How far it is.
    public var status = Status.final
    /// When this version of it was made, as ISO 8601; nil where it does not say.
    public var writtenAt: String?
    /// Whether it adds to another report and is none by itself.
    public var isAddendum = false

    /// A report that says nothing else yet.
    public init(text: String) { self.text = text }

    /// Whether this takes the place of a version of the same report with that status and time. A preliminary one never follows a signed one.
    ///
    /// - Parameter otherStatus: nil where it is not known; such a report gives way.
    public func isNewer(thanStatus otherStatus: Status?, writtenAt otherTime: String?) -> Bool {
        if let otherStatus, (status == .preliminary) != (otherStatus == .preliminary) {
            return otherStatus == .preliminary
        }
        guard let writtenAt, let otherTime else { return true }
        return writtenAt >= otherTime
    }
}
