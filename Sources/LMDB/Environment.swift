import CLMDB
import Foundation
import Synchronization

/// One LMDB environment: a folder with `data.mdb` and `lock.mdb`, opened once by this process.
///
///     read  { transaction in … }   snapshot, any number at once, also beside a writer in another process
///     write { transaction in … }   one at a time; returns after fsync; a throw inside undoes everything
///
/// Commits are in full-sync mode and nothing else is offered: without the syncs a power cut destroys the file.
/// The map grows by itself: it doubles when 80 % are in use, or when a write finds it full (the closure then runs again).
///
/// LMDB trusts its pages: a damaged page ends the process with a signal or gives a wrong answer. So reads bypass LMDB, and `TreeReader`
/// checks each page when it reads it. Writes go through LMDB. The first write of a process therefore waits until `PageVerifier` has walked
/// over all pages with plain reads; `startVerification` begins that walk in the background. Either way damage becomes an error message.
///
/// | file | what |
/// | --- | --- |
/// | `Environment.swift` | open, close, read, write, growth |
/// | `Transaction.swift`, `TableKey.swift` | getting, putting and walking entries inside a transaction |
/// | `Gate.swift` | stops all transactions while a map moves |
/// | `PageMap.swift`, `TreeReader.swift` | the file as memory, and checked reading of its trees |
/// | `PageFile.swift`, `PageVerifier.swift`, `Verification.swift` | the layout of the file, the walk over all pages, the same in the background |
/// | `PageFetcher.swift` | reading many values in order |
///
/// Thread rule: any thread. A thread inside `read` or `write` must not begin another transaction.
public final class Environment: @unchecked Sendable {
    // Sendable: an MDB_env may be used by any thread; `raw` changes only under the closed gate, the rest is constant or atomic.
    /// What an environment is opened for.
    public enum Mode: Sendable, Equatable {
        /// Makes the folder and an empty environment; refuses one that exists.
        case create
        /// Reads and writes one that exists.
        case readWrite
        /// Reads one that exists.
        case readOnly
    }

    /// How an environment is opened.
    public struct Options: Sendable {
        /// What it is opened for.
        public var mode: Mode
        /// The size of the map to begin with; a larger one found in the file wins.
        public var mapSizeInBytes = 64 << 20
        /// Read transactions at once, of all processes together.
        public var maxReaders = 512
        /// Whether the system may read ahead when a page of the map is touched. Without it, only touched pages are read; use a
        /// `PageFetcher` for what is read in order.
        public var readsAround = true
        /// Whether a transaction copies the pages that it touches instead of touching them in the map; for a process that asks once.
        public var copiesPages = false

        /// The defaults for `mode`.
        public init(mode: Mode) { self.mode = mode }
    }

    /// The folder of the environment.
    public let path: String
    /// What it was opened for.
    public let mode: Mode
    /// Bytes of a page of the file.
    let pageSizeInBytes: Int
    private var raw: OpaquePointer?
    private let tables: [String: Table]
    private let map: PageMap
    private let verification: Verification
    /// LMDB's handles of the tables, by place; none before the first write.
    private let handles = Mutex<[MDB_dbi]>([])
    private let gate = Gate()
    private let poisoned = Atomic<Bool>(false)
    /// Of the file, as far as it was looked at.
    private let largestByteCount = Atomic<Int>(0)
    private let growths = Atomic<Int>(0)
    private let neighbourhoods = PageCopies.Neighbourhoods()
    private let identity: String
    /// The newest commit when this was opened.
    private let firstCommit: Int

    private static let openOnes = Mutex<Set<String>>([])

