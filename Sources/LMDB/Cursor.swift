import CLMDB

/// A place in a table; `Transaction.withCursor` lends it.
///
/// Each move calls its closure with the key and the value found, both valid inside the closure only, and returns what
/// the closure returns; nil when there is no such entry. Thread rule: the transaction's.
public struct Cursor: ~Copyable {
    private let raw: OpaquePointer
    private let path: String

    public typealias Entry<Result> = (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Result

    init(raw: OpaquePointer, path: String) {
        self.raw = raw
        self.path = path
    }

    deinit { mdb_cursor_close(raw) }

    public func first<Result>(_ body: Entry<Result>) throws -> Result? { try move(MDB_FIRST, nil, body) }

    public func last<Result>(_ body: Entry<Result>) throws -> Result? { try move(MDB_LAST, nil, body) }

    public func next<Result>(_ body: Entry<Result>) throws -> Result? { try move(MDB_NEXT, nil, body) }

    /// Goes to the first entry at or after `key`.
    public func seek<Result>(_ key: some TableKey, _ body: Entry<Result>) throws -> Result? {
        try key.withKeyBytes { try move(MDB_SET_RANGE, $0, body) }
    }

    private func move<Result>(
        _ operation: MDB_cursor_op, _ wanted: UnsafeRawBufferPointer?, _ body: Entry<Result>
    ) throws -> Result? {
        // Safety: `wanted` lives through the call and LMDB only reads it; what comes back lies in the map of the
        // transaction, which outlives the cursor.
        var key = wanted.map { MDB_val(borrowing: $0) } ?? MDB_val()
        var value = MDB_val()
        let status = mdb_cursor_get(raw, &key, &value, operation)
        if status == MDB_NOTFOUND { return nil }
        try LMDBError.check(status, "mdb_cursor_get", path: path)
        return try body(key.bytes, value.bytes)
    }
}
