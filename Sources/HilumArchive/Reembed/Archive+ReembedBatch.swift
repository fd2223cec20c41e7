import HilumCore
import HilumEmbedding
import LMDB

extension Archive {
    /// Cases of a batch at most, and so what a crash loses of the work.
    public static let reembedBatchCount = 32

    /// Encodes the next cases that the generation beside lacks, and stores what they give in one transaction.
    ///
    /// Reading and encoding hold no lock. At the end of an unfinished generation its graphs are written as a checkpoint.
    ///
    /// - Parameters:
    ///   - limit: cases at most.
    ///   - isInterrupted: asked between the passes of the model.
    /// - Throws: `.notReady` when the model cannot be loaded or the archive is closed; `.damaged`, `.io`.
    public func encodeNextBatch(
        _ limit: Int = Archive.reembedBatchCount, threads: Int = defaultThreadCount,
        isInterrupted: @escaping @Sendable () -> Bool = { false }
    ) throws -> ReembedStep {
        try encodeNextBatch(limit, threads: threads, on: nil, isInterrupted: isInterrupted)
    }

    /// - Parameters:
    ///   - worker: encodes; nil for this thread.
    ///   - vectors: what gives the vectors; nil for the model of the generation, or for nobody where it has none.
    func encodeNextBatch(
        _ limit: Int, threads: Int, on worker: LowPriorityWorker?, from vectors: (any BatchVectors)? = nil,
        isInterrupted: @escaping @Sendable () -> Bool
    ) throws -> ReembedStep {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        return try withArchiveErrors {
            guard let batch = try nextBatch(limit) else { return .gone }
            if batch.isEmpty { return try complete(batch.generation) }
            let encoder = try vectors ?? vectorsBeside(threads: threads, isInterrupted: isInterrupted)
            let result =
                if let worker {
                    worker.run(unless: isInterrupted) { Result { try encoder.encode(batch.cases) } } ?? .success(nil)
                } else {
                    Result { try encoder.encode(batch.cases) }
                }
            guard let encoded = try result.get() else { return .interrupted }
            writing.lock(patiently: true)
            defer { writing.unlock() }
            // Vectors from files come faster than one thread links them.
            switch try commitWhileWriting(encoded, of: batch, linkThreads: vectors == nil ? 1 : threads) {
            case .gone: return .gone
            case .overtaken: return .encoded(0)
            case .stored:
                checkpointIfDue()
                return .encoded(batch.cases.count)
            }
        }
    }

    /// What gives new cases their vectors in the generation beside.
    func vectorsBeside(
        threads: Int, isInterrupted: @escaping @Sendable () -> Bool
    ) throws -> any BatchVectors {
        if recordBeside?.space != nil { return NoVectors() }
        return BatchEncoder(
            embedder: try embedderBeside(), archivePath: path, threads: threads, isInterrupted: isInterrupted)
    }

    /// The embedder of the generation beside, which is loaded when it is first needed.
    func embedderBeside() throws -> any Embedder {
        if let embedder = generations.withLock({ $0.beside?.embedder }) { return embedder }
        guard let record = generations.withLock({ $0.table.beside }) else {
            throw ArchiveError(.notFound, "\(path): there is no second generation")
        }
        guard let load = options.loadModel else {
            throw ArchiveError(.notReady, "\(path): the model of generation \(record.number) is not loaded")
        }
        let embedder = try load("\(path)/\(record.folder)", nil).embedder
        guard embedder.modelID == record.modelID, embedder.dimension == record.dimension else {
            throw ArchiveError(
                .stale, "\(path)/\(record.folder): this is not the model that generation \(record.number) began with")
        }
        generations.withLock { generations in
            if generations.beside?.generation == record.number { generations.beside?.embedder = embedder }
        }
        return embedder
    }

    // MARK: One batch

    /// Stored cases on their way into the generation beside.
    struct ReembedBatch: Sendable {
        let generation: UInt32
        /// The watermark when it was read.
        var start: UInt32 = 0
        var cases: [CaseToEncode] = []
        /// The watermark once they are in; nil for cases below it that are tried once more.
        var end: UInt32?
        /// Cases that were to be tried once more, also those that are gone.
        var retries: [UInt32] = []
        /// The watermark and the next number are one.
        var isEmpty: Bool { cases.isEmpty && end == nil && retries.isEmpty }
    }

