import HilumCore
import HilumIndex
import LMDB

/// What follows a transaction that is on disk: the same changes in memory.
extension Archive {
    /// Repeats the changes in memory. A new version is linked before the old one goes, so that a case is always found.
    ///
    /// - Parameters:
    ///   - linkThreads: for each kind of vectors of which the batch has some.
    ///   - links: what was begun for the new vectors.
    ///   - courtesy: whom linking makes room for.
    func finish(
        _ batch: CommitBatch, linkThreads: Int = 1, _ links: PreparedLinks? = nil, _ courtesy: Courtesy = .none
    ) {
        removeImages(batch.unusedImages)
        guard !batch.changes.isEmpty else { return }
        // Before anything here can fail: the counters are on disk.
        feed.withLock { $0.note(batch.changes) }
        // New cases first, so that a search which meets one of their vectors knows whose it is; old ones go when their vectors have.
        attributes.write { attributes in
            for change in batch.changes where change.newNumber != change.oldNumber {
                if let number = change.newNumber, let entry = change.newEntry { attributes.insert(number, entry) }
            }
        }
        noteWords(batch.words)
        if let failure = apply(batch.changes, links?.take() ?? [:], linkThreads, courtesy) {
            // The cases are stored, and whoever waits for them is told so; opening links them.
            progress.withLock { $0.mustReopen = true }
            return Log.error("cases are stored and not linked; the archive must be opened again: \(failure)")
        }
        finishBeside(batch)
        attributes.write { attributes in
            for change in batch.changes {
                if let number = change.oldNumber, let entry = change.oldEntry { attributes.remove(number, entry) }
                guard change.newNumber == change.oldNumber else { continue }
                if let number = change.newNumber, let entry = change.newEntry { attributes.insert(number, entry) }
            }
        }
        forgetWords(batch.changes.compactMap { $0.newNumber == $0.oldNumber ? nil : $0.oldNumber })
        // What was searched since the first of these changes may lack the last of them.
        attributes.write { $0.noteChange() }
        let cases = attributes.read { $0.live.count }
        let isDue = progress.withLock { progress in
            progress.nextNumber = batch.nextNumber
            progress.deletions = batch.deletions
            progress.updates = batch.updates
            progress.changeRowCount = batch.changeRowCount
            progress.changesSinceCheckpoint += batch.changes.count
            return progress.changesSinceCheckpoint >= max(options.changesBetweenCheckpoints, cases / 20)
        }
        guard isDue else { return }
        // The cases are stored and can be found; the next commit tries again.
        do { try writeCheckpointWhileWriting() } catch { Log.warning("no checkpoint was written: \(error)") }
    }

    /// Repeats the changes in the generation beside: what left leaves it too, and what is new waits to be encoded for it.
    private func finishBeside(_ batch: CommitBatch) {
        let graphs = generations.withLock { generations -> Graphs? in
            if batch.hasNewTable { generations.table = batch.table }
            return generations.beside?.graphs
        }
        guard let graphs else { return }
        for kind in VectorKind.allCases {
            for change in batch.changes { for item in change.oldItems(kind) { graphs[kind].index.remove(item: item) } }
        }
        generations.withLock { generations in
            let watermark = generations.table.beside?.watermark ?? 0
            for change in batch.changes {
                guard let number = change.oldNumber, let entry = change.oldEntry, number < watermark else { continue }
                generations.beside?.attributes.remove(number, entry)
                guard change.newNumber == number, let entry = change.newEntry else { continue }
                generations.beside?.attributes.insert(number, entry)
            }
        }
        changed.ring()
    }

    /// So many vectors are linked at once where others wait: each takes as long as a search.
    private static let linkedAtOnce = 4

    /// Repeats the changes in the graphs.
    ///
    /// - Returns: what went wrong.
    private func apply(
        _ changes: [CommittedChange], _ prepared: [VectorKind: PreparedInsertion], _ threads: Int, _ courtesy: Courtesy
    ) -> String? {
        guard var graphs else { return nil }
        var fitted: [VectorKind] = []
        do {
            // What was prepared was looked at then.
            for kind in VectorKind.allCases where prepared[kind] == nil {
                let (_, vectors) = CommittedChange.newVectors(of: changes, kind)
                guard let other = try graphs[kind].covering(vectors) else { continue }
                graphs[kind] = other
                fitted.append(kind)
            }
        } catch { return "\(error)" }
        let served = graphs
        let failures = parallelMap(VectorKind.allCases, threads: 2) { kind in
            Self.apply(changes, to: served[kind].index, kind, prepared: prepared[kind], threads: threads, courtesy)
        }
        if let failure = failures.compactMap(\.self).first { return failure }
        guard !fitted.isEmpty else { return nil }
        // Until now searches saw the former graph, which has what is replaced.
        servingState.withLock { state in for kind in fitted { state.graphs?[kind] = served[kind] } }
        // A checkpoint is due, so that a crash need not repeat it.
        let cases = attributes.read { $0.live.count }
        progress.withLock { $0.changesSinceCheckpoint += max(options.changesBetweenCheckpoints, cases / 20) }
        return nil
    }

    /// - Returns: what went wrong.
    private static func apply(
        _ changes: [CommittedChange], to index: HNSWIndex, _ kind: VectorKind, prepared: PreparedInsertion?,
        threads: Int, _ courtesy: Courtesy
    ) -> String? {
        do {
            if let prepared {
                try courtesy.piece { try index.finish(prepared, threads: threads) }
            } else {
                try link(changes, in: index, kind, threads: threads, courtesy)
            }
        } catch { return "\(error)" }
        for change in changes { for item in change.oldItems(kind) { index.remove(item: item) } }
        return nil
    }

    private static func link(
        _ changes: [CommittedChange], in index: HNSWIndex, _ kind: VectorKind, threads: Int, _ courtesy: Courtesy
    ) throws {
        let (numbers, vectors) = CommittedChange.newVectors(of: changes, kind)
        try vectors.withUnsafeBufferPointer { vectors in
            var first = 0
            while first < numbers.count {
                let count = courtesy.isWanted ? Self.linkedAtOnce : numbers.count
                let rows = first..<min(numbers.count, first + count)
                let part = (rows.lowerBound * index.dimension)..<(rows.upperBound * index.dimension)
                try courtesy.piece {
                    try index.insertBatch(
                        UnsafeBufferPointer(rebasing: vectors[part]), items: Array(numbers[rows]), threads: threads)
                }
                first = rows.upperBound
            }
        }
    }
}
