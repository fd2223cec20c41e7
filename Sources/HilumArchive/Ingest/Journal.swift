import HilumCore
import LMDB

/// What became of one source (a row of a manifest, or a file of a folder), so that it need not be read again.
///
///     0  layout (1), currently 2 · number of the case, 0 when refused, 2³² − 1 when deleted, 2³² − 2
///        when refused for a case from elsewhere (4) · fingerprint (32) · name · reason
///        · layout 2 only: count of marks, and 16 bytes for each (`SourceMarks`); the mark 0 stands for `isLoose`
///
/// It is written in the transaction that stores the case, so the two cannot disagree. An entry without marks is written in layout 1.
/// Where a case was deleted, each of its marks has a row of its own, with the mark as its key and no name. Of a case that was erased, the key
/// is the HMAC of the mark (`Archive+Return`).
struct JournalEntry: Sendable {
    /// The first 16 bytes of the SHA-256 of `name`.
    var key: [UInt8]
    /// `CaseOrigin.source`.
    var name: String
    /// SHA-256 over the row's content, and path, size and time of its files.
    var fingerprint: [UInt8]
    var number: UInt32 = 0
    /// Why it was refused; of a case that is stored, the images that it lacks (`LostImage`), and empty for none.
    var reason = ""
    /// What it was read from, and what that holds (`ContentMarks`).
    var marks = SourceMarks()

    /// Of a source that is to be read again, whatever it holds.
    static let unreadFingerprint = [UInt8](repeating: 0, count: 32)

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
        let layout = try reader.byte()
        guard (1...2).contains(layout) else { throw ByteReader.Malformed() }
        number = try reader.integer()
        fingerprint = try reader.raw(32)
        name = try reader.text()
        reason = try reader.text()
        guard layout == 2 else { return }
        for _ in 0..<(try reader.length()) { marks.insert(stored: try reader.raw(SourceMarks.byteCount)) }
    }

    /// Says that what had this mark belonged to a case that was deleted.
    init(deleted mark: [UInt8]) {
        key = mark
        name = ""
        fingerprint = [UInt8](repeating: 0, count: 32)
        number = Self.deleted
    }

    /// What is kept of it when its case is deleted.
    var deleted: JournalEntry {
        var copy = self
        copy.number = Self.deleted
        copy.name = ""
        copy.reason = ""
        return copy
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        let kept = marks.stored
        writer.byte(kept.isEmpty ? 1 : 2)
        writer.integer(number)
        writer.raw(fingerprint)
        writer.text(name)
        writer.text(reason)
        guard !kept.isEmpty else { return writer.bytes }
        writer.length(kept.count)
        for mark in kept { writer.raw(mark) }
        return writer.bytes
    }
}

extension JournalEntry {
    /// In place of a number: the case was deleted, and its files may still be there. No case has this number. Such a row has neither
    /// name nor reason, which often are those of a patient; its key is that of the name.
    static let deleted = UInt32.max
    /// In place of a number: it was refused because a case from elsewhere, or perhaps of another patient, has its id, and counts as new
    /// once that one has gone. Such a row has no name and no reason either.
    static let elsewhere = UInt32.max - 1
}