    /// Opens the environment in the folder `path` with `tables`; a writing mode makes the tables that are missing, at the first write.
    ///
    /// Only the first two pages are read.
    ///
    /// - Throws: `LMDBError`: `.notFound`, `.exists`, `.alreadyOpen`, `.damaged`, or what the system says.
    public init(path: String, tables names: [String], options: Options) throws {
        self.path = path
        mode = options.mode
        try Self.checkFolder(path, mode: options.mode)
        identity = try Self.claim(path)
        var opened: OpaquePointer?
        do {
            opened = try Self.open(path, options: options, tableCount: names.count)
            guard let environment = opened else { throw LMDBError(.other(0), call: "mdb_env_create", path: path) }
            var statistics = MDB_stat()
            try LMDBError.check(mdb_env_stat(environment, &statistics), "mdb_env_stat", path: path)
            pageSizeInBytes = Int(statistics.ms_psize)
            map = try PageMap(folder: path, readsAround: options.readsAround, copiesPages: options.copiesPages)
            var information = MDB_envinfo()
            try LMDBError.check(mdb_env_info(environment, &information), "mdb_env_info", path: path)
            firstCommit = information.me_last_txnid
        } catch {
            if let opened { mdb_env_close(opened) }
            Self.release(identity)
            throw error
        }
        raw = opened
        var tables: [String: Table] = [:]
        for (place, name) in names.enumerated() { tables[name] = Table(name: name, place: place, path: path) }
        self.tables = tables
        verification = Verification(isNeeded: options.mode == .readWrite)
        if options.mode == .create { _ = try openHandles() }
        largestByteCount.store(try map.fileByteCount(), ordering: .relaxed)
    }

    deinit { close() }

    /// Ends the environment after the live transactions; further use throws `.closed`. Closing twice does nothing.
    public func close() {
        verification.cancel()
        gate.exclusively {
            guard let environment = raw else { return }
            mdb_env_close(environment)
            raw = nil
            Self.release(identity)
        }
    }

    /// The table opened under `name`. Asking for one that `init` was not told of is a mistake of the caller.
    public func table(_ name: String) -> Table {
        guard let table = tables[name] else { preconditionFailure("no table \(name) was opened") }
        return table
    }

    // MARK: Transactions

