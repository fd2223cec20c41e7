import Foundation
import HilumCore
import HilumIndex
import HilumEmbedding
import HilumPrivacy
import HilumWords
import LMDB
import Synchronization

/// One archive: a folder of cases with their vectors, which can be searched.
///
///     put ──► read, decode, embed (all cores) ──► one transaction ──► graphs and attributes in memory ──► return
///     search ──► embed or fetch ──► filter to a set ──► image graph, report graph ──► best vector per case ──► records
///     open ──► checkpoint: sets, codes, links ──► changes since ──► the first answer; residuals and postings when wanted
///
/// The truth is in LMDB (`Store`): cases, reports and vectors. Graphs and attributes are in memory. A checkpoint in the same store brings
/// them back when the archive opens; without one they are made again from the truth.
///
///     ARCHIVE/data.mdb, lock.mdb   the store
///     ARCHIVE/writer.lock          held by the one process that writes
///     ARCHIVE/model/               a copy of the model, so that an archive is complete; model.N of generation N from 2 on
///     ARCHIVE/images/<aa>/<hash>   images that came as bytes
///
/// | folder | what |
/// | --- | --- |
/// | `Store/` | tables, keys and bytes on disk; the cases by metadata value, for filters |
/// | `Open/` | opening, checkpoints, the upgrade of older formats |
/// | `Ingest/` | sources and manifests, reading and embedding cases, put and delete |
/// | `Words/` | the words of reports: what is kept of each, the table in the store, questions |
/// | `Import/` | vectors that were made elsewhere: files, their lines and seals, spaces without a model |
/// | `Reembed/` | a second generation beside the first: making it, switching, going back, removing |
/// | `Query/` | search by vectors and words, filters, which hits are kept, pages, facets, explanations |
/// | `Recall/` | how much of the exact answer searches find |
/// | `Backup/` | snapshots, restoring them, compacting |
/// | `Follow/` | copies that stay current: what came since a position, and taking it over |
/// | `Privacy/` | settings of de-identification, and what it does to a case before it is stored |
/// | `Check/` | the check that store, vectors and graphs agree |
///
/// Thread rule: any thread may call anything; writes take turns, searches do not wait for them.
public final class Archive: @unchecked Sendable {
    // Sendable: constants, locks and thread-safe parts; `writerLock` is touched in init and, under `writing`, in `close`.
    /// What an archive is opened for.
    public enum Mode: Sendable, Equatable {
        /// Reads what is there when it opens, also beside a process that writes. Cases stored later are not found.
        case readOnly
        /// The one writer.
        case readWrite
    }

    /// Settings of an open archive; none of them is stored.
    public struct Options: Sendable {
        /// The size of the store's memory map at the start; it grows by itself.
        public var mapSizeInBytes = 64 << 20
        /// A checkpoint is written after this many changes, or after a twentieth of the cases if that is more.
        public var changesBetweenCheckpoints = 2000
        /// About how many bytes of a checkpoint one transaction writes.
        public var checkpointGroupByteCount = 16 << 20
        /// How graphs are built; a graph that is opened from a checkpoint keeps its own.
        public var graph = HNSWParameters()
        /// A graph with at least this many vectors gets 8-bit codes at the next checkpoint; a smaller one is walked on the vectors.
        public var vectorsForCodes = 2_000
        /// Up to so many vectors are compared by themselves where no graph is kept; beyond, by their codes first.
        public var vectorsForScan = 1_000
        /// An archive one of whose graphs has at least this many distinct vectors is lent while its graphs are read (`init`).
        public var vectorsForLending = 250_000
        /// Whether codes and links are read into memory when the archive opens. Without them each search by vectors compares all codes as it
        /// reads them from the disk, which is quicker for a process that asks once or twice; such an archive is for reading only, and
        /// cannot be checked nor its recall be estimated.
        public var keepsGraphs = true
        /// Whether the archive is a copy that its leader alone changes (`apply`). Whoever opens a copy for writing without this makes it an
        /// archive of its own, which follows nobody.
        public var followsLeader = false
        /// A program of the user's that each report goes through before it is stored.
        public var reportFilter: ReportFilter?
        /// Loads a model by the name of its folder, in a number format if one is named. Without it no second generation can be made,
        /// unless its embedder is given.
        public var loadModel: (@Sendable (_ name: String, _ precision: String?) throws -> LoadedModel)?

