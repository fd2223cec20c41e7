import HilumCore

/// Studies in DICOM files.
extension CaseFinder {
    /// The case of the files of one study: its pictures, the text that lies with them, and its records.
    ///
    /// A case has at most `ArchiveLimits.imageCount` images; of a study with more they are taken evenly, as its slices follow each other.
    mutating func makeStudy(_ study: String, _ piles: [String: Pile]) -> SourceCase? {
        var whole = Pile()
        for (id, pile) in piles.sorted(by: { $0.key < $1.key }) {
            whole.images += pile.images
            whole.texts += pile.texts
            whole.records += pile.records
            whole.former += pile.former + [id]
        }
        var found = makeCase(study, whole)
        found?.study = study
        return found
    }

    /// Whether a DICOM file may be a picture; others are passed over by what they are.
    mutating func isPicture(_ file: FoundFile) -> Bool {
        guard let reason = glance(at: file)?.reasonToRefuse else { return true }
        passOver("DICOM: \(reason)")
        return false
    }

    /// From where a DICOM file says that it was made.
    mutating func view(of file: FoundFile) -> String? { glance(at: file)?.view }

    /// At most as many images as a case may have, spread evenly.
    mutating func thinned(
        _ images: [(path: String, view: String?)]
    ) -> [(path: String, view: String?)] {
        let limit = ArchiveLimits.imageCount
        guard images.count > limit else { return images }
        passOver("image beyond the \(limit) of a study", images.count - limit)
        return (0..<limit).map { images[$0 * images.count / limit] }
    }
}
