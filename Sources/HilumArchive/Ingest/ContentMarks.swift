import HilumPrivacy

/// By what the files of a case are known again that were copied, renamed or only touched: 16 bytes each, made by the archive's key of what
/// they hold. Without the key they tell nothing, and they hold no name.
///
/// A picture is nobody else's, and is known wherever it lies. A text alone is not: `No acute disease.` is the report of many. So a case
/// with images is known by all of its files. One without is known by its texts under its id where it says whose it is; as a row under the id
/// that somebody gave it, in whatever table; and otherwise at its place alone: reports of two exams may be `1.txt` of two folders and say the
/// same. Thread rule: a value.
struct ContentMarks: Sendable, Equatable {
    private(set) var images: [[UInt8]] = []
    /// Of texts, records, messages and the row, whatever case they are of.
    private(set) var texts: [[UInt8]] = []
    /// Of the same under the id of the case, as a row of this id, or at its place.
    private(set) var named: [[UInt8]] = []

    /// What `named` was in earlier releases, by which they and cases that they stored were erased: under the id. Empty where it is still so.
    private(set) var former: [[UInt8]] = []

    /// - Parameters:
    ///   - images: SHA-256 of each image file.
    ///   - texts: SHA-256 of everything else that the case was read from.
    ///   - place: where it was read (`CaseOrigin.source`), for a case of which nothing but its id tells it from others; nil for one that says
    ///     more.
    ///   - isRow: whether it is such a case and somebody gave it that id, in the row of a table.
    init(images: [[UInt8]], texts: [[UInt8]], id: String, place: String?, isRow: Bool = false, key: PseudonymKey) {
        self.images = images.map { key.mark(of: Array("image".utf8) + $0) }
        self.texts = texts.map { key.mark(of: Array("text".utf8) + $0) }
        let underID = texts.map { key.mark(of: Array("text".utf8) + $0 + Array(id.utf8)) }
        if isRow {
            named = texts.map { key.mark(of: Array("row".utf8) + $0 + Array(id.utf8)) }
        } else if let place {
            named = texts.map { key.mark(of: Array("text".utf8) + $0 + [0] + Array(place.utf8)) }
        } else {
            named = underID
            return
        }
        if images.isEmpty { former = underID }
    }

    /// What the journal keeps.
    var all: [[UInt8]] { images + texts + named }

    /// What must all be known for the files to be those of an erased case, wherever they lie.
    var telling: [[UInt8]] { images.isEmpty ? named : images + texts }

    /// The same at the place of a deleted case.
    var tellingInPlace: [[UInt8]] { images + texts }
}
