import Foundation
import HilumCore
import HilumEmbedding
import HilumIndex
import LMDB

/// A second generation beside the one that is searched.
///
///     start ──► building ──► ready ──► switch ──► the former one is kept ──► drop
///                  │ abort     │ abort     ◄── rollback ──┘
///                  └───────────┴──► leaving ──► gone
///
/// A generation has a watermark: cases below it have their vectors in it. `encodeNextBatch` takes the next cases in the order of their
/// numbers and moves it. A changed case gets a new number, and so comes after it; what is deleted leaves all generations in the
/// transaction of the deletion. So a crash loses one batch of work and nothing else, and the switch only has to wait until the
/// watermark has reached the last number.
///
/// The table of generations says which one is searched and where its model lies; one transaction changes it.
extension Archive {
    /// Begins a new generation, or goes on with one of the same model that was begun; then images that could not be read are tried
    /// again.
    ///
    /// - Parameters:
    ///   - modelDirectory: the model; its files are copied into the archive.
    ///   - modelFiles: files by name in place of those of `modelDirectory`.
    ///   - embedder: the same model, loaded.
    ///   - pace: kept with the generation, until it is changed.
    /// - Throws: `.exists` when another one is there, or when the archive is searched with this model already; `.notReady` for an
    ///   archive without a model; `.readOnly`, `.notFound`, `.io`.
    public func startReembedding(
        modelDirectory: String, modelFiles: [String: [UInt8]] = [:], embedder: any Embedder,
        pace: ReembedPace = ReembedPace()
    ) throws {
        let maker = GenerationMaker(modelID: embedder.modelID, dimension: embedder.dimension, embedder: embedder)
        try begin(maker, pace) { try Self.copyModel(modelDirectory, modelFiles, to: $0) }
    }

    /// Begins a generation whose vectors are imported, or goes on with that of the same space.
    ///
    /// - Throws: as above; `.badVector` for another dimension than it began with.
    func startImporting(_ space: ImportedSpace) throws {
        try begin(GenerationMaker(modelID: space.modelID, dimension: space.dimension), ReembedPace()) { folder in
            try FileIO.makeFolder(folder)
            try FileIO.writeAtomically("\(folder)/\(ImportedSpace.file)", space.fileBytes)
        }
    }

    /// What makes the vectors of a new generation.
    private struct GenerationMaker {
        let modelID: String
        let dimension: Int
        /// Nil where they are imported.
        var embedder: (any Embedder)?

        /// As it is called in sentences.
        var name: String { ImportedSpace.name(ofModel: modelID).map { "the space \($0)" } ?? "this model" }
    }

