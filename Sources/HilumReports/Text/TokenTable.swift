/// The words of all lexicons, each with a number: an open hash table over folded UTF-8 bytes.
///
/// Thread rule: filled by one owner; immutable afterwards.
struct TokenTable: Sendable {
    /// Longer words are unknown.
    static let wordByteCount = 48

    /// A power of two; −1 for an empty slot, otherwise the number of a word.
    private var slots: [Int32]
    private var offsets: [Int32] = [0]
    /// The words, one behind the other.
    private(set) var bytes: [UInt8] = []
    private var hashes: [UInt32] = []
    /// In which languages a word occurs, a bit each.
    private(set) var languages: [UInt32] = []

    init() { slots = Array(repeating: -1, count: 1 << 14) }

    var count: Int { hashes.count }

    /// FNV-1a, one byte at a time.
    static let seed: UInt32 = 2_166_136_261
    @inline(__always)
    static func mixed(_ hash: UInt32, _ byte: UInt8) -> UInt32 { (hash ^ UInt32(byte)) &* 16_777_619 }

    /// The number of a folded word; −1 where there is none.
    ///
    /// - Parameters:
    ///   - word: its bytes are the first `count` of it.
    ///   - hash: of those bytes.
    func number(of word: Span<UInt8>, count: Int, hash: UInt32) -> Int32 {
        var slot = Int(hash ^ (hash >> 15)) & (slots.count - 1)
        while true {
            let number = slots[slot]
            if number < 0 { return -1 }
            if hashes[Int(number)] == hash && isEqual(Int(number), word, count) { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    /// The number of a folded word without one of its bytes; −1 where there is none.
    func number(of word: Span<UInt8>, count: Int, without skipped: Int, hash: UInt32) -> Int32 {
        var slot = Int(hash ^ (hash >> 15)) & (slots.count - 1)
        while true {
            let number = slots[slot]
            if number < 0 { return -1 }
            if hashes[Int(number)] == hash && isEqual(Int(number), word, count, without: skipped) { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    private func isEqual(_ number: Int, _ word: Span<UInt8>, _ count: Int, without skipped: Int) -> Bool {
        let start = Int(offsets[number])
        guard Int(offsets[number + 1]) - start == count - 1 else { return false }
        for index in 0..<count - 1 where bytes[start + index] != word[index < skipped ? index : index + 1] {
            return false
        }
        return true
    }

    private func isEqual(_ number: Int, _ word: Span<UInt8>, _ count: Int) -> Bool {
        let start = Int(offsets[number])
        guard Int(offsets[number + 1]) - start == count else { return false }
        for index in 0..<count where bytes[start + index] != word[index] { return false }
        return true
    }

    /// Where a word stands in `bytes`.
    func range(of number: Int) -> Range<Int> { Int(offsets[number])..<Int(offsets[number + 1]) }

    /// Whether a word differs from the one of a number by one wrong letter or two swapped ones.
    func isNear(_ number: Int, _ word: Span<UInt8>, _ count: Int) -> Bool {
        let start = Int(offsets[number])
        guard Int(offsets[number + 1]) - start == count else { return false }
        var first = 0
        while first < count && bytes[start + first] == word[first] { first += 1 }
        var last = count - 1
        while last > first && bytes[start + last] == word[last] { last -= 1 }
        guard last == first + 1 else { return last == first }
        return bytes[start + first] == word[last] && bytes[start + last] == word[first]
    }

    /// Adds a word if it is new, and notes that it occurs in a language.
    mutating func add(_ word: Span<UInt8>, count: Int, hash: UInt32, language: Int) -> Int32 {
        let known = number(of: word, count: count, hash: hash)
        if known >= 0 {
            languages[Int(known)] |= 1 << UInt32(language)
            return known
        }
        if hashes.count * 2 > slots.count { grow() }
        let number = Int32(hashes.count)
        for index in 0..<count { bytes.append(word[index]) }
        offsets.append(Int32(bytes.count))
        hashes.append(hash)
        languages.append(1 << UInt32(language))
        insert(number)
        return number
    }

    /// Notes that a word occurs in a language.
    mutating func note(_ number: Int32, language: Int) { languages[Int(number)] |= 1 << UInt32(language) }

    private mutating func insert(_ number: Int32) {
        let hash = hashes[Int(number)]
        var slot = Int(hash ^ (hash >> 15)) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = number
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        for number in hashes.indices { insert(Int32(number)) }
    }
}
