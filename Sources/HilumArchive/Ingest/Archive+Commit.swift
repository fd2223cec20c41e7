import Foundation
import HilumCore
import HilumIndex
import HilumPrivacy
import LMDB

extension Archive {
    /// Stores prepared cases in one transaction, then makes them findable.
    ///
    /// A case that equalled the stored one when it was prepared, and no longer does, is embedded and stored in a second round.
    ///
    /// - Parameters:
    ///   - linkThreads: threads that link the vectors.
    ///   - courtesy: whom that makes room for.
    func commit(
        _ prepared: [PreparedCase], threads: Int = 1, linkThreads: Int = 1, courtesy: Courtesy = .none
    ) throws -> [PutOutcome] {
        let first = try commitOnce(prepared, linkThreads, courtesy)
        let stale = first.compactMap { outcome -> PreparedCase? in
            guard case .staleEmbedding(let item) = outcome else { return nil }
            return item
        }
        var second: [CommitOutcome] = []
        if !stale.isEmpty {
            second = try commitOnce(prepare(stale, with: writableEmbedder(), threads: threads, isForced: true))
        }
        var rest = second.makeIterator()
        let outcomes = first.map { outcome -> PutOutcome in
            switch outcome {
            case .committed(let outcome): return outcome
            case .staleEmbedding:
                if case .committed(let outcome) = rest.next() { return outcome }
                return .refused(ArchiveError(.io, "the case changed while it was stored; put it again"))
            }
        }
        countMasks(prepared, outcomes)
        return outcomes
    }