    /// What became of a batch.
    private enum ReembedCommit {
        case stored
        /// Another thread has done the same meanwhile.
        case overtaken
        /// The generation is not there any more.
        case gone
    }

    /// The next cases of the generation beside, in the order of their numbers; nil when there is none.
    private func nextBatch(_ limit: Int) throws -> ReembedBatch? {
        let (beside, retries) = generations.withLock { ($0.beside?.generation, $0.retries) }
        guard let beside else { return nil }
        var batch = ReembedBatch(generation: beside)
        return try store.environment.read { transaction -> ReembedBatch? in
            let table = try store.generations(transaction)
            guard let record = table.beside, record.number == beside else { return nil }
            batch.start = record.watermark
            if !retries.isEmpty {
                batch.retries = Array(retries.prefix(max(1, limit)))
                for number in batch.retries {
                    guard let entry = try store.entry(transaction, number) else { continue }
                    batch.cases.append(try toEncode(transaction, number, entry))
                }
                return batch
            }
            let next = UInt32(clamping: try store.integer(transaction, .next) ?? 0)
            guard record.watermark < next else { return batch }
            try store.forEach(transaction, .cases, from: UInt64(record.watermark)) { key, payload in
                guard let wide = UInt64(keyBytes: key), let number = UInt32(exactly: wide) else {
                    throw store.damaged("a case has an impossible number")
                }
                let entry = try store.decode(payload, number: number)
                batch.cases.append(try toEncode(transaction, number, entry))
                return batch.cases.count < max(1, limit)
            }
            if let last = batch.cases.last, batch.cases.count == max(1, limit) {
                batch.end = last.number + last.entry.numberCount
            } else {
                batch.end = next
            }
            return batch
        }
    }

    private func toEncode(
        _ transaction: borrowing ReadTransaction, _ number: UInt32, _ entry: CaseEntry
    ) throws -> CaseToEncode {
        let report = entry.hasReport ? try store.report(transaction, number) : nil
        if entry.hasReport && report == nil { throw store.damaged("the report of case \(number) is missing") }
        return CaseToEncode(number: number, entry: entry, report: report)
    }

    /// Stores what a batch gave, with the watermark, then links it; the caller holds `writing`.
    ///
    /// A case that was deleted or replaced meanwhile is left out: its new version has a number above the watermark.
    private func commitWhileWriting(
        _ encoded: [EncodedCase], of batch: ReembedBatch, linkThreads: Int = 1
    ) throws -> ReembedCommit {
        let state = try writableCounters()
        let (table, beside, retries) = generations.withLock { ($0.table, $0.beside, $0.retries) }
        guard let beside, beside.generation == batch.generation, let record = table.beside else { return .gone }
        guard record.watermark == batch.start, retries.starts(with: batch.retries) else { return .overtaken }
        struct Outcome {
            var table: GenerationTable
            var stored: [(case: EncodedCase, old: CaseEntry, new: CaseEntry)] = []
            var changeRowCount: Int
        }
        let isRetry = batch.end == nil
        let rule: WriteTransaction.PutRule = !isRetry && table.isNewest(batch.generation) ? .appending : .replacing
        let outcome = try store.environment.write { transaction -> Outcome in
            var outcome = Outcome(table: table, changeRowCount: state.changeRowCount)
            var record = record
            for item in encoded {
                guard let old = try store.entry(transaction, item.number) else { continue }
                var new = old
                new.note(gap(of: item, old, batch.generation))
                try putVectors(of: item, transaction, batch.generation, rule)
                record.missingCount += new.missingCount(in: batch.generation)
                record.missingCount -= isRetry ? old.missingCount(in: batch.generation) : 0
                if new != old { try store.put(transaction, .cases, UInt64(item.number), store.bytes(of: new)) }
                if isRetry, new != old, item.number < state.watermark {
                    // The checkpoint has the case as it was.
                    try store.put(
                        transaction, .changes, UInt64(outcome.changeRowCount),
                        store.bytes(of: CaseChange(number: item.number, old: old, new: new)), rule: .appending)
                    outcome.changeRowCount += 1
                }
                if item.isReportMissing { try store.raiseFormat(transaction, to: Store.importFormat) }
                outcome.stored.append((item, old, new))
            }
            if let end = batch.end { record.watermark = end }
            outcome.table.set(record)
            try store.put(transaction, outcome.table)
            return outcome
        }
        do { try link(outcome.stored.map(\.case), into: beside.graphs, threads: linkThreads) } catch {
            progress.withLock { $0.mustReopen = true }
            throw ArchiveError(.io, "\(path): stored, but not linked (\(error)); open the archive again")
        }
        generations.withLock { generations in
            generations.table = outcome.table
            if isRetry { generations.retries.removeFirst(min(batch.retries.count, generations.retries.count)) }
            for item in outcome.stored {
                if isRetry { generations.beside?.attributes.remove(item.case.number, item.old) }
                generations.beside?.attributes.insert(item.case.number, item.new)
            }
            generations.note(batch.cases.count)
        }
        progress.withLock {
            $0.changeRowCount = outcome.changeRowCount
            $0.changesSinceCheckpoint += max(1, outcome.stored.count)
        }
        return .stored
    }

