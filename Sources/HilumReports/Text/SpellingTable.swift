/// Finds the word of the lexicon that a misspelt one stands for: one letter too many, too few, wrong, or two swapped.
///
/// Every way to leave out one letter of a known word is a key, so that a word is found with as many look-ups as it has letters
/// (the idea of symmetric deletion). Only long words are mended, and only where one candidate is left.
/// Thread rule: an immutable value; any number of threads.
struct SpellingTable: Sendable {
    /// Shorter words have too many neighbours.
    static let shortest = 7

    /// An open hash table from the hash of a word without one letter to the number of the word; −1 where several words give it,
    /// −2 for an empty slot.
    private var numbers: [Int32]
    private var hashes: [UInt32]

    /// - Parameter table: its words of plain letters are what can be meant.
    init(_ table: TokenTable) {
        let bytes = table.bytes.span
        var keyCount = 0
        var long: [Int] = []
        for number in 0..<table.count {
            let range = table.range(of: number)
            guard range.count >= Self.shortest, Self.isPlain(bytes.extracting(range), range.count) else { continue }
            long.append(number)
            keyCount += range.count
        }
        var size = 64
        while size < keyCount * 2 { size *= 2 }
        numbers = Array(repeating: -2, count: size)
        hashes = Array(repeating: 0, count: size)
        for number in long {
            let word = bytes.extracting(table.range(of: number))
            for skipped in 0..<word.count {
                insert(Int32(number), Self.hash(word, word.count, without: skipped))
            }
        }
    }

    private mutating func insert(_ number: Int32, _ hash: UInt32) {
        let slot = slot(of: hash)
        if numbers[slot] == -2 {
            hashes[slot] = hash
            numbers[slot] = number
        } else if numbers[slot] != number {
            numbers[slot] = -1
        }
    }

    /// The slot of a hash, or the empty one where it would stand; at most half of the slots are taken.
    private func slot(of hash: UInt32) -> Int {
        var slot = Int(hash ^ (hash >> 15)) & (numbers.count - 1)
        while numbers[slot] != -2 && hashes[slot] != hash { slot = (slot + 1) & (numbers.count - 1) }
        return slot
    }

    private static func isPlain(_ word: Span<UInt8>, _ count: Int) -> Bool {
        for index in 0..<count where !(97...122).contains(word[index]) { return false }
        return true
    }

    /// The number of the word that is meant; −1 where none or several may be.
    ///
    /// - Parameter word: folded; its first `count` bytes.
    func meant(by word: Span<UInt8>, count: Int, hash: UInt32, _ table: TokenTable) -> Int32 {
        guard count >= Self.shortest - 1 else { return -1 }
        guard Self.isPlain(word, count) else { return -1 }
        var found: Int32 = -1
        func offer(_ number: Int32) -> Bool {
            guard number >= 0, number != found else { return true }
            guard found < 0 else { return false }
            found = number
            return true
        }
        // A letter is missing.
        guard offer(numbers[slot(of: hash)]) else { return -1 }
        for skipped in 0..<count {
            let hash = Self.hash(word, count, without: skipped)
            // A letter is too many.
            if count > Self.shortest {
                guard offer(table.number(of: word, count: count, without: skipped, hash: hash)) else { return -1 }
            }
            // A letter is wrong, or two are swapped.
            let number = numbers[slot(of: hash)]
            if number >= 0, table.isNear(Int(number), word, count) {
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