        /// The defaults.
        public init() {}
    }

    struct Counters {
        var nextNumber: UInt32
        var deletions: Int
        /// Changes of cases that kept their number.
        var updates = 0
        /// The newest checkpoint; nil while there is none.
        var checkpoint: CheckpointHead?
        var changesSinceCheckpoint = 0
        /// Rows in the table `changes`.
        var changeRowCount = 0
        var isClosed = false
        /// A commit is on disk that memory lacks: nothing may be written until the archive is opened again.
        var mustReopen = false

        /// Cases below this number are in the checkpoint of the generation beside; 0 where there is none.
        var watermarkBeside: UInt32 = 0

        /// Cases below this number are in a checkpoint; a change of one of them is a row of `changes`.
        var watermark: UInt32 { max(checkpoint?.watermark ?? 0, watermarkBeside) }

        mutating func noteCheckpoint(_ head: CheckpointHead) {
            checkpoint = head
            changesSinceCheckpoint = 0
            changeRowCount = 0
        }
    }

    /// The archive's folder, absolute.
    public let path: String
    /// What it was opened for.
    public let mode: Mode
    /// Set by the first explanation, with the generation whose model made it.
    let explanationBaseline = Mutex<(generation: UInt32, baseline: ExplanationBaseline)?>(nil)
    /// What is known of the recall of searches; learns from them as `estimateRecall` is called.
    public let recall = RecallEstimator()
    /// The settings that it was opened with.
    public let options: Options
    let store: Store
    /// Changes only when codes are fitted anew and when the generation is switched, by the writer.
    let servingState: Mutex<Serving>
    /// The generation beside, and the table of all.
    let generations: Mutex<Generations>
    /// Counts what was ordered of generations, so that work under way can tell without a lock that it is not wanted any more.
    let orders = AtomicCounter()
    /// Wakes whoever waits for something to encode, or for a pause to end.
    let changed = ChangeBell()
    let attributes: ReadWriteLock<Attributes>
    let progress: Mutex<Counters>
    /// Takes identifiers out of cases.
    let privacy: Deidentifier
    /// What was masked since the archive was opened.
    let masked = Mutex(MaskCounts())
    /// Answers questions from the words of reports.
    let words = WordSearcher()
    /// Files of images that a snapshot may still want.
    let heldImages = Mutex(HeldImages())
    /// Which reports say what of findings that were asked for.
    let said = SaidTable()
    /// Facets that were asked for since the last change.
    let facets = FacetMemory()
    /// What left and changed, for copies that follow.
    let feed: Mutex<ChangeRing>
    /// Lists of hits that pages were cut from since the last change.
    let pages = PageMemory()
    /// Lengths of reports in words; nil until a question first wants them.
    let lengthsOfReports = Mutex<LengthTable?>(nil)
    /// The commit that graphs and attributes were read from.
    let openedSnapshot: UInt64
    /// Held through every write, its transaction and its change of the graphs.
    let writing = WritersTurn()
    private var writerLock: WriterLock?
    /// Whether it closes the store; another one does that of an archive that was lent.
    let ownsStore: Bool

    static let ownProcess: Int32 = getpid()

    /// Bytes of codes and of links in the newest checkpoint.
    package var codeAndLinkByteCounts: (codes: Int, links: Int) { graphs?.codeAndLinkByteCounts ?? (0, 0) }

