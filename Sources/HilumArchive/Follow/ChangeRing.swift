/// Which cases left or changed since the archive was opened, for copies that follow it.
///
/// In memory and bounded: a copy that was away for longer, or while the archive was opened again, starts anew from a snapshot if it missed
/// such a change. New cases need none of it, as their numbers only grow. Thread rule: a value type; one owner at a time.
struct ChangeRing: Sendable {
    /// So many numbers of each kind are remembered.
    static let limit = 1 << 20

    /// A case that left.
    struct Left: Sendable {
        let number: UInt32
        /// `CommittedChange.forgottenQuarantine`
        let forgotten: String?
    }

    private var left: [Left] = []
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
            if change.newNumber == number {
                changed.append(number)
            } else {
                left.append(Left(number: number, forgotten: change.forgottenQuarantine))
            }
        }
        Self.trim(&left, &firstDeletion)
        Self.trim(&changed, &firstUpdate)
    }

    private static func trim(_ items: inout [some Any], _ first: inout Int) {
        guard items.count > limit else { return }
        let count = items.count - limit / 2
        items.removeFirst(count)
        first += count
    }

    /// What left and changed between the counts of `position` and these; nil where not all of it is remembered.
    func since(
        _ position: ArchivePosition, deletions: Int, updates: Int
    ) -> (left: ArraySlice<Left>, changed: ArraySlice<UInt32>)? {
        guard let left = Self.slice(left, firstDeletion, position.deletions, deletions),
            let changed = Self.slice(changed, firstUpdate, position.updates, updates)
        else { return nil }
        return (left, changed)
    }

    private static func slice<Item>(_ items: [Item], _ first: Int, _ from: Int, _ to: Int) -> ArraySlice<Item>? {
        if from == to { return [] }
        guard from >= first, from < to, to - first <= items.count else { return nil }
        return items[(from - first)..<(to - first)]
    }
}
