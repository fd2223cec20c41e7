/// Finds the word of the lexicon that a misspelt one stands for: one letter too many, too few, wrong, or two swapped.
///
/// Every way to leave out one letter of a known word is a key, so that a word is found with as many look-ups as it has letters
/// (the idea of symmetric deletion). Only long words are mended, and only where one candidate is left.
/// Thread rule: an immutable value; any number of threads.
struct SpellingTable: Sendable {
    /// Shorter words have too many neighbours.
    static let shortest = 7

    /// By the hash of a word without one letter, the number of the word; −1 where several words give it.
    private var words: [UInt32: Int32] = [:]

    /// - Parameter table: its words of plain letters are what can be meant.
    init(_ table: TokenTable) {
        for number in 0..<table.count {
            let word = table.word(number)
            guard word.count >= Self.shortest, word.allSatisfy({ (97...122).contains($0) }) else { continue }
            var seen: Set<UInt32> = []
            for skipped in word.indices {
                let hash = Self.hash(word.span, word.count, without: skipped)
                guard seen.insert(hash).inserted else { continue }
                words[hash] = words[hash] == nil ? Int32(number) : -1
            }
        }
    }

    /// The number of the word that is meant; −1 where none or several may be.
    ///
    /// - Parameter word: folded; its first `count` bytes.
    func meant(by word: Span<UInt8>, count: Int, hash: UInt32, _ table: TokenTable) -> Int32 {
        guard count >= Self.shortest - 1 else { return -1 }
        for index in 0..<count where !(97...122).contains(word[index]) { return -1 }
        var found: Int32 = -1
        func offer(_ number: Int32) -> Bool {
            guard number >= 0, number != found else { return true }
            guard found < 0 else { return false }
            found = number
            return true
        }
        // A letter is missing.
        if let number = words[hash] { guard offer(number) else { return -1 } }
        for skipped in 0..<count {
            let hash = Self.hash(word, count, without: skipped)
            // A letter is too many.
            if count > Self.shortest {
                guard offer(table.number(of: word, count: count, without: skipped, hash: hash)) else { return -1 }
            }
            // A letter is wrong, or two are swapped.
            if let number = words[hash], number >= 0, table.isNear(Int(number), word, count) {
                guard offer(number) else { return -1 }
            }
        }
        return found
    }

    private static func hash(_ word: Span<UInt8>, _ count: Int, without skipped: Int) -> UInt32 {
        var hash = TokenTable.seed
        for index in 0..<count where index != skipped { hash = TokenTable.mixed(hash, word[index]) }
        return hash
    }
}
