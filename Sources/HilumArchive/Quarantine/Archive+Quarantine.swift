import Foundation
import HilumCore
import HilumImaging
import LMDB

/// The list of images that wait for a person's decision.
extension Archive {
    /// The images that wait for a decision, by id and place.
    ///
    /// - Throws: `.damaged`, `.io`.
    /// - Complexity: O(images ever set aside).
    public func quarantined() throws -> [QuarantinedImage] {
        try withArchiveErrors {
            try store.environment.read { transaction in
                let held = try store.quarantine(transaction).filter { $0.state == .held }
                return try held.sorted { ($0.id, $0.place) < ($1.id, $1.place) }.map { entry in
                    QuarantinedImage(
                        id: store.shownID(entry.id), name: String(hexadecimal(entry.image.digest).prefix(12)),
                        reason: entry.reason, source: store.hidesNames ? nil : entry.source, view: entry.image.view,
                        isCaseStored: try store.number(transaction, of: entry.id) != nil, seconds: Int(entry.seconds),
                        entry: entry)
                }
            }
        }
    }

    /// How many images wait for a decision.
    public func quarantinedCount() throws -> Int {
        try withArchiveErrors { try store.environment.read { try store.heldCount($0) } }
    }

    /// The picture of an image that was set aside.
    ///
    /// - Throws: `.notFound` or `.stale` where its file has gone or was changed, `.badImage`.
    public func picture(of image: QuarantinedImage) throws -> GrayImage {
        try withArchiveErrors {
            let bytes = try ImageStore.read(image.entry.image, in: path)
            do { return try ImageDecoder.decode(bytes) } catch {
                throw ArchiveError(.badImage, "\(image.id): \(error)")
            }
        }
    }

    /// Gives images back to their cases, which are then found by them too.
    ///
    /// Images of one id that came from several sources are not of one case: the first source gets the id, and the others are refused. The
    /// case and the decision are one transaction, so whoever is killed meanwhile leaves the image waiting. One that cannot be read or
    /// encoded now stays where it is.
    /// - Returns: what became of each case, and which of the images it is about.
    /// - Throws: `.readOnly`, `.notReady` without an embedder, `.io`.
    public func release(_ images: [QuarantinedImage]) throws -> [QuarantineRelease] {
        _ = try writableEmbedder()
        return try Self.groups(images).map { group in
            let entries = group.map(\.entry)
            let id = entries[0].id
            let outcome: PutOutcome
            do {
                outcome = try put([input(of: id, with: entries)]).first ?? .unchanged(vectors: 0)
            } catch let error as ArchiveError { outcome = .refused(error) }
            return QuarantineRelease(id: store.shownID(id), images: group, outcome: outcome)
        }
    }

    /// The images by case: of one id and one source, those first that came first.
    private static func groups(_ images: [QuarantinedImage]) -> [[QuarantinedImage]] {
        let groups = Dictionary(grouping: images) { [$0.entry.id, $0.entry.source ?? ""] }
        func place(_ group: [QuarantinedImage]) -> (String, Int64, String) {
            let first = group.map(\.entry.seconds).min() ?? 0
            return (group[0].entry.id, first, group[0].entry.source ?? "")
        }
        return groups.values.sorted { place($0) < place($1) }
    }

    /// Leaves images out of their cases for good, also when their files are read again.
    ///
    /// - Throws: `.readOnly`, `.io`.
    public func drop(_ images: [QuarantinedImage]) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            let state = try writableCounters()
            let batch = try store.environment.write { transaction in
                var batch = CommitBatch(state, serving, generations.withLock { $0.table })
                for entry in images.map(\.entry) {
                    let held = try store.quarantine(transaction, of: entry.id).first {
                        $0.image.digest == entry.image.digest && $0.state == .held
                    }
                    guard let held else { continue }
                    try decide(transaction, held, .dropped, into: &batch)
                    // The next run reads the source again.
                    guard let source = held.source, var row = try journalEntry(transaction, source) else { continue }
                    row.fingerprint = JournalEntry.unreadFingerprint
                    try store.put(transaction, .journal, row.key, store.bytes(of: row))
                }
                return batch
            }
            finish(batch)
        }
    }

    /// Refuses images that came from elsewhere than the stored case of their id, or from another patient.
    private func checkMayJoin(_ entries: [QuarantineEntry], _ stored: CaseEntry) throws(ArchiveError) {
        for entry in entries {
            let (new, old) = (entry.fields.patient, stored.fields.patient)
            guard (entry.source ?? "") == (stored.source ?? ""), new == nil || old == nil || new == old else {
                throw ArchiveError(
                    .exists, "\(store.shownID(stored.id)): the stored case of this id is from elsewhere; drop the image"
                )
            }
        }
    }

    /// Refuses images of which two name two patients.
    private func checkAreOfOne(_ entries: [QuarantineEntry]) throws(ArchiveError) {
        guard let first = entries.first, Set(entries.compactMap(\.fields.patient)).count > 1 else { return }
        let id = store.shownID(first.id)
        throw ArchiveError(
            .badRequest, "\(id): these images name two patients, and a case is of one; drop the wrong one")
    }

    /// The case as it will be with these images.
    private func input(of id: String, with entries: [QuarantineEntry]) throws -> CaseInput {
        try checkAreOfOne(entries)
        return try withArchiveErrors {
            try store.environment.read { transaction in
                var input = CaseInput(id: id)
                var images: [CaseEntry.StoredImage] = []
                if let number = try store.number(transaction, of: id), let entry = try store.entry(transaction, number)
                {
                    try checkMayJoin(entries, entry)
                    images = entry.images
                    input.report = try store.report(transaction, number)
                    input.fields = entry.fields
                } else {
                    input.fields = entries.first?.fields ?? CaseFields()
                }
                for entry in entries.sorted(by: { $0.place < $1.place }) {
                    // A file that has gone or was changed is refused here, before the journal hears of it.
                    _ = try ImageStore.read(entry.image, in: path)
                    images.insert(entry.image, at: min(entry.place, images.count))
                }
                input.images = try images.map { image in
                    let source: ImageSource =
                        image.isKept ? .bytes(try ImageStore.read(image, in: path)) : .file(image.path)
                    return CaseImage(source, view: image.view)
                }
                input.isDeidentified = true
                input.releases = Set(entries.map(\.image.digest))
                if let source = entries.first?.source {
                    var origin = CaseOrigin(source: source, fingerprint: JournalEntry.unreadFingerprint)
                    origin.mayReturn = true
                    if let row = try journalEntry(transaction, source) { origin.marks = row.marks }
                    input.origin = origin
                }
                return input
            }
        }
    }
}
