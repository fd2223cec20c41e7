/// Phrases as sequences of word numbers, each with what it means: the longest phrase at a place is found in one walk.
///
/// Each language has a root of its own, so that a word may mean something else in another one.
struct PhraseTrie: Sendable {
    /// What a phrase means; `value` counts in the table of its kind.
    struct Meaning: Sendable, Hashable {
        enum Kind: UInt8 {
            case finding, part, place, side, size, severity, change, cue, unit, section
            /// What a sentence says that has no other words. Its phrases have roots of their own.
            case alone
        }

        var kind: Kind
        /// −1 for a phrase that says something, but names nothing.
        var value: Int16
        /// Of a finding, also one that a sentence says alone, whether the wording itself denies it (1) or doubts it (2); of a place the side that it says, plus 1.
        var extra: UInt8 = 0
    }

    /// From a node over a word to the next node.
    private struct Edge {
        /// `node << 32 | word`; all ones for an empty slot.
        var key: UInt64 = .max
        var target: Int32 = 0
    }

    /// An open hash table by the keys.
    private var edges: [Edge] = []
    /// By language and word, the node that a phrase begins with; 0 where none does.
    private var roots: [[Int32]] = []
    private var meaningRanges: [Range<Int32>] = []
    private(set) var meanings: [Meaning] = []

    var nodeCount: Int { meaningRanges.count }

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
            // A line may be wrapped within a phrase.
            if place < limit && tokens[place].kind == .newline { place += 1 }
            guard place < limit, tokens[place].id >= 0 else { return found }
            node = next(node, tokens[place].id)
            guard node > 0 else { return found }
            place += 1
        }
    }

    /// A walk along the words of one phrase.
    struct Walk {
        fileprivate let trie: PhraseTrie
        fileprivate let language: Int
        private var node: Int32 = 0
        private var isAtStart = true

        fileprivate init(trie: PhraseTrie, language: Int) {
            self.trie = trie
            self.language = language
        }

        /// Goes on with a word; false where no phrase does.
        mutating func step(_ word: Int32) -> Bool {
            guard word >= 0 else { return false }
            if isAtStart {
                isAtStart = false
                let isKnown = language < trie.roots.count && word < trie.roots[language].count
                node = isKnown ? trie.roots[language][Int(word)] : 0
            } else {
                node = trie.next(node, word)
            }
            return node > 0
        }

        /// What the words mean so far; nil where they are no whole phrase.
        var meanings: Range<Int32>? {
            let range = trie.meaningRanges[Int(node)]
            return range.isEmpty ? nil : range
        }
    }

    /// A walk from the root of a language.
    func walk(language: Int) -> Walk { Walk(trie: self, language: language) }

    private func next(_ node: Int32, _ word: Int32) -> Int32 {
        let key = UInt64(node) << 32 | UInt64(word)
        var slot = Self.slot(of: key, in: edges.count)
        while true {
            let edge = edges[slot]
            if edge.key == key { return edge.target }
            if edge.key == .max { return 0 }
            slot = (slot + 1) & (edges.count - 1)
        }
    }

    /// Nodes that were made one after the other have their edges within 4,096 slots, which caches hold; anywhere in the table,
    /// each step would wait for memory.
    private static func slot(of key: UInt64, in count: Int) -> Int {
        let spread = (key &* 0x9E37_79B9_7F4A_7C15) >> 52
        let base = ((key >> 32) &* 15) >> 3
        return Int(truncatingIfNeeded: base &+ spread) & (count - 1)
    }

    /// Collects phrases; `finish` makes the trie.
    struct Builder {
        /// A meaning of a node, and where its next one stands; −1 behind the last.
        private struct Link {
            let meaning: Meaning
            var next: Int32 = -1
        }

        /// The language whose phrases are added.
        var language = 0 {
            didSet { while trie.roots.count <= language { trie.roots.append([]) } }
        }
        /// How many steps from a node over a word were made.
        private(set) var stepCount = 0

        private var trie = PhraseTrie()
        /// By node, its first link; −1 where it means nothing.
        private var firstLinks: [Int32] = [-1]
        private var links: [Link] = []
        private var edgeCount = 0

        /// Where every phrase begins.
        static let root: Int32 = 0

        /// - Parameter sizeHint: about how many words the phrases have together.
        init(sizeHint: Int) {
            var size = 1_024
            while size < sizeHint { size *= 2 }
            trie.edges = Array(repeating: Edge(), count: size)
            trie.roots.append([])
            firstLinks.reserveCapacity(size / 2)
            links.reserveCapacity(size / 4)
        }

        /// The node that a word leads to; a new one where there is none.
        mutating func step(_ node: Int32, _ word: Int32) -> Int32 {
            stepCount += 1
            return node == Self.root ? first(Int(word)) : next(node, word)
        }

        private mutating func first(_ word: Int) -> Int32 {
            let missing = word + 1 - trie.roots[language].count
            if missing > 0 { trie.roots[language].append(contentsOf: repeatElement(0, count: missing)) }
            let known = trie.roots[language][word]
            if known > 0 { return known }
            let node = newNode()
            trie.roots[language][word] = node
            return node
        }

        private mutating func next(_ node: Int32, _ word: Int32) -> Int32 {
            let key = UInt64(node) << 32 | UInt64(word)
            var slot = PhraseTrie.slot(of: key, in: trie.edges.count)
            while true {
                let edge = trie.edges[slot]
                if edge.key == key { return edge.target }
                if edge.key == .max { break }
                slot = (slot + 1) & (trie.edges.count - 1)
            }
            let node = newNode()
            trie.edges[slot] = Edge(key: key, target: node)
            edgeCount += 1
            if edgeCount * 2 > trie.edges.count { grow() }
            return node
        }

        private mutating func newNode() -> Int32 {
            firstLinks.append(-1)
            return Int32(firstLinks.count - 1)
        }

        private mutating func grow() {
            let old = trie.edges
            let size = old.count * 2
            trie.edges = Array(repeating: Edge(), count: size)
            for edge in old where edge.key != .max {
                var slot = PhraseTrie.slot(of: edge.key, in: size)
                while trie.edges[slot].key != .max { slot = (slot + 1) & (size - 1) }
                trie.edges[slot] = edge
            }
        }

        /// Gives the phrase that ends at a node a meaning, behind those that it has; the root has none.
        mutating func add(_ meaning: Meaning, at node: Int32) {
            guard node != Self.root else { return }
            var last: Int32 = -1
            var next = firstLinks[Int(node)]
            while next >= 0 {
                let link = links[Int(next)]
                if link.meaning == meaning { return }
                last = next
                next = link.next
            }
            let new = Int32(links.count)
            links.append(Link(meaning: meaning))
            if last < 0 { firstLinks[Int(node)] = new } else { links[Int(last)].next = new }
        }

        consuming func finish() -> PhraseTrie {
            var trie = trie
            trie.meanings.reserveCapacity(links.count)
            trie.meaningRanges.reserveCapacity(firstLinks.count)
            for first in firstLinks {
                let start = Int32(trie.meanings.count)
                var next = first
                while next >= 0 {
                    trie.meanings.append(links[Int(next)].meaning)
                    next = links[Int(next)].next
                }
                trie.meaningRanges.append(start..<Int32(trie.meanings.count))
            }
            return trie
        }
    }
}