    /// What searches use now.
    var serving: Serving { servingState.withLock { $0 } }
    /// The graphs as they are; nil as long as there is no model.
    var graphs: Graphs? { serving.graphs }
    /// Encodes texts and images; nil: only searches by id and by vector are possible.
    public var embedder: (any Embedder)? { serving.embedder }
    /// The model whose vectors are searched; nil as long as the archive was never opened for writing with one.
    public var modelID: String? { serving.modelID }
    /// The space whose imported vectors are searched; nil where a model makes them.
    public var space: String? { serving.space }
    /// Floats a vector; nil as long as there is no model.
    public var dimension: Int? { serving.dimension }
    /// The generation that is searched, from 1.
    public var generation: Int { Int(serving.generation) }

    // MARK: Creating

    /// Makes an empty archive in the folder `path`, which is made too.
    ///
    /// - Parameters:
    ///   - modelDirectory: its files are copied to `path/model`; nil leaves the archive without.
    ///   - modelFiles: files by name that `path/model` gets besides, in place of those of `modelDirectory`.
    ///   - space: vectors of another encoder, which are imported; the archive has no model then.
    ///   - privacy: what becomes of identifiers of patients.
    /// - Throws: `.exists`, `.notFound` for the model, `.io`.
    public static func create(
        at path: String, modelDirectory: String? = nil, modelFiles: [String: [UInt8]] = [:],
        space: ImportedSpace? = nil, privacy: PrivacySettings = PrivacySettings()
    ) throws {
        precondition(modelDirectory != nil || modelFiles.isEmpty, "files of a model that is not there")
        precondition(modelDirectory == nil || space == nil, "a space of imported vectors has no model")
        try withArchiveErrors {
            guard access(path + "/data.mdb", F_OK) != 0 else {
                throw ArchiveError(.exists, "\(path): an archive stands here already; choose another folder")
            }
            // What an interrupted attempt leaves may be there, and so may the folder of a fresh file system.
            let own: Set = ["model", "images", "writer.lock", "lock.mdb", "lost+found"]
            let present = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            if let other = present.sorted().first(where: { !own.contains($0) }) {
                throw ArchiveError(
                    .exists, "\(path): the folder holds other files (\(other)); choose a new or empty one")
            }
            let isNew = access(path, F_OK) != 0
            try FileIO.makeFolder(path)
            // Reports and images are nobody else's business; a folder that was there keeps its rights.
            if isNew { chmod(path, 0o750) }
            let lock = try WriterLock(archive: path)
            if let modelDirectory { try copyModel(modelDirectory, modelFiles, to: path + "/model") }
            if let space {
                try FileIO.makeFolder(path + "/model")
                try FileIO.writeAtomically("\(path)/model/\(ImportedSpace.file)", space.fileBytes)
            }
            let store = try Store(path: path, mode: .create, mapSizeInBytes: 1 << 20)
            try store.environment.write { transaction in
                try store.set(transaction, .created, Date.now.ISO8601Format())
                try store.set(transaction, .generation, 1)
                try store.set(transaction, .next, 1)
                try store.set(transaction, .deletions, 0)
                try store.put(transaction, privacy)
                try store.set(transaction, .format, space == nil ? Store.formatVersion : Store.importFormat)
                if let space {
                    try store.set(transaction, .model, space.modelID)
                    try store.set(transaction, .dimension, space.dimension)
                }
                try WordTable(store: store).start(transaction)
            }
            store.environment.close()
            try FileIO.syncFolder(path)
            // Its own name too: who was told that the archive is there finds it after a power cut.
            try FileIO.syncFolder(FilePath.folder(of: path))
            _ = consume lock
        }
    }

    /// The folder with the archive's own copy of the model that is searched with; nil when there is none. The archive must not be
    /// open in this process, unless it never had a second model.
    public static func modelDirectory(of path: String) -> String? {
        let first = GenerationTable.firstFolder
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        var folder = first
        if names.contains(where: { $0.hasPrefix(first + ".") }),
            let store = try? Store(path: path, mode: .readOnly, mapSizeInBytes: Options().mapSizeInBytes)
        {
            defer { store.environment.close() }
            folder = (try? store.environment.read { try store.generations($0)[.serving]?.folder }) ?? first
        }
        var status = stat()
        guard stat("\(path)/\(folder)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        return "\(path)/\(folder)"
    }

    static func copyModel(_ source: String, _ more: [String: [UInt8]], to target: String) throws {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: source).sorted() } catch {
            throw ArchiveError(.notFound, "\(source): there is no model folder here")
        }
        try FileIO.makeFolder(target)
        for (name, bytes) in more.sorted(by: { $0.key < $1.key }) {
            try FileIO.writeAtomically("\(target)/\(name)", bytes)
        }
        for name in names where more[name] == nil {
            var status = stat()
            guard stat("\(source)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            try FileIO.writeAtomically("\(target)/\(name)", FileIO.read("\(source)/\(name)"))
        }
    }

