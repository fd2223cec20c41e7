import HilumCore
import LMDB

/// The other end of `changes`: a copy that becomes what its leader is.
extension Archive {
    /// Makes the same changes here in one transaction, under the same numbers, and notes the position with them.
    ///
    /// What is here already is passed over, so changes may be applied again. Nothing else may write to a copy.
    /// - Throws: `.stale` for changes of another archive or generation; `.damaged` for a case that cannot be read; `.readOnly`, `.io`.
    public func apply(_ changes: ArchiveChanges) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        guard options.followsLeader else {
            throw ArchiveError(.badRequest, "\(path): the archive was not opened as a copy (Options.followsLeader)")
        }
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            let state = try writableCounters()
            let serving = self.serving
            let own = try store.environment.read { try store.history($0) }
            guard changes.position.created == own, changes.position.generation == serving.generation,
                changes.position.next >= state.nextNumber
            else { throw ArchiveError(.stale, "\(path): the changes are of another archive or generation") }
            guard changes.forgotten.allSatisfy(Store.isQuarantineName) else {
                throw ArchiveError(.damaged, "what came of the quarantine is malformed")
            }
            let entries = try changes.items.map { item in
                try item.entry.withUnsafeBytes { try store.decode($0, number: item.number) }
            }
            try keep(changes.items, entries)
            let batch = try store.environment.write { transaction in
                var batch = CommitBatch(state, serving, generations.withLock { $0.table })
                let byHand = try changes.deletedByHand(entries, store)
                for number in changes.left { try leave(transaction, number, byHand, into: &batch) }
                // A newer version may have come in an earlier piece; what the leader forgot is forgotten all the same.
                for name in changes.forgotten { try forgetQuarantine(transaction, named: name, into: &batch) }
                for (item, entry) in zip(changes.items, entries) {
                    try take(transaction, item, entry, serving, into: &batch)
                }
                try storeWords(transaction, batch, first: state.nextNumber)
                batch.nextNumber = changes.position.next
                batch.deletions = changes.position.deletions
                batch.updates = changes.position.updates
                try store.set(transaction, .next, Int(batch.nextNumber))
                try store.set(transaction, .deletions, batch.deletions)
                try store.set(transaction, .updates, batch.updates)
                if batch.hasNewTable { try store.put(transaction, batch.table) }
                return batch
            }
            // Where no case changed, `finish` has nothing to repeat and leaves the counters alone.
            progress.withLock { progress in
                (progress.nextNumber, progress.deletions, progress.updates) =
                    (batch.nextNumber, batch.deletions, batch.updates)
            }
            finish(batch, linkThreads: defaultThreadCount)
            // Those who follow this copy count by the leader's numbers.
            feed.withLock { $0 = ChangeRing(deletions: batch.deletions, updates: batch.updates) }
        }
    }

    private func keep(_ items: [ArchiveChanges.Item], _ entries: [CaseEntry]) throws {
        for (item, entry) in zip(items, entries) {
            for (image, bytes) in zip(entry.images, item.kept) {
                guard image.isKept, let bytes else { continue }
                guard ImageStore.digest(bytes) == image.digest else {
                    throw ArchiveError(.damaged, "an image of case \(item.number) is not the one that was stored")
                }
                _ = try ImageStore.keep(bytes, digest: image.digest, in: path)
            }
        }
    }

    /// - Parameter byHand: names of the cases that somebody deleted (`Store.quarantineName`): should this copy take over, their files stay out
    ///   as they do at the leader. What was replaced, or went with its files, may come back.
    private func leave(
        _ transaction: borrowing WriteTransaction, _ number: UInt32, _ byHand: Set<String> = [],
        into batch: inout CommitBatch
    ) throws {
        guard let entry = try store.entry(transaction, number) else { return }
        try remove(transaction, number, entry, into: &batch)
        // The id may be that of a newer version already.
        if try store.number(transaction, of: entry.id) == number {
            try transaction.delete(store.table(.ids), try store.idKey(entry.id))
            if try byHand.contains(store.quarantineName(of: entry.id)) {
                try noteDeleted(transaction, number, entry)
            } else {
                try forgetSource(transaction, entry.source)
            }
        }
        batch.changes.append(CommittedChange(oldNumber: number, oldEntry: entry))
    }

    private func take(
        _ transaction: borrowing WriteTransaction, _ item: ArchiveChanges.Item, _ entry: CaseEntry, _ serving: Serving,
        into batch: inout CommitBatch
    ) throws {
        let number = item.number
        if let old = try store.entry(transaction, number) {
            // What keeps its number keeps its images and its report. Another case under it is of another history.
            guard old.id == entry.id, old.images.map(\.digest) == entry.images.map(\.digest),
                old.hasReport == entry.hasReport, old.numberCount == entry.numberCount
            else { throw ArchiveError(.stale, "\(path): the changes are of another archive") }
            return try update(transaction, number, from: old, to: entry, into: &batch)
        }
        // Below, it is a case that changed and has left since.
        guard number >= batch.nextNumber else { return }
        let vectorCount = item.imageVectors.count + (item.reportVector == nil ? 0 : 1)
        guard vectorCount == entry.vectorCount, (item.report != nil) == entry.hasReport,
            (item.imageVectors + [item.reportVector].compactMap(\.self)).allSatisfy({ $0.count == serving.dimension })
        else { throw ArchiveError(.damaged, "what came of case \(number) is incomplete") }
        // The number that it had before leaves with a later piece at the latest; nobody may find it twice until then.
        if let old = try store.number(transaction, of: entry.id), old != number {
            try leave(transaction, old, into: &batch)
        }
        // It was deleted, and somebody has stored it again since.
        if let source = entry.source, let row = try journalEntry(transaction, source),
            row.number == JournalEntry.deleted
        {
            try transaction.delete(store.table(.journal), row.key)
            try unmark(transaction, row.marks, nil)
        }
        batch.nextNumber = number + entry.numberCount
        try store.put(transaction, .cases, UInt64(number), store.bytes(of: entry), rule: .appending)
        let key = try store.idKey(entry.id)
        try withUnsafeBytes(of: number.littleEndian) { try store.put(transaction, .ids, key, $0) }
        if let report = item.report {
            try store.put(transaction, .reports, UInt64(number), Array(report.utf8), rule: .appending)
            batch.words.append((number, try ReportWords(report, ReportWords.sharedReader())))
        }
        for (kind, vectors) in [
            (VectorKind.image, item.imageVectors), (.report, [item.reportVector].compactMap(\.self)),
        ] {
            for (place, vector) in zip(entry.items(kind, of: number), vectors) {
                try store.putVector(transaction, kind, serving.key(place), vector, rule: batch.rule)
            }
        }
        try countImages(transaction, of: entry, by: 1, into: &batch)
        batch.changes.append(
            CommittedChange(
                newNumber: number, newEntry: entry, imageVectors: item.imageVectors, reportVector: item.reportVector))
    }
}
