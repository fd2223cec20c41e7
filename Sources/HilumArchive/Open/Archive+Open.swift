import Foundation
import HilumCore
import HilumIndex
import HilumEmbedding
import LMDB

extension Archive {
    // MARK: Opening

    /// Opens the store at `path`, upgrades an older format, and reads what searches need.
    static func open(
        _ path: String, shownAs name: String, mode: Mode, embedder: (any Embedder)?, options: Options
    ) throws -> Opened {
        guard access(path + "/data.mdb", F_OK) == 0 else {
            if errno == EACCES { throw ArchiveError(.io, "\(name): this user has no right to look into the folder") }
            throw ArchiveError(.notFound, "\(name): there is no archive here; make one with `hilum init`")
        }
        try checkRights(path, mode)
        let lock: WriterLock? = mode == .readWrite ? try WriterLock(archive: path) : nil
        let storeMode: Environment.Mode = mode == .readWrite ? .readWrite : .readOnly
        var store = try Store(path: path, mode: storeMode, mapSizeInBytes: options.mapSizeInBytes)
        do {
            if try formatVersion(store) < Store.formatVersion {
                if mode == .readOnly {
                    // Only a writer may upgrade.
                    store.environment.close()
                    try upgradeAsWriter(path, options)
                    store = try Store(path: path, mode: storeMode, mapSizeInBytes: options.mapSizeInBytes)
                } else {
                    try FormatUpgrade(store: store, options: options).run()
                }
            }
            let (modelID, dimension) = try settleModel(store, mode: mode, embedder: embedder)
            let opening = Opening(store: store, options: options, dimension: dimension)
            let (graphs, attributes, progress, snapshot) = try opening.load()
            // Writing waits for it; searches need not.
            store.environment.startVerification()
            return Opened(
                store: store, modelID: modelID, dimension: dimension, graphs: graphs, attributes: attributes,
                progress: progress, snapshot: snapshot, lock: lock)
        } catch {
            store.environment.close()
            throw error
        }
    }

    /// Says which file this user may not open, and what to do about it.
    ///
    /// Readers write too: each registers in `lock.mdb`, unless the file system is read-only, where nobody can change the store.
    private static func checkRights(_ path: String, _ mode: Mode) throws(ArchiveError) {
        func refusal(_ file: String, _ verb: String) -> ArchiveError {
            ArchiveError(
                .io,
                "\(file): this user has no right to \(verb); run as the owner of the archive, or give the right with chmod"
            )
        }
        let isWriter = mode == .readWrite
        if access(path + "/data.mdb", isWriter ? R_OK | W_OK : R_OK) != 0 {
            throw refusal(path + "/data.mdb", isWriter ? "write it" : "read it")
        }
        // A lock file that is missing is made in the folder.
        let lock = access(path + "/lock.mdb", F_OK) == 0 ? path + "/lock.mdb" : path
        guard access(lock, R_OK | W_OK) != 0, errno != EROFS else { return }
        throw refusal(lock, isWriter ? "write it" : "write it, and every reader registers there")
    }

    private static func upgradeAsWriter(_ path: String, _ options: Options) throws {
        let lock = try WriterLock(archive: path)
        let store = try Store(path: path, mode: .readWrite, mapSizeInBytes: options.mapSizeInBytes)
        defer { store.environment.close() }
        if try formatVersion(store) < Store.formatVersion {
            try FormatUpgrade(store: store, options: options).run()
        }
        _ = consume lock
    }

    private static func formatVersion(_ store: Store) throws -> Int {
        let format = try store.environment.read { try store.integer($0, .format) }
        guard let format else {
            throw ArchiveError(
                .damaged, "\(store.path): the archive was not made to the end; remove the folder and make it again")
        }
        guard (1...Store.formatVersion).contains(format) else {
            throw ArchiveError(
                .stale,
                "\(store.path): the archive has format \(format), this program reads \(Store.formatVersion); use a newer one"
            )
        }
        return format
    }

