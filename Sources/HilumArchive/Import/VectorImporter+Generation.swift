import HilumCore
import LMDB

/// Vectors that come into a second generation beside the one that is searched.
extension VectorImporter {
    /// Whose vectors a generation beside gets.
    public enum Maker: Sendable {
        /// Those of another encoder: a space of this name, without a model.
        case space(String)
        /// Those of a model that the archive copies, so that questions can be encoded after the switch; it also encodes what the files
        /// lack.
        case model(LoadedModel)
    }

    /// Brings vectors of stored cases into a new generation, or goes on with one of the same space or model.
    ///
    /// A batch is one transaction with the watermark, as when a model encodes. What the files lack is a gap, and then the switch has to be
    /// asked for by name; a later run with other files fills gaps.
    /// - Throws: why the only source cannot be used; `.exists` for another generation beside, `.badVector` for another dimension; `.readOnly`,
    ///   `.notReady`, `.io`.
    public func run(_ sources: [VectorSource], into maker: Maker) throws -> IndexSummary {
        let started = monotonicSeconds()
        let plan = try ImportPlan(sources, kind: kind, threads: jobs, isShard: isShard) { file, named in
            guard case .model(let model) = maker else { return }
            try check(file, named, model: model.embedder.modelID, dimension: model.embedder.dimension)
        }
        var summary = self.summary(of: plan)
        try withArchiveErrors {
            // The wrong file leaves no generation behind.
            if archive.recordBeside == nil, try !archive.takesAny(of: plan, &summary) {
                summary.notes.append("nothing of it is of a stored case, so no generation was made")
                return
            }
            switch maker {
            case .space(let name):
                try archive.startImporting(ImportedSpace(name: name, dimension: plan.dimension))
            case .model(let model):
                try archive.startReembedding(
                    modelDirectory: model.folder, modelFiles: model.files, embedder: model.embedder)
            }
            try fill(plan, &summary)
        }
        summary.seconds = monotonicSeconds() - started
        summary.casesPerSecond = summary.seconds > 0 ? Double(summary.stored) / summary.seconds : 0
        return summary
    }

    private func fill(_ plan: ImportPlan, _ summary: inout IndexSummary) throws {
        guard let record = archive.recordBeside else {
            throw ArchiveError(.notFound, "\(archive.path): the generation is gone")
        }
        let known = try archive.settle(plan, record, &summary)
        archive.generations.withLock { $0.retries = known.retries }
        let fallback =
            record.space == nil
            ? try archive.vectorsBeside(threads: jobs, isInterrupted: { [interrupt] in interrupt?.isRaised == true })
            : nil
        let vectors = ImportedVectors(
            plan, placeOfNumber: known.placeOfNumber,
            stored: { [archive] in try archive.storedVectors(of: $0, in: record) }, fallback: fallback)
        let status = try archive.reembedStatus()
        let progress = Progress(
            "import", total: status.total + known.retries.count, unit: "cases", done: status.done, quiet: isQuiet)
        // A model that encodes what is missing takes its time, and a crash costs a batch.
        let limit = fallback == nil ? batchCount : Archive.reembedBatchCount
        loop: while true {
            if interrupt?.isRaised == true {
                summary.isInterrupted = true
                break
            }
            let step = try archive.encodeNextBatch(
                limit, threads: jobs, on: nil, from: vectors,
                isInterrupted: { [interrupt] in interrupt?.isRaised == true })
            switch step {
            case .encoded(let count): progress.advance(by: count)
            case .interrupted: summary.isInterrupted = true
            case .upToDate, .gone: break loop
            }
        }
        progress.finish()
        summary.stored += vectors.result.stored
        summary.refused += vectors.result.refused
        if summary.isInterrupted { try archive.writeCheckpoint() }
        let missing = try archive.reembedStatus().missingCount
        guard missing > 0 else { return }
        summary.notes.append(
            "\(missing) images and reports have no vector in generation \(record.number); import the rest, or switch with --partial"
        )
    }
}

extension Archive {
    /// What an import can do for a generation beside.
    struct ImportedNumbers {
        /// The place of a case in the plan, by its number.
        var placeOfNumber: [UInt32: Int] = [:]
        /// Cases that were there before and lack something that the files bring, ascending.
        var retries: [UInt32] = []
    }

