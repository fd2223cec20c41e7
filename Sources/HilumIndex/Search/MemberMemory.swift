import Synchronization

/// Remembers which nodes bear the items of the filters that were asked for last: to look that up takes as long as the search itself.
///
/// A filter that differs from a known one in a few items, such as the case that is asked about or what was stored since, begins with the nodes
/// of that one.
///
/// Thread rule: any thread.
final class MemberMemory: Sendable {
    /// The nodes of a filter.
    struct Members: Sendable {
        /// The filter.
        let words: [UInt64]
        let itemCount: Int
        /// Its items that no node bore; they may have come since.
        let missing: [UInt32]
        /// Of the item table, when the nodes were looked up; they are no longer these once it has changed.
        let departureCount: Int
        /// One bit a node, and how many are set.
        let bits: [UInt64]
        let count: Int
        let gathering: Gathering
    }

    /// Whether walks have found that the nodes of a filter lie together.
    final class Gathering: Sendable {
        /// One walk may be wrong, as it looks at a few lists.
        private static let certainty = 2
        private let votes = Atomic<Int>(0)

        /// More walks say so than not.
        var isCertain: Bool { votes.load(ordering: .relaxed) >= Self.certainty }

        func note(_ isGathered: Bool) { votes.add(isGathered ? 1 : -1, ordering: .relaxed) }
    }

    /// So many filters are known. Each takes a bit an item and one a node.
    private static let mostKnown = 16
    /// In so many items a filter may differ from a known one.
    static let mostDiffering = 64

    private let known = Mutex<[Members]>([])

    /// The known filters that may differ little from one of so many items.
    func candidates(itemCount: Int, departureCount: Int) -> [Members] {
        known.withLock { known in
            known.filter {
                $0.departureCount == departureCount && abs($0.itemCount - itemCount) <= Self.mostDiffering
            }
        }
    }

    /// Forgets what holds no longer, and what was kept first where there is too much.
    func keep(_ members: Members) {
        guard members.missing.count <= Self.mostDiffering else { return }
        known.withLock { known in
            known.removeAll { $0.departureCount != members.departureCount }
            if known.count >= Self.mostKnown { known.removeFirst() }
            known.append(members)
        }
    }
}

extension Graph {
    /// Sets the bits of the nodes that bear a matching item, in `scratch.members`.
    ///
    /// - Parameter matching: the items of the filter.
    /// - Returns: how many nodes there are, and what is known of where they lie.
    func markMembers(
        _ filter: ItemFilter, matching: Int, slotCount: Int, _ scratch: Scratch
    ) -> (count: Int, gathering: MemberMemory.Gathering) {
        var bits = scratch.members
        scratch.members = []
        defer { scratch.members = bits }
        // Read first, so that what changes meanwhile is not taken for known.
        let departureCount = items.departureCount
        for known in knownMembers.candidates(itemCount: matching, departureCount: departureCount) {
            if let count = adapt(known, to: filter, slotCount: slotCount, &bits) {
                return (count, known.gathering)
            }
        }
        let gathering = MemberMemory.Gathering()
        clear(&bits, slotCount: slotCount)
        guard let words = filter.words else { return (0, gathering) }
        var count = 0
        var missing: [UInt32] = []
        bits.withUnsafeMutableBufferPointer { bits in
            for index in 0..<filter.wordCount {
                items.locateEach(of: words[index], from: UInt32(index * 64)) { item, node in
                    guard let node, Int(node) < slotCount else {
                        if missing.count <= MemberMemory.mostDiffering { missing.append(item) }
                        return
                    }
                    // Safety: there is a bit for each node below the count of slots.
                    let word = bits[Int(node >> 6)]
                    count += Int(~word >> UInt64(node & 63) & 1)
                    bits[Int(node >> 6)] = word | 1 << UInt64(node & 63)
                }
            }
        }
        knownMembers.keep(
            .init(
                words: Array(UnsafeBufferPointer(start: words, count: filter.wordCount)), itemCount: matching,
                missing: missing, departureCount: departureCount, bits: bits, count: count, gathering: gathering))
        return (count, gathering)
    }

    private func clear(_ bits: inout [UInt64], slotCount: Int) {
        bits.removeAll(keepingCapacity: true)
        bits.append(contentsOf: repeatElement(0, count: (slotCount + 63) / 64))
    }

    /// Makes the nodes of a filter from those of a known one; nil if the two differ in too many items.
    private func adapt(
        _ known: MemberMemory.Members, to filter: ItemFilter, slotCount: Int, _ bits: inout [UInt64]
    ) -> Int? {
        guard let words = filter.words else { return nil }
        var come = known.missing
        var gone: [UInt32] = []
        known.words.withUnsafeBufferPointer { before in
            for index in 0..<max(before.count, filter.wordCount) {
                let (old, new) = (
                    index < before.count ? before[index] : 0, index < filter.wordCount ? words[index] : 0
                )
                if old == new { continue }
                if come.count + gone.count > 2 * MemberMemory.mostDiffering { return }
                for (part, isNew) in [(new & ~old, true), (old & ~new, false)] {
                    var rest = part
                    while rest != 0 {
                        let item = UInt32(index * 64 + rest.trailingZeroBitCount)
                        rest &= rest - 1
                        if isNew { come.append(item) } else { gone.append(item) }
                    }
                }
            }
        }
        guard come.count + gone.count <= 2 * MemberMemory.mostDiffering else { return nil }
        let wordCount = (slotCount + 63) / 64
        bits.removeAll(keepingCapacity: true)
        bits.append(contentsOf: known.bits.prefix(wordCount))
        bits.append(contentsOf: repeatElement(0, count: wordCount - bits.count))
        var count = known.count
        for item in gone {
            guard let (node, _) = items.locate(item), Int(node) < slotCount else { continue }
            let mask = UInt64(1) << UInt64(node & 63)
            // Another item of it may match.
            guard bits[Int(node >> 6)] & mask != 0, !matches(node, filter) else { continue }
            bits[Int(node >> 6)] &= ~mask
            count -= 1
        }
        for item in come where filter.matches(item) {
            guard let (node, _) = items.locate(item), Int(node) < slotCount else { continue }
            let mask = UInt64(1) << UInt64(node & 63)
            count += bits[Int(node >> 6)] & mask == 0 ? 1 : 0
            bits[Int(node >> 6)] |= mask
        }
        return count
    }
}
