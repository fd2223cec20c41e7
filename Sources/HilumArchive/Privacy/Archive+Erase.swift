import Foundation
import HilumCore
import HilumPrivacy
import HilumWords
import LMDB

extension Archive {
    /// Removes the case `id` so that the tables of the archive hold nothing of it any more: no record, words, journal, or metadata, and in
    /// the graphs no code of its vectors. The bytes that are left in free pages of the store go when the archive is compacted (`compact`).
    ///
    /// Of a case that was deleted before, the names and words that deleted cases have left are removed. Files outside of the archive stay, and so
    /// does what snapshots hold of it. Marks by the archive's key, which name nobody, keep these files from being taken in again while they hold
    /// the same.
    /// - Returns: whether there was such a case, a row of the journal that names it, or a word of any deleted case.
    /// - Throws: `.readOnly`, `.io`.
    /// - Complexity: O(journal), and a checkpoint.
    public func erase(id: String) throws -> Bool {
        guard !id.isEmpty else { return false }
        guard mode == .readWrite else { throw ArchiveError(.readOnly, "\(path): the archive is open for reading only") }
        let key = try store.key.get(makes: true)
        let wasThere = try remove(id: id, .erased(key))
        return try withArchiveErrors {
            writing.lock()
            defer { writing.unlock() }
            let hadTrace = try eraseJournal(of: id, key)
            let hadWords = try !wasThere && purgeWords()
            guard wasThere || hadTrace || hadWords else { return false }
            for kind in VectorKind.allCases {
                graphs?[kind].index.noteRemoved()
                generations.withLock { $0.beside?.graphs }?[kind].index.noteRemoved()
            }
            progress.withLock { $0.changesSinceCheckpoint += 1 }
            try writeCheckpointWhileWriting()
            return true
        }
    }

    /// Removes the rows of the journal that name a case that is not there any more.
    private func eraseJournal(of id: String, _ key: PseudonymKey) throws -> Bool {
        let id = CaseID.canonical(id)
        let shown = shownID(id)
        func names(_ text: String) -> Bool {
            text.hasSuffix("/\(id)") || text.hasSuffix("#\(id)") || text == id
        }
        return try store.environment.write { transaction in
            var keys: [[UInt8]] = []
            var marks = SourceMarks()
            try store.forEach(transaction, .journal) { rowKey, payload in
                let row = try store.journal(key: [UInt8](rowKey), payload)
                let isDeleted = row.number == JournalEntry.deleted
                // The reason of a source that was refused names the case that has its id.
                let wanted = names(row.name) || [id, shown].contains { row.reason.contains("the stored case \($0) ") }
                guard wanted else { return true }
                let isStored =
                    !isDeleted && ![0, JournalEntry.elsewhere].contains(row.number)
                    ? try store.entry(transaction, row.number) != nil : false
                guard !isStored else { return true }
                keys.append([UInt8](rowKey))
                // Its own files, and not those of another source that was refused for it.
                if names(row.name) { marks.insert(row.marks) }
                return true
            }
            for key in keys { try transaction.delete(store.table(.journal), key) }
            try keepErased(transaction, marks, key)
            return !keys.isEmpty
        }
    }

    /// Removes every row of the journal that leads to a case, and keeps of it what names nobody.
    func eraseJournal(
        _ transaction: borrowing WriteTransaction, leadingTo number: UInt32, _ entry: CaseEntry, _ key: PseudonymKey
    ) throws {
        var keys: [[UInt8]] = []
        var marks = SourceMarks()
        try store.forEach(transaction, .journal) { rowKey, payload in
            let row = try store.journal(key: [UInt8](rowKey), payload)
            guard row.number == number else { return true }
            keys.append([UInt8](rowKey))
            marks.insert(row.marks)
            return true
        }
        for key in keys { try transaction.delete(store.table(.journal), key) }
        if !keys.isEmpty {
            // Where an earlier release stored it, its journal does not know what the files hold.
            let images = entry.images.filter { !$0.isKept }.map(\.digest)
            let content = ContentMarks(images: images, texts: [], id: entry.id, place: nil, key: key)
            for mark in content.images { marks.insert(mark) }
        }
        try keepErased(transaction, marks, key)
    }

    /// Writes the segments of words anew that may hold the report of a case which is gone.
    func eraseWords(_ transaction: borrowing WriteTransaction, of number: UInt32, nextNumber: UInt32) throws {
        let table = WordTable(store: store)
        var head = try table.head(transaction, nextNumber: nextNumber)
        var live = attributes.read { $0.withText }
        live.remove(number)
        try table.erase(transaction, number, from: &head, live: live)
    }

    /// Removes the words of all cases that were deleted.
    private func purgeWords() throws -> Bool {
        let next = progress.withLock { $0.nextNumber }
        let live = attributes.read { $0.withText }
        return try store.environment.write { transaction in
            let table = WordTable(store: store)
            var head = try table.head(transaction, nextNumber: next)
            return try table.purge(transaction, &head, live: live)
        }
    }
}
