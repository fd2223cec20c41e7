import HilumCore
import LMDB

/// What the transaction that stores or removes a case does with its images in quarantine.
extension Archive {
    /// What is known of the images of the case `id` before it is read.
    func knownImages(of id: String) throws -> KnownImages {
        try store.environment.read { transaction in
            var known = KnownImages()
            for entry in try store.quarantine(transaction, of: id) { known.states[entry.image.digest] = entry.state }
            if let number = try store.number(transaction, of: id), let entry = try store.entry(transaction, number) {
                known.stored = Set(entry.images.map(\.digest))
                known.paths = Set(entry.images.filter { !$0.isKept && $0.hasPicture }.map(\.path))
            }
            return known
        }
    }

    /// Notes what was set aside of a case, and what a person gives back to it, and forgets what waits for a decision and is not part of it
    /// any more.
    func settleQuarantine(
        _ transaction: borrowing WriteTransaction, _ item: PreparedCase, into batch: inout CommitBatch
    ) throws {
        let rows = try store.quarantine(transaction, of: item.input.id)
        guard !rows.isEmpty || !item.setAside.isEmpty else { return }
        let digests = Set(item.setAside.map(\.entry.image.digest))
        for row in rows where row.state == .held && item.input.releases.contains(row.image.digest) {
            try decide(transaction, row, .released, into: &batch)
        }
        // One file, fields and text alone, or what a person gives back, say nothing of the other images.
        if item.input.origin?.isPart != true, !item.input.keepsImages, item.input.releases.isEmpty {
            let source = item.input.origin?.source
            for row in rows
            where row.state == .held && row.source == source && !digests.contains(row.image.digest) {
                try removeQuarantine(transaction, row, into: &batch)
            }
        }
        for image in item.setAside where !rows.contains(where: { $0.image.digest == image.entry.image.digest }) {
            try store.put(transaction, image.entry, former: nil)
            if image.entry.image.isKept { try countImage(transaction, image.entry.image.digest, by: 1, into: &batch) }
        }
    }

    /// Whether a case of which nothing but images in quarantine is left may have its id: a stored case from elsewhere keeps it, and would
    /// get these images when they are released.
    func mayHold(_ transaction: borrowing WriteTransaction, _ item: PreparedCase) throws -> Bool {
        guard let number = try store.number(transaction, of: item.input.id),
            let entry = try store.entry(transaction, number)
        else { return true }
        guard let origin = item.input.origin else { return entry.source == "" }
        return try isOwn(transaction, number, entry, origin)
    }

    /// Forgets every image of a case that was set aside, and what was decided of it.
    ///
    /// - Returns: what it was read from, of each of them.
    func forgetQuarantine(
        _ transaction: borrowing WriteTransaction, of id: String, into batch: inout CommitBatch
    ) throws -> [String?] {
        try forget(transaction, try store.quarantine(transaction, of: id), into: &batch)
    }

    /// The same for a case whose leader forgot what was set aside of it, by its name (`Store.quarantineName`).
    func forgetQuarantine(
        _ transaction: borrowing WriteTransaction, named name: String, into batch: inout CommitBatch
    ) throws {
        _ = try forget(transaction, try store.quarantine(transaction, named: name), into: &batch)
    }

    private func forget(
        _ transaction: borrowing WriteTransaction, _ rows: [QuarantineEntry], into batch: inout CommitBatch
    ) throws -> [String?] {
        for row in rows { try removeQuarantine(transaction, row, into: &batch) }
        batch.hasForgotten = batch.hasForgotten || !rows.isEmpty
        return rows.map(\.source)
    }

    /// Writes a decision. The row uses the kept bytes no more: they are the case's from now on, or nobody's.
    func decide(
        _ transaction: borrowing WriteTransaction, _ row: QuarantineEntry, _ state: QuarantineEntry.State,
        into batch: inout CommitBatch
    ) throws {
        var decided = row
        decided.state = state
        try store.put(transaction, decided, former: row.state)
        if row.state == .held, row.image.isKept {
            try countImage(transaction, row.image.digest, by: -1, into: &batch)
        }
    }

    private func removeQuarantine(
        _ transaction: borrowing WriteTransaction, _ row: QuarantineEntry, into batch: inout CommitBatch
    ) throws {
        try store.remove(transaction, row)
        if row.state == .held, row.image.isKept {
            try countImage(transaction, row.image.digest, by: -1, into: &batch)
        }
    }
}
