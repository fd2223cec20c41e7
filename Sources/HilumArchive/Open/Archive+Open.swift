import Foundation
import HilumCore
import HilumIndex
import HilumEmbedding
import LMDB

extension Archive {
    // MARK: Opening

    /// Opens the store at `path`, upgrades an older format, and reads what searches need.
    ///
    /// - Parameter lend: gets what there is before large graphs are read.
    static func open(
        _ path: String, shownAs name: String, mode: Mode, embedder: (any Embedder)?, options: Options,
        lend: (Opened) -> Void = { _ in }
    ) throws -> Opened {
        // The thread is there when the first search wants it.
        if !options.keepsGraphs { PageFetcher.prepareToAsk() }
        guard access(path + "/data.mdb", F_OK) == 0 else {
            if errno == EACCES { throw ArchiveError(.io, "\(name): this user has no right to look into the folder") }
            throw ArchiveError(.notFound, "\(name): there is no archive here; make one with `hilum init`")
        }
        if mode == .readWrite, !options.keepsGraphs {
            throw ArchiveError(.badRequest, "an archive that is changed needs its graphs in memory")
        }
        try checkRights(path, mode)
        if mode == .readWrite { try refuseSnapshot(path, shownAs: name) }
        let lock: WriterLock? = mode == .readWrite ? try WriterLock(archive: path) : nil
        let storeMode: Environment.Mode = mode == .readWrite ? .readWrite : .readOnly
        func opened() throws -> Store {
            try Store(
                path: path, mode: storeMode, mapSizeInBytes: options.mapSizeInBytes, copiesPages: !options.keepsGraphs)
        }
        var store = try opened()
        do {
            if try formatVersion(store) < Store.formatVersion {
                if mode == .readOnly {
                    // Only a writer may upgrade.
                    store.environment.close()
                    try upgradeAsWriter(path, options)
                    store = try opened()
                } else {
                    try FormatUpgrade(store: store, options: options).run()
                }
            }
            if mode == .readWrite { try nameModel(store, embedder) }
            // Whoever opens a copy to change it makes it an archive of its own.
            if mode == .readWrite, !options.followsLeader, try store.isCopy() { try store.set(isCopy: false) }
            let privacy = try Deidentifier(
                store.environment.read { try store.privacySettings($0) }, key: store.key,
                filter: options.reportFilter, willStore: mode == .readWrite)
            // Nobody is shown a case of this archive without it.
            if store.hidesNames { _ = try store.key.get(makes: try mode == .readWrite && isEmpty(store)) }
            if mode == .readWrite { try checkKey(store) }
            if mode == .readWrite, try hasLargeGraphs(store, options) {
                let loaded = try Opening.load(store, withoutGraphs(options)) { try check($0, embedder, store) }
                let table = try store.environment.read { try store.generations($0) }
                lend(try Opened(store, loaded, embedder, Generations(table: table), privacy, lock: nil))
            }
            var loaded = try Opening.load(store, options) { try check($0, embedder, store) }
            let (generations, changeCount) = try generations(store, mode, options)
            loaded.progress.changesSinceCheckpoint += changeCount
            loaded.progress.watermarkBeside = generations.beside?.checkpoint?.watermark ?? 0
            // Writing waits for it; searches need not.
            store.environment.startVerification()
            return try Opened(store, loaded, embedder, generations, privacy, lock: lock)
        } catch {
            store.environment.close()
            throw error
        }
    }

    /// Refuses a key that is missing or another one than that by which stored cases were hidden: with a new one, the next studies of a patient
    /// would be those of somebody else, and what was erased would come back.
    private static func checkKey(_ store: Store) throws {
        try store.key.check()
        if let fault = try keyFault(store) { throw fault }
    }

    /// What is wrong with the key of an archive, as it lies on the disk now; nil for the one by which its cases were hidden, and where none was
    /// needed yet.
    static func keyFault(_ store: Store) throws -> ArchiveError? {
        let key = ArchiveKey(archive: store.path)
        let known = try store.environment.read { try store.text($0, .key) }
        guard key.isThere else {
            // Earlier releases kept no mark of the key by which they sealed names.
            guard try known != nil || store.hidesNames && !isEmpty(store) else { return nil }
            return ArchiveError(
                .io,
                "\(store.path)/\(ArchiveKey.fileName) is missing; pseudonyms of patients and what is known of erased cases come from that key: "
                    + "bring it back from a backup, as a snapshot holds it")
        }
        let mark: String
        do { mark = try key.mark() } catch { return ArchiveError.wrapping(error) }
        guard let known, mark != known else { return nil }
        return ArchiveError(
            .io,
            "\(store.path)/\(ArchiveKey.fileName) is not the key by which patients of this archive are known: bring that back from a backup, "
                + "as a snapshot holds it")
    }