    /// Runs `body` on a snapshot. Keep it short: pages freed meanwhile cannot be used again until it ends.
    ///
    /// - Throws: `.damaged` for a page that is not what it should be; what `body` throws.
    public func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
        while true {
            var isOvertaken = false
            let result = try inTransaction(flags: MDB_RDONLY) { raw -> Result? in
                switch snapshot(raw) {
                case .success(let reader): return try body(ReadTransaction(raw: raw, reader: reader))
                case .failure(let failure):
                    mdb_txn_abort(raw)
                    switch failure {
                    case .overtaken: isOvertaken = true
                    case .tooLong: break
                    case .failed(let error): throw error
                    }
                    return nil
                }
            }
            if let result { return result }
            if isOvertaken { continue }
            // The file has outgrown the map, which may move only while nobody reads.
            try gate.exclusively { try map.cover(map.fileByteCount()) }
        }
    }

    private enum SnapshotFailure: Error {
        /// Two commits have come since the transaction began, and the second has written over the meta page of this snapshot.
        case overtaken
        /// The file is longer than the map.
        case tooLong
        case failed(any Error)
    }

    /// The trees of the commit that `transaction` pins.
    private func snapshot(_ transaction: OpaquePointer) -> Result<TreeReader, SnapshotFailure> {
        let number = UInt64(mdb_txn_id(transaction))
        let fileByteCount: Int
        do { fileByteCount = try map.fileByteCount() } catch { return .failure(.failed(error)) }
        guard fileByteCount <= map.byteCount else { return .failure(.tooLong) }
        // LMDB writes commit n to meta page n mod 2, so that it is there until commit n + 2.
        let place = Int(number & 1) * pageSizeInBytes
        guard place + PageMeta.byteCount <= fileByteCount else {
            return .failure(.failed(LMDBError(.damaged("the file is truncated"), call: "read", path: path)))
        }
        guard let meta = PageMeta(readingTwice: map.base + place, number: number) else {
            // Not even LMDB knows a newer commit, so the page is damaged.
            var information = MDB_envinfo()
            if let raw, mdb_env_info(raw, &information) == 0, UInt64(information.me_last_txnid) >= number + 2 {
                return .failure(.overtaken)
            }
            let what = "no meta page belongs to the newest snapshot"
            return .failure(.failed(LMDBError(.damaged(what), call: "read", path: path)))
        }
        return .success(
            TreeReader(
                base: map.base, pageSize: pageSizeInBytes, pageCount: UInt64(fileByteCount / pageSizeInBytes),
                meta: meta, path: path,
                copies: map.randomDescriptor.map {
                    PageCopies(descriptor: $0, pageSize: pageSizeInBytes, neighbourhoods)
                }))
    }

    /// Runs `body` in the writing transaction and commits; what it returns is on disk when this returns.
    ///
    /// `body` may run more than once (the map was full), so it must not change anything outside but what it overwrites
    /// when it runs again. When it throws, nothing is stored.
    /// - Throws: what `body` throws; `.diskFull`; `.poisoned` after a commit that failed for another reason, from then on.
    public func write<Result>(_ body: (borrowing WriteTransaction) throws -> Result) throws -> Result {
        guard mode != .readOnly else { throw LMDBError(.readOnly, call: "write", path: path) }
        try awaitVerification()
        try checkNotCut()
        let handles = try openHandles()
        try growWhenNearlyFull()
        while true {
            guard !isPoisoned else { throw LMDBError(.poisoned, call: "write", path: path) }
            do {
                return try inTransaction(flags: 0) { raw in
                    let transaction = WriteTransaction(raw: raw, handles: handles)
                    let result = try body(transaction)
                    try check(commit: transaction.commit())
                    if let byteCount = try? map.fileByteCount() {
                        _ = largestByteCount.max(byteCount, ordering: .relaxed)
                    }
                    return result
                }
            } catch let error as LMDBError where error.code == .mapFull {
                try grow()
            }
        }
    }

    /// Whether a commit failed so that nobody knows what the disk holds: nothing can be written until it is opened again.
    public var isPoisoned: Bool { poisoned.load(ordering: .acquiring) }

    /// A full map is found before any page is written, and a volume without room mostly before the meta page is: both leave the
    /// last commit as it was. After anything else nobody knows what the disk holds, so the environment takes no more.
    private func check(commit status: Int32) throws {
        guard status != 0 else { return }
        let error = LMDBError(status: status, call: "mdb_txn_commit", path: path)
        let isUndone = error.code == .mapFull || error.code == .diskFull && !hasGivenUp
        guard !isUndone else { throw error }
        poisoned.store(true, ordering: .releasing)
        // A volume may be full just when the meta page is written; then it is not known that nothing was.
        throw error.code == .diskFull ? LMDBError(.other(status), call: "mdb_txn_commit", path: path) : error
    }

    /// Whether LMDB itself begins no transaction any more, as after a meta page that it could not write.
    private var hasGivenUp: Bool {
        guard let environment = raw else { return true }
        var probe: OpaquePointer?
        let status = mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &probe)
        if let probe, status == 0 { mdb_txn_abort(probe) }
        return status == MDB_PANIC
    }

    private func inTransaction<Result>(flags: Int32, _ body: (OpaquePointer) throws -> Result) throws -> Result {
        while true {
            do {
                gate.enter()
                defer { gate.leave() }
                guard let environment = raw else { throw LMDBError(.closed, call: "mdb_txn_begin", path: path) }
                var transaction: OpaquePointer?
                let status = mdb_txn_begin(environment, nil, UInt32(flags), &transaction)
                if status == 0, let transaction { return try body(transaction) }
                if status != MDB_MAP_RESIZED { throw LMDBError(status: status, call: "mdb_txn_begin", path: path) }
            }
            try setMapSize { _ in 0 }
        }
    }

    // MARK: Other processes

    /// Whether there are commits since this was opened, or another file stands in the place of its own. Of one that was opened for reading:
    /// whether another process has changed it.
    public func isOvertaken() throws -> Bool {
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { throw LMDBError(.closed, call: "mdb_env_info", path: path) }
        var information = MDB_envinfo()
        try LMDBError.check(mdb_env_info(environment, &information), "mdb_env_info", path: path)
        return information.me_last_txnid != firstCommit || Self.isReplaced(environment, path)
    }

    // MARK: Growth

    /// The map's size, and how much of the file's pages are in use or were.
    public func size() throws -> (mapInBytes: Int, usedInBytes: Int) {
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { throw LMDBError(.closed, call: "mdb_env_info", path: path) }
        var information = MDB_envinfo()
        try LMDBError.check(mdb_env_info(environment, &information), "mdb_env_info", path: path)
        return (information.me_mapsize, (information.me_last_pgno + 1) * pageSizeInBytes)
    }

    /// How often the map grew since it was opened.
    package var growthCount: Int { growths.load(ordering: .relaxed) }

    /// The file as memory. Whoever has a transaction is inside of the gate, and would wait for ever to enter it again while another thread
    /// waits to move the map.
    func pageMap(in transaction: borrowing ReadTransaction) -> PageMap { map }

    /// Writes the newest commit to the open file `descriptor` as a new `data.mdb` without free pages, which begins at transaction 1.
    ///
    /// Other transactions go on; pages that are freed meanwhile cannot be used again until it ends. LMDB trusts the pages that it copies,
    /// so an environment that is open for writing verifies them first; for another one call `verifyPages`.
    /// - Throws: `.damaged`, `.closed`, what the system says.
    public func copy(compactedTo descriptor: Int32) throws {
        if mode != .readOnly {
            try awaitVerification()
            try growAhead()
        }
        // Adopts the size of a map that another process made larger, which is not possible inside of the gate.
        try read { _ in }
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { throw LMDBError(.closed, call: "mdb_env_copy", path: path) }
        let status = mdb_env_copyfd2(environment, descriptor, UInt32(MDB_CP_COMPACT))
        if status == MDB_INCOMPATIBLE {
            throw LMDBError(.damaged("pages belong to no table"), call: "mdb_env_copy", path: path)
        }
        try LMDBError.check(status, "mdb_env_copy", path: path)
    }

    /// Puts the file `replacement`, which `copy` made, in place of `data.mdb`. No environment of this process may have the folder open.
    ///
    /// - Throws: `.alreadyOpen` where another process has it open; it would go on with the old file.
    public static func replaceData(of path: String, by replacement: String, tableCount: Int) throws {
        let identity = try claim(path)
        defer { release(identity) }
        let lock = Foundation.open(path + "/lock.mdb", O_RDWR | O_CREAT | O_CLOEXEC, 0o660)
        guard lock >= 0 else { throw LMDBError(.other(errno), call: "open", path: path) }
        defer { Foundation.close(lock) }
        // Every process that has the environment open holds a shared lock on this byte, and one that opens it waits for it.
        var range = flock()
        range.l_type = Int16(F_WRLCK)
        range.l_whence = Int16(SEEK_SET)
        range.l_len = 1
        guard fcntl(lock, F_SETLK, &range) == 0 else {
            throw LMDBError(errno == EACCES || errno == EAGAIN ? .alreadyOpen : .other(errno), call: "lock", path: path)
        }
        guard rename(replacement, path + "/data.mdb") == 0 else {
            throw LMDBError(.other(errno), call: "rename", path: path)
        }
        // Opening sets the lock file to the transactions of the new file, before anybody who waits goes on.
        guard let environment = try open(path, options: Options(mode: .readWrite), tableCount: tableCount) else {
            return
        }
        mdb_env_close(environment)
    }

    /// Frees the slots of readers that died; returns how many.
    @discardableResult
    public func clearDeadReaders() throws -> Int {
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { throw LMDBError(.closed, call: "mdb_reader_check", path: path) }
        var dead: Int32 = 0
        try LMDBError.check(mdb_reader_check(environment, &dead), "mdb_reader_check", path: path)
        return Int(dead)
    }

    /// LMDB reads old pages through its map, where a page that is not there any more ends the process. The file never shrinks by itself.
    private func checkNotCut() throws {
        let now = try map.fileByteCount()
        guard now >= largestByteCount.max(now, ordering: .relaxed).newValue else {
            throw LMDBError(.damaged("the file is truncated"), call: "write", path: path)
        }
    }

    /// Makes room in the map for what is written while a copy is made: the map cannot move until the copy ends, and whoever wants it to
    /// move keeps everybody out meanwhile. Address space costs nothing; where it is limited, the map stays as it is.
    private func growAhead() throws {
        let (map, used) = try size()
        let wanted = max(map, 4 * used + Self.roomForCopy)
        guard wanted > map, wanted < 1 << 46 else { return }
        let probe = mmap(nil, wanted, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let probe, probe != MAP_FAILED else { return }
        munmap(probe, wanted)
        try setMapSize { max($0, wanted) }
    }

    /// Pages that are freed while a copy is made are not used again, so the file grows by all that is written meanwhile.
    private static let roomForCopy = 64 << 30

    private func growWhenNearlyFull() throws {
        let (map, used) = try size()
        if used > map / 5 * 4 { try grow() }
    }

    private func grow() throws {
        try setMapSize { current in
            let (doubled, overflows) = current.multipliedReportingOverflow(by: 2)
            // 128 TiB is what a process can map on x86-64.
            guard !overflows && doubled <= 1 << 46 else { throw LMDBError(.mapFull, call: "grow", path: self.path) }
            return doubled
        }
        growths.add(1, ordering: .relaxed)
    }

    /// Moves the map while no transaction lives; `size` gets the present one, and 0 adopts the file's.
    private func setMapSize(_ size: (Int) throws -> Int) throws {
        try gate.exclusively {
            guard let environment = raw else { throw LMDBError(.closed, call: "mdb_env_set_mapsize", path: path) }
            var information = MDB_envinfo()
            try LMDBError.check(mdb_env_info(environment, &information), "mdb_env_info", path: path)
            let status = mdb_env_set_mapsize(environment, try size(information.me_mapsize))
            try LMDBError.check(status, "mdb_env_set_mapsize", path: path)
        }
    }

    // MARK: Verification

    /// Begins the walk over all pages that the first write waits for, on a thread of its own. Does nothing if the walk was begun before,
    /// or if the environment is open for reading only.
    public func startVerification() {
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { return }
        // Safety: `close` waits for the walk before it ends the environment.
        nonisolated(unsafe) let open = environment
        verification.start { [gate, path] isCancelled in
            gate.enter()
            defer { gate.leave() }
            return try Self.verify(open, path: path, .headers, visit: nil, isCancelled).findings.first
        }
    }

    /// Waits for the walk over all pages, and begins it if nobody did or if it could not read.
    ///
    /// - Throws: `.damaged` with what it found first, then and at each later call; why it could not read.
    func awaitVerification() throws {
        startVerification()
        try verification.await(path)
    }

    /// Walks every page of the newest snapshot by plain reads; see `PageVerifier`.
    ///
    /// - Parameter visit: called with the table's name, the key and the value of each entry; returns what is wrong with it.
    public func verifyPages(visit: PageVerifier.Visit? = nil) throws -> PageVerifier.Report {
        // Adopts the size of a map that another process made larger, which is not possible inside of the gate.
        try read { _ in }
        gate.enter()
        defer { gate.leave() }
        guard let environment = raw else { throw LMDBError(.closed, call: "verify", path: path) }
        return try Self.verify(environment, path: path, .values, visit: visit)
    }

    /// Walks every page of the environment at `path`, which this process must not have open; nothing is read through the map.
    ///
    /// - Parameter tableCount: how many tables the environment may hold.
    /// - Throws: `.notFound`, `.alreadyOpen`, `.damaged` when not even the meta pages are whole.
    public static func verifyPages(
        path: String, tableCount: Int, visit: PageVerifier.Visit? = nil
    ) throws -> PageVerifier.Report {
        try checkFolder(path, mode: .readOnly)
        let identity = try claim(path)
        defer { release(identity) }
        var options = Options(mode: .readOnly)
        options.mapSizeInBytes = 1 << 20
        guard let environment = try open(path, options: options, tableCount: tableCount) else {
            throw LMDBError(.other(0), call: "mdb_env_create", path: path)
        }
        defer { mdb_env_close(environment) }
        return try verify(environment, path: path, .values, visit: visit)
    }

    /// A read transaction pins the snapshot: a writer in another process cannot reuse its pages during the walk.
    private static func verify(
        _ environment: OpaquePointer, path: String, _ depth: PageVerifier.Depth, visit: PageVerifier.Visit?,
        _ isCancelled: () -> Bool = { false }
    ) throws -> PageVerifier.Report {
        let file = try PageFile(folder: path)
        for _ in 0..<1000 {
            var raw: OpaquePointer?
            let status = mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &raw)
            if status == MDB_MAP_RESIZED {
                try LMDBError.check(mdb_env_set_mapsize(environment, 0), "mdb_env_set_mapsize", path: path)
                continue
            }
            try LMDBError.check(status, "mdb_txn_begin", path: path)
            guard let raw else { break }
            defer { mdb_txn_abort(raw) }
            let number = UInt64(mdb_txn_id(raw))
            // A fast writer may have gone two commits ahead and written over the meta page of this snapshot: begin again.
            guard let meta = try file.metas().first(where: { $0.transaction == number }) else { continue }
            return try withoutActuallyEscaping(isCancelled) { isCancelled in
                try PageVerifier(file: file, meta: meta, depth: depth, visit: visit, isCancelled: isCancelled).run()
            }
        }
        throw LMDBError(.damaged("no meta page belongs to the newest snapshot"), call: "verify", path: path)
    }

    // MARK: Opening

    private static func checkFolder(_ path: String, mode: Mode) throws {
        let file = path + "/data.mdb"
        let exists = access(file, F_OK) == 0
        if mode == .create {
            guard !exists else { throw LMDBError(.exists, call: "open", path: path) }
            if mkdir(path, 0o770) != 0 && errno != EEXIST { throw LMDBError(.other(errno), call: "mkdir", path: path) }
        } else {
            guard exists else { throw LMDBError(.notFound, call: "open", path: path) }
            // LMDB would take an empty file for a new environment, and read beyond the end of a short one.
            if let finding = try PageFile(folder: path).metaFinding() {
                throw LMDBError(.damaged(finding), call: "open", path: path)
            }
        }
    }

    /// LMDB must not be opened twice by one process: closing one would drop the locks of the other.
    private static func claim(_ path: String) throws -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { throw LMDBError(.other(errno), call: "stat", path: path) }
        let identity = "\(status.st_dev):\(status.st_ino)"
        guard openOnes.withLock({ $0.insert(identity).inserted }) else {
            throw LMDBError(.alreadyOpen, call: "open", path: path)
        }
        return identity
    }

    private static func release(_ identity: String) {
        openOnes.withLock { _ = $0.remove(identity) }
    }

    private static func open(_ path: String, options: Options, tableCount: Int) throws -> OpaquePointer? {
        for _ in 0..<10 {
            guard let environment = try openOnce(path, options: options, tableCount: tableCount) else { return nil }
            // `replaceData` may put another file in the place of the one that LMDB had opened before it waited for the lock.
            guard isReplaced(environment, path) else { return environment }
            mdb_env_close(environment)
        }
        throw LMDBError(.other(EBUSY), call: "open", path: path)
    }

    private static func isReplaced(_ environment: OpaquePointer, _ path: String) -> Bool {
        var descriptor: Int32 = -1
        var (opened, named) = (stat(), stat())
        guard mdb_env_get_fd(environment, &descriptor) == 0, fstat(descriptor, &opened) == 0,
            stat(path + "/data.mdb", &named) == 0
        else { return false }
        return opened.st_ino != named.st_ino || opened.st_dev != named.st_dev
    }

    private static func openOnce(_ path: String, options: Options, tableCount: Int) throws -> OpaquePointer? {
        var created: OpaquePointer?
        try LMDBError.check(mdb_env_create(&created), "mdb_env_create", path: path)
        guard let environment = created else { return nil }
        do {
            try LMDBError.check(
                mdb_env_set_maxreaders(environment, UInt32(options.maxReaders)), "mdb_env_set_maxreaders", path: path)
            try LMDBError.check(mdb_env_set_maxdbs(environment, UInt32(tableCount)), "mdb_env_set_maxdbs", path: path)
            try LMDBError.check(
                mdb_env_set_mapsize(environment, options.mapSizeInBytes), "mdb_env_set_mapsize", path: path)
            let flags =
                MDB_NOTLS | (options.mode == .readOnly ? MDB_RDONLY : 0) | (options.readsAround ? 0 : MDB_NORDAHEAD)
            try LMDBError.check(mdb_env_open(environment, path, UInt32(flags), 0o660), "mdb_env_open", path: path)
            var dead: Int32 = 0
            try LMDBError.check(mdb_reader_check(environment, &dead), "mdb_reader_check", path: path)
            return environment
        } catch {
            mdb_env_close(environment)
            throw error
        }
    }

    /// LMDB's handles of the tables; makes the tables that are missing.
    private func openHandles() throws -> [MDB_dbi] {
        try handles.withLock { handles in
            if !handles.isEmpty || tables.isEmpty { return handles }
            let names = tables.values.sorted { $0.place < $1.place }.map(\.name)
            handles = try inTransaction(flags: 0) { raw in
                let transaction = WriteTransaction(raw: raw, handles: [])
                var opened: [MDB_dbi] = []
                for name in names {
                    var handle: MDB_dbi = 0
                    try LMDBError.check(
                        mdb_dbi_open(raw, name, UInt32(MDB_CREATE), &handle), "mdb_dbi_open", path: path)
                    opened.append(handle)
                }
                // The handles stay open only when the transaction that opened them commits.
                try LMDBError.check(transaction.commit(), "mdb_txn_commit", path: path)
                return opened
            }
            return handles
        }
    }
}
