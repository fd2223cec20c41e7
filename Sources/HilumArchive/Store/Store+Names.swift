import HilumCore
import HilumPrivacy
import LMDB

/// How names stand on the disk: as they are, or, in an archive that hides them, ids as pseudonyms and names of files sealed.
///
/// In memory they are as they were given, so that only what reads and writes these bytes, and what shows a case to somebody, knows of it.
extension Store {
    /// The key by which names are hidden; nil in an archive that does not hide them.
    ///
    /// - Throws: `.io` when the key is lost or may not be read.
    func hidingKey() throws(ArchiveError) -> PseudonymKey? { hidesNames ? try key.get(makes: false) : nil }

    /// The key of a case in the table `ids`.
    func idKey(_ id: String) throws(ArchiveError) -> String { try hidingKey()?.id(id) ?? id }

    /// What people are shown in place of an id.
    func shownID(_ id: String) -> String { (try? idKey(id)) ?? "" }

    /// What people are shown of a case.
    func record(_ entry: CaseEntry, number: UInt32, report: String?) -> CaseRecord {
        var record = entry.record(number: number, report: report, archivePath: path)
        guard hidesNames else { return record }
        record.id = shownID(entry.id)
        record.hidesNames = true
        return record
    }

    func bytes(of entry: CaseEntry) throws(ArchiveError) -> [UInt8] { try hidden(entry).encoded() }

    func bytes(of change: CaseChange) throws(ArchiveError) -> [UInt8] {
        var copy = change
        copy.old = try hidden(change.old)
        if let new = change.new { copy.new = try hidden(new) }
        return copy.encoded()
    }

    func bytes(of journal: JournalEntry) throws(ArchiveError) -> [UInt8] {
        guard let names = try hidingKey()?.names else { return journal.encoded() }
        var copy = journal
        // What has no name, as a tombstone has not, says that it has none.
        copy.name = journal.name.isEmpty ? "" : names.seal(journal.name)
        copy.reason = journal.reason.isEmpty ? "" : names.seal(journal.reason)
        return copy.encoded()
    }

    func journal(key: [UInt8], _ payload: UnsafeRawBufferPointer) throws -> JournalEntry {
        var entry = try JournalEntry(key: key, decoding: payload)
        guard let names = try hidingKey()?.names else { return entry }
        entry.name = try open(entry.name, names)
        entry.reason = try open(entry.reason, names)
        return entry
    }

    private func hidden(_ entry: CaseEntry) throws(ArchiveError) -> CaseEntry {
        guard let names = try hidingKey()?.names else { return entry }
        var copy = entry
        copy.id = names.seal(entry.id)
        for place in copy.images.indices where !copy.images[place].isKept {
            copy.images[place].path = names.seal(entry.images[place].path)
        }
        copy.source = entry.source.map { $0.isEmpty ? $0 : names.seal($0) }
        return copy
    }

    /// The entry of which `sealed` was read.
    func shown(_ sealed: CaseEntry) throws(ArchiveError) -> CaseEntry {
        guard let names = try hidingKey()?.names else { return sealed }
        var copy = sealed
        copy.id = try open(sealed.id, names)
        for place in copy.images.indices where !copy.images[place].isKept {
            copy.images[place].path = try open(sealed.images[place].path, names)
        }
        if let source = sealed.source, !source.isEmpty { copy.source = try open(source, names) }
        return copy
    }

    func open(_ text: String, _ names: NameSeal) throws(ArchiveError) -> String {
        if text.isEmpty { return "" }
        guard let name = names.open(text) else { throw damaged("a name was sealed by another key") }
        return name
    }

    /// Whether names are hidden, as `meta` says it.
    static func hidesNames(_ environment: Environment) throws -> Bool {
        try environment.read { transaction in
            try MetaKey.deid.rawValue.withKeyBytes { bytes in
                let table = environment.table(Name.meta.rawValue)
                guard let value = try transaction.value(of: bytes, in: table) else { return false }
                guard Seal.isIntact(Name.meta.rawValue, bytes, value) else { return false }
                let setting = String(decoding: value[Seal.byteCount...], as: UTF8.self)
                return setting == PrivacySettings.Deidentification.require.rawValue
            }
        }
    }

    // MARK: Settings

    /// What the archive does with identifiers; one of an earlier release does nothing.
    ///
    /// - Throws: `.stale` for a setting of a newer release.
    func privacySettings(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> PrivacySettings {
        var settings = PrivacySettings.ofEarlierReleases
        func unknown(_ text: String) -> ArchiveError {
            ArchiveError(
                .stale, "\(path): this program does not know the setting \(text) of de-identification; use a newer one")
        }
        if let text = try text(transaction, .deid) {
            guard let mode = PrivacySettings.Deidentification(rawValue: text) else { throw unknown(text) }
            settings.deidentification = mode
        }
        if let text = try text(transaction, .dates) {
            guard let dates = DateShift.Mode(rawValue: text) else { throw unknown(text) }
            settings.dates = dates
        }
        return settings
    }

    func put(_ transaction: borrowing WriteTransaction, _ settings: PrivacySettings) throws {
        try set(transaction, .deid, settings.deidentification.rawValue)
        try set(transaction, .dates, settings.dates.rawValue)
    }
}
