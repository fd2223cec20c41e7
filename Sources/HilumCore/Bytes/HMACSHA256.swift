/// HMAC-SHA-256 (RFC 2104): a hash that nobody computes without the key. Thread rule: a value.
public struct HMACSHA256: Sendable {
    private static let blockByteCount = 64

    private let inner: [UInt8]
    private let outer: [UInt8]

    /// Codes by a key of up to 64 bytes.
    public init(key: [UInt8]) {
        precondition(key.count <= Self.blockByteCount, "a longer key would have to be hashed first")
        let padded = key + [UInt8](repeating: 0, count: Self.blockByteCount - key.count)
        inner = padded.map { $0 ^ 0x36 }
        outer = padded.map { $0 ^ 0x5C }
    }

    /// The 32 bytes of the code of `message`.
    public func code(_ message: some Sequence<UInt8>) -> [UInt8] { hash(outer + hash(inner + message)) }

    /// The 32 bytes of the code of the UTF-8 bytes of `text`.
    public func code(_ text: String) -> [UInt8] { code(text.utf8) }

    private func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        return hash.finish()
    }
}
