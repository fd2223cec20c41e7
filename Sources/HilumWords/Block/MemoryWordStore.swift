/// Blocks in memory, for tests and for indexes that need not outlive the process.
///
/// Thread rule: a value type; one owner at a time.
public struct MemoryWordStore: WordStore, Sendable {
    private var keys: [[UInt8]] = []
    private var values: [[UInt8]] = []

    /// A store without blocks.
    public init() {}

    /// The number of blocks.
    public var count: Int { keys.count }

    /// The bytes of all keys and blocks.
    public var byteCount: Int { keys.reduce(0) { $0 + $1.count } + values.reduce(0) { $0 + $1.count } }

    /// The keys, in order.
    public var allKeys: [[UInt8]] { keys }

    /// The block with this key; nil when there is none.
    public subscript(key: [UInt8]) -> [UInt8]? {
        get {
            let place = firstPlace(atOrAfter: key)
            return place < keys.count && keys[place] == key ? values[place] : nil
        }
        set {
            let place = firstPlace(atOrAfter: key)
            let isThere = place < keys.count && keys[place] == key
            switch (newValue, isThere) {
            case (let value?, true): values[place] = value
            case (let value?, false):
                keys.insert(key, at: place)
                values.insert(value, at: place)
            case (nil, true):
                keys.remove(at: place)
                values.remove(at: place)
            case (nil, false): break
            }
        }
    }

    /// Adds a block.
    public mutating func insert(_ block: WordBlock) { self[block.key] = block.value }

    /// Removes the blocks of a segment.
    public mutating func removeSegment(_ segment: UInt32) {
        let first = firstPlace(atOrAfter: BlockKey.start(of: segment))
        var end = first
        while end < keys.count && keys[end].withUnsafeBytes({ BlockKey.belongs($0, to: segment) }) { end += 1 }
        keys.removeSubrange(first..<end)
        values.removeSubrange(first..<end)
    }

    /// Lends the blocks to `body`, from the first at or after `key`, until it returns false.
    public func forEachBlock(
        from key: UnsafeRawBufferPointer,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        for place in firstPlace(atOrAfter: Array(key))..<keys.count {
            let goesOn = try keys[place].withUnsafeBytes { key in
                try values[place].withUnsafeBytes { try body(key, $0) }
            }
            if !goesOn { return }
        }
    }

    private func firstPlace(atOrAfter key: [UInt8]) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle].lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