extension Archive {
    /// What is known of a source before it is read.
    ///
    /// - Parameter id: of its case.
    func verdict(
        _ transaction: borrowing some (Transaction & ~Copyable), _ origin: CaseOrigin, id: String
    ) throws -> SourceVerdict {
        let number = try store.number(transaction, of: id)
        let found = try journalEntry(transaction, origin.source)
        let isSame = found?.fingerprint == privacy.stamped(origin.fingerprint)
        if let found, isSame, found.number != JournalEntry.elsewhere {
            if found.number == 0 { return .refused(found.reason) }
            // It was taken once and is the same, but its case is gone: somebody deleted it. Where a case goes for another reason, its
            // row of the journal goes too. The number alone is not enough: the deleted case may have come from another source.
            if number == nil { return found.number == JournalEntry.deleted ? .deleted : .gone }
            if let number, found.number == number {
                // An image without a vector is there again, as a partial switch or a drop left it.
                return try lacksImages(transaction, number) ? .own(isTied: true) : .unchanged
            }
        }
        if number == nil {
            // Some of its files have left, and the rest is as it was. A run of a folder within may have made another case of them.
            if let found, ![0, JournalEntry.elsewhere].contains(found.number), origin.marks.arePart(of: found.marks),
                try found.number == JournalEntry.deleted || store.entry(transaction, found.number) == nil
            {
                return found.number == JournalEntry.deleted ? .deleted : .gone
            }
            // What is left may be a case of another name, as a report without its image is.
            if try areDeleted(transaction, origin.marks) { return .deleted }
        }
        guard let number, let entry = try store.entry(transaction, number) else { return .open }
        if try isOwn(transaction, number, entry, origin) {
            // A row of files that were refused says nothing of the stored case.
            let known = found.flatMap { $0.number == number && !$0.marks.isLoose ? $0.marks : nil }
            return .own(isTied: known.map { origin.ties.hasPart(of: $0) } ?? false)
        }
        return .foreign(Self.foreignReason(entry), isKnown: isSame && found?.number == JournalEntry.elsewhere)
    }

    /// Whether the generation that is searched has no vector of some image of a case.
    private func lacksImages(_ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32) throws -> Bool {
        // Most archives lack nothing, and then no case is read.
        guard generations.withLock({ $0.table[.serving]?.missingCount ?? 0 }) > 0 else { return false }
        return try (store.entry(transaction, number)?.missingImageCount(in: serving.generation) ?? 0) > 0
    }

    /// Whether all of these are of cases that were deleted or erased.
    private func areDeleted(
        _ transaction: borrowing some (Transaction & ~Copyable), _ marks: SourceMarks
    ) throws -> Bool {
        guard !marks.isEmpty else { return false }
        let key = try? store.key.get(makes: false)
        return try marks.sorted.allSatisfy { try isMarked(transaction, $0, key) }
    }

    /// What is known of a source before it is read.
    package func verdict(of origin: CaseOrigin, id: String) throws -> SourceVerdict {
        try withArchiveErrors { try store.environment.read { try verdict($0, origin, id: id) } }
    }

    /// The images that a case lacks which was stored from this very source, as they cannot be read.
    func lostImages(
        _ transaction: borrowing some (Transaction & ~Copyable), of origin: CaseOrigin
    ) throws -> [LostImage] {
        guard let found = try journalEntry(transaction, origin.source), !found.reason.isEmpty,
            ![0, JournalEntry.deleted, JournalEntry.elsewhere].contains(found.number),
            found.fingerprint == privacy.stamped(origin.fingerprint)
        else { return [] }
        return LostImage.parted(found.reason)
    }

    /// The images that a case lacks which was stored from this very source, as they cannot be read.
    package func lostImages(of origin: CaseOrigin) throws -> [LostImage] {
        try withArchiveErrors { try store.environment.read { try lostImages($0, of: origin) } }
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
        let found = try store.get(transaction, .journal, key) { try store.journal(key: key, $0) }
        // The row of what was deleted has no name.
        return found.flatMap { $0.name == name || $0.name.isEmpty ? $0 : nil }
    }

    /// Whether the stored case `number` was read from `origin`. Of a case that an older release stored, the journal may know it.
    func isOwn(
        _ transaction: borrowing some (Transaction & ~Copyable), _ number: UInt32, _ entry: CaseEntry,
        _ origin: CaseOrigin
    ) throws -> Bool {
        if origin.joins || Self.awaits(entry, origin) { return true }
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
    ///
    /// - Parameter verb: of the command line that would replace it.
    static func foreignReason(_ entry: CaseEntry, verb: String = "index") -> String {
        let source =
            switch entry.source {
            case nil: "came from elsewhere"
            case "": "was put by itself"
            case ImportedCaseMaker.source: "was imported"
            case let source?: "came from \(source)"
            }
        return
            "the stored case \(entry.id) \(source); name this one otherwise, or replace that one with `hilum \(verb) --replace`"
    }
}
