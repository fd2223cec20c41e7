/// An ordered map from keys to blocks, as one transaction sees it: a table of LMDB, or an array in a test.
///
/// One operation is enough: a question looks for the first block at or after a key and may go on from there.
/// Thread rule: that of the transaction behind it.
public protocol WordStore: ~Copyable {
    /// Lends the blocks to `body` in the order of their keys, from the first at or after `key`, until it returns false.
    ///
    /// The bytes hold inside of `body` only and have no alignment.
    /// - Throws: what reading the store throws, and what `body` throws.
    func forEachBlock(
        from key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws
}

/// A store behind a closure, for a transaction that can be borrowed only.
///
/// ```
/// try ClosureWordStore.lend({ try transaction.forEach(table, fromKey: $0, $1) }) { store in … }
/// ```
public struct ClosureWordStore: WordStore {
    /// What `forEachBlock` does.
    public typealias ForEach = (
        _ key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws -> Void

    private let forEach: ForEach

    /// Lends `body` a store that reads through `forEach`; the store must not leave `body`.
    public static func lend<Result>(
        _ forEach: ForEach, _ body: (ClosureWordStore) throws -> Result
    ) throws -> Result {
        try withoutActuallyEscaping(forEach) { try body(ClosureWordStore(forEach: $0)) }
    }

    /// Lends the blocks to `body`, from the first at or after `key`, until it returns false.
    public func forEachBlock(
        from key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws { try forEach(key, body) }
}