    private func gap(of item: EncodedCase, _ entry: CaseEntry, _ generation: UInt32) -> GenerationGap {
        GenerationGap(
            generation: generation, lacksReportVector: entry.hasReport && item.report == nil,
            isReportMissing: entry.hasReport && item.report == nil && item.isReportMissing,
            images: item.images.indices.filter { item.images[$0] == nil }.map { UInt16($0) })
    }

    private func putVectors(
        of item: EncodedCase, _ transaction: borrowing WriteTransaction, _ generation: UInt32,
        _ rule: WriteTransaction.PutRule
    ) throws {
        for (place, vector) in item.images.enumerated() {
            guard let vector else { continue }
            let key = VectorKey(generation: generation, item: item.number + UInt32(place))
            try store.putVector(transaction, .image, key, vector, rule: rule)
        }
        guard let report = item.report else { return }
        try store.putVector(
            transaction, .report, VectorKey(generation: generation, item: item.number), report, rule: rule)
    }

    private func link(_ cases: [EncodedCase], into graphs: Graphs, threads: Int) throws {
        for kind in VectorKind.allCases {
            var index = graphs[kind].index
            var items: [UInt32] = []
            var vectors: [Float] = []
            for item in cases {
                for (place, vector) in (kind == .image ? item.images : [item.report]).enumerated() {
                    let number = item.number + UInt32(place)
                    guard let vector, !index.contains(item: number) else { continue }
                    items.append(number)
                    vectors += vector
                }
            }
            if let fitted = try graphs[kind].covering(vectors) {
                generations.withLock { $0.beside?.graphs[kind] = fitted }
                index = fitted.index
            }
            try vectors.withUnsafeBufferPointer { try index.insertBatch($0, items: items, threads: threads) }
        }
    }

    /// Writes a checkpoint of both generations if enough has changed; the caller holds `writing`.
    private func checkpointIfDue() {
        let cases = attributes.read { $0.live.count }
        let isDue = progress.withLock {
            $0.changesSinceCheckpoint >= max(options.changesBetweenCheckpoints, cases / 20)
        }
        guard isDue else { return }
        // What was encoded is stored; the next batch tries again.
        do { try writeCheckpointWhileWriting() } catch { Log.warning("no checkpoint was written: \(error)") }
    }

    /// Notes that all cases are in the generation beside, once its graphs are in a checkpoint.
    private func complete(_ generation: UInt32) throws -> ReembedStep {
        writing.lock()
        defer { writing.unlock() }
        guard var record = generations.withLock({ $0.table.beside }), record.number == generation else { return .gone }
        guard !record.isComplete else { return .upToDate }
        // Cases that came between the look and the lock.
        guard record.watermark == progress.withLock({ $0.nextNumber }) else { return .encoded(0) }
        progress.withLock { $0.changesSinceCheckpoint = max(1, $0.changesSinceCheckpoint) }
        try writeCheckpointWhileWriting()
        record.isComplete = true
        try put(record)
        return .upToDate
    }

    /// Brings the generation beside up to the last case; the caller holds `writing`, so that none comes meanwhile.
    func catchUpWhileWriting() throws {
        while let batch = try nextBatch(Self.reembedBatchCount), !batch.isEmpty {
            let encoder = try vectorsBeside(threads: defaultThreadCount, isInterrupted: { false })
            guard let encoded = try encoder.encode(batch.cases), try commitWhileWriting(encoded, of: batch) == .stored
            else { return }
        }
    }
}
