/// Which cases left or changed since the archive was opened, for copies that follow it.
///
/// In memory and bounded: a copy that was away for longer, or while the archive was opened again, starts anew from a snapshot if it missed
/// such a change. New cases need none of it, as their numbers only grow. Thread rule: a value type; one owner at a time.
struct ChangeRing: Sendable {
    /// So many numbers of each kind are remembered.
    static let limit = 1 << 20

    private var left: [UInt32] = []
    private var changed: [UInt32] = []
    /// Counts at the first element of each.
    private var firstDeletion = 0
    private var firstUpdate = 0

    init(deletions: Int, updates: Int) {
        firstDeletion = deletions
        firstUpdate = updates
    }

    mutating func note(_ changes: [CommittedChange]) {
        for change in changes {
            guard let number = change.oldNumber else { continue }
            if change.newNumber == number { changed.append(number) } else { left.append(number) }
        }
        Self.trim(&left, &firstDeletion)
        Self.trim(&changed, &firstUpdate)
    }

    private static func trim(_ numbers: inout [UInt32], _ first: inout Int) {
        guard numbers.count > limit else { return }
        let count = numbers.count - limit / 2
        numbers.removeFirst(count)
        first += count
    }

    /// What left and changed between the counts of `position` and these; nil where not all of it is remembered.
    func since(
        _ position: ArchivePosition, deletions: Int, updates: Int
    ) -> (left: ArraySlice<UInt32>, changed: ArraySlice<UInt32>)? {
        guard let left = Self.slice(left, firstDeletion, position.deletions, deletions),
            let changed = Self.slice(changed, firstUpdate, position.updates, updates)
        else { return nil }
        return (left, changed)
    }

    private static func slice(_ numbers: [UInt32], _ first: Int, _ from: Int, _ to: Int) -> ArraySlice<UInt32>? {
        if from == to { return [] }
        guard from >= first, from < to, to - first <= numbers.count else { return nil }
        return numbers[(from - first)..<(to - first)]
    }
}
