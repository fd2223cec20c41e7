import CSHA2
import Foundation

/// SHA-256 (FIPS 180-4), computed by OpenSSL's libcrypto, which uses the processor's SHA instructions.
///
/// Thread rule: a value type; one owner at a time.
public struct SHA256 {
    private var context = SHA256_CTX()

    /// The hash of no bytes.
    public init() {
        // This call and those below always return 1.
        SHA256_Init(&context)
    }

    /// Adds bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        // Safety: `base` is valid for `bytes.count` bytes for the length of this call; libcrypto only reads.
        SHA256_Update(&context, base, bytes.count)
    }

    /// Adds the UTF-8 bytes of a text.
    public mutating func update(_ text: String) {
        var copy = text
        copy.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The 32 bytes of the digest; the hash must not be used afterwards.
    public mutating func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&digest, &context)
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
