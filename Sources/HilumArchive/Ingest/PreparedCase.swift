import HilumImaging
import HilumPrivacy

/// A case on its way into the store: checked, read and embedded.
struct PreparedCase: Sendable {
    var input: CaseInput
    var refusal: ArchiveError?
    var images: [CaseEntry.StoredImage] = []
    /// By image: the bytes to keep, when it came as bytes.
    var keptBytes: [[UInt8]?] = []
    /// The images that are those of the stored case, with their vectors.
    var keptPlaces: Set<Int> = []
    /// By image; nil while it was not made.
    var imageVectors: [[Float]?] = []
    var reportVector: [Float]?
    /// The model that makes its vectors.
    var modelID: String?
    /// What is odd about its images.
    var imageNotes: [DecodedImage.Note] = []
    /// Why one of its dates is none.
    var dateFault: DateText.Fault?
    /// Whether a date was left out, as it cannot be moved.
    var hasLostDate = false
    /// What was masked of it.
    var maskCounts = MaskCounts()
    /// Whether no word of the report is known, so that it gets no vector.
    var lacksReportVector = false
    /// What the table of words keeps of the report; nil while it was not read.
    var words: ReportWords?
    /// Whether the stored case holds more, of which nothing was taken over.
    var leavesRest = false
    /// The same images and report are stored: their vectors are good, so none were made.
    var isStored = false
    /// Whether its vectors were imported and differ from those that are stored, whatever its images and its report are.
    var bringsVectors = false
    /// Images of it that are set aside until a person has looked at them.
    var setAside: [ImageSetAside] = []
    /// Whether a person dropped one of its images.
    var hasDropped = false
    /// Whether nothing is left of it without them, and it was refused for that.
    var isHeldBack = false
    /// Those of its images, by place, whose tags say that words are written into them.
    var burnedIn: Set<Int> = []
    /// What the tags say of images that are left out, as they cannot be read; in memory alone.
    var lostTags: [DICOMDescription] = []
    var journal: JournalEntry?
    /// What its files hold; nil where it does not come from files, or there is no key.
    var content: ContentMarks?
    /// Whether its case was deleted and its files are the same, so that it is left out.
    var wasDeleted = false
    /// The case as its source gave it, where its report came in a message: what is read of that joins what is stored.
    var given: CaseInput?

    init(_ input: CaseInput) {
        self.input = input
        journal = input.origin.map { origin in
            var entry = JournalEntry(name: origin.source, fingerprint: origin.fingerprint)
            entry.marks = origin.marks
            return entry
        }
        refusal = input.refusal
    }

    /// The case as it was before it was read. Its images are read again by path, or taken from the kept bytes.
    var unread: PreparedCase {
        if let given { return PreparedCase(given) }
        var copy = PreparedCase(input)
        copy.maskCounts = maskCounts
        (copy.dateFault, copy.hasLostDate) = (dateFault, hasLostDate)
        guard !input.keepsImages else { return copy }
        copy.input.images = images.indices.filter { !keptPlaces.contains($0) }.map { place in
            CaseImage(keptBytes[place].map { .bytes($0) } ?? .file(images[place].path), view: images[place].view)
        }
        for image in setAside.sorted(by: { $0.entry.place < $1.entry.place }) {
            let source = image.keptBytes.map { ImageSource.bytes($0) } ?? .file(image.entry.image.path)
            let place = min(image.entry.place, copy.input.images.count)
            copy.input.images.insert(CaseImage(source, view: image.entry.image.view), at: place)
        }
        return copy
    }
}
