import LMDB

/// Whose history a store goes on with: its own, or that of an archive that it is a copy of.
///
/// Two archives of one history give their cases the same numbers. So an archive that goes on from a snapshot, and a copy that is opened to
/// be changed by anybody but its leader, begin a history of their own; nobody can follow them from a position of the former one.
extension Store {
    /// Names the history; in the positions of copies.
    func history(_ transaction: borrowing some (Transaction & ~Copyable)) throws -> String {
        let lineage = try text(transaction, .lineage).map { "+" + $0 } ?? ""
        return (try text(transaction, .created) ?? "") + lineage
    }

    /// Whether it is a copy that follows another archive.
    func isCopy() throws -> Bool { try environment.read { try text($0, .follows) != nil } }

    /// Makes it a copy of the archive whose history it has, or an archive with a history of its own.
    func set(isCopy: Bool) throws {
        try environment.write { transaction in
            if isCopy {
                try set(transaction, .follows, "1")
            } else {
                try transaction.delete(table(.meta), MetaKey.follows.rawValue)
                try set(transaction, .lineage, String(UInt64.random(in: 1...UInt64.max), radix: 16))
            }
        }
    }
}

extension Archive {
    /// Whether an archive is a copy that `hilum follow` made, or was restored as one, and that nobody changed by another way since.
    ///
    /// - Throws: `.notFound`, `.damaged`, `.io`.
    public static func isCopy(at path: String) throws -> Bool {
        try withArchiveErrors {
            let store = try Store(path: path, mode: .readOnly, mapSizeInBytes: Options().mapSizeInBytes)
            defer { store.environment.close() }
            return try store.isCopy()
        }
    }
}
