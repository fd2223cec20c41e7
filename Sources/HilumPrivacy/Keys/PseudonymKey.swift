import Foundation
import HilumCore

/// Pseudonyms of ids and UIDs: HMAC-SHA-256 by the key of an archive.
///
/// The key is the 32 random bytes of `ARCHIVE/log.key`, by which logs name cases too. Each use has a key of its own, derived from these
/// by the HMAC of a label, so that a name in a log, a pseudonym and a shift of dates tell nothing of each other. One secret is one
/// file to protect. Whoever loses it gets other pseudonyms for the same patients: it belongs into the backup of the archive, and
/// never beside data that leave the house.
///
/// The same key gives the same pseudonym for ever; without it nobody can compute one, or tell whether two of different archives
/// belong to one patient. Thread rule: a value.
public struct PseudonymKey: Sendable {
    private static let byteCount = 32
    /// Bits of the pseudonym of an id, five a letter.
    private static let idByteCount = 10
    /// Letters behind them by which a pseudonym is known for one.
    private static let checkLetterCount = 4
    /// Digits and small letters without i, l, o and u (Crockford's base32).
    private static let letters = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    private let ids: HMACSHA256
    private let uids: HMACSHA256
    private let checks: HMACSHA256
    private let proofs: HMACSHA256
    private let marks: HMACSHA256
    let dates: HMACSHA256
    /// Hides names of files and ids where the archive itself must be able to read them.
    public let names: NameSeal

    /// Pseudonyms by a secret of 32 bytes.
    ///
    /// - Throws: `.badKey`.
    public init(secret: [UInt8]) throws(PrivacyError) { try self.init(secret, path: "the key") }

    private init(_ secret: [UInt8], path: String) throws(PrivacyError) {
        guard secret.count == Self.byteCount else { throw PrivacyError(.badKey, path: path) }
        let root = HMACSHA256(key: secret)
        ids = HMACSHA256(key: root.code("hilum pseudonyms of ids, 1"))
        uids = HMACSHA256(key: root.code("hilum pseudonyms of uids, 1"))
        checks = HMACSHA256(key: root.code("hilum checks of pseudonyms, 1"))
        dates = HMACSHA256(key: root.code("hilum shifts of dates, 1"))
        proofs = HMACSHA256(key: root.code("hilum proofs of exported lines, 1"))
        marks = HMACSHA256(key: root.code("hilum marks of content, 1"))
        names = NameSeal(
            tags: HMACSHA256(key: root.code("hilum tags of names, 1")),
            stream: HMACSHA256(key: root.code("hilum sealed names, 1")))
    }

    /// What only a holder of the key can write beside a text, in 64 hexadecimal digits.
    public func proof(of text: String) -> String { hexadecimal(proofs.code(text)) }

    /// 16 bytes by which bytes are known again, and which tell nobody without the key of what they are.
    public func mark(of bytes: [UInt8]) -> [UInt8] { Array(marks.code(bytes).prefix(16)) }

    /// Pseudonyms by the key in a file, which is made, for its owner alone, where there is none.
    ///
    /// Of two processes that make it at once, one does, and both use that.
    ///
    /// - Throws: `.file`, `.badKey`, `.openKey`.
    public init(file: String) throws(PrivacyError) {
        let secret: [UInt8]
        do throws(FileError) {
            if let kept = try Self.read(file) { secret = kept } else { secret = try Self.make(file) }
        } catch {
            throw PrivacyError(.file(error.description), path: file)
        }
        var status = stat()
        guard stat(file, &status) == 0, status.st_mode & 0o077 == 0 else { throw PrivacyError(.openKey, path: file) }
        try self.init(secret, path: file)
    }

    private static func read(_ file: String) throws(FileError) -> [UInt8]? {
        do throws(FileError) { return try FileIO.read(file, limitInBytes: byteCount) } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Makes a key under a name of its own, and links it to `file` unless another process was faster.
    private static func make(_ file: String) throws(FileError) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let name = "\(file).\(getpid())-\(UInt32.random(in: 0...UInt32.max, using: &random))"
        let secret = (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
        try FileIO.writeAtomically(name, secret, rights: 0o600)
        defer { unlink(name) }
        if link(name, file) != 0 && errno != EEXIST {
            throw FileError(.system(errno: errno), path: file, call: "link")
        }
        try FileIO.syncFolder(FilePath.folder(of: file))
        return try FileIO.read(file, limitInBytes: byteCount)
    }

    /// What stands for an id or a number of a patient: 20 digits and small letters, 80 bits and 20 that make it known for a pseudonym.
    ///
    /// A pseudonym of this key stands for itself, so that a case can be asked for by either, and nothing is renamed twice. Two of n ids share
    /// a pseudonym with a chance of about n² / 2⁸¹: 4 · 10⁻¹³ for a million ids. One id of 10⁶ of this form is taken for a pseudonym.
    public func id(_ id: String) -> String {
        if isPseudonym(id) { return id }
        let text = Self.letters(of: ids.code(id).prefix(Self.idByteCount))
        return String(decoding: text + check(of: text), as: UTF8.self)
    }

    /// Whether a text is what `id` gives by this key.
    public func isPseudonym(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let count = Self.idByteCount * 8 / 5
        guard bytes.count == count + Self.checkLetterCount else { return false }
        return Array(bytes[count...]) == check(of: Array(bytes[..<count]))
    }

    private func check(of text: [UInt8]) -> [UInt8] {
        Array(Self.letters(of: checks.code(text).prefix(5)).prefix(Self.checkLetterCount))
    }

    private static func letters(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                text.append(letters[Int(bits >> UInt32(bitCount) & 31)])
            }
        }
        return text
    }

    /// What stands for a UID of DICOM: `2.25.` and a UUID as a decimal number (PS3.5, B.2), at most 44 characters.
    ///
    /// The UUID is of version 8 (RFC 9562). 90 of its bits are of the HMAC of the UID, and 32 make it known for a pseudonym, which stands for
    /// itself. Two of n UIDs collide with a chance of about n² / 2⁹¹. Blanks and the NUL that pads a UID do not count.
    public func uid(_ uid: String) -> String {
        let plain = uid.utf8.filter { $0 > 32 }
        if isPseudonym(uid: plain) { return String(decoding: plain, as: UTF8.self) }
        var bytes = Array(uids.code(plain).prefix(12))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        bytes += checks.code(bytes).prefix(4)
        let number = bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        return "2.25.\(number)"
    }

    private func isPseudonym(uid plain: [UInt8]) -> Bool {
        let root = Array("2.25.".utf8)
        guard plain.starts(with: root), let number = UInt128(String(decoding: plain[root.count...], as: UTF8.self))
        else { return false }
        let bytes = (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(8 * (15 - $0))) }
        guard bytes[6] >> 4 == 8, bytes[8] >> 6 == 2 else { return false }
        return Array(bytes[12...]) == Array(checks.code(Array(bytes[..<12])).prefix(4))
    }
}