    /// Vectors belong to a model: the first embedder that opens the archive for writing names it, and others are refused.
    private static func settleModel(
        _ store: Store, mode: Mode, embedder: (any Embedder)?
    ) throws -> (String?, Int?) {
        let (model, dimension) = try store.environment.read { transaction in
            (try store.text(transaction, .model), try store.integer(transaction, .dimension))
        }
        if let model, let dimension {
            guard (1...ArchiveLimits.dimension).contains(dimension) else {
                throw store.damaged("the dimension is \(dimension)")
            }
            guard let embedder, embedder.modelID != model || embedder.dimension != dimension else {
                return (model, dimension)
            }
            throw ArchiveError(
                .stale,
                "\(store.path): the vectors belong to the model \(model.prefix(12)), not to \(embedder.modelID.prefix(12)); "
                    + "use the archive's own model (\(store.path)/model)")
        }
        guard let embedder else { return (nil, nil) }
        if mode == .readWrite {
            try store.environment.write { transaction in
                try store.set(transaction, .model, embedder.modelID)
                try store.set(transaction, .dimension, embedder.dimension)
            }
        }
        return (embedder.modelID, embedder.dimension)
    }

    // MARK: Postings

    /// Reads the metadata tables that a filter with these keys needs, unless they are in memory.
    func loadPostings(_ names: some Collection<String>) throws {
        // A checkpoint that is written meanwhile takes the table's place; then it is in memory.
        for _ in 0..<4 {
            let missing = attributes.read { $0.unloaded(names) }
            if missing.isEmpty { return }
            for (key, location) in missing {
                let blob = try storedPostings(location) ?? postingsFromCases(key)
                attributes.write { $0.load(blob, key, from: location) }
            }
        }
        throw ArchiveError(.io, "\(path): the filters could not be read; try again")
    }

    /// A table of the checkpoint; nil when it is gone because another process wrote a newer checkpoint, or when it cannot be used.
    private func storedPostings(_ location: Postings.Location) throws -> PostingBlob? {
        do {
            return try store.environment.read { transaction in
                let reader = try PieceReader(store, generation: Opening.generation)
                return try PostingBlob(
                    reader.whole(
                        transaction, .postings, from: location.firstPiece, epoch: location.epoch,
                        byteCount: location.byteCount))
            }
        } catch is CheckpointGone {
            return nil
        } catch {
            Log.warning("a stored table of metadata cannot be used and is made again: \(error)")
            return nil
        }
    }

    /// The postings of a key from the entries of all cases that this archive knows.
    private func postingsFromCases(_ key: String) throws -> PostingBlob {
        let live = attributes.read { $0.live }
        var lists: [String: [UInt32]] = [:]
        try store.environment.read { transaction in
            try store.forEachCase(transaction) { number, entry in
                guard live.contains(number) else { return }
                Attributes.forEachPair(entry) { if $0 == key { lists[$1, default: []].append(number) } }
            }
        }
        return PostingBlob(lists)
    }

    // MARK: Writing

    /// Writes what searches need in memory, so that the next start need not make it.
    ///
    /// - Throws: `.readOnly`, `.io`.
    public func writeCheckpoint() throws {
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        writing.lock()
        defer { writing.unlock() }
        try writeCheckpointWhileWriting()
    }

    /// The caller holds `writing`, so graphs and attributes do not change.
    func writeCheckpointWhileWriting() throws {
        guard progress.withLock({ $0.changesSinceCheckpoint > 0 && !$0.isClosed && !$0.mustReopen }) else { return }
        try withArchiveErrors {
            try fitCodes()
            let changed = attributes.read { $0.keys.filter { $0.value.isChanged }.map(\.key) }
            try loadPostings(changed)
            let (watermark, old) = progress.withLock { ($0.nextNumber, $0.checkpoint) }
            let checkpoint = Checkpoint(
                store: store, generation: Opening.generation, groupByteCount: options.checkpointGroupByteCount)
            let (head, stored) = try checkpoint.write(
                graphs?.byKind ?? [:], attributes.read { $0 }, watermark: watermark, old: old)
            attributes.write { attributes in
                for postings in stored { attributes.noteStored(postings.blob, postings.key, at: postings.location) }
            }
            progress.withLock { $0.noteCheckpoint(head) }
        }
    }

    /// Gives codes to graphs that have grown large enough, and a new quantiser to those that have grown fourfold since the last one.
    private func fitCodes() throws {
        for kind in VectorKind.allCases {
            guard let graph = graphs?[kind], graph.needsFitting(least: options.vectorsForCodes) else { continue }
            let fitted = try graph.fitted()
            graphState.withLock { $0?[kind] = fitted }
        }
    }
}
