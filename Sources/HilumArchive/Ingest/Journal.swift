import HilumCore
import LMDB

/// What became of one source (a row of a manifest, or a file of a folder), so that it need not be read again.
///
///     0  layout (1), currently 1 · number of the case, 0 when refused (4) · fingerprint (32) · name · reason
///
/// It is written in the transaction that stores the case, so the two cannot disagree.
struct JournalEntry: Sendable {
    /// The first 16 bytes of the SHA-256 of `name`.
    var key: [UInt8]
    /// Path of the manifest and id of the row, or path of the file.
    var name: String
    /// SHA-256 over the row's content, and path, size and time of its files.
    var fingerprint: [UInt8]
    var number: UInt32 = 0
    /// Why it was refused; empty when it was not.
    var reason = ""

    init(name: String, fingerprint: [UInt8]) {
        var hash = SHA256()
        hash.update(name)
        key = Array(hash.finish().prefix(16))
        self.name = name
        self.fingerprint = fingerprint
    }

    init(key: [UInt8], decoding bytes: UnsafeRawBufferPointer) throws(ByteReader.Malformed) {
        self.key = key
        var reader = ByteReader(bytes)
        guard try reader.byte() == 1 else { throw ByteReader.Malformed() }
        number = try reader.integer()
        fingerprint = try reader.raw(32)
        name = try reader.text()
        reason = try reader.text()
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.integer(number)
        writer.raw(fingerprint)
        writer.text(name)
        writer.text(reason)
        return writer.bytes
    }
}

extension Archive {
    /// What the journal says of a source.
    enum JournalVerdict {
        /// New or changed.
        case open
        /// Stored from this very source, and nothing replaced it since.
        case unchanged
        /// Refused before, and it is still the same.
        case refused(String)
    }

    func verdict(_ transaction: borrowing ReadTransaction, _ source: JournalEntry, id: String) throws -> JournalVerdict
    {
        let found = try store.get(transaction, .journal, source.key) { try JournalEntry(key: source.key, decoding: $0) }
        guard let found, found.fingerprint == source.fingerprint, found.name == source.name else { return .open }
        if found.number == 0 { return .refused(found.reason) }
        return try store.number(transaction, of: id) == found.number ? .unchanged : .open
    }
}
