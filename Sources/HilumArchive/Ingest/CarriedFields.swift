import HilumImaging

/// What a stored case holds that its files do not say any more, because they have left or were never there.
///
/// A file may have the name of another patient's file before it, so it takes over nothing by its name alone:
///
///     the files name another patient, date or study ─────────────┐
///     an image has new bytes, and no sign that it belongs there ─┴─→ it overwrote an image of the case: what is there is all there is
///                                                                    it is a further image, or a text:  refused
///     else ──────────────────────────────────────────────────────→ what has left stays
///
/// A sign is a file of the case that is there as it was (`isTied`), one of its pictures that no other case has and in which something can
/// be seen, the same patient, or the same study. A text by itself bears no sign; it updates the report, as an addendum does.
///
/// An image that overwrote one of the case needs more before what has left goes with it: the same study, or the same patient and date. A
/// patient comes again, a blank picture and a text of the department look the same for everybody, and copies keep the times of their files.
/// Thread rule: a value.
package struct CarriedFields: Sendable, Equatable {
    /// Of the stored case; nil where a file beside the images says all of them.
    package var fields: CaseFields?
    /// Of the stored case; nil where the files hold a report.
    package var report: String?
    /// What the stored case says of whose it is, as far as its place alone does not say so.
    package var identity: CaseFields
    /// What tables and files beside the images say of whose these files are.
    var said = CaseFields()
    /// The report of the stored case, whether or not the files hold one.
    var storedReport: String?
    /// How a report that came by itself was found to be of the stored case; nil for files of another kind.
    var match: ReportMatch?
    /// The id of the stored case where that is a report which waited for these images; nil for every other one.
    var waitingID: String?
    /// The places of those stored images that stay beside the new ones.
    package var imagePaths: Set<String> = []
    /// SHA-256 of the stored images, as `CaseRecord.Image.digest`.
    var digests: Set<String> = []
    /// The places of new images that show a picture of the stored case, or lie where one lay.
    var samePictures: Set<String> = []
    /// Whether a file of the stored case is there as it was.
    var isTied = false
    /// Whether another picture lies where an image of the stored case lay, while the files hold no image.
    var isOverwritten = false
    /// Whether all that the stored case holds beyond the files has left; otherwise some of it may lie where nobody looked.
    var hasAllLeft = false
    /// Whether the files may be all there is; not where a table says what the case holds, and one of its files was looked at alone.
    var mayLeave = true

    init(fields: CaseFields?, report: String?, identity: CaseFields? = nil, imagePaths: Set<String> = []) {
        self.fields = fields
        self.report = report
        self.identity = identity ?? fields ?? CaseFields()
        self.imagePaths = imagePaths
    }

    /// What is said of a case that took nothing over from the stored case of its id, though that one held more.
    package static let leavesNote =
        "what the stored case of this name held beyond these files was left out, for it may be another patient's, or of another exam"

    var isWaiting: Bool { waitingID != nil }

    /// What is done with what the stored case holds.
    enum Decision: Equatable {
        case carry
        /// The files are all there is.
        case leave
        /// The files are not taken, for they may be another patient's.
        case refuse(String)
    }

    /// Decides for images with these digests, each with its place.
    ///
    /// - Parameters:
    ///   - images: those that were read; none where the stored ones stay.
    ///   - tags: what the tags of the images and the message of a report say of whose they are; empty for files without either.
    ///   - isTelling: whether a picture of the stored case shows whose it is; asked where nothing else does.
    func decision(
        images: [(path: String, digest: String)], tags: Whose,
        isTelling: (_ path: String) throws(ArchiveError) -> Bool = { _ throws(ArchiveError) in true }
    ) throws(ArchiveError) -> Decision {
        let new = images.filter { !digests.contains($0.digest) }
        let overwrites = new.contains { samePictures.contains($0.path) }
        let resemblance = Resemblance(identity, tags: tags, said: said)
        if let match { return decision(resemblance, match) }
        var hasSign = isTied
        if !hasSign, !overwrites, resemblance == .unknown {
            hasSign = try hasTellingPicture(images, new.count, isTelling)
        }
        let reason: String
        switch resemblance {
        case .another: reason = "these files and the stored case name two patients, two dates or two studies"
        case _ where isOverwritten:
            reason = "another picture lies where its image lay, so the text may go with that one"
        case .unknown where overwrites && (hasAllLeft || !isTied),
            .samePatient where overwrites && (hasAllLeft || !isTied):
            reason = "another picture lies where its image lay, and nothing shows that it is of the same exam"
        case .unknown where !images.isEmpty && !hasSign:
            reason = "nothing shows that this image is of the patient of the stored case, whose files have left"
        case .unknown where !isTied && images.isEmpty && said.patient != nil:
            reason = "these files name a patient, and the stored case, whose image has left, names none"
        default: return .carry
        }
        return mayLeave && overwrites ? .leave : .refuse(reason)
    }

    /// Whether among images, of which `newCount` are new, a picture of the stored case shows whose they are.
    private func hasTellingPicture(
        _ images: [(path: String, digest: String)], _ newCount: Int,
        _ isTelling: (String) throws(ArchiveError) -> Bool
    ) throws(ArchiveError) -> Bool {
        // The case as it was needs no sign.
        if newCount == 0 { return true }
        for image in images where digests.contains(image.digest) { if try isTelling(image.path) { return true } }
        return false
    }

    /// Decides for a report that came by itself.
    private func decision(_ resemblance: Resemblance, _ match: ReportMatch) -> Decision {
        switch (resemblance, match) {
        case (.another, _): .refuse(ReportKeys.anotherPatient)
        case (.same, _), (_, .key): .carry
        case (.unknown, .name(let isTied)), (.samePatient, .name(let isTied)):
            isTied && !isOverwritten ? .carry : .refuse(ReportKeys.nameAlone)
        }
    }

    /// Gives an input what the stored case holds beyond it.
    ///
    /// - Parameter tags: the fields by the tags of the images; empty for images without tags.
    func complete(_ input: inout CaseInput, with tags: CaseFields) {
        if let fields {
            // The same picture may have fields that somebody gave it; another picture says its own.
            let object = tags.metadata[Self.object]
            let isSame = object == nil || object == fields.metadata[Self.object]
            input.fields = isSame ? fields : Self.merged(tags, over: fields)
        }
        guard input.report == nil, let report else { return }
        input.report = report
        for key in [ReportKeys.status, ReportKeys.date] { input.fields.metadata[key] = identity.metadata[key] }
    }

    /// Whether the stored case holds anything that the input does not say.
    func isMore(than input: CaseInput) -> Bool {
        input.keepsImages || !imagePaths.isEmpty || input.report == nil && report != nil
            || fields.map { $0 != input.fields } ?? false
    }

    static let study = "study"
    private static let object = "sop"

    private static func merged(_ fresh: CaseFields, over known: CaseFields) -> CaseFields {
        var merged = known
        for name in CaseFields.Text.allCases { if let value = fresh[name] { merged[name] = value } }
        merged.metadata.merge(fresh.metadata) { _, new in new }
        return merged
    }
}

