import Foundation
import HilumCore

/// Hides names of files and ids on the disk, so that they can be read again with the key of the archive and not without it.
///
///     sealed = mark, base64(tag (16), text XOR stream)      tag = HMAC(text), stream = HMAC(tag, 0), HMAC(tag, 1), …
///
/// This is the scheme of a synthetic initialisation vector (Rogaway and Shrimpton, 2006) by HMAC-SHA-256: equal names have equal seals,
/// a changed seal does not open, and nothing but the length of a name can be told from it. A pseudonym would hide a name too, but an
/// archive must find the images again that it left where they lie. Thread rule: a value.
public struct NameSeal: Sendable {
    private static let mark = "sealed:"
    private static let tagByteCount = 16

    private let tags: HMACSHA256
    private let stream: HMACSHA256

    init(tags: HMACSHA256, stream: HMACSHA256) {
        self.tags = tags
        self.stream = stream
    }

    /// The name as it may stand on a disk.
    public func seal(_ name: String) -> String {
        let text = Array(name.utf8)
        let tag = Array(tags.code(text).prefix(Self.tagByteCount))
        return Self.mark + Data(tag + crossed(text, tag)).base64EncodedString()
    }

    /// The name that was sealed; nil for a text that this key did not seal.
    public func open(_ sealed: String) -> String? {
        guard sealed.hasPrefix(Self.mark),
            let bytes = Data(base64Encoded: String(sealed.dropFirst(Self.mark.count))).map({ Array($0) }),
            bytes.count >= Self.tagByteCount
        else { return nil }
        let tag = Array(bytes[..<Self.tagByteCount])
        let text = crossed(Array(bytes[Self.tagByteCount...]), tag)
        guard Array(tags.code(text).prefix(Self.tagByteCount)) == tag else { return nil }
        return String(validating: text, as: UTF8.self)
    }

    private func crossed(_ text: [UInt8], _ tag: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var block: [UInt8] = []
        for (place, byte) in text.enumerated() {
            if place % 32 == 0 {
                let number = UInt32(place / 32)
                block = stream.code(tag + (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
            }
            result.append(byte ^ block[place % 32])
        }
        return result
    }
}