    /// - Parameter fill: writes the files of the model into a folder.
    private func begin(_ maker: GenerationMaker, _ pace: ReembedPace, fill: (String) throws -> Void) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            _ = try writableCounters()
            let serving = self.serving
            guard let modelID = serving.modelID, let dimension = serving.dimension else {
                throw ArchiveError(
                    .notReady, "\(path): the archive has no model yet, so there is nothing to encode again")
            }
            guard modelID != maker.modelID else {
                throw ArchiveError(.exists, "\(path): the archive is searched with \(maker.name) already")
            }
            var table = generations.withLock { $0.table }
            if let record = table.beside {
                return try goOn(record, maker, pace)
            }
            guard table.nextNumber <= 1 << 16 else {
                throw ArchiveError(.limit, "\(path): all numbers of generations are used; export and make anew")
            }
            let number = table.nextNumber
            let folder = GenerationTable.folder(of: number)
            try? FileManager.default.removeItem(atPath: "\(path)/\(folder)")
            try fill("\(path)/\(folder)")
            try FileIO.syncFolder(path)
            if table[.serving] == nil {
                table.set(
                    GenerationRecord(
                        number: serving.generation, role: .serving, isComplete: true, dimension: dimension,
                        modelID: modelID, folder: GenerationTable.folder(of: serving.generation)))
            }
            table.set(
                GenerationRecord(
                    number: number, role: .next, dimension: maker.dimension, rate: pace.casesPerSecond,
                    modelID: maker.modelID, folder: folder, hours: pace.hours))
            table.nextNumber += 1
            let beside = try emptyBeside(number, maker)
            let format = maker.embedder == nil ? Store.importFormat : Store.generationsFormat
            try store.environment.write { transaction in
                try store.put(transaction, table)
                if let embedder = maker.embedder { try store.putVectorParts(transaction, of: embedder) }
                try store.raiseFormat(transaction, to: format)
            }
            generations.withLock {
                $0 = Generations(table: table, beside: beside)
                $0.startClock()
            }
            orders.increment()
            changed.ring()
        }
    }

    /// As above, with a model that the archive loads itself.
    ///
    /// - Parameters:
    ///   - model: a model folder, or another name that `Options.loadModel` takes.
    ///   - precision: a number format that the model knows; nil for the one that its folder names.
    /// - Throws: `.notReady` without `Options.loadModel`, `.badRequest` for a model that cannot be loaded; as above.
    public func startReembedding(
        model: String, precision: String? = nil, pace: ReembedPace = ReembedPace()
    ) throws {
        guard let load = options.loadModel else {
            throw ArchiveError(.notReady, "\(path): this process cannot load models")
        }
        let loaded: LoadedModel
        do { loaded = try load(model, precision) } catch {
            throw ArchiveError(.badRequest, "\(model): the model cannot be loaded: \(error)")
        }
        try startReembedding(
            modelDirectory: loaded.folder, modelFiles: loaded.files, embedder: loaded.embedder, pace: pace)
    }

    private func emptyBeside(_ number: UInt32, _ maker: GenerationMaker) throws -> Beside {
        func graph(_ kind: VectorKind) throws -> StoredGraph {
            let index = try HNSWIndex(dimension: maker.dimension, metric: .cosine, parameters: options.graph)
            return StoredGraph(index, kind, in: store, generation: number)
        }
        return Beside(
            generation: number, dimension: maker.dimension,
            graphs: Graphs(image: try graph(.image), report: try graph(.report)),
            attributes: Attributes(generation: number), checkpoint: nil, embedder: maker.embedder)
    }

    /// Goes on with a generation that is there, if it is of the same model.
    private func goOn(_ record: GenerationRecord, _ maker: GenerationMaker, _ pace: ReembedPace) throws {
        guard record.modelID == maker.modelID else {
            let what = record.role == .kept ? "drop" : "abort"
            let name = record.space.map { "space \($0)" } ?? "model \(record.modelID.prefix(12))"
            throw ArchiveError(
                .exists,
                "\(path): generation \(record.number), of the \(name), is there already; \(what) it first")
        }
        guard record.role == .next else {
            throw ArchiveError(
                .exists, "\(path): generation \(record.number) of \(maker.name) is kept; a rollback returns to it")
        }
        guard record.dimension == maker.dimension else {
            throw ArchiveError(
                .badVector,
                "\(path): the vectors of generation \(record.number) have \(record.dimension) values, not \(maker.dimension)"
            )
        }
        guard generations.withLock({ $0.beside != nil }) else {
            throw ArchiveError(
                .damaged, "\(path): generation \(record.number) of \(maker.name) cannot be read; abort it first")
        }
        var record = record
        record.isPaused = false
        record.rate = pace.casesPerSecond
        record.hours = pace.hours
        try put(record)
        let missing = record.missingCount > 0 ? try casesWithGaps(record).map(\.number) : []
        generations.withLock {
            $0.beside?.embedder = maker.embedder
            $0.retries = missing
            $0.startClock()
        }
        changed.ring()
    }

    /// Stores the record of the generation beside. The caller holds `writing`.
    func put(_ record: GenerationRecord) throws {
        var table = generations.withLock { $0.table }
        table.set(record)
        try store.environment.write { try store.put($0, table) }
        generations.withLock { $0.table = table }
        orders.increment()
    }

    /// Interrupts the work on an unfinished generation, or lets it go on; nothing is lost.
    ///
    /// - Throws: `.notFound` when no generation is being made; `.readOnly`, `.io`.
    public func pauseReembedding(_ isPaused: Bool) throws {
        try changeNext { record in
            record.isPaused = isPaused
        }
        generations.withLock { $0.startClock() }
    }

    /// Changes how fast and when an unfinished generation is made.
    ///
    /// - Throws: `.notFound` when no generation is being made; `.readOnly`, `.io`.
    public func setReembedding(pace: ReembedPace) throws {
        try changeNext { record in
            record.rate = pace.casesPerSecond
            record.hours = pace.hours
        }
    }

    private func changeNext(_ body: (inout GenerationRecord) -> Void) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            guard var record = generations.withLock({ $0.table[.next] }) else {
                throw ArchiveError(.notFound, "\(path): no new generation is being made")
            }
            body(&record)
            try put(record)
            changed.ring()
        }
    }

    // MARK: Removing

    /// Gives up a generation that was not switched to. `removeLeavingGenerations` frees its space.
    ///
    /// - Throws: `.notFound` when there is none; `.readOnly`, `.io`.
    public func abortReembedding() throws {
        try leave(.next, "no new generation is being made")
    }

    /// Gives up the generation that is kept for a rollback. `removeLeavingGenerations` frees its space.
    ///
    /// - Throws: `.notFound` when there is none; `.readOnly`, `.io`.
    public func dropKeptGeneration() throws {
        try leave(.kept, "no former generation is kept")
    }

    private func leave(_ role: GenerationRecord.Role, _ otherwise: String) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            guard var record = generations.withLock({ $0.table[role] }) else {
                let hasNext = role == .kept && generations.withLock { $0.table[.next] != nil }
                // After a rollback the newer one is no former generation.
                let hint = hasNext ? "; the newer one beside it is given up by 'abort'" : ""
                throw ArchiveError(.notFound, "\(path): \(otherwise)\(hint)")
            }
            record.role = .leaving
            try put(record)
            generations.withLock {
                $0.beside = nil
                $0.retries = []
            }
            progress.withLock { $0.watermarkBeside = 0 }
            changed.ring()
        }
    }

    /// Removes vectors, graphs and models of generations that were given up, in small transactions; what is interrupted goes on at
    /// the next call.
    ///
    /// - Throws: `.readOnly`, `.io`.
    public func removeLeavingGenerations(isInterrupted: () -> Bool = { false }) throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        try withArchiveErrors {
            while let record = generations.withLock({ $0.table[.leaving] }) {
                for name in [Store.Name.imageVectors, .reportVectors, .graphs] {
                    while try removeRows(of: record.number, name) { if isInterrupted() { return } }
                }
                // A snapshot that is made may name the model. The work in the background asks again.
                if heldImages.withLock({ $0.snapshots > 0 }) { return }
                // The model last but one, so that the table names it until it is gone.
                let folder = "\(path)/\(record.folder)"
                if access(folder, F_OK) == 0 { try FileManager.default.removeItem(atPath: folder) }
                writing.lock()
                defer { writing.unlock() }
                var table = generations.withLock { $0.table }
                table.records.removeAll { $0.number == record.number }
                try store.environment.write { transaction in
                    try transaction.delete(
                        store.table(.meta), CheckpointHead.name(generation: record.number))
                    try store.put(transaction, table)
                }
                generations.withLock { $0.table = table }
            }
        }
    }

    /// Removes some rows of a generation; false when there are none.
    private func removeRows(of generation: UInt32, _ name: Store.Name) throws -> Bool {
        let limit = name == .graphs ? 64 : 2048
        let start = UInt64(generation - 1) << 48
        writing.lock()
        defer { writing.unlock() }
        let keys = try store.environment.read { transaction in
            var keys: [UInt64] = []
            // The values are not needed, so neither are their checksums.
            try transaction.forEach(store.table(name), from: start) { key, _ in
                guard let number = UInt64(keyBytes: key), number >> 48 == UInt64(generation - 1), keys.count < limit
                else { return false }
                keys.append(number)
                return true
            }
            return keys
        }
        guard !keys.isEmpty else { return false }
        try store.environment.write { transaction in
            for key in keys { try transaction.delete(store.table(name), key) }
        }
        return true
    }

    // MARK: Status

    /// Where the archive stands with its generations, as stored; an archive that is open for reading sees what a writer did since.
    public func reembedStatus() throws -> ReembedStatus {
        try withArchiveErrors {
            var status = ReembedStatus()
            let (table, total, served) = try store.environment.read { transaction in
                (
                    try store.generations(transaction), try transaction.count(store.table(.cases)),
                    try store.served(transaction)
                )
            }
            status.generation = Int(served.generation)
            status.model = served.modelID ?? ""
            status.total = total
            status.leaving = table.records.filter { $0.role == .leaving }.map { Int($0.number) }
            if let record = table[.serving], record.missingCount > 0 {
                status.searchedMissingCount = record.missingCount
                status.searchedMissingIDs = try casesWithGaps(record, limit: ReembedStatus.missingLimit).map(\.id)
            }
            guard let record = table.beside else { return status }
            status.nextGeneration = Int(record.number)
            status.nextModel = record.modelID
            status.nextDimension = record.dimension
            status.pace = ReembedPace(casesPerSecond: record.rate, hours: record.hours)
            status.missingCount = record.missingCount
            let (isUsable, rate) = generations.withLock { ($0.beside != nil, $0.casesPerSecond()) }
            status.done = try done(record)
            status.state = state(of: record, isUsable: isUsable || mode == .readOnly)
            if status.state == .building || status.state == .ready { status.casesPerSecond = rate }
            if let rate, rate > 0, status.state == .building {
                status.secondsLeft = Double(max(0, status.total - status.done)) / rate
            }
            if record.missingCount > 0 {
                status.missingIDs = try casesWithGaps(record, limit: ReembedStatus.missingLimit).map(\.id)
            }
            return status
        }
    }

    private func state(of record: GenerationRecord, isUsable: Bool) -> ReembedStatus.State {
        guard isUsable else { return .unusable }
        if record.role == .kept { return .kept }
        if record.isComplete { return .ready }
        if record.isPaused { return .paused }
        if let hours = record.hours, !hours.isNow { return .waiting }
        return .building
    }

    /// Cases of the archive that a generation holds.
    private func done(_ record: GenerationRecord) throws -> Int {
        if record.watermark == 0 { return 0 }
        return attributes.read { $0.live.count(in: 0...(record.watermark - 1)) }
    }

    /// Cases with images that have no vector in a generation.
    ///
    /// - Complexity: reads every case, until `limit` are found.
    private func casesWithGaps(
        _ record: GenerationRecord, limit: Int = .max
    ) throws -> [(number: UInt32, id: String)] {
        try store.environment.read { transaction in
            var found: [(number: UInt32, id: String)] = []
            try store.forEach(transaction, .cases) { key, payload in
                guard let wide = UInt64(keyBytes: key), let number = UInt32(exactly: wide) else { return true }
                let entry = try store.decode(payload, number: number)
                if entry.missingCount(in: record.number) > 0 { found.append((number, store.shownID(entry.id))) }
                return found.count < limit
            }
            return found
        }
    }
}
