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
    /// Digits and small letters without i, l, o and u (Crockford's base32).
    private static let letters = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    private let ids: HMACSHA256
    private let uids: HMACSHA256
    let dates: HMACSHA256

    /// Pseudonyms by a secret of 32 bytes.
    ///
    /// - Throws: `.badKey`.
    public init(secret: [UInt8]) throws(PrivacyError) { try self.init(secret, path: "the key") }

    private init(_ secret: [UInt8], path: String) throws(PrivacyError) {
        guard secret.count == Self.byteCount else { throw PrivacyError(.badKey, path: path) }
        let root = HMACSHA256(key: secret)
        ids = HMACSHA256(key: root.code("hilum pseudonyms of ids, 1"))
        uids = HMACSHA256(key: root.code("hilum pseudonyms of uids, 1"))
        dates = HMACSHA256(key: root.code("hilum shifts of dates, 1"))
    }

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
        let mask = umask(0o077)
        defer { umask(mask) }
        try FileIO.writeAtomically(name, (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &random) })
        defer { unlink(name) }
        if link(name, file) != 0 && errno != EEXIST {
            throw FileError(.system(errno: errno), path: file, call: "link")
        }
        try FileIO.syncFolder(FilePath.folder(of: file))
        return try FileIO.read(file, limitInBytes: byteCount)
    }

    /// What stands for an id or a number of a patient: 16 digits and small letters, 80 bits.
    ///
    /// Two of n ids share a pseudonym with a chance of about n² / 2⁸¹: 4 · 10⁻¹³ for a million ids, 4 · 10⁻⁷ for a thousand million.
    public func id(_ id: String) -> String {
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in ids.code(id).prefix(Self.idByteCount) {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                text.append(Self.letters[Int(bits >> UInt32(bitCount) & 31)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What stands for a UID of DICOM: `2.25.` and a UUID as a decimal number (PS3.5, B.2), at most 44 characters.
    ///
    /// The UUID is of version 8 (RFC 9562), with 122 bits of the HMAC: two of n UIDs collide with a chance of about n² / 2¹²³.
    /// Blanks and the NUL that pads a UID do not count.
    public func uid(_ uid: String) -> String {
        let plain = uid.utf8.filter { $0 > 32 }
        var bytes = Array(uids.code(plain).prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let number = bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        return "2.25.\(number)"
    }
}