/// What the tags of images and the message of a report say of whose they are, in every form in which a stored case may say the same.
struct Whose: Sendable {
    /// In the form in which they are stored.
    var fields: CaseFields
    /// The patient, hashed with who gave the number and without.
    var patients: Set<String> = []
    /// The patient's numbers as a table may have given them; empty where there is no message.
    var plainPatients: Set<String> = []
    /// The patient's numbers, where it is not said who gave them.
    var numbers: Set<String> = []
    /// What may be the accession number.
    var accessions: Set<String> = []
    /// UIDs of the studies that a report is about.
    var studies: Set<String> = []
    /// Days by which the date may differ from that of the same exam: a message may have the day of the order, or that of the report.
    var graceInDays = 0
}

/// Whether files are of the patient and the study of a stored case, by what is said of both.
enum Resemblance: Equatable {
    /// `same`: of one exam, as far as anybody can tell. `samePatient`: of one patient, who may have come again.
    case same, samePatient, another, unknown

    private static let keyDigitCount = 12
    /// How far the dates of one order may lie apart. Sites use numbers of orders again after a year, and each department counts for itself.
    static let graceInDays = 7

    /// - Parameters:
    ///   - known: of the stored case.
    ///   - tags: of the images, and of the message of a report.
    ///   - said: by tables and files beside the images.
    init(_ known: CaseFields, tags: Whose, said: CaseFields) {
        let patients = [
            Self.isSame(known, tags), Self.isSame(known.patient, said.patient, []),
        ].compactMap(\.self)
        let knownStudy = known.metadata[CarriedFields.study]
        let studies = [tags.fields, said].compactMap { fields -> Bool? in
            guard let old = knownStudy, let new = fields.metadata[CarriedFields.study] else { return nil }
            return old == new || tags.studies.contains(old)
        }
        let numbers = Set(known.metadata.filter { ReportKeys.isAccession($0.key) }.values)
        let isSameOrder =
            !numbers.isDisjoint(with: tags.accessions)
            || numbers.contains(tags.fields.metadata[ReportKeys.accessions[0]] ?? "")
        // The date of a study is that of its UID, however a table spells it.
        let grace = isSameOrder ? Self.graceInDays : tags.graceInDays
        let dates =
            studies.isEmpty
            ? [tags.fields, said].compactMap { Self.isSame(known.date, $0.date, graceInDays: grace) } : []
        if (patients + studies + dates).contains(false) {
            self = .another
        } else {
            let isPatient = patients.contains(true)
            self =
                studies.contains(true) || isSameOrder || isPatient && dates.contains(true)
                ? .same : isPatient ? .samePatient : .unknown
        }
    }

    private static func isSame(_ known: CaseFields, _ tags: Whose) -> Bool? {
        guard let old = known.patient else { return nil }
        // Who gave the number may be said by one of both alone.
        if let number = known.metadata[CaseFields.patientNumberKey], tags.numbers.contains(number) { return true }
        if !tags.plainPatients.isEmpty, !isKey(old) { return tags.plainPatients.contains(old) }
        return isSame(old, tags.fields.patient, tags.patients)
    }

    /// Nil where they cannot be compared: a number from a table is no hash, and says nothing against the tags.
    private static func isSame(_ old: String?, _ new: String?, _ others: Set<String>) -> Bool? {
        guard let old, let new else { return nil }
        if old == new || others.contains(old) { return true }
        return isKey(old) == isKey(new) ? false : nil
    }

    /// Nil where one is not known. Of two dates the less exact one may hold the other.
    private static func isSame(_ old: String?, _ new: String?, graceInDays: Int) -> Bool? {
        guard let old, let new else { return nil }
        guard let first = DatePeriod(old), let second = DatePeriod(new) else { return old == new }
        return graceInDays > 0
            ? first.isWithin(days: graceInDays, of: second) : first.contains(second) || second.contains(first)
    }

    /// Whether a patient stands there as `Archive.patientKey` writes it.
    static func isKey(_ text: String) -> Bool {
        text.utf8.count == keyDigitCount && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}
