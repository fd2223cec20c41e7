/// Phrases as sequences of word numbers, each with what it means: the longest phrase at a place is found in one walk.
///
/// Each language has a root of its own, so that a word may mean something else in another one.
struct PhraseTrie: Sendable {
    /// What a phrase means; `value` counts in the table of its kind.
    struct Meaning: Sendable, Hashable {
        enum Kind: UInt8 {
            case finding, part, place, side, size, severity, change, cue, unit, section
        }

        var kind: Kind
        var value: Int16
        /// Of a finding whether the wording itself denies it (1) or doubts it (2); of a place the side that it says, plus 1.
        var extra: UInt8 = 0
    }

    /// From a node over a word to the next node: an open hash table over `node << 32 | word`.
    private var keys: [UInt64] = []
    private var targets: [Int32] = []
    /// By language and word, the node that a phrase begins with; 0 where none does.
    private var roots: [[Int32]] = []
    private var meaningRanges: [Range<Int32>] = []
    private(set) var meanings: [Meaning] = []

    /// The longest phrase that begins at `first`.
    ///
    /// - Returns: the index behind its last token, and its range in `meanings`; nil where no phrase begins.
    func longest(
        _ tokens: [Token], from first: Int, limit: Int, language: Int
    ) -> (end: Int, meanings: Range<Int32>)? {
        let word = tokens[first].id
        guard word >= 0, word < roots[language].count else { return nil }
        var node = roots[language][Int(word)]
        guard node > 0 else { return nil }
        var found: (end: Int, meanings: Range<Int32>)?
        var place = first + 1
        while true {
            let range = meaningRanges[Int(node)]
            if !range.isEmpty { found = (place, range) }
            guard place < limit, tokens[place].id >= 0 else { return found }
            node = next(node, tokens[place].id)
            guard node > 0 else { return found }
            place += 1
        }
    }

    private func next(_ node: Int32, _ word: Int32) -> Int32 {
        let key = UInt64(node) << 32 | UInt64(word)
        var slot = Self.slot(of: key, in: keys.count)
        while keys[slot] != .max {
            if keys[slot] == key { return targets[slot] }
            slot = (slot + 1) & (keys.count - 1)
        }
        return 0
    }

    private static func slot(of key: UInt64, in count: Int) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (count - 1)
    }

    /// Collects phrases; `finish` makes the trie.
    struct Builder {
        private var edges: [UInt64: Int32] = [:]
        private var nodeMeanings: [[Meaning]] = [[]]
        private var roots: [[Int32: Int32]] = []

        mutating func add(_ words: [Int32], _ meaning: Meaning, language: Int) {
            guard let first = words.first else { return }
            while roots.count <= language { roots.append([:]) }
            var node = roots[language][first] ?? 0
            if node == 0 {
                node = newNode()
                roots[language][first] = node
            }
            for word in words.dropFirst() {
                let key = UInt64(node) << 32 | UInt64(word)
                if let next = edges[key] {
                    node = next
                } else {
                    let next = newNode()
                    edges[key] = next
                    node = next
                }
            }
            if !nodeMeanings[Int(node)].contains(meaning) { nodeMeanings[Int(node)].append(meaning) }
        }

        private mutating func newNode() -> Int32 {
            nodeMeanings.append([])
            return Int32(nodeMeanings.count - 1)
        }

        func finish(wordCount: Int) -> PhraseTrie {
            var trie = PhraseTrie()
            for meanings in nodeMeanings {
                let start = Int32(trie.meanings.count)
                trie.meanings += meanings
                trie.meaningRanges.append(start..<Int32(trie.meanings.count))
            }
            for root in roots {
                var nodes = [Int32](repeating: 0, count: wordCount)
                for (word, node) in root { nodes[Int(word)] = node }
                trie.roots.append(nodes)
            }
            var size = 1_024
            while size < edges.count * 2 { size *= 2 }
            trie.keys = Array(repeating: .max, count: size)
            trie.targets = Array(repeating: 0, count: size)
            for (key, node) in edges {
                var slot = PhraseTrie.slot(of: key, in: size)
                while trie.keys[slot] != .max { slot = (slot + 1) & (size - 1) }
                trie.keys[slot] = key
                trie.targets[slot] = node
            }
            return trie
        }
    }
}