    /// What is wrong with a key, and what that keeps people from.
    struct KeyFault {
        let error: ArchiveError
        /// Whether a key is there that this user may not read.
        let isUnreadable: Bool
        /// Whether the archive cannot even be opened without it, as its names are sealed.
        let isInTheWay: Bool
    }

    /// The same of an archive that need not be open; nil also where its store cannot be read, which others say.
    static func keyState(of path: String) -> KeyFault? {
        guard let store = try? Store(path: path, mode: .readOnly, mapSizeInBytes: 1 << 20) else { return nil }
        defer { store.environment.close() }
        guard let error = try? keyFault(store) else { return nil }
        let isUnreadable = access("\(path)/\(ArchiveKey.fileName)", R_OK) != 0 && errno == EACCES
        return KeyFault(error: error, isUnreadable: isUnreadable, isInTheWay: store.hidesNames)
    }

    /// What is wrong with the key of the archive at `path`; nil also where its store cannot be read.
    public static func keyFault(of path: String) -> String? { keyState(of: path)?.error.reason }

    /// Whether nothing was ever stored, so that no name is sealed yet.
    private static func isEmpty(_ store: Store) throws -> Bool {
        try store.environment.read { transaction in
            try transaction.count(store.table(.cases)) == 0 && transaction.count(store.table(.journal)) == 0
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

    /// Whether a folder is a snapshot, also one that was cut on its way or whose list of files cannot be read. One that was written to, as
    /// earlier releases let it be, is an archive.
    public static func isSnapshot(_ path: String) -> Bool {
        let manifest: SnapshotManifest
        do { manifest = try SnapshotManifest(of: path) } catch { return error.code != .notFound }
        var status = stat()
        guard let saved = manifest.files.first(where: { $0.path == "data.mdb" })?.byteCount,
            stat("\(path)/data.mdb", &status) == 0
        else { return true }
        // It holds no free page, so what is written makes it longer, by whole pages.
        let more = Int(status.st_size) - saved
        return more <= 0 || !more.isMultiple(of: sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Refuses to change a snapshot: `restore` would not take it any more, and that is found out on the day when it is needed.
    static func refuseSnapshot(_ path: String, shownAs name: String) throws(ArchiveError) {
        guard isSnapshot(path) else { return }
        if (try? SnapshotManifest(of: path)) == nil {
            throw ArchiveError(
                .badRequest,
                "\(name)/\(SnapshotManifest.fileName) cannot be read: this is a snapshot that is damaged, and it stays as it is; where it is "
                    + "an archive all the same, remove that file")
        }
        throw ArchiveError(
            .badRequest,
            "\(name) is a snapshot, and no backup any more once it is changed; make an archive of it with "
                + "'hilum restore \(name) ARCHIVE', or make it one by removing its \(SnapshotManifest.fileName)")
    }

    private static func upgradeAsWriter(_ path: String, _ options: Options) throws {
        try refuseSnapshot(path, shownAs: path)
        let lock = try WriterLock(archive: path)
        let store = try Store(path: path, mode: .readWrite, mapSizeInBytes: options.mapSizeInBytes)
        defer { store.environment.close() }
        if try formatVersion(store) < Store.formatVersion {
            try FormatUpgrade(store: store, options: options).run()
        }
        _ = consume lock
    }

    static func formatVersion(_ store: Store) throws -> Int {
        let format = try store.environment.read { try store.integer($0, .format) }
        guard let format else {
            throw ArchiveError(
                .damaged, "\(store.path): the archive was not made to the end; remove the folder and make it again")
        }
        guard (1...Store.newestFormat).contains(format) else {
            throw ArchiveError(
                .stale,
                "\(store.path): the archive has format \(format), this program reads \(Store.newestFormat); use a newer one"
            )
        }
        return format
    }

    /// Whether the checkpoint has a graph that takes long to be read; false where it has none that can be scanned.
    private static func hasLargeGraphs(_ store: Store, _ options: Options) throws -> Bool {
        try store.environment.read { transaction in
            let served = try store.served(transaction)
            guard let dimension = served.dimension else { return false }
            // What is wrong with it is told when it is read.
            let stored = try? Checkpoint(store: store, generation: served.generation).head(transaction)
            guard let head = stored else { return false }
            for kind in VectorKind.allCases where head.graphs[kind]?.hasOwners == true {
                let size = try? StoredGraph.size(
                    store, transaction, head, kind, generation: served.generation, dimension: dimension)
                if let size, size.nodeCount >= options.vectorsForLending { return true }
            }
            return false
        }
    }

    /// What of the vectors that are searched pictures and reports share: as the embedder says, or said when it was here.
    static func vectorParts(
        _ store: Store, _ modelID: String?, _ embedder: (any Embedder)?
    ) throws -> VectorParts? {
        if let embedder { return embedder.vectorParts }
        return try store.environment.read { try store.vectorParts($0, ofModel: modelID) }
    }

    /// The first embedder that opens the archive for writing names its model.
    private static func nameModel(_ store: Store, _ embedder: (any Embedder)?) throws {
        guard let embedder else { return }
        let (model, parts) = try store.environment.read { transaction in
            (try store.text(transaction, .model), try store.vectorParts(transaction, ofModel: embedder.modelID))
        }
        // An archive of a release that did not note the parts gets them now.
        guard model == nil || model == embedder.modelID && parts != embedder.vectorParts else { return }
        try store.environment.write { transaction in
            if model == nil {
                try store.set(transaction, .model, embedder.modelID)
                try store.set(transaction, .dimension, embedder.dimension)
            }
            try store.putVectorParts(transaction, of: embedder)
        }
    }

    /// Vectors belong to a model, and an embedder of another one is refused.
    ///
    /// - Returns: what is served, by the embedder's model where the archive names none.
    private static func check(
        _ served: Store.Served, _ embedder: (any Embedder)?, _ store: Store
    ) throws -> Store.Served {
        guard let embedder else { return served }
        guard let model = served.modelID, let dimension = served.dimension else {
            return Store.Served(
                generation: served.generation, modelID: embedder.modelID, dimension: embedder.dimension)
        }
        if embedder.modelID == model, embedder.dimension == dimension { return served }
        throw ArchiveError(
            .stale,
            "\(store.path): the vectors belong to the model \(model.prefix(12)), not to \(embedder.modelID.prefix(12)); "
                + "use the archive's own model (\(store.path)/\(GenerationTable.firstFolder), or model.N after a switch)"
        )
    }

    /// The table of generations and, for a writer, the one beside, with what its checkpoint lacks. One that cannot be read does not
    /// stop the one that is searched.
    static func generations(
        _ store: Store, _ mode: Mode, _ options: Options
    ) throws -> (generations: Generations, changeCount: Int) {
        let table = try store.environment.read { try store.generations($0) }
        guard mode == .readWrite, let record = table.beside else { return (Generations(table: table), 0) }
        do {
            guard let (record, loaded) = try Opening.loadBeside(store, options), let graphs = loaded.graphs else {
                return (Generations(table: table), 0)
            }
            let beside = Beside(
                generation: record.number, dimension: record.dimension, graphs: graphs, attributes: loaded.attributes,
                checkpoint: loaded.progress.checkpoint)
            return (Generations(table: table, beside: beside), loaded.progress.changesSinceCheckpoint)
        } catch {
            Log.warning("generation \(record.number) cannot be used, only dropped: \(error)")
            return (Generations(table: table), 0)
        }
    }

    // MARK: Postings

    /// Reads the metadata tables that a filter with these keys needs, unless they are in memory.
    func loadPostings(_ names: some Collection<String>) throws {
        // A checkpoint that is written meanwhile takes the table's place; then it is in memory.
        for _ in 0..<4 {
            let missing = attributes.read { $0.unloaded(names) }
            if missing.isEmpty { return }
            for (key, location) in missing {
                let blob = try storedPostings(location) ?? postingsFromCases(key, live: attributes.read { $0.live })
                attributes.write { $0.load(blob, key, from: location) }
            }
        }
        throw ArchiveError(.io, "\(path): the filters could not be read; try again")
    }

    /// The result of `body`, which gets the attributes with the tables of these keys in memory.
    ///
    /// A switch between reading the tables and using them brings the tables of the other generation, which may lie in its checkpoint.
    func withPostings<Result>(
        _ names: some Collection<String>, until deadline: Double? = nil, _ body: (Attributes) -> Result
    ) throws -> Result {
        for _ in 0..<4 {
            try loadPostings(names)
            try Self.checkTime(deadline)
            let result = attributes.read { $0.unloaded(names).isEmpty ? body($0) : nil }
            if let result { return result }
        }
        throw ArchiveError(.io, "\(path): the filters could not be read; try again")
    }

    /// A table of the checkpoint; nil when it is gone because another process wrote a newer checkpoint, or when it cannot be used.
    private func storedPostings(_ location: Postings.Location) throws -> PostingBlob? {
        do {
            return try store.environment.read { transaction in
                let reader = PieceReader(store, in: transaction, generation: location.generation)
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
    private func postingsFromCases(_ key: String, live: ItemSet) throws -> PostingBlob {
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
            try loadPostingsBeside()
            let (watermark, old) = progress.withLock { ($0.nextNumber, $0.checkpoint) }
            let (beside, record) = generations.withLock { ($0.beside, $0.table.beside) }
            // Both at once: the rows of `changes` go with the transaction that makes them valid.
            let headBeside = try beside.map { beside in
                try checkpoint(of: beside.generation).prepare(
                    beside.graphs.byKind, beside.attributes, watermark: record?.watermark ?? 0, old: beside.checkpoint)
            }
            let (head, stored) = try checkpoint(of: serving.generation).write(
                graphs?.byKind ?? [:], attributes.read { $0 }, watermark: watermark, old: old
            ) { transaction in
                if let headBeside, let beside {
                    try checkpoint(of: beside.generation).put(transaction, headBeside.head)
                } else if let record {
                    // It could not be read, and the rows of `changes` that its checkpoint lacks go now: it is made again from its vectors.
                    try transaction.delete(store.table(.meta), CheckpointHead.name(generation: record.number))
                }
            }
            attributes.write { attributes in
                for postings in stored { attributes.noteStored(postings.blob, postings.key, at: postings.location) }
            }
            if let beside, let headBeside {
                let noted = checkpoint(of: beside.generation).settle(
                    headBeside, beside.graphs.byKind, beside.attributes)
                generations.withLock {
                    $0.beside?.attributes = noted
                    $0.beside?.checkpoint = headBeside.head
                }
            }
            progress.withLock {
                $0.noteCheckpoint(head)
                $0.watermarkBeside = headBeside?.head.watermark ?? 0
            }
        }
    }

    private func checkpoint(of generation: UInt32) -> Checkpoint {
        Checkpoint(store: store, generation: generation, groupByteCount: options.checkpointGroupByteCount)
    }

    /// Reads the tables of metadata of the generation beside that changed and are not in memory.
    private func loadPostingsBeside() throws {
        guard let attributes = generations.withLock({ $0.beside?.attributes }) else { return }
        let changed = attributes.keys.filter { $0.value.isChanged }.map(\.key)
        let missing = attributes.unloaded(changed)
        for (key, location) in missing {
            let blob = try storedPostings(location) ?? postingsFromCases(key, live: attributes.live)
            generations.withLock { $0.beside?.attributes.load(blob, key, from: location) }
        }
    }

    /// Gives codes to graphs that have grown large enough, and a new quantiser to those that have grown fourfold since the last one.
    private func fitCodes() throws {
        for kind in VectorKind.allCases {
            if let graph = graphs?[kind], graph.needsFitting(least: options.vectorsForCodes) {
                let fitted = try graph.fitted()
                servingState.withLock { $0.graphs?[kind] = fitted }
            }
            if let graph = generations.withLock({ $0.beside?.graphs[kind] }),
                graph.needsFitting(least: options.vectorsForCodes)
            {
                let fitted = try graph.fitted()
                generations.withLock { $0.beside?.graphs[kind] = fitted }
            }
        }
    }
}
