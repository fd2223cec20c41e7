import HilumCore
import LMDB

/// What a copy of this archive needs to stay current.
extension Archive {
    /// So many bytes of the kept images of a case are sent along; a copy lacks the others.
    static let largestSentImage = 8 << 20
    /// So many changed cases come in one answer: about 420 bytes each.
    static let mostChanges = 10_000

    /// Where the archive stands.
    public func position() throws -> ArchivePosition {
        try withArchiveErrors { try store.environment.read { try position($0, progress.withLock { $0 }) } }
    }

    /// What was stored, changed and removed since `position`.
    ///
    /// - Parameters:
    ///   - position: nil brings nothing but where the archive stands.
    ///   - byteCount: about how much of it at once; at least one case.
    /// - Throws: `.stale` where a copy must start anew from a snapshot: it is of another archive or generation, or missed what is not
    ///   remembered any more.
    public func changes(since position: ArchivePosition?, byteCount: Int = 8 << 20) throws -> ArchiveChanges {
        try withArchiveErrors {
            // A writer between the counters and the transaction would make them disagree.
            writing.lock()
            var isLocked = true
            defer { if isLocked { writing.unlock() } }
            return try store.environment.read { transaction in
                let state = progress.withLock { $0 }
                let ring = feed.withLock { $0 }
                let serving = self.serving
                let now = try self.position(transaction, state)
                writing.unlock()
                isLocked = false
                guard let position else { return ArchiveChanges(position: now) }
                guard position.created == now.created, position.generation == now.generation,
                    position.next <= now.next
                else { throw Self.isAnew("it is of another archive, or of another generation") }
                guard let missed = ring.since(position, deletions: now.deletions, updates: now.updates),
                    // They come in one answer.
                    missed.changed.count <= Self.mostChanges
                else { throw Self.isAnew("it missed more changes than are remembered, or fit into one answer") }
                return try collect(transaction, serving, from: position, to: now, missed, byteCount)
            }
        }
    }

    private static func isAnew(_ reason: String) -> ArchiveError {
        ArchiveError(.stale, "the copy cannot go on from there (\(reason)); start it anew from a snapshot")
    }

    private func position(
        _ transaction: borrowing ReadTransaction, _ state: Counters
    ) throws -> ArchivePosition {
        ArchivePosition(
            created: try store.history(transaction), generation: serving.generation,
            next: state.nextNumber, deletions: state.deletions, updates: state.updates)
    }

    private func collect(
        _ transaction: borrowing ReadTransaction, _ serving: Serving, from position: ArchivePosition,
        to now: ArchivePosition, _ missed: (left: ArraySlice<ChangeRing.Left>, changed: ArraySlice<UInt32>),
        _ limit: Int
    ) throws -> ArchiveChanges {
        var changes = ArchiveChanges(position: position)
        var byteCount = 0
        try store.forEach(transaction, .cases, from: UInt64(position.next)) { key, payload in
            let number = UInt32(truncatingIfNeeded: UInt64(keyBytes: key) ?? 0)
            let item = try item(transaction, number, Array(payload), serving)
            guard byteCount == 0 || byteCount + item.byteCount <= limit else {
                changes.hasMore = true
                changes.position.next = number
                return false
            }
            byteCount += item.byteCount
            changes.items.append(item)
            return true
        }
        changes.behind = changes.hasMore ? Int(now.next - changes.position.next) : 0
        guard !changes.hasMore else { return changes }
        changes.position = now
        changes.left = missed.left.map(\.number)
        changes.forgotten = missed.left.compactMap(\.forgotten)
        for number in Set(missed.changed) where number < position.next {
            let entry = try store.get(transaction, .cases, UInt64(number)) { Array($0) }
            // It may have left since.
            if let entry { changes.items.append(.init(number: number, entry: entry)) }
        }
        return changes
    }

    private func item(
        _ transaction: borrowing ReadTransaction, _ number: UInt32, _ bytes: [UInt8], _ serving: Serving
    ) throws -> ArchiveChanges.Item {
        var item = ArchiveChanges.Item(number: number, entry: bytes)
        let entry = try bytes.withUnsafeBytes { try store.decode($0, number: number) }
        item.report = entry.hasReport ? try store.report(transaction, number) : nil
        guard let dimension = serving.dimension else { return item }
        func vectors(_ kind: VectorKind) throws -> [[Float]] {
            let items = entry.items(kind, of: number)
            let found = try items.compactMap {
                try store.vector(transaction, kind, serving.key($0), dimension: dimension)
            }
            guard found.count == items.count else { throw Self.isAnew("a new case lacks a vector") }
            return found
        }
        item.imageVectors = try vectors(.image)
        item.reportVector = try vectors(.report).first
        var room = Self.largestSentImage
        item.kept = entry.images.map { image in
            guard image.isKept, let bytes = try? ImageStore.read(image, in: path), bytes.count <= room else {
                return nil
            }
            room -= bytes.count
            return bytes
        }
        return item
    }
}

extension ArchiveChanges.Item {
    /// About how much there is to send.
    var byteCount: Int {
        let floats = imageVectors.reduce(reportVector?.count ?? 0) { $0 + $1.count }
        return entry.count + (report?.utf8.count ?? 0) + 4 * floats + kept.reduce(0) { $0 + ($1?.count ?? 0) }
    }
}
