/// What a transaction changed, to be repeated on the graphs and attributes in memory.
struct CommittedChange: Sendable {
    var oldNumber: UInt32?
    var oldEntry: CaseEntry?
    var newNumber: UInt32?
    var newEntry: CaseEntry?
    /// Where what was known of the case's pictures in quarantine went with it: under which name (`Store.quarantineName`).
    var forgottenQuarantine: String?
    /// By item.
    var imageVectors: [[Float]] = []
    var reportVector: [Float]?

    /// The new items of `kind`.
    func newItems(_ kind: VectorKind) -> Range<UInt32> {
        guard let newNumber, newNumber != oldNumber, let newEntry else { return 0..<0 }
        // A case is stored with all of its vectors.
        return newEntry.items(kind, of: newNumber)
    }

    func oldItems(_ kind: VectorKind) -> Range<UInt32> {
        guard let oldNumber, newNumber != oldNumber, let oldEntry else { return 0..<0 }
        return oldEntry.allItems(kind, of: oldNumber)
    }

    /// The new items of `kind` of all changes, and their vectors one behind the other.
    static func newVectors(of changes: [CommittedChange], _ kind: VectorKind) -> (items: [UInt32], vectors: [Float]) {
        var items: [UInt32] = []
        var vectors: [Float] = []
        for change in changes {
            let made = kind == .image ? change.imageVectors : change.reportVector.map { [$0] } ?? []
            for (item, vector) in zip(change.newItems(kind), made) {
                items.append(item)
                vectors += vector
            }
        }
        return (items, vectors)
    }
}