    // MARK: Opening

    /// Opens the archive at `path`: reads codes and links of the checkpoint and links what is newer.
    ///
    /// Every page and every value is checked when it is read; `check` reads all of them. An archive of an older format is upgraded first,
    /// also when it is opened for reading, which needs the right to write. The first change waits for a walk over all pages, which begins
    /// here in the background.
    ///
    /// - Parameters:
    ///   - embedder: encodes texts and images. Without one, only searches by id and by vector are possible, and nothing can be put.
    ///   - lending: gets the archive as it is before its graphs are read, if they are large, on this thread. It is for reading only and compares
    ///     all codes in the store at each search, as one without graphs does (`Options.keepsGraphs`). It shows what was stored when it was lent,
    ///     and works until the archive that this makes is closed, or this throws.
    /// - Throws: `.notFound`, `.busy` with the process that writes, `.stale` for an embedder of another model or an archive of a
    ///   newer format, `.damaged`, `.io`.
    /// - Complexity: O(n) in codes and links, O(log n) for each vector above the checkpoint.
    public convenience init(
        path: String, mode: Mode, embedder: (any Embedder)? = nil, options: Options = Options(),
        lending: ((Archive) -> Void)? = nil
    ) throws {
        let absolute = FilePath.isAbsolute(path) ? path : FileManager.default.currentDirectoryPath + "/" + path
        let state = try withArchiveErrors { () throws -> Opened in
            try Self.open(absolute, shownAs: path, mode: mode, embedder: embedder, options: options) { state in
                lending?(Archive(state, absolute, .readOnly, Self.withoutGraphs(options), ownsStore: false))
            }
        }
        self.init(state, absolute, mode, options, ownsStore: true)
    }

    static func withoutGraphs(_ options: Options) -> Options {
        var options = options
        options.keepsGraphs = false
        return options
    }

    private init(_ state: Opened, _ absolute: String, _ mode: Mode, _ options: Options, ownsStore: Bool) {
        self.path = absolute
        self.mode = mode
        self.options = options
        self.ownsStore = ownsStore
        store = state.store
        servingState = Mutex(state.serving)
        generations = Mutex(state.generations)
        attributes = ReadWriteLock(state.attributes)
        progress = Mutex(state.progress)
        privacy = state.privacy
        feed = Mutex(ChangeRing(deletions: state.progress.deletions, updates: state.progress.updates))
        openedSnapshot = state.snapshot
        recall.turn(to: state.serving.generation)
        writerLock = state.takeLock()
    }

    deinit { close() }

    /// Writes the links, closes the store and lets other processes write. Closing twice does nothing.
    public func close() {
        writing.lock()
        defer { writing.unlock() }
        guard !progress.withLock({ $0.isClosed }) else { return }
        if mode == .readWrite {
            do { try writeCheckpointWhileWriting() } catch {
                Log.warning("the links were not written and will be made again at the next start: \(error)")
            }
        }
        progress.withLock { $0.isClosed = true }
        if ownsStore { store.environment.close() }
        writerLock = nil
    }

    /// Whether a change failed so that no further one can be made until the archive is closed and opened again. Reads go on.
    public var needsReopening: Bool { store.environment.isPoisoned || progress.withLock { $0.mustReopen } }

    /// Whether another process has changed the archive, which is open for reading, so that this shows it as it was. O(1); no searches wait.
    public var isOutdated: Bool { mode == .readOnly && (try? store.environment.isOvertaken()) ?? false }

