/// What can stand as a key: its bytes, in the order in which LMDB compares them (as unsigned bytes, from the first).
public protocol TableKey {
    /// Calls `body` with the key's bytes, which are valid inside the call only.
    func withKeyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}

/// Eight bytes, most significant first, so that the order of the bytes is the order of the numbers.
extension UInt64: TableKey {
    /// Calls `body` with the eight bytes.
    public func withKeyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(of: bigEndian, body)
    }

    /// Reads a key of eight bytes; nil when the length is another.
    public init?(keyBytes: UnsafeRawBufferPointer) {
        guard keyBytes.count == 8 else { return nil }
        // Safety: eight bytes are there; LMDB promises no alignment, hence the unaligned load.
        self.init(bigEndian: keyBytes.loadUnaligned(as: UInt64.self))
    }
}

extension [UInt8]: TableKey {
    /// Calls `body` with the bytes themselves.
    public func withKeyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(body)
    }
}

/// The UTF-8 bytes of the text.
extension String: TableKey {
    /// Calls `body` with the UTF-8 bytes.
    public func withKeyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        var copy = self
        return try copy.withUTF8 { try body(UnsafeRawBufferPointer($0)) }
    }
}
