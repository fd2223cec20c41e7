import Synchronization

/// The lists of hits that pages were cut from, so that the next page need not search again.
///
/// A page whose list is not here any more is searched anew, with the same outcome: a cursor holds all that is needed.
///
/// Thread rule: any thread.
final class PageMemory: Sendable {
    private struct Entry: Sendable {
        let cursor: SearchCursor
        let found: Found
    }

    /// So many hits are kept, in all lists together; each takes some hundred bytes.
    private static let hitLimit = 40_000

    /// The list that was used last stands last.
    private let entries = Mutex<[Entry]>([])

    /// The list that a page is cut from; nil where it is not kept.
    func found(_ cursor: SearchCursor) -> Found? {
        entries.withLock { entries in
            guard let place = entries.firstIndex(where: { $0.cursor.isOfSameList(as: cursor) }) else { return nil }
            let entry = entries.remove(at: place)
            entries.append(entry)
            return entry.found
        }
    }

    /// Keeps a list; those of an archive that has changed are forgotten.
    func keep(_ found: Found, _ cursor: SearchCursor) {
        entries.withLock { entries in
            entries.removeAll { $0.cursor.contents != cursor.contents || $0.cursor.isOfSameList(as: cursor) }
            var found = found
            for place in found.picks.indices { found.picks[place].candidate?.vector = nil }
            entries.append(Entry(cursor: cursor, found: found))
            var count = entries.reduce(0) { $0 + $1.found.picks.count }
            while count > Self.hitLimit, entries.count > 1 { count -= entries.removeFirst().found.picks.count }
        }
    }

    /// Forgets all lists.
    func forget() { entries.withLock { $0 = [] } }

    /// About how many bytes of memory they take.
    var byteCount: Int { entries.withLock { $0.reduce(0) { $0 + 160 * $1.found.picks.count } } }
}
