import CHilumHash
import CSHA2
import Foundation

/// SHA-256 (FIPS 180-4), computed by libmd; whole blocks by the processor's own instructions where it has them.
///
/// Thread rule: a value type; one owner at a time.
public struct SHA256 {
    private var context = SHA2_CTX()

    public init() { SHA256Init(&context) }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count > 0 else { return }
        let taken = Self.hasInstructions ? updateWithInstructions(base, bytes.count) : 0
        // Safety: `base` is valid for `bytes.count` bytes for the length of this call; libmd only reads.
        if taken < bytes.count { SHA256Update(&context, base + taken, bytes.count - taken) }
    }

    private static let hasInstructions = hilum_sha256_is_available() != 0
    private static let blockByteCount = 64

    /// Takes whole blocks while libmd holds no part of one back; returns how many bytes that were.
    private mutating func updateWithInstructions(_ base: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let heldBits = context.bitcount.0 % UInt64(8 * Self.blockByteCount)
        guard heldBits == 0, count >= Self.blockByteCount else { return 0 }
        let blocks = count / Self.blockByteCount
        // Safety: the first 8 words of the union are the state a … h, which libmd keeps in the machine's byte order.
        withUnsafeMutableBytes(of: &context.state) { state in
            hilum_sha256_blocks(state.baseAddress?.assumingMemoryBound(to: UInt32.self), base, blocks)
        }
        context.bitcount.0 &+= UInt64(blocks * Self.blockByteCount * 8)
        return blocks * Self.blockByteCount
    }

    public mutating func update(_ text: String) {
        var copy = text
        copy.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The 32 bytes of the digest; the hash must not be used afterwards.
    public mutating func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256Final(&digest, &context)
        return digest
    }

    /// The digest of `bytes` as 64 lower-case hexadecimal digits.
    public static func hex(_ bytes: some ContiguousBytes) -> String {
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update($0) }
        return hexadecimal(hash.finish())
    }
}

/// Lower-case hexadecimal digits, two a byte.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