    // MARK: Reading

    /// The case `id`, with its report; nil when there is none.
    public func get(id: String) throws -> CaseRecord? {
        try withArchiveErrors {
            try store.environment.read { transaction in
                guard let number = try store.number(transaction, of: id) else { return nil }
                return try record(transaction, number, withReport: true)
            }
        }
    }

    func record(
        _ transaction: borrowing ReadTransaction, _ number: UInt32, withReport: Bool
    ) throws -> CaseRecord? {
        guard let entry = try store.entry(transaction, number) else { return nil }
        return try record(transaction, number, entry, withReport: withReport)
    }

    /// The record of a case whose entry was read.
    func record(
        _ transaction: borrowing ReadTransaction, _ number: UInt32, _ entry: CaseEntry, withReport: Bool
    ) throws -> CaseRecord {
        var report: String?
        if withReport && entry.hasReport {
            report = try store.report(transaction, number)
            if report == nil { throw store.damaged("the report of case \(number) is missing") }
        }
        return store.record(entry, number: number, report: report)
    }

    /// The vectors of the case `id` by kind (of its first image), each of `dimension` floats and length 1; nil when there is no such
    /// case.
    public func vectors(id: String) throws -> [VectorKind: [Float]]? {
        let serving = self.serving
        guard let dimension = serving.dimension else { return nil }
        return try withArchiveErrors {
            try store.environment.read { transaction in
                guard let number = try store.number(transaction, of: id) else { return nil }
                var vectors: [VectorKind: [Float]] = [:]
                for kind in VectorKind.allCases {
                    vectors[kind] = try store.vector(transaction, kind, serving.key(number), dimension: dimension)
                }
                return vectors
            }
        }
    }

    /// The bytes of an image of case `id`, which are still those that were stored.
    ///
    /// - Parameter place: of the image among those of the case, from 0.
    /// - Throws: `.notFound` for no such case, no image or no file; `.stale` when the file was changed.
    public func imageBytes(of id: String, image place: Int = 0) throws -> [UInt8] {
        let images = try withArchiveErrors {
            try store.environment.read { transaction in
                try store.number(transaction, of: id).flatMap { try store.entry(transaction, $0)?.images }
            }
        }
        guard let images, images.indices.contains(place) else {
            throw ArchiveError(.notFound, "there is no case \(id) with an image")
        }
        return try ImageStore.read(images[place], in: path)
    }

    /// How many cases match.
    ///
    /// - Parameter deadline: as of `SearchRequest`; nil for none.
    /// - Throws: `.unknownKey`, `.badRequest`, `.deadline`, `.io`, `.damaged`.
    public func count(_ filter: Filter = Filter(), until deadline: Double? = nil) throws -> Int {
        if filter.isEmpty { return attributes.read { $0.live.count } }
        return try matching(filter, until: deadline).count
    }

    /// Calls `body` with the id of a case and a vector of `kind`, for all vectors in the order of storing, until it returns false.
    public func forEachVector(_ kind: VectorKind, _ body: (String, [Float]) throws -> Bool) throws {
        try forEachVector(kind, withReports: false) { record, _, vector in try body(record.id, vector) }
    }

    /// Calls `body` with a case, the place of an image among those of the case (0 for a report), and its vector of `kind`, for all vectors
    /// in the order of storing, until it returns false.
    ///
    /// - Parameter withReports: whether the cases bring their reports.
    public func forEachVector(
        _ kind: VectorKind, withReports: Bool, _ body: (CaseRecord, _ image: Int, [Float]) throws -> Bool
    ) throws {
        let serving = self.serving
        try withArchiveErrors {
            try store.environment.read { try walkVectors($0, serving, kind, withReports, body) }
        }
    }

    /// Walks over the vectors of one kind as `forEachVector(_:withReports:_:)` does.
    public typealias VectorWalk = (
        _ kind: VectorKind, _ withReports: Bool, _ body: (CaseRecord, _ image: Int, [Float]) throws -> Bool
    ) throws -> Void

