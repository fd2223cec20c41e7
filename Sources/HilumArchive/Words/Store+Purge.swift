import HilumIndex
import LMDB

extension Archive {
    /// Removes from an archive that is open nowhere what `Store.purge` removes. One of an older format is left as it is.
    static func purge(_ path: String) throws {
        let store = try Store(path: path, mode: .readWrite, mapSizeInBytes: Options().mapSizeInBytes)
        defer { store.environment.close() }
        guard try formatVersion(store) >= Store.formatVersion else { return }
        try store.purge()
    }
}

extension Store {
    /// Removes what tables beside those of the cases still say of cases that are gone: words of their reports, and names of their sources.
    ///
    /// - Throws: `.damaged`, `.io`. Then the store is as it was.
    /// - Complexity: O(cases + rows of the journal + words).
    func purge() throws {
        try environment.write { transaction in
            try purgeWords(transaction)
            try purgeNames(transaction)
        }
    }

    private func purgeWords(_ transaction: borrowing WriteTransaction) throws {
        var live = ItemSet()
        try forEachCase(transaction) { number, entry in if entry.hasReport { live.insert(number) } }
        let words = WordTable(store: self)
        let next = UInt32(clamping: try integer(transaction, .next) ?? 1)
        var head = try words.head(transaction, nextNumber: next)
        try words.purge(transaction, &head, live: live)
    }

    /// Rows of sources whose cases were deleted, or replaced by a case from elsewhere that was deleted.
    private func purgeNames(_ transaction: borrowing WriteTransaction) throws {
        var gone: [JournalEntry] = []
        try forEach(transaction, .journal) { key, payload in
            // What is malformed is for `check` to find.
            guard let row = try? journal(key: [UInt8](key), payload) else { return true }
            guard !row.name.isEmpty, row.number != 0, row.number != JournalEntry.elsewhere else { return true }
            if row.number == JournalEntry.deleted {
                gone.append(row)
            } else if try entry(transaction, row.number) == nil {
                gone.append(row)
            }
            return true
        }
        for row in gone { try put(transaction, .journal, row.key, bytes(of: row.deleted)) }
    }
}
