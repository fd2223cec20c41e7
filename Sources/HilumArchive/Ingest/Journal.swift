import HilumCore
import LMDB

/// What became of one source (a row of a manifest, or a file of a folder), so that it need not be read again.
///
///     0  layout (1), currently 1 · number of the case, 0 when refused, 2³² − 1 when deleted (4) · fingerprint (32) · name · reason
///
/// It is written in the transaction that stores the case, so the two cannot disagree.
struct JournalEntry: Sendable {
    /// The first 16 bytes of the SHA-256 of `name`.
    var key: [UInt8]
    /// `CaseOrigin.source`.
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

extension JournalEntry {
    /// In place of a number: the case was deleted, and its files may still be there. No case has this number.
    static let deleted = UInt32.max
}

extension Archive {
    /// What is known of a source before it is read.
    ///
    /// - Parameter id: of its case.
    func verdict(
        _ transaction: borrowing some (Transaction & ~Copyable), _ origin: CaseOrigin, id: String
    ) throws -> SourceVerdict {
        let number = try store.number(transaction, of: id)
        if let found = try journalEntry(transaction, origin.source), found.fingerprint == origin.fingerprint {
            if found.number == 0 { return .refused(found.reason) }
            // It was taken once and is the same, but its case is gone: somebody deleted it. Where a case goes for another reason, its
            // row of the journal goes too. The mark alone is not enough: the deleted case may have come from another source.
            if number == nil { return .deleted }
            if found.number == number { return .unchanged }
        }
        guard let number, let entry = try store.entry(transaction, number) else { return .open }
        return try isOwn(transaction, number, entry, origin) ? .own : .foreign(Self.foreignReason(entry))
    }

    /// What is known of a source before it is read.
    package func verdict(of origin: CaseOrigin, id: String) throws -> SourceVerdict {
        try withArchiveErrors { try store.environment.read { try verdict($0, origin, id: id) } }
    }

    /// Removes what is known of a source, so that its files count as new when they are seen again.
    func forgetSource(_ transaction: borrowing WriteTransaction, _ name: String?) throws {
        guard let name, let journal = try journalEntry(transaction, name) else { return }
        try transaction.delete(store.table(.journal), journal.key)
    }

    /// What became of the source of this name.
    func journalEntry(
        _ transaction: borrowing some (Transaction & ~Copyable), _ name: String
    ) throws -> JournalEntry? {
        let key = JournalEntry(name: name, fingerprint: []).key
        let found = try store.get(transaction, .journal, key) { try JournalEntry(key: key, decoding: $0) }
        return found?.name == name ? found : nil
    }

    /// Whether the stored case `number` was read from `origin`. Of a case that an older release stored, the journal may know it.
    func isOwn(
        _ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32, _ entry: CaseEntry,
        _ origin: CaseOrigin
    ) throws -> Bool {
        if let source = entry.source {
            // An image may come before the row that names it and that has its id.
            return source == origin.source || origin.former.contains { $0.id == entry.id && $0.source == source }
        }
        // Older releases named the source of a folder's case by its first file.
        let files = entry.images.map(\.path).filter { $0.hasPrefix(origin.source + ".") }
        for name in [origin.source, origin.source + ".txt"] + files {
            if try journalEntry(transaction, name)?.number == number { return true }
        }
        return false
    }

    /// Why a source may not take the place of a case from another one.
    static func foreignReason(_ entry: CaseEntry) -> String {
        let source = entry.source.map { $0.isEmpty ? "was put by itself" : "came from \($0)" }
        return "the stored case \(entry.id) \(source ?? "came from elsewhere"); name this one otherwise, "
            + "or replace that one with `hilum index --replace`"
    }
}