    /// Walks over the cases that no vector stands for, with their reports, in the order of storing, until `body` returns false: their words
    /// are searched, and their vectors would be those of reports in which no word is known.
    public typealias BareWalk = (_ body: (CaseRecord) throws -> Bool) throws -> Void

    /// Calls `body` with what walks over the vectors of one moment, and over the cases that have none, as often as `body` likes: what is
    /// stored or deleted meanwhile changes nothing of what it sees. Nothing else of the archive may be called inside.
    ///
    /// Pages that others free meanwhile stay in use until `body` returns.
    /// - Throws: what `body` throws.
    public func walkVectors(_ body: (VectorWalk, BareWalk) throws -> Void) throws {
        let serving = self.serving
        var failure: (any Error)?
        try withArchiveErrors {
            try store.environment.read { transaction in
                do {
                    try body(
                        { kind, withReports, visit in
                            try withArchiveErrors { try walkVectors(transaction, serving, kind, withReports, visit) }
                        },
                        { visit in try withArchiveErrors { try walkBare(transaction, serving, visit) } })
                } catch { failure = error }
            }
        }
        if let failure { throw failure }
    }

    private func walkVectors(
        _ transaction: borrowing ReadTransaction, _ serving: Serving, _ kind: VectorKind, _ withReports: Bool,
        _ body: (CaseRecord, _ image: Int, [Float]) throws -> Bool
    ) throws {
        guard let dimension = serving.dimension else { return }
        try store.forEachVector(
            transaction, kind, generation: serving.generation, dimension: dimension
        ) { number, vector in
            let owner = attributes.read { $0.owner(of: number) }
            guard let record = try record(transaction, owner, withReport: withReports) else { return true }
            return try body(record, Int(number - owner), vector)
        }
    }

    private func walkBare(
        _ transaction: borrowing ReadTransaction, _ serving: Serving, _ body: (CaseRecord) throws -> Bool
    ) throws {
        try store.forEach(transaction, .cases) { key, payload in
            let number = UInt32(truncatingIfNeeded: UInt64(keyBytes: key) ?? 0)
            let entry = try store.decode(payload, number: number)
            guard entry.images.isEmpty, entry.items(.report, of: number, in: serving.generation).isEmpty else {
                return true
            }
            let report = entry.hasReport ? try store.report(transaction, number) : nil
            return try body(store.record(entry, number: number, report: report))
        }
    }

    /// The cases whose source begins with `prefix`, with their sources.
    ///
    /// - Complexity: reads every case.
    package func sources(below prefix: String) throws -> [(id: String, source: String)] {
        try withArchiveErrors {
            try store.environment.read { transaction in
                var found: [(id: String, source: String)] = []
                try store.forEachCase(transaction) { _, entry in
                    if let source = entry.source, source.hasPrefix(prefix) { found.append((entry.id, source)) }
                }
                return found
            }
        }
    }

    /// Calls `body` with every case in the order of storing, until it returns false.
    public func forEachCase(withReports: Bool = false, _ body: (CaseRecord) throws -> Bool) throws {
        try withArchiveErrors {
            try store.environment.read { transaction in
                try store.forEach(transaction, .cases) { key, payload in
                    let number = UInt32(truncatingIfNeeded: UInt64(keyBytes: key) ?? 0)
                    let entry = try store.decode(payload, number: number)
                    let report = withReports && entry.hasReport ? try store.report(transaction, number) : nil
                    return try body(store.record(entry, number: number, report: report))
                }
            }
        }
    }