    /// Whether a generation would get anything of a plan; says what is wrong with each case of it where it would not.
    func takesAny(of plan: ImportPlan, _ summary: inout IndexSummary) throws -> Bool {
        var faults = IndexSummary()
        for start in stride(from: 0, to: plan.cases.count, by: 1000) {
            let isTaken = try store.environment.read { transaction in
                for item in plan.cases[start..<min(start + 1000, plan.cases.count)] where !item.rows.isEmpty {
                    guard let (_, entry) = try storedEntry(transaction, of: item, plan, &faults) else { continue }
                    for row in item.rows {
                        do throws(ArchiveError) {
                            try ImportedVectors.checkPlace(row, entry)
                            _ = try plan.vector(row)
                            return true
                        } catch { faults.refused.append(.init(source: plan.place(of: row), reason: error.reason)) }
                    }
                }
                return false
            }
            if isTaken { return true }
        }
        summary.refused += faults.refused
        summary.addDeleted(faults)
        return false
    }

    /// The stored case that vectors are of; nil where there is none, which is said.
    private func storedEntry(
        _ transaction: borrowing ReadTransaction, of item: ImportPlan.Case, _ plan: ImportPlan,
        _ summary: inout IndexSummary
    ) throws -> (number: UInt32, entry: CaseEntry)? {
        if let number = try store.number(transaction, of: item.id), let entry = try store.entry(transaction, number) {
            return (number, entry)
        }
        if let key = try? store.key.get(makes: false), try isDeleted(transaction, id: item.id, key) {
            summary.addDeleted(plan.place(of: item))
        } else {
            summary.refused.append(
                .init(
                    source: plan.place(of: item),
                    reason: "there is no case \(item.id); a generation beside takes vectors of stored cases"))
        }
        return nil
    }

    /// Finds the stored cases of a plan; refuses those that are not there, and vectors that differ from those of the generation.
    func settle(
        _ plan: ImportPlan, _ record: GenerationRecord, _ summary: inout IndexSummary
    ) throws -> ImportedNumbers {
        var known = ImportedNumbers()
        // A read transaction stays short.
        for start in stride(from: 0, to: plan.cases.count, by: 1000) {
            try store.environment.read { transaction in
                for place in start..<min(start + 1000, plan.cases.count) {
                    let item = plan.cases[place]
                    guard !item.rows.isEmpty,
                        let (number, entry) = try storedEntry(transaction, of: item, plan, &summary)
                    else { continue }
                    known.placeOfNumber[number] = place
                    guard number < record.watermark else { continue }
                    let (isOpen, refused) = try compare(transaction, item, plan, number, entry, record)
                    summary.refused += refused
                    if isOpen { known.retries.append(number) } else if refused.isEmpty { summary.unchanged += 1 }
                }
            }
        }
        known.retries.sort()
        return known
    }

    /// Whether the generation lacks a vector that is brought; and what is brought in place of another vector, which no generation takes.
    private func compare(
        _ transaction: borrowing ReadTransaction, _ item: ImportPlan.Case, _ plan: ImportPlan, _ number: UInt32,
        _ entry: CaseEntry, _ record: GenerationRecord
    ) throws -> (isOpen: Bool, refused: [IndexSummary.Refusal]) {
        var isOpen = false
        var refused: [IndexSummary.Refusal] = []
        for row in item.rows {
            do throws(ArchiveError) {
                try ImportedVectors.checkPlace(row, entry)
                let vector = try plan.vector(row)
                let key = VectorKey(generation: record.number, item: number + UInt32(row.place))
                let stored = try withArchiveErrors {
                    try store.vector(transaction, row.kind, key, dimension: record.dimension)
                }
                if stored == nil { isOpen = true }
                guard let stored, stored != vector else { continue }
                throw ArchiveError(
                    .exists,
                    "generation \(record.number) has another vector of the \(row.kind.rawValue) of \(item.id); "
                        + "give it up by `hilum reembed --abort` and import anew")
            } catch {
                refused.append(.init(source: plan.place(of: row), reason: error.reason))
            }
        }
        return (isOpen, refused)
    }

    /// The vectors that a case has in a generation already.
    func storedVectors(of item: CaseToEncode, in record: GenerationRecord) throws -> EncodedCase {
        try store.environment.read { transaction in
            var found = EncodedCase(number: item.number, images: item.entry.images.map { _ in nil })
            for place in item.entry.images.indices {
                let key = VectorKey(generation: record.number, item: item.number + UInt32(place))
                found.images[place] = try store.vector(transaction, .image, key, dimension: record.dimension)
            }
            guard item.entry.hasReport else { return found }
            let key = VectorKey(generation: record.number, item: item.number)
            found.report = try store.vector(transaction, .report, key, dimension: record.dimension)
            return found
        }
    }
}
