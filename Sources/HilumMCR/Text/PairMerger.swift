/// Byte-pair merging over word counts, most frequent pair first.
///
/// Each word is a list of symbols. A merge touches only the words that hold the pair; the heap may hold outdated counts,
/// which are recognised when they come up and put back with the count of now.
struct PairMerger {
    private struct PairCount {
        let count: Int
        let pair: UInt64
    }

    /// The text of each symbol, `##` included.
    private var symbols: [String] = []
    private var symbolIDs: [String: Int32] = [:]
    private var isMergeable: [Bool] = []
    private var words: [(symbols: [Int32], count: Int)] = []
    private var pairCounts: [UInt64: Int] = [:]
    /// The words in which a pair was seen; some may not hold it any more.
    private var pairWords: [UInt64: [Int32]] = [:]
    private var heap: [PairCount] = []

    /// Whether no pair is left.
    private(set) var isExhausted = false

    /// Words with a character outside `alphabet` are left out.
    init(counts: [String: Int], alphabet: Set<String>) {
        // The order of a dictionary changes from run to run: everything below goes by the words' own order.
        let sorted = counts.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (word, count) in sorted {
            let parts = word.unicodeScalars.enumerated().map { $0 == 0 ? "\($1)" : "##\($1)" }
            guard parts.count > 1, parts.allSatisfy(alphabet.contains) else { continue }
            words.append((parts.map { symbol($0) }, count))
        }
        for index in words.indices {
            let list = words[index].symbols
            for position in 1..<list.count {
                add(list[position - 1], list[position], words[index].count, word: Int32(index))
            }
        }
        for (pair, count) in pairCounts { push(PairCount(count: count, pair: pair)) }
    }

    /// Merges the most frequent pair and gives its piece; nil when no pair is left.
    mutating func mergeBest() -> String? {
        while let top = pop() {
            let now = pairCounts[top.pair] ?? 0
            if now != top.count {
                if now > 0 { push(PairCount(count: now, pair: top.pair)) }
                continue
            }
            if now == 0 { continue }
            return merge(top.pair)
        }
        isExhausted = true
        return nil
    }

    private mutating func symbol(_ text: String) -> Int32 {
        if let id = symbolIDs[text] { return id }
        let id = Int32(symbols.count)
        symbolIDs[text] = id
        symbols.append(text)
        isMergeable.append(!text.unicodeScalars.contains(where: VocabularyBuilder.isDigit))
        return id
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private mutating func add(_ left: Int32, _ right: Int32, _ count: Int, word: Int32) {
        guard isMergeable[Int(left)] && isMergeable[Int(right)] else { return }
        let pair = Self.key(left, right)
        pairCounts[pair, default: 0] += count
        if pairWords[pair]?.last != word { pairWords[pair, default: []].append(word) }
    }

    private mutating func merge(_ pair: UInt64) -> String {
        let left = Int32(truncatingIfNeeded: pair >> 32)
        let right = Int32(truncatingIfNeeded: pair & 0xFFFF_FFFF)
        let text = symbols[Int(left)] + symbols[Int(right)].dropFirst(2)
        let joined = symbol(text)
        var changed: Set<UInt64> = []
        for index in pairWords.removeValue(forKey: pair) ?? [] {
            let old = words[Int(index)].symbols
            var new: [Int32] = []
            new.reserveCapacity(old.count)
            var position = 0
            while position < old.count {
                if position + 1 < old.count && old[position] == left && old[position + 1] == right {
                    new.append(joined)
                    position += 2
                } else {
                    new.append(old[position])
                    position += 1
                }
            }
            guard new.count < old.count else { continue }
            let count = words[Int(index)].count
            for at in 1..<old.count { pairCounts[Self.key(old[at - 1], old[at]), default: 0] -= count }
            if new.count > 1 {
                for at in 1..<new.count {
                    // What an unmergeable pair lost above it gets back here, so its count stays at or below zero.
                    add(new[at - 1], new[at], count, word: index)
                    changed.insert(Self.key(new[at - 1], new[at]))
                }
            }
            words[Int(index)].symbols = new
        }
        pairCounts[pair] = nil
        for key in changed {
            if let count = pairCounts[key], count > 0 { push(PairCount(count: count, pair: key)) }
        }
        return text
    }

    /// A total order, so that what comes up does not depend on what went in first.
    private func isBefore(_ a: PairCount, _ b: PairCount) -> Bool {
        if a.count != b.count { return a.count > b.count }
        if a.pair == b.pair { return false }
        let (aLeft, aRight) = (symbols[Int(a.pair >> 32)], symbols[Int(a.pair & 0xFFFF_FFFF)])
        let (bLeft, bRight) = (symbols[Int(b.pair >> 32)], symbols[Int(b.pair & 0xFFFF_FFFF)])
        if aLeft.utf8.elementsEqual(bLeft.utf8) { return aRight.utf8.lexicographicallyPrecedes(bRight.utf8) }
        return aLeft.utf8.lexicographicallyPrecedes(bLeft.utf8)
    }

    private mutating func push(_ entry: PairCount) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func pop() -> PairCount? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        heap[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return top }
            if child + 1 < heap.count && isBefore(heap[child + 1], heap[child]) { child += 1 }
            guard isBefore(heap[child], heap[parent]) else { return top }
            heap.swapAt(parent, child)
            parent = child
        }
    }
}