    /// - Parameter deadline: as of a search; a range of ids reads the whole table of ids.
    func matching(_ filter: Filter, until deadline: Double? = nil) throws -> ItemSet {
        try withArchiveErrors {
            try checkKeys(of: filter)
            let (filter, numbers) = try withPatients(try privacy.settled(filter))
            // Before the attributes are locked: a range of ids reads the whole table.
            let named = try filter.conditions.map { condition in
                condition.key == "id"
                    ? try store.environment.read { try self.numbers($0, of: condition, until: deadline) } : nil
            }
            let said = try filter.conditions.enumerated().map { place, condition -> SaidCases? in
                try Self.checkTime(deadline)
                if let number = numbers[place] {
                    return SaidCases(cases: try select(Filter([number]), until: deadline))
                }
                return try saidCases(condition, until: deadline)
            }
            return try select(filter, said: said, named: named, until: deadline)
        }
    }

    /// The cases of a filter as it stands.
    ///
    /// - Parameters:
    ///   - said: by condition, cases that match whatever their values are.
    ///   - named: by condition, the cases that one on ids names.
    private func select(
        _ filter: Filter, said: [SaidCases?] = [], named: [[UInt32]?] = [], until deadline: Double?
    ) throws -> ItemSet {
        let names = filter.conditions.map(\.key)
        var learned: [Attributes.Learned] = []
        let (cases, version) = try withPostings(names, until: deadline) { attributes in
            let cases = attributes.evaluate(filter, said: said, named: named, learned: &learned)
            return (cases, attributes.version)
        }
        if !learned.isEmpty { attributes.write { $0.remember(learned, madeAt: version) } }
        return cases
    }

    /// The cases that a condition on ids names; all its ranges are compared in one pass over the ids.
    private func numbers(
        _ transaction: borrowing ReadTransaction, of condition: Filter.Condition, until deadline: Double?
    ) throws -> [UInt32] {
        var numbers: [UInt32] = []
        var tests: [Filter.ValueTest] = []
        for value in condition.values {
            if case .equal(let id) = value {
                if let number = try store.number(transaction, of: id) { numbers.append(number) }
            } else {
                tests.append(condition.test(value))
            }
        }
        guard !tests.isEmpty else { return numbers }
        var read = 0
        try store.forEach(transaction, .ids) { key, payload in
            read += 1
            if read % 1024 == 0 { try Self.checkTime(deadline) }
            let id = condition.stored(String(decoding: key, as: UTF8.self))
            if tests.contains(where: { $0.accepts(id) }) { numbers.append(try store.number(payload)) }
            return true
        }
        return numbers
    }

    /// Figures of the archive.
    public func stats() throws -> ArchiveStats {
        try withArchiveErrors {
            let size = try store.environment.size()
            let counts = attributes.read { ($0.live.count, $0.withImage.count, $0.withText.count) }
            let filterBytes = attributes.read { $0.rememberedByteCount } + facets.byteCount + pages.byteCount
            let state = progress.withLock { $0 }
            let serving = self.serving
            let sizes = try graphSizes()
            var status = stat()
            let fileBytes = stat(path + "/data.mdb", &status) == 0 ? Int(status.st_blocks) * 512 : 0
            return ArchiveStats(
                cases: counts.0, images: counts.1, reports: counts.2, imageNodes: sizes?.images.nodeCount ?? 0,
                reportNodes: sizes?.reports.nodeCount ?? 0, dimension: serving.dimension ?? 0,
                model: serving.modelID ?? "", generation: Int(serving.generation),
                mapBytes: size.mapInBytes, fileBytes: fileBytes,
                graphBytes: sizes.map { $0.images.byteCount + $0.reports.byteCount } ?? 0,
                filterBytes: filterBytes,
                checkpoint: Int(state.checkpoint?.watermark ?? 0), changesSinceCheckpoint: state.changesSinceCheckpoint,
                deletions: state.deletions, formatVersion: try formatVersion(),
                deidentification: privacy.settings.deidentification.rawValue,
                dates: privacy.settings.dates.rawValue, quarantined: try quarantinedCount(), masked: maskCounts)
        }
    }

    private func formatVersion() throws -> Int {
        try store.environment.read { try store.integer($0, .format) } ?? Store.formatVersion
    }

    /// Frees what readers that died held; call it now and then in a process that runs long.
    public func clearDeadReaders() throws {
        _ = try withArchiveErrors { try store.environment.clearDeadReaders() }
    }
}