    /// Stores prepared cases in one transaction, except those whose vectors are missing.
    private func commitOnce(
        _ prepared: [PreparedCase], _ linkThreads: Int = 1, _ courtesy: Courtesy = .none
    ) throws -> [CommitOutcome] {
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            // Whoever waits for this turn would wait for the rests too.
            let courtesy = courtesy.unless { self.writing.isAwaited }
            let state = try writableCounters()
            let kept = try keepImages(of: prepared)
            // Also those of a case that was refused.
            defer { removeUnused(kept) }
            let links = PreparedLinks(graphs, courtesy)
            defer { links.cancel() }
            let batch = try courtesy.piece {
                try store.environment.write { transaction in
                    var batch = CommitBatch(state, serving, generations.withLock { $0.table })
                    for item in prepared { try store(transaction, item, into: &batch) }
                    try storeWords(transaction, batch, first: state.nextNumber)
                    if batch.nextNumber != state.nextNumber { try store.set(transaction, .next, Int(batch.nextNumber)) }
                    if batch.deletions != state.deletions { try store.set(transaction, .deletions, batch.deletions) }
                    if batch.updates != state.updates { try store.set(transaction, .updates, batch.updates) }
                    if batch.hasNewTable { try store.put(transaction, batch.table) }
                    // Known again from then on, whatever of these cases it hid.
                    if store.key.isThere, try store.text(transaction, .key) == nil {
                        try store.set(transaction, .key, store.key.mark())
                    }
                    links.prepare(batch.changes)
                    return batch
                }
            }
            finish(batch, linkThreads: linkThreads, links, courtesy)
            return batch.outcomes
        }
    }

    /// The counters, if something may be written.
    func writableCounters() throws -> Counters {
        let state = progress.withLock { $0 }
        guard !state.mustReopen else {
            throw ArchiveError(.io, "\(path): an earlier change is stored but not linked; open the archive again")
        }
        return state
    }

    /// Keeps the images that came as bytes, each once; the caller holds `writing`, so nobody else writes the same file.
    ///
    /// Side by side, because each waits for the disk.
    /// - Returns: the digests of new files.
    private func keepImages(of prepared: [PreparedCase]) throws -> [[UInt8]] {
        var images: [[UInt8]: [UInt8]] = [:]
        for item in prepared where item.refusal == nil || item.isHeldBack {
            for (image, bytes) in zip(item.images, item.keptBytes) { if let bytes { images[image.digest] = bytes } }
            for image in item.setAside { if let bytes = image.keptBytes { images[image.entry.image.digest] = bytes } }
        }
        let outcomes = parallelMap(Array(images), threads: 8) { digest, bytes -> Result<[UInt8]?, ArchiveError> in
            do throws(ArchiveError) {
                return .success(try ImageStore.keep(bytes, digest: digest, in: self.path) ? digest : nil)
            } catch { return .failure(error) }
        }
        do { return try outcomes.compactMap { try $0.get() } } catch {
            removeUnused(outcomes.compactMap { try? $0.get() })
            throw error
        }
    }

    /// Removes the files of images that no case came to use; the caller holds `writing`.
    private func removeUnused(_ digests: [[UInt8]]) {
        guard !digests.isEmpty else { return }
        let unused = try? store.environment.read { transaction in
            try digests.filter { try store.get(transaction, .images, $0) { _ in true } == nil }
        }
        // Where the store cannot be read nobody knows; `check` will tell.
        removeImages(unused ?? [])
    }

    /// Removes the case `id` with its vectors; false when there is none. The removal is on disk when this returns.
    ///
    /// - Throws: `.readOnly`, `.io`.
    public func delete(id: String) throws -> Bool { try remove(id: id, .byHand) }

    /// Removes the case `id`, if it was read from `source` and all of its files are gone.
    package func forget(id: String, source: String) throws -> Bool { try remove(id: id, .gone(source)) }

    /// Why a case is removed.
    enum Removal {
        /// Somebody wants it gone; its files may still be there, and are not taken again while they are the same.
        case byHand
        /// Its files are gone, so that nothing has to be remembered; only a case from this source is removed.
        case gone(String)
        /// Nothing of it may be left but marks by this key, which name nobody: its files may still be there.
        case erased(PseudonymKey)
    }

    func remove(id: String, _ removal: Removal) throws -> Bool {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        return try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            let state = try writableCounters()
            let batch = try store.environment.write { transaction in
                var batch = CommitBatch(state, serving, generations.withLock { $0.table })
                var sources: [String?] = []
                if case .gone = removal {} else { sources = try forgetQuarantine(transaction, of: id, into: &batch) }
                guard let number = try store.number(transaction, of: id) else {
                    // Nothing of it was stored but its images in quarantine, and the journal says that it was refused.
                    for source in sources { try noteDeleted(transaction, source, removal) }
                    if !sources.isEmpty { try markDeleted(transaction, id: id) }
                    return batch
                }
                guard let entry = try store.entry(transaction, number) else {
                    throw store.damaged("the id of case \(number) leads nowhere")
                }
                if case .gone(let source) = removal, entry.source != source { return batch }
                try remove(transaction, number, entry, into: &batch)
                try transaction.delete(store.table(.ids), try store.idKey(entry.id))
                switch removal {
                case .byHand: try noteDeleted(transaction, number, entry)
                case .gone(let source): try forgetSource(transaction, source)
                case .erased(let key): try eraseJournal(transaction, leadingTo: number, entry, key)
                }
                if case .gone = removal {} else { try markDeleted(transaction, id: entry.id) }
                var change = CommittedChange(oldNumber: number, oldEntry: entry)
                if case .gone = removal {} else { change.forgottenQuarantine = try store.quarantineName(of: id) }
                batch.changes.append(change)
                try storeWords(transaction, batch, first: state.nextNumber)
                if case .erased = removal, entry.hasReport {
                    try eraseWords(transaction, of: number, nextNumber: state.nextNumber)
                }
                try store.set(transaction, .deletions, batch.deletions)
                if batch.hasNewTable { try store.put(transaction, batch.table) }
                return batch
            }
            finish(batch)
            return !batch.changes.isEmpty || batch.hasForgotten
        }
    }

    // MARK: Inside of the transaction

    /// Remembers that the case was deleted, so that the inbox does not take its files again while they are the same.
    func noteDeleted(
        _ transaction: borrowing WriteTransaction, _ number: UInt32, _ entry: CaseEntry
    ) throws {
        // 0: its files have changed since, and were refused.
        guard let source = entry.source, let journal = try journalEntry(transaction, source),
            [0, number].contains(journal.number)
        else { return }
        try noteDeleted(transaction, journal)
    }

    /// The same of a case of which nothing was stored, as all of its images wait in quarantine.
    private func noteDeleted(
        _ transaction: borrowing WriteTransaction, _ source: String?, _ removal: Removal
    ) throws {
        guard let source, let journal = try journalEntry(transaction, source), journal.number == 0 else { return }
        switch removal {
        case .byHand: try noteDeleted(transaction, journal)
        case .gone: try forgetSource(transaction, source)
        case .erased(let key):
            try forgetSource(transaction, source)
            try keepErased(transaction, journal.marks, key)
        }
    }

    private func noteDeleted(_ transaction: borrowing WriteTransaction, _ journal: JournalEntry) throws {
        try store.put(transaction, .journal, journal.key, store.bytes(of: journal.deleted))
        for mark in journal.marks.sorted {
            try store.put(transaction, .journal, mark, store.bytes(of: JournalEntry(deleted: mark)))
        }
    }

    private func store(_ transaction: borrowing WriteTransaction, _ item: PreparedCase, into batch: inout CommitBatch)
        throws
    {
        if item.wasDeleted {
            batch.outcomes.append(.committed(.deleted))
            return try noteSeen(transaction, item)
        }
        if let refusal = item.refusal {
            batch.outcomes.append(.committed(.refused(refusal)))
            if item.isHeldBack, try mayHold(transaction, item) {
                try settleQuarantine(transaction, item, into: &batch)
            }
            // What may pass is tried again.
            switch refusal.code {
            // .exists: the row tells of the stored case, which stays, and the files are weighed against it each time.
            case .io, .notReady, .busy, .exists: break
            default: try writeJournal(transaction, item, number: 0, reason: refusal.reason)
            }
            return
        }
        let serving = self.serving
        var entry = CaseEntry(item.input, images: item.images, lacksReportVector: item.lacksReportVector)
        let oldNumber = try store.number(transaction, of: entry.id)
        let oldEntry = try oldNumber.flatMap { try store.entry(transaction, $0) }
        // Somebody may name it by its pseudonym.
        if store.hidesNames, let oldEntry { entry.id = oldEntry.id }
        // A report that joins a case leaves it where it came from.
        if item.input.origin?.joins == true, let oldEntry { entry.source = oldEntry.source }
        let isSame =
            if let oldNumber, let oldEntry, !item.bringsVectors {
                try hasContent(of: item, transaction, oldNumber, oldEntry)
            } else { false }
        // What the entry becomes if the stored vectors stay.
        var kept = entry
        if isSame, let oldEntry {
            kept.lacksReportVector = oldEntry.lacksReportVector
            kept.gaps = oldEntry.gaps
        }
        if let oldNumber, let oldEntry, let origin = item.input.origin, !origin.mayReplace,
            try !isOwn(transaction, oldNumber, oldEntry, origin), oldEntry.source != nil || !isSame
        {
            return try settleForeign(transaction, item, oldNumber, oldEntry, kept, isSame: isSame, into: &batch)
        }
        // An image that could not be encoded again is there now, so it is encoded.
        if let oldNumber, let oldEntry, isSame, oldEntry.missingImageCount(in: serving.generation) == 0 {
            try writeJournal(transaction, item, number: oldNumber, reason: "")
            try settleQuarantine(transaction, item, into: &batch)
            let notes = DateNote.notes(item.dateFault, isLost: item.hasLostDate)
            try update(transaction, oldNumber, from: oldEntry, to: kept, notes: notes, into: &batch)
            return
        }
        let imageVectors = item.imageVectors.compactMap(\.self)
        // After a switch, vectors of the model before are of no use.
        guard item.modelID == serving.modelID, imageVectors.count == entry.images.count,
            !entry.hasReportVector || item.reportVector != nil
        else {
            batch.outcomes.append(.staleEmbedding(of: item.unread))
            return
        }
        if let oldNumber, let oldEntry {
            try remove(transaction, oldNumber, oldEntry, into: &batch)
            // An older release may have stored another spelling.
            if !oldEntry.id.utf8.elementsEqual(entry.id.utf8) {
                try transaction.delete(store.table(.ids), try store.idKey(oldEntry.id))
            }
        }
        try removeFormer(transaction, of: item.input, into: &batch)
        try settleQuarantine(transaction, item, into: &batch)
        let number = batch.nextNumber
        guard number < UInt32.max - UInt32(ArchiveLimits.imageCount) else {
            throw ArchiveError(.limit, "\(path): all case numbers are used; export and make anew")
        }
        batch.nextNumber += entry.numberCount
        try store.put(transaction, .cases, UInt64(number), store.bytes(of: entry), rule: .appending)
        let key = try store.idKey(entry.id)
        try withUnsafeBytes(of: number.littleEndian) { try store.put(transaction, .ids, key, $0) }
        if oldNumber == nil { try unmarkDeleted(transaction, id: entry.id) }
        if let report = item.input.report {
            try store.put(transaction, .reports, UInt64(number), Array(report.utf8), rule: .appending)
        }
        for (kind, vectors) in [(VectorKind.image, imageVectors), (.report, item.reportVector.map { [$0] } ?? [])] {
            for (item, vector) in zip(entry.items(kind, of: number), vectors) {
                try store.putVector(transaction, kind, serving.key(item), vector, rule: batch.rule)
            }
        }
        if let report = item.input.report {
            batch.words.append((number, try item.words ?? ReportWords(report, ReportWords.sharedReader())))
        }
        try countImages(transaction, of: entry, by: 1, into: &batch)
        try writeJournal(transaction, item, number: number, reason: "")
        if item.input.origin?.joins == true, let oldNumber, let source = oldEntry?.source {
            try follow(transaction, source, from: oldNumber, to: number)
        }
        let isNew = oldNumber == nil
        var notes = item.imageNotes.map(\.description) + (item.leavesRest ? [CarriedFields.leavesNote] : [])
        notes += DateNote.notes(item.dateFault, isLost: item.hasLostDate)
        if !item.setAside.isEmpty { notes.append(CaseLoader.quarantineNote(item.setAside.count)) }
        batch.outcomes.append(
            .committed(
                isNew
                    ? .stored(vectors: entry.vectorCount, notes: notes)
                    : .replaced(vectors: entry.vectorCount, notes: notes)))
        batch.changes.append(
            CommittedChange(
                oldNumber: oldNumber, oldEntry: oldEntry, newNumber: number, newEntry: entry,
                imageVectors: imageVectors, reportVector: item.reportVector))
    }

    /// A case from another source stays as it is. The same case at another place is no news; where the old files are gone, it has moved.
    private func settleForeign(
        _ transaction: borrowing WriteTransaction, _ item: PreparedCase, _ number: UInt32, _ old: CaseEntry,
        _ new: CaseEntry, isSame: Bool, into batch: inout CommitBatch
    ) throws {
        guard isSame, old.fields == new.fields, old.images.map(\.view) == new.images.map(\.view) else {
            let reason = Self.foreignReason(old)
            batch.outcomes.append(.committed(.refused(ArchiveError(.exists, reason))))
            // The reason names the other case, and is found again.
            return try writeJournal(transaction, item, number: JournalEntry.elsewhere, reason: "")
        }
        try writeJournal(transaction, item, number: number, reason: "")
        // What a person gives back is in the case already.
        if !item.input.releases.isEmpty { try settleQuarantine(transaction, item, into: &batch) }
        let hasMoved =
            old.images.contains { !$0.isKept && $0.hasPicture && access($0.path, F_OK) != 0 }
            || old.images.isEmpty && CaseOrigin.isGone(old.source ?? "", id: old.id)
        try update(transaction, number, from: old, to: hasMoved ? new : old, into: &batch)
    }

    /// Removes what the files of a case were before, such as the half of a pair that came first.
    private func removeFormer(
        _ transaction: borrowing WriteTransaction, of input: CaseInput, into batch: inout CommitBatch
    ) throws {
        for former in input.origin?.former ?? [] where former.id != input.id {
            guard let number = try store.number(transaction, of: former.id),
                let entry = try store.entry(transaction, number), entry.source == former.source
            else { continue }
            try remove(transaction, number, entry, into: &batch)
            try transaction.delete(store.table(.ids), try store.idKey(entry.id))
            try forgetSource(transaction, entry.source)
            batch.changes.append(CommittedChange(oldNumber: number, oldEntry: entry))
        }
    }

    /// Writes the words of the batch's reports, so that they are found as soon as the case is, and makes room where reports went.
    ///
    /// - Parameter first: the number of the first new case.
    func storeWords(_ transaction: borrowing WriteTransaction, _ batch: CommitBatch, first: UInt32) throws {
        let gone = batch.changes.compactMap { change in
            change.newNumber != change.oldNumber && change.oldEntry?.hasReport == true ? change.oldNumber : nil
        }
        guard !batch.words.isEmpty || !gone.isEmpty else { return }
        let table = WordTable(store: store)
        var head = try table.head(transaction, nextNumber: first)
        var live = attributes.read { $0.withText }
        for report in batch.words { live.insert(report.number) }
        for number in gone { live.remove(number) }
        if batch.words.isEmpty {
            try table.tidy(transaction, &head, live: live)
        } else {
            try table.add(transaction, batch.words, to: &head, live: live)
        }
    }

    /// Image and report are the same, so number and vectors stay; only the entry is written again, if it differs.
    func update(
        _ transaction: borrowing WriteTransaction, _ number: UInt32, from old: CaseEntry, to new: CaseEntry,
        notes: [String] = [], into batch: inout CommitBatch
    ) throws {
        guard old != new else { return batch.outcomes.append(.committed(.unchanged(vectors: old.vectorCount))) }
        batch.updates += 1
        try store.put(transaction, .cases, UInt64(number), store.bytes(of: new))
        if !old.id.utf8.elementsEqual(new.id.utf8) {
            try transaction.delete(store.table(.ids), try store.idKey(old.id))
            let key = try store.idKey(new.id)
            try withUnsafeBytes(of: number.littleEndian) { try store.put(transaction, .ids, key, $0) }
        }
        try note(transaction, CaseChange(number: number, old: old, new: new), into: &batch)
        try countImages(transaction, of: new, by: 1, into: &batch)
        try countImages(transaction, of: old, by: -1, into: &batch)
        // Only where the files lie is no news.
        var moved = old
        moved.source = new.source
        for place in moved.images.indices { moved.images[place].path = new.images[place].path }
        batch.outcomes.append(
            .committed(
                moved == new
                    ? .unchanged(vectors: new.vectorCount) : .replaced(vectors: new.vectorCount, notes: notes)))
        batch.changes.append(CommittedChange(oldNumber: number, oldEntry: old, newNumber: number, newEntry: new))
    }

    func remove(
        _ transaction: borrowing WriteTransaction, _ number: UInt32, _ entry: CaseEntry, into batch: inout CommitBatch
    ) throws {
        try transaction.delete(store.table(.cases), UInt64(number))
        if entry.hasReport { try transaction.delete(store.table(.reports), UInt64(number)) }
        for (generation, dimension) in batch.dimensions {
            for kind in VectorKind.allCases {
                for item in entry.items(kind, of: number, in: generation) {
                    let key = VectorKey(generation: generation, item: item)
                    try store.deleteVector(transaction, kind, key, dimension: dimension)
                }
            }
        }
        batch.forgetGaps(of: entry, number)
        try note(transaction, CaseChange(number: number, old: entry), into: &batch)
        try countImages(transaction, of: entry, by: -1, into: &batch)
        batch.deletions += 1
    }

    /// Records a change of a case in the checkpoint for the next opening, which reads newer cases only.
    private func note(
        _ transaction: borrowing WriteTransaction, _ change: CaseChange, into batch: inout CommitBatch
    ) throws {
        guard change.number < batch.watermark else { return }
        try store.put(
            transaction, .changes, UInt64(batch.changeRowCount), store.bytes(of: change), rule: .appending)
        batch.changeRowCount += 1
    }

    /// Counts the uses of the kept images of a case.
    func countImages(
        _ transaction: borrowing WriteTransaction, of entry: CaseEntry, by amount: Int, into batch: inout CommitBatch
    ) throws {
        for image in entry.images where image.isKept {
            try countImage(transaction, image.digest, by: amount, into: &batch)
        }
    }

    func countImage(
        _ transaction: borrowing WriteTransaction, _ digest: [UInt8], by amount: Int, into batch: inout CommitBatch
    ) throws {
        let stored = try store.get(transaction, .images, digest) { try store.number($0) }
        // A count that is not there cannot say that nobody else uses the file.
        if stored == nil && amount < 0 { return }
        let count = Int(stored ?? 0) + amount
        if count > 0 {
            try withUnsafeBytes(of: UInt32(count).littleEndian) { try store.put(transaction, .images, digest, $0) }
            batch.unusedImages.removeAll { $0 == digest }
        } else {
            try transaction.delete(store.table(.images), digest)
            batch.unusedImages.append(digest)
        }
    }

    /// The source of a case that a report joined is as it was, and its case has another number.
    private func follow(
        _ transaction: borrowing WriteTransaction, _ source: String, from old: UInt32, to number: UInt32
    ) throws {
        guard var journal = try journalEntry(transaction, source), journal.number == old else { return }
        journal.number = number
        try store.put(transaction, .journal, journal.key, store.bytes(of: journal))
    }

    private func writeJournal(
        _ transaction: borrowing WriteTransaction, _ item: PreparedCase, number: UInt32, reason: String
    ) throws {
        guard var journal = item.journal else { return }
        journal.number = number
        let isStored = number != 0 && number != JournalEntry.elsewhere
        journal.reason = isStored ? LostImage.joined(item.input.lostImages) : reason
        // A name that may be that of another patient's case. The row of a report in a message leads to the case that it joined, whose
        // number changes without it, so the row must say nothing when that case is forgotten.
        if number == JournalEntry.elsewhere || item.input.origin?.joins == true { journal.name = "" }
        journal.fingerprint = privacy.stamped(journal.fingerprint)
        if item.input.origin?.isPart == true, !item.leavesRest, let whole = try journalEntry(transaction, journal.name)
        {
            journal.marks.insert(whole.marks)
        }
        try store.put(transaction, .journal, journal.key, store.bytes(of: journal))
        guard isStored else { return }
        try unmark(transaction, journal.marks, item.content)
    }
}
