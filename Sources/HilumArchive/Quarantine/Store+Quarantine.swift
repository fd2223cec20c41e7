import HilumCore
import HilumPrivacy
import LMDB

/// The rows of images that were set aside, in the table `meta`; the number of those that wait for a decision is in `MetaKey.held`.
extension Store {
    private static let quarantinePrefix = "quarantine."

    /// `quarantine.` and half a SHA-256 of the id as the disk knows it, then a point and the SHA-256 of the image. LMDB takes no longer key
    /// than 511 bytes, which an id may almost fill.
    private func quarantineKey(id: String, digest: [UInt8]? = nil) throws -> String {
        try quarantineKey(name: quarantineName(of: id)) + (digest.map(hexadecimal) ?? "")
    }

    private func quarantineKey(name: String) -> String { Self.quarantinePrefix + name + "." }

    private static let quarantineNameLength = 32

    /// The name under which the images of a case that were set aside lie: half a SHA-256, which is the same in a copy.
    func quarantineName(of id: String) throws -> String {
        String(SHA256.hex(Array(try idKey(CaseID.canonical(id)).utf8)).prefix(Self.quarantineNameLength))
    }

    /// Whether a text may be such a name.
    static func isQuarantineName(_ text: String) -> Bool {
        text.utf8.count == quarantineNameLength && text.allSatisfy { $0.isASCII && $0.isHexDigit && !$0.isUppercase }
    }

    /// The images that were set aside under a name, whatever was decided of them.
    func quarantine(
        _ transaction: borrowing some (Transaction & ~Copyable), named name: String
    ) throws -> [QuarantineEntry] {
        try quarantine(transaction, under: quarantineKey(name: name))
    }

    /// The images of a case that were set aside, whatever was decided of them.
    func quarantine(
        _ transaction: borrowing some (Transaction & ~Copyable), of id: String
    ) throws -> [QuarantineEntry] {
        // Longer ids name no case.
        guard !id.isEmpty, id.utf8.count <= ArchiveLimits.idByteCount else { return [] }
        return try quarantine(transaction, under: quarantineKey(id: id))
    }

    /// All images that were set aside, whatever was decided of them.
    func quarantine(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> [QuarantineEntry] {
        try quarantine(transaction, under: Self.quarantinePrefix)
    }

    private func quarantine(
        _ transaction: borrowing some (Transaction & ~Copyable), under prefix: String
    ) throws -> [QuarantineEntry] {
        let prefix = Array(prefix.utf8)
        var found: [QuarantineEntry] = []
        try prefix.withUnsafeBytes { start in
            try forEach(transaction, .meta, fromKey: start) { key, payload in
                guard key.starts(with: prefix) else { return false }
                var entry: QuarantineEntry
                do { entry = try QuarantineEntry(decoding: payload) } catch {
                    throw damaged("an entry of the quarantine is malformed")
                }
                try withNames(of: &entry) { name, names in try open(name, names) }
                found.append(entry)
                return true
            }
        }
        return found
    }

    /// Writes a row, and counts it while it waits for a decision.
    ///
    /// - Parameter former: what was decided before; nil for a new row.
    func put(
        _ transaction: borrowing WriteTransaction, _ entry: QuarantineEntry, former: QuarantineEntry.State?
    ) throws {
        var sealed = entry
        try withNames(of: &sealed) { name, names in names.seal(name) }
        let key = try quarantineKey(id: entry.id, digest: entry.image.digest)
        try put(transaction, .meta, key, sealed.encoded())
        try countHeld(transaction, by: (entry.state == .held ? 1 : 0) - (former == .held ? 1 : 0))
    }

    /// Removes a row.
    func remove(_ transaction: borrowing WriteTransaction, _ entry: QuarantineEntry) throws {
        try transaction.delete(table(.meta), try quarantineKey(id: entry.id, digest: entry.image.digest))
        try countHeld(transaction, by: entry.state == .held ? -1 : 0)
    }

    /// How many images wait for a decision.
    func heldCount(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> Int {
        try integer(transaction, .held) ?? 0
    }

    private func countHeld(_ transaction: borrowing WriteTransaction, by amount: Int) throws {
        guard amount != 0 else { return }
        try set(transaction, .held, max(0, try heldCount(transaction) + amount))
    }

    /// Changes what names somebody, in an archive that hides names.
    private func withNames(
        of entry: inout QuarantineEntry, _ change: (String, NameSeal) throws -> String
    ) throws {
        guard let names = try hidingKey()?.names else { return }
        entry.id = try change(entry.id, names)
        if let source = entry.source { entry.source = try change(source, names) }
        if !entry.image.isKept { entry.image.path = try change(entry.image.path, names) }
    }
}
