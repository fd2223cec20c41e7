import HilumCore
import HilumEmbedding
import LMDB

extension Archive {
    /// Searches the new generation from now on and keeps the former one. Searches that run end on the generation they began with.
    ///
    /// One transaction decides, also over which folder holds the archive's model. Cases that came a moment ago are encoded first.
    ///
    /// - Parameters:
    ///   - allowsPartial: switches also where images could not be read, so that their cases are not found by them any more.
    ///   - expected: the generations that are searched before and after; other ones are refused. Nil takes what is there.
    ///   - seconds: gives up when the cases that came a moment ago are so many that they take longer.
    /// - Throws: `.notFound` when no generation was made; `.notReady` while it is not complete, with the figures, and when its model
    ///   cannot be loaded; `.stale` for images that could not be read, and for other generations than `expected`; `.readOnly`, `.io`.
    public func switchGeneration(
        allowsPartial: Bool = false, expected: (before: Int, after: Int)? = nil, within seconds: Double = .infinity
    ) throws {
        try changeServing(to: .next, within: seconds, "no new generation was made") { record in
            if let expected, expected != (Int(serving.generation), Int(record.number)) {
                throw ArchiveError(
                    .stale,
                    "\(path): generation \(record.number) was begun meanwhile, or another one is searched; nothing was switched"
                )
            }
            if !record.isComplete {
                let total = attributes.read { $0.live.count }
                let done = record.watermark == 0 ? 0 : attributes.read { $0.live.count(in: 0...(record.watermark - 1)) }
                throw ArchiveError(
                    .notReady,
                    "\(path): generation \(record.number) has \(done) of \(total) cases; wait until it has all")
            }
            try refuseGaps(of: record, allowsPartial, "bring the files back and start again, or allow a partial switch")
        }
    }

    private func refuseGaps(of record: GenerationRecord, _ allowsPartial: Bool, _ advice: String) throws(ArchiveError) {
        guard record.missingCount > 0 && !allowsPartial else { return }
        throw ArchiveError(
            .stale,
            record.space.map {
                "\(path): \(record.missingCount) images and reports have no vector in the space \($0), so their cases would not be "
                    + "found by them; import the rest, or allow a partial switch"
            }
                ?? "\(path): \(record.missingCount) images could not be read, so their cases would not be found by them; \(advice)"
        )
    }

    /// Searches the former generation again and keeps the newer one, which can be switched to again.
    ///
    /// - Parameters:
    ///   - allowsPartial: rolls back also where images of cases that came since could not be read for it.
    ///   - seconds: as of `switchGeneration`.
    /// - Throws: `.notFound` when none is kept; `.notReady` when its model cannot be loaded; `.stale` for images that could not be read;
    ///   `.readOnly`, `.io`.
    public func rollBackGeneration(allowsPartial: Bool = false, within seconds: Double = .infinity) throws {
        try changeServing(to: .kept, within: seconds, "no former generation is kept") { record in
            try refuseGaps(
                of: record, allowsPartial, "index the files again when they are back, or allow a partial rollback")
        }
    }

    /// Encodes for a complete generation beside, one that is kept included, what was stored since; nothing where there is none.
    ///
    /// Whoever stores cases without a daemon calls this, because their files may have left when somebody rolls back.
    /// - Throws: `.notReady` when its model cannot be loaded; `.io`.
    func followBeside(threads: Int, isInterrupted: @escaping @Sendable () -> Bool) throws {
        guard recordBeside?.isComplete == true else { return }
        while case .encoded = try encodeNextBatch(
            Archive.reembedBatchCount, threads: threads, isInterrupted: isInterrupted)
        {}
    }

    private func changeServing(
        to role: GenerationRecord.Role, within seconds: Double, _ otherwise: String,
        _ check: (GenerationRecord) throws -> Void
    ) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            guard let record = generations.withLock({ $0.table[role] }) else {
                throw ArchiveError(.notFound, "\(path): \(otherwise)")
            }
            try check(record)
            // Most of what is left without the lock, so that changes wait for little.
            if record.space == nil { _ = try embedderBeside() }
            try catchUp(record.number, within: seconds)
            writing.lock()
            defer { writing.unlock() }
            _ = try writableCounters()
            try catchUpWhileWriting()
            guard let record = generations.withLock({ $0.table[role] }),
                let beside = generations.withLock({ $0.beside })
            else { throw ArchiveError(.notFound, "\(path): the generation is gone") }
            try check(record)
            guard record.watermark == progress.withLock({ $0.nextNumber }) else {
                throw ArchiveError(.notReady, "\(path): generation \(record.number) lacks cases; try again")
            }
            try turn(to: record, beside)
        }
    }

    /// Brings the generation beside up to the last case without holding up changes.
    private func catchUp(_ number: UInt32, within seconds: Double) throws {
        let end = monotonicSeconds() + seconds
        while true {
            let step = try encodeNextBatch(isInterrupted: { monotonicSeconds() >= end })
            if step == .upToDate || step == .gone { return }
            if step == .interrupted || monotonicSeconds() >= end {
                throw ArchiveError(
                    .notReady,
                    "\(path): generation \(number) lacks the newest cases, which are being encoded; try again")
            }
        }
    }

    /// The transaction that decides, and the same in memory; the caller holds `writing`.
    private func turn(to record: GenerationRecord, _ beside: Beside) throws {
        let old = serving
        var table = generations.withLock { $0.table }
        guard var former = table[.serving], let oldGraphs = old.graphs, let oldDimension = old.dimension else {
            throw store.damaged("the table of generations names none that is searched")
        }
        let nextNumber = progress.withLock { $0.nextNumber }
        former.role = record.role == .kept ? .next : .kept
        former.watermark = nextNumber
        former.isComplete = true
        var new = record
        new.role = .serving
        table.set(former)
        table.set(new)
        let stored = try store.environment.write { transaction in
            try store.put(transaction, table)
            try store.set(transaction, .generation, Int(record.number))
            try store.set(transaction, .model, record.modelID)
            try store.set(transaction, .dimension, record.dimension)
            return try store.vectorParts(transaction, ofModel: record.modelID)
        }
        let oldAttributes = attributes.read { $0 }
        servingState.withLock {
            $0 = Serving(
                generation: record.number, modelID: record.modelID, dimension: record.dimension,
                embedder: beside.embedder, graphs: beside.graphs,
                parts: beside.embedder.map(\.vectorParts) ?? stored)
        }
        attributes.write { $0 = beside.attributes }
        recall.turn(to: record.number)
        let oldHead = progress.withLock { progress in
            let head = progress.checkpoint
            progress.checkpoint = beside.checkpoint
            progress.watermarkBeside = head?.watermark ?? 0
            return head
        }
        generations.withLock { generations in
            generations = Generations(
                table: table,
                beside: Beside(
                    generation: old.generation, dimension: oldDimension, graphs: oldGraphs, attributes: oldAttributes,
                    checkpoint: oldHead, embedder: old.embedder))
        }
        orders.increment()
        changed.ring()
        Log.info("generation \(record.number) is searched now, generation \(old.generation) is kept")
    }
}
