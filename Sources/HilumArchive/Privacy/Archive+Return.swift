import HilumCore
import HilumPrivacy
import LMDB

/// Keeps the files of deleted cases from coming back by themselves: at the next start of a daemon, or with the next run over a folder.
///
/// - A case that was deleted leaves its row of the journal, with marks of its files by path, size and time, and of what they hold. Files at the
///   same place with the same content are its own.
/// - A case that was erased leaves the HMAC, by the archive's key, of each of these marks, as a row of the journal without a name. Files with the
///   same content are its own wherever they lie; a text that does not say whose it is, where it lay (`ContentMarks`).
/// - Either leaves the HMAC of the id too. Vectors come by an import without files, and belong to the case that has the id.
extension Archive {
    /// Marks a case by what its files hold, and finds out whether it was deleted. A case that does not come from files is left as it is.
    func recognise(_ prepared: inout PreparedCase) throws {
        guard let origin = prepared.input.origin, prepared.journal != nil else { return }
        // Without a key there is no mark, and files are known by path, size and time alone.
        guard let key = try? store.key.get(makes: mode == .readWrite) else { return }
        let images = prepared.input.keepsImages ? [] : prepared.images.map(\.digest)
        let content = ContentMarks(
            images: images, texts: origin.texts, id: prepared.input.id, place: origin.onlyPlace,
            isRow: origin.isNamedByRow, key: key)
        prepared.content = content
        for mark in content.all { prepared.journal?.marks.insert(mark) }
        guard !origin.mayReturn else { return }
        prepared.wasDeleted = try wasDeleted(content, origin, id: prepared.input.id, key)
    }

    /// Whether a case that was not read yet holds what a deleted one held. Reads its files, where any case was deleted.
    func wasDeleted(_ source: SourceCase, _ input: CaseInput) throws -> Bool {
        guard let origin = input.origin, let key = try? store.key.get(makes: false) else { return false }
        let mayBe = try store.environment.read { transaction in
            try isMarked(transaction, Self.anyErased, key) || journalEntry(transaction, origin.source) != nil
        }
        guard mayBe else { return false }
        var images: [[UInt8]] = []
        for case .file(let path) in input.images.map(\.source) {
            guard let bytes = try? FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) else { return false }
            images.append(ImageStore.digest(bytes))
        }
        let content = ContentMarks(
            images: images, texts: origin.texts, id: source.id, place: origin.onlyPlace, isRow: origin.isNamedByRow,
            key: key)
        return try wasDeleted(content, origin, id: source.id, key)
    }

    private func wasDeleted(
        _ content: ContentMarks, _ origin: CaseOrigin, id: String, _ key: PseudonymKey
    ) throws -> Bool {
        guard !content.telling.isEmpty else { return false }
        return try store.environment.read { transaction in
            guard try store.number(transaction, of: id) == nil else { return false }
            // Other rows may lead to a case that another source replaced, whose files are a case of their own.
            if let found = try journalEntry(transaction, origin.source), found.number == JournalEntry.deleted,
                found.marks.holds(all: content.tellingInPlace)
            {
                return true
            }
            if try content.telling.allSatisfy({ try isErased(transaction, $0, key) }) { return true }
            return try !content.former.isEmpty && content.former.allSatisfy { try isErased(transaction, $0, key) }
        }
    }

    /// Which of these ids are those of cases that were deleted or erased, and stored by nobody since.
    func deletedIDs(among ids: [String]) throws -> Set<String> {
        guard let key = try? store.key.get(makes: false) else { return [] }
        return try store.environment.read { transaction in
            var found: Set<String> = []
            for id in ids where try isDeleted(transaction, id: id, key) { found.insert(id) }
            return found
        }
    }

    /// Whether a case of this id was deleted or erased, and stored by nobody since.
    func isDeleted(
        _ transaction: borrowing some (Transaction & ~Copyable), id: String, _ key: PseudonymKey
    ) throws -> Bool {
        let mark = try deletionMark(of: id, key)
        guard try store.get(transaction, .journal, mark, { _ in true }) != nil else { return false }
        return try store.number(transaction, of: id) == nil
    }

    /// Of a case by its id, or by what people are shown in place of it.
    private func deletionMark(of id: String, _ key: PseudonymKey) throws -> [UInt8] {
        key.mark(of: Array("id".utf8) + Array(try store.idKey(CaseID.canonical(id)).utf8))
    }

    /// Whether a mark is that of a part of a case that was deleted or erased.
    func isMarked(
        _ transaction: borrowing some (Transaction & ~Copyable), _ mark: [UInt8], _ key: PseudonymKey?
    ) throws -> Bool {
        if try store.get(transaction, .journal, mark, { _ in true }) != nil { return true }
        guard let key else { return false }
        return try isErased(transaction, mark, key)
    }

    private func isErased(
        _ transaction: borrowing some (Transaction & ~Copyable), _ mark: [UInt8], _ key: PseudonymKey
    ) throws -> Bool {
        try store.get(transaction, .journal, key.mark(of: mark), { _ in true }) != nil
    }

    // MARK: Inside of the transaction

    /// Remembers that somebody deleted the case of this id. Without a key nothing is kept.
    func markDeleted(_ transaction: borrowing WriteTransaction, id: String) throws {
        guard let key = try? store.key.get(makes: mode == .readWrite) else { return }
        let mark = try deletionMark(of: id, key)
        try store.put(transaction, .journal, mark, store.bytes(of: JournalEntry(deleted: mark)))
    }

    /// A case of this id is stored.
    func unmarkDeleted(_ transaction: borrowing WriteTransaction, id: String) throws {
        guard let key = try? store.key.get(makes: false) else { return }
        try transaction.delete(store.table(.journal), try deletionMark(of: id, key))
    }

    /// Stands for all erased cases; no hash is 1.
    private static let anyErased = [UInt8](repeating: 1, count: SourceMarks.byteCount)

    /// Leaves of marks what names nobody.
    func keepErased(_ transaction: borrowing WriteTransaction, _ marks: SourceMarks, _ key: PseudonymKey) throws {
        guard !marks.isEmpty else { return }
        for mark in marks.sorted + [Self.anyErased] {
            let kept = key.mark(of: mark)
            try store.put(transaction, .journal, kept, store.bytes(of: JournalEntry(deleted: kept)))
        }
    }

    /// Files of a deleted case have another time or place; from now on they are known without being read.
    func noteSeen(_ transaction: borrowing WriteTransaction, _ item: PreparedCase) throws {
        guard let origin = item.input.origin else { return }
        try keepErased(transaction, origin.marks, store.key.get(makes: false))
    }

    /// What is stored is not deleted any more. A text that others have too stays marked, as no case is known by it alone; and so does what
    /// another case shares with an erased one, such as a picture, or that one would come back with its other files.
    func unmark(_ transaction: borrowing WriteTransaction, _ marks: SourceMarks, _ content: ContentMarks?) throws {
        let key = try? store.key.get(makes: false)
        var shared = Set(content?.texts ?? [])
        if let key, let content, try !content.telling.allSatisfy({ try isErased(transaction, $0, key) }) {
            shared.formUnion(content.all)
        }
        for mark in marks.sorted {
            try transaction.delete(store.table(.journal), mark)
            if let key, !shared.contains(mark) { try transaction.delete(store.table(.journal), key.mark(of: mark)) }
        }
    }
}
