import HilumImaging

/// What a stored case holds that its files do not say any more, because they have left or were never there.
///
/// A file may have the name of another patient's file before it. So nothing is carried over where the tags of the images name another
/// patient or study than those that the stored case was made of.
package struct CarriedFields: Sendable, Equatable {
    /// Of the stored case; nil where a file beside the images says all of them.
    package var fields: CaseFields?
    /// Of the stored case; nil where the files hold a report.
    package var report: String?
    /// What the stored case says of whose it is.
    package var identity: CaseFields?
    /// The places of those stored images that stay beside the new ones.
    package var imagePaths: Set<String> = []

    package init(
        fields: CaseFields?, report: String?, identity: CaseFields? = nil, imagePaths: Set<String> = []
    ) {
        self.fields = fields
        self.report = report
        self.identity = identity ?? fields
        self.imagePaths = imagePaths
    }

    /// Fills what `fresh`, the fields by the tags of the images, leaves open.
    ///
    /// - Parameters:
    ///   - fresh: empty for images without tags.
    ///   - otherPatients: further spellings of the patient of `fresh`.
    ///   - input: gets fields and report, unless they are another patient's.
    /// - Returns: whether they are the same patient's, as far as can be told.
    @discardableResult
    func complete(_ input: inout CaseInput, with fresh: CaseFields, otherPatients: Set<String> = []) -> Bool {
        if let identity, Self.areOfAnother(identity, fresh, otherPatients) { return false }
        if let fields {
            // The same picture may have fields that somebody gave it; another picture says its own.
            let object = fresh.metadata[Self.object]
            let isSame = object == nil || object == fields.metadata[Self.object]
            input.fields = isSame ? fields : Self.merged(fresh, over: fields)
        }
        if input.report == nil { input.report = report }
        return true
    }

    private static let object = "sop"
    private static let study = "study"
    private static let keyDigitCount = 12

    private static func areOfAnother(_ known: CaseFields, _ fresh: CaseFields, _ otherPatients: Set<String>) -> Bool {
        if let old = known.metadata[study], let new = fresh.metadata[study], old != new { return true }
        // One study UID may stand in the files of two patients.
        // A number from a table is no hash, and says nothing against the tags.
        guard let old = known.patient, let new = fresh.patient, isKey(old) else { return false }
        return old != new && !otherPatients.contains(old)
    }

    /// Whether a patient stands there as `Archive.patientKey` writes it.
    private static func isKey(_ text: String) -> Bool {
        text.utf8.count == keyDigitCount && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    private static func merged(_ fresh: CaseFields, over known: CaseFields) -> CaseFields {
        var merged = known
        for name in CaseFields.Text.allCases { if let value = fresh[name] { merged[name] = value } }
        merged.metadata.merge(fresh.metadata) { _, new in new }
        return merged
    }
}
