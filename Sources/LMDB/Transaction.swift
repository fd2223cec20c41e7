import CLMDB

/// A named table of an environment; valid as long as the environment is open.
public struct Table: Sendable {
    /// Its name in the environment.
    public let name: String
    /// Its place among the tables of the environment.
    let place: Int
    let path: String
}

/// What reading and writing transactions share: they see one snapshot of the tables.
///
/// Bytes handed to a closure lie in a map of the file: they are valid inside the closure only and have no alignment.
public protocol Transaction: ~Copyable {
    /// The value of the key with these bytes; nil when there is none. Good until the transaction ends, or until the next write in it.
    func value(of key: UnsafeRawBufferPointer, in table: Table) throws -> UnsafeRawBufferPointer?

    /// Calls `body` with keys and values in the order of the keys, from the first (or the first at or after `start`),
    /// until it returns false.
    func forEach(
        _ table: Table, fromKey start: UnsafeRawBufferPointer?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws

    /// Calls `body` with the values of `count` keys from `first` on, each one more than the last, up to the first that is not found.
    ///
    /// - Returns: how many there were; whether the next key is missing or damaged, `value(of:in:)` tells.
    func run(
        _ table: Table, from first: UInt64, count: Int,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int

    /// The number of entries.
    func count(_ table: Table) throws -> Int

    /// Calls `body` with the two entries between which a missing key would stand, if they exist.
    ///
    /// A checksum over key and value tells whether one of them is the wanted key with a flipped bit.
    /// - Throws: `.damaged` when the order of the keys leaves open whether the key is missing; what `body` throws.
    func withNeighbours(
        _ table: Table, of key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws
}

extension Transaction where Self: ~Copyable {
    /// Calls `body` with the value of `key`; nil when there is none. Complexity: O(log n).
    public func get<Result>(
        _ table: Table, _ key: some TableKey, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try key.withKeyBytes { try value(of: $0, in: table).map(body) }
    }

    /// Calls `body` with the values of `count` keys from `first` on, looked up one by one. Complexity: O(count · log n).
    public func run(
        _ table: Table, from first: UInt64, count: Int,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        for offset in 0..<count {
            let isThere = try (first + UInt64(offset)).withKeyBytes { key in
                guard let value = try value(of: key, in: table) else { return false }
                try body(key, value)
                return true
            }
            if !isThere { return offset }
        }
        return count
    }

    /// A copy of the value of `key`; nil when there is none.
    public func get(_ table: Table, _ key: some TableKey) throws -> [UInt8]? {
        try get(table, key) { [UInt8]($0) }
    }

    /// Whether `key` is there.
    public func contains(_ table: Table, _ key: some TableKey) throws -> Bool {
        try get(table, key) { _ in true } ?? false
    }

    /// Calls `body` with keys and values in the order of the keys, from the first at or after `start`, until it returns false.
    public func forEach(
        _ table: Table, from start: (some TableKey)?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        guard let start else { return try forEach(table, fromKey: nil, body) }
        try start.withKeyBytes { try forEach(table, fromKey: $0, body) }
    }

    /// Calls `body` with every key and value in the order of the keys, until it returns false.
    public func forEach(
        _ table: Table, _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try forEach(table, fromKey: nil, body)
    }
}

// MARK: Reading

/// A snapshot for reading; `Environment.read` owns it. Every page is checked as it is read (`TreeReader`).
///
/// Thread rule: any thread; nothing changes while it lives.
public struct ReadTransaction: ~Copyable, Transaction {
    /// Pins the snapshot: no writer uses its pages again until this ends.
    private let raw: OpaquePointer
    private let reader: TreeReader

    init(raw: OpaquePointer, reader: TreeReader) {
        self.raw = raw
        self.reader = reader
    }

    deinit { mdb_txn_abort(raw) }

    /// The number of the commit that this snapshot shows.
    public var number: UInt64 { reader.meta.transaction }

    /// The value of the key with these bytes; nil when there is none. Complexity: O(log n).
    public func value(of key: UnsafeRawBufferPointer, in table: Table) throws -> UnsafeRawBufferPointer? {
        guard let root = try reader.root(of: table.name) else { return nil }
        return try reader.find(key, in: root)?.bytes
    }

    /// Calls `body` with the values of keys that follow one another; the way to a leaf is gone once for all that stand in it.
    public func run(
        _ table: Table, from first: UInt64, count: Int,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int {
        guard let root = try reader.root(of: table.name) else { return 0 }
        return try reader.run(from: first, count: count, in: root, body)
    }

    /// Asks the system for the pages of these keys, which will be read one after the other.
    ///
    /// - Parameter way: what leads to them, if it was announced before.
    public func announce(_ table: Table, _ keys: [UInt64], knowing way: BranchPages? = nil) throws {
        guard let root = try reader.root(of: table.name) else { return }
        try reader.announce(keys, in: root, isWayKnown: way?.numbers.isEmpty == false)
    }

    /// Asks the system for the first pages of some tables together, and does not wait.
    public func announceRoots(of tables: [Table]) throws {
        reader.announce(roots: try tables.compactMap { try reader.root(of: $0.name) })
    }

    /// The pages that lead to the entries of a table, where they are few. Once they are in memory, `announce` of keys waits for nothing.
    public func branches(of table: Table) throws -> BranchPages {
        guard let root = try reader.root(of: table.name) else { return BranchPages(numbers: []) }
        return BranchPages(numbers: try reader.branches(of: root, atMost: Self.branchLimit))
    }

    /// Asks the system for such pages, and does not wait.
    public func announce(_ pages: BranchPages) { reader.announce(pages: pages.numbers) }

    /// Pages that lead to the entries of a table, in one snapshot.
    public struct BranchPages: Sendable {
        fileprivate let numbers: [UInt64]
    }

    private static let branchLimit = 64

    /// Calls `body` with keys and values in the order of the keys, from the first at or after `start`, until it returns false.
    public func forEach(
        _ table: Table, fromKey start: UnsafeRawBufferPointer?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        guard let root = try reader.root(of: table.name) else { return }
        var cursor = try TreeCursor(reader, root, from: start)
        var count: UInt64 = 0
        while let entry = try cursor.entry {
            count += 1
            guard try body(entry.key, entry.value) else { return }
            try cursor.goOn()
        }
        guard start != nil || count == root.entryCount else {
            throw reader.damaged("\(table.name): \(count) entries where \(root.entryCount) should be")
        }
    }

    /// The number of entries.
    public func count(_ table: Table) throws -> Int { Int(clamping: try reader.root(of: table.name)?.entryCount ?? 0) }

    /// Calls `body` with the two entries between which a missing key would stand, as far as they are there.
    public func withNeighbours(
        _ table: Table, of key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard let root = try reader.root(of: table.name) else { return }
        let (before, after) = try reader.neighbours(of: key, in: root)
        for entry in [before, after] { if let entry { try body(entry.key, entry.value) } }
    }

    /// Whether the table was made.
    public func has(_ table: Table) throws -> Bool { try reader.root(of: table.name) != nil }
}

// MARK: Writing

/// The one writing transaction; `Environment.write` owns it. It works through LMDB itself, after all pages were verified.
///
/// Thread rule: the thread that began it.
public struct WriteTransaction: ~Copyable, Transaction {
    /// Nil once it was committed.
    private var raw: OpaquePointer?
    /// By the place of the table.
    private let handles: [MDB_dbi]

    init(raw: OpaquePointer, handles: [MDB_dbi]) {
        self.raw = raw
        self.handles = handles
    }

    deinit { if let raw { mdb_txn_abort(raw) } }

    /// Ends the transaction and returns LMDB's status; the C object is gone either way.
    consuming func commit() -> Int32 {
        let raw = raw
        self.raw = nil
        return mdb_txn_commit(raw)
    }

    /// The value of the key with these bytes; nil when there is none. Complexity: O(log n).
    public func value(of key: UnsafeRawBufferPointer, in table: Table) throws -> UnsafeRawBufferPointer? {
        // Safety: LMDB only reads the key, which lives through the call.
        var keyValue = MDB_val(borrowing: key)
        var value = MDB_val()
        let status = mdb_get(raw, handles[table.place], &keyValue, &value)
        if status == MDB_NOTFOUND { return nil }
        try LMDBError.check(status, "mdb_get", path: table.path)
        return value.bytes
    }

    /// Calls `body` with keys and values in the order of the keys, from the first at or after `start`, until it returns false.
    public func forEach(
        _ table: Table, fromKey start: UnsafeRawBufferPointer?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        var opened: OpaquePointer?
        try LMDBError.check(mdb_cursor_open(raw, handles[table.place], &opened), "mdb_cursor_open", path: table.path)
        guard let cursor = opened else { throw LMDBError(.other(0), call: "mdb_cursor_open", path: table.path) }
        defer { mdb_cursor_close(cursor) }
        // Safety: `start` lives through the call and LMDB only reads it; what comes back lies in the map of the transaction, which
        // outlives the cursor.
        var key = start.map { MDB_val(borrowing: $0) } ?? MDB_val()
        var value = MDB_val()
        var operation = start == nil ? MDB_FIRST : MDB_SET_RANGE
        while true {
            let status = mdb_cursor_get(cursor, &key, &value, operation)
            if status == MDB_NOTFOUND { return }
            try LMDBError.check(status, "mdb_cursor_get", path: table.path)
            guard try body(key.bytes, value.bytes) else { return }
            operation = MDB_NEXT
        }
    }

    /// The number of entries.
    public func count(_ table: Table) throws -> Int {
        var statistics = MDB_stat()
        try LMDBError.check(mdb_stat(raw, handles[table.place], &statistics), "mdb_stat", path: table.path)
        return statistics.ms_entries
    }

    /// Does nothing: everything was verified before this transaction began.
    public func withNeighbours(
        _ table: Table, of key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var opened: OpaquePointer?
        try LMDBError.check(mdb_cursor_open(raw, handles[table.place], &opened), "mdb_cursor_open", path: table.path)
        guard let cursor = opened else { throw LMDBError(.other(0), call: "mdb_cursor_open", path: table.path) }
        defer { mdb_cursor_close(cursor) }
        // Safety: as in `forEach`.
        var found = MDB_val(borrowing: key)
        var value = MDB_val()
        var status = mdb_cursor_get(cursor, &found, &value, MDB_SET_RANGE)
        if status == 0 { try body(found.bytes, value.bytes) }
        let isBehindAll = status == MDB_NOTFOUND
        if !isBehindAll { try LMDBError.check(status, "mdb_cursor_get", path: table.path) }
        status = mdb_cursor_get(cursor, &found, &value, isBehindAll ? MDB_LAST : MDB_PREV)
        if status == MDB_NOTFOUND { return }
        try LMDBError.check(status, "mdb_cursor_get", path: table.path)
        try body(found.bytes, value.bytes)
    }

    /// What `put` does about a key that is there.
    public enum PutRule: Sendable {
        /// Writes over what is there.
        case replacing
        /// Throws `.keyExists` when the key is there.
        case new
        /// The key is above all others of the table: pages are filled to the end instead of half. Throws `.keyExists`.
        case appending
    }

    /// Stores `value` under `key`. Complexity: O(log n).
    public func put(
        _ table: Table, _ key: some TableKey, _ value: UnsafeRawBufferPointer, rule: PutRule = .replacing
    ) throws {
        let flags: Int32 =
            switch rule {
            case .replacing: 0
            case .new: MDB_NOOVERWRITE
            case .appending: MDB_APPEND
            }
        try key.withKeyBytes { bytes in
            // Safety: LMDB copies key and value before the call returns; with these flags it writes to neither.
            var keyValue = MDB_val(borrowing: bytes)
            var data = MDB_val(borrowing: value)
            let status = mdb_put(raw, handles[table.place], &keyValue, &data, UInt32(flags))
            try LMDBError.check(status, "mdb_put", path: table.path)
        }
    }

    /// Stores `value` under `key`. Complexity: O(log n).
    public func put(_ table: Table, _ key: some TableKey, _ value: [UInt8], rule: PutRule = .replacing) throws {
        try value.withUnsafeBytes { try put(table, key, $0, rule: rule) }
    }

    /// Removes `key`; false when it was not there.
    @discardableResult
    public func delete(_ table: Table, _ key: some TableKey) throws -> Bool {
        try key.withKeyBytes { bytes in
            // Safety: LMDB only reads the key.
            var keyValue = MDB_val(borrowing: bytes)
            let status = mdb_del(raw, handles[table.place], &keyValue, nil)
            if status == MDB_NOTFOUND { return false }
            try LMDBError.check(status, "mdb_del", path: table.path)
            return true
        }
    }

    /// Removes every entry of `table`.
    public func deleteAll(_ table: Table) throws {
        try LMDBError.check(mdb_drop(raw, handles[table.place], 0), "mdb_drop", path: table.path)
    }
}

extension MDB_val {
    init(borrowing bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: mv_data, count: mv_size) }
}
