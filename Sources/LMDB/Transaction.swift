import CLMDB

/// A named table of an environment; valid as long as the environment is open.
public struct Table: Sendable {
    public let name: String
    let handle: MDB_dbi
    let path: String
}

/// The C transaction, seen by this module only.
public struct TransactionHandle {
    let raw: OpaquePointer
}

/// What reading and writing transactions share: they see one snapshot of the tables.
///
/// Bytes handed to a closure lie in the map: they are valid inside the closure only and have no alignment.
public protocol Transaction: ~Copyable {
    var handle: TransactionHandle { get }
}

/// A snapshot for reading; `Environment.read` owns it. Thread rule: one thread at a time.
public struct ReadTransaction: ~Copyable, Transaction {
    public let handle: TransactionHandle

    init(raw: OpaquePointer) { handle = TransactionHandle(raw: raw) }

    deinit { mdb_txn_abort(handle.raw) }
}

/// The one writing transaction; `Environment.write` owns it. Thread rule: the thread that began it.
public struct WriteTransaction: ~Copyable, Transaction {
    public let handle: TransactionHandle

    init(raw: OpaquePointer) { handle = TransactionHandle(raw: raw) }

    deinit { mdb_txn_abort(handle.raw) }

    /// Ends the transaction and returns LMDB's status; the C object is gone either way.
    consuming func commit() -> Int32 {
        let raw = handle.raw
        discard self
        return mdb_txn_commit(raw)
    }
}

extension Transaction where Self: ~Copyable {
    /// Calls `body` with the value of `key`; nil when there is none. Complexity: O(log n).
    public func get<Result>(
        _ table: Table, _ key: some TableKey, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result? {
        try key.withKeyBytes { bytes in
            // Safety: LMDB only reads the key, and `bytes` lives through the call.
            var keyValue = MDB_val(borrowing: bytes)
            var value = MDB_val()
            let status = mdb_get(handle.raw, table.handle, &keyValue, &value)
            if status == MDB_NOTFOUND { return nil }
            try LMDBError.check(status, "mdb_get", path: table.path)
            return try body(value.bytes)
        }
    }

    /// A copy of the value of `key`; nil when there is none.
    public func get(_ table: Table, _ key: some TableKey) throws -> [UInt8]? {
        try get(table, key) { [UInt8]($0) }
    }

    public func contains(_ table: Table, _ key: some TableKey) throws -> Bool {
        try get(table, key) { _ in true } ?? false
    }

    /// The number of entries.
    public func count(_ table: Table) throws -> Int {
        var statistics = MDB_stat()
        try LMDBError.check(mdb_stat(handle.raw, table.handle, &statistics), "mdb_stat", path: table.path)
        return statistics.ms_entries
    }

    /// Lends a cursor over `table` to `body`.
    public func withCursor<Result>(_ table: Table, _ body: (borrowing Cursor) throws -> Result) throws -> Result {
        var raw: OpaquePointer?
        try LMDBError.check(mdb_cursor_open(handle.raw, table.handle, &raw), "mdb_cursor_open", path: table.path)
        guard let raw else { throw LMDBError(.other(0), call: "mdb_cursor_open", path: table.path) }
        return try body(Cursor(raw: raw, path: table.path))
    }

    /// Calls `body` with keys and values in the order of the keys, from the first (or the first at or after `start`),
    /// until it returns false.
    public func forEach(
        _ table: Table, from start: (some TableKey)?,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try withCursor(table) { cursor in
            var goesOn = try start.map { try cursor.seek($0, body) } ?? cursor.first(body)
            while goesOn == true { goesOn = try cursor.next(body) }
        }
    }

    /// Calls `body` with every key and value in the order of the keys, until it returns false.
    public func forEach(
        _ table: Table, _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try forEach(table, from: String?.none, body)
    }

    /// The greatest key when keys are integers; nil for an empty table.
    public func lastIntegerKey(_ table: Table) throws -> UInt64? {
        try withCursor(table) { cursor in try cursor.last { key, _ in UInt64(keyBytes: key) } ?? nil }
    }
}

extension WriteTransaction {
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
            let status = mdb_put(handle.raw, table.handle, &keyValue, &data, UInt32(flags))
            try LMDBError.check(status, "mdb_put", path: table.path)
        }
    }

    public func put(_ table: Table, _ key: some TableKey, _ value: [UInt8], rule: PutRule = .replacing) throws {
        try value.withUnsafeBytes { try put(table, key, $0, rule: rule) }
    }

    /// Removes `key`; false when it was not there.
    @discardableResult
    public func delete(_ table: Table, _ key: some TableKey) throws -> Bool {
        try key.withKeyBytes { bytes in
            // Safety: LMDB only reads the key.
            var keyValue = MDB_val(borrowing: bytes)
            let status = mdb_del(handle.raw, table.handle, &keyValue, nil)
            if status == MDB_NOTFOUND { return false }
            try LMDBError.check(status, "mdb_del", path: table.path)
            return true
        }
    }

    /// Removes every entry of `table`.
    public func deleteAll(_ table: Table) throws {
        try LMDBError.check(mdb_drop(handle.raw, table.handle, 0), "mdb_drop", path: table.path)
    }
}

extension MDB_val {
    init(borrowing bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: mv_data, count: mv_size) }
}
