import Foundation

/// How logs name cases and files: by a keyed hash.
///
/// Ids and names of files often are those of patients. In a log they appear as `#` and twelve hexadecimal digits of their
/// HMAC-SHA-256 (RFC 2104). Whoever has the key can compute the hash of a name and look for it; without the key names cannot be
/// guessed. Thread rule: a value.
public struct LogNames: Sendable {
    private static let keyByteLimit = 64
    private static let keyByteCount = 32
    private static let digitCount = 12

    private let key: [UInt8]
    private let codes: HMACSHA256

    /// Names by a key of up to 64 bytes.
    public init(key: [UInt8]) {
        self.key = key
        codes = HMACSHA256(key: key)
    }

    /// Names by a key of its own, which ends with this value.
    public init() {
        var random = SystemRandomNumberGenerator()
        self.init(key: (0..<Self.keyByteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    /// Names by the key that a file holds.
    ///
    /// - Throws: `FileError` when it cannot be read; `.notFound` where there is none.
    public init(file: String) throws(FileError) {
        self.init(key: try FileIO.read(file, limitInBytes: Self.keyByteLimit))
    }

    /// Keeps the key in a file that only its owner may read.
    public func save(to file: String) throws(FileError) {
        try FileIO.writeAtomically(file, key, rights: 0o600)
    }

    /// The hash that stands for `name` in logs.
    public func name(_ name: String) -> String {
        "#" + hexadecimal(codes.code(name)).prefix(Self.digitCount)
    }

    /// `text` with the hash in place of each of `names` that stands in it as a word of its own.
    public func replacing(_ names: [String], in text: String) -> String {
        var bytes = Array(text.utf8)
        for name in Set(names).sorted(by: { $0.utf8.count > $1.utf8.count }) where !name.isEmpty {
            let wanted = Array(name.utf8)
            let hash = Array(self.name(name).utf8)
            var start = 0
            while start + wanted.count <= bytes.count {
                let end = start + wanted.count
                let isWord =
                    (start == 0 || !Self.isWord(bytes[start - 1])) && (end == bytes.count || !Self.isWord(bytes[end]))
                guard isWord, bytes[start..<end].elementsEqual(wanted) else {
                    start += 1
                    continue
                }
                bytes.replaceSubrange(start..<end, with: hash)
                start += hash.count
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether a byte is part of a word: a letter, a digit, `_`, or of a character beyond ASCII.
    private static func isWord(_ byte: UInt8) -> Bool {
        byte == 95 || byte >= 128 || LineScanner.isLetter(byte) || (byte >= 48 && byte <= 57)
    }
}
