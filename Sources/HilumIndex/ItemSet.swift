/// A set of items as a bitmap: one bit for each number up to the largest, so items should be dense small integers.
///
/// Thread rule: a value type; any number of threads may read one value.
public struct ItemSet: Sendable, Equatable {
    /// Bit i of word w stands for item 64 w + i.
    public private(set) var words: [UInt64] = []

    /// The number of items in the set.
    public private(set) var count = 0

    /// The empty set.
    public init() {}

    /// The set of these items.
    public init(_ items: some Sequence<UInt32>) {
        for item in items { insert(item) }
    }

    /// The set of all items in a range; made by words, where a sequence is read item by item.
    public init(_ items: Range<UInt32>) {
        guard !items.isEmpty else { return }
        let (first, last) = (Int(items.lowerBound >> 6), Int((items.upperBound - 1) >> 6))
        words = [UInt64](repeating: 0, count: last + 1)
        for word in first...last { words[word] = .max }
        words[first] &= .max << UInt64(items.lowerBound & 63)
        words[last] &= .max >> UInt64(63 - (items.upperBound - 1) & 63)
        count = items.count
    }

    /// The set whose `words` these are.
    public init(words: [UInt64]) {
        self.words = words
        count = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// Whether there is no item in the set.
    public var isEmpty: Bool { count == 0 }

    /// Whether `item` is in the set.
    public func contains(_ item: UInt32) -> Bool {
        let word = Int(item >> 6)
        return word < words.count && words[word] >> UInt64(item & 63) & 1 == 1
    }

    /// Adds `item`; false if it was there.
    @discardableResult
    public mutating func insert(_ item: UInt32) -> Bool {
        let word = Int(item >> 6)
        if word >= words.count {
            words.append(contentsOf: repeatElement(0, count: word + 1 - words.count))
        }
        let bit = UInt64(1) << UInt64(item & 63)
        guard words[word] & bit == 0 else { return false }
        words[word] |= bit
        count += 1
        return true
    }

    /// Takes `item` out; false if it was not there.
    @discardableResult
    public mutating func remove(_ item: UInt32) -> Bool {
        guard contains(item) else { return false }
        words[Int(item >> 6)] &= ~(UInt64(1) << UInt64(item & 63))
        count -= 1
        return true
    }

    /// The items of either set.
    public func union(_ other: ItemSet) -> ItemSet {
        combined(with: other, count: max(words.count, other.words.count), |)
    }

    /// The items of both sets.
    public func intersection(_ other: ItemSet) -> ItemSet {
        combined(with: other, count: min(words.count, other.words.count), &)
    }

    /// The items that are not in the other set.
    public func subtracting(_ other: ItemSet) -> ItemSet { combined(with: other, count: words.count) { $0 & ~$1 } }

    private func combined(with other: ItemSet, count wordCount: Int, _ body: (UInt64, UInt64) -> UInt64) -> ItemSet {
        var result = ItemSet()
        let shared = min(wordCount, words.count, other.words.count)
        var sum = 0
        // Safety: the closure writes each of the `wordCount` words, and reads below the counts of both arrays.
        result.words = Array(unsafeUninitializedCapacity: wordCount) { target, count in
            words.withUnsafeBufferPointer { left in
                other.words.withUnsafeBufferPointer { right in
                    for word in 0..<shared {
                        let value = body(left[word], right[word])
                        target[word] = value
                        sum += value.nonzeroBitCount
                    }
                    for word in shared..<wordCount {
                        let value = body(word < left.count ? left[word] : 0, word < right.count ? right[word] : 0)
                        target[word] = value
                        sum += value.nonzeroBitCount
                    }
                }
            }
            count = wordCount
        }
        result.count = sum
        return result
    }

    /// How many items both sets have.
    ///
    /// - Complexity: O(largest item / 64).
    public func intersectionCount(_ other: ItemSet) -> Int {
        words.withUnsafeBufferPointer { left in
            other.words.withUnsafeBufferPointer { right in
                var sum = 0
                for word in 0..<min(left.count, right.count) { sum += (left[word] & right[word]).nonzeroBitCount }
                return sum
            }
        }
    }

    /// Adds many items at once.
    ///
    /// - Complexity: O(items), and room for the largest.
    public mutating func insert(contentsOf items: [UInt32]) {
        guard let largest = items.max() else { return }
        let needed = Int(largest >> 6) + 1
        if needed > words.count { words.append(contentsOf: repeatElement(0, count: needed - words.count)) }
        count += words.withUnsafeMutableBufferPointer { words in
            var added = 0
            for item in items {
                let word = words[Int(item >> 6)]
                let place = UInt64(item & 63)
                added += Int(~word >> place & 1)
                words[Int(item >> 6)] = word | 1 << place
            }
            return added
        }
    }

    /// How many items lie in a range.
    ///
    /// - Complexity: O(length of the range / 64).
    public func count(in range: ClosedRange<UInt32>) -> Int {
        let first = Int(range.lowerBound >> 6)
        let last = min(Int(range.upperBound >> 6), words.count - 1)
        guard first <= last else { return 0 }
        var sum = 0
        for index in first...last {
            var word = words[index]
            if index == first { word &= UInt64.max << UInt64(range.lowerBound & 63) }
            if index == Int(range.upperBound >> 6) { word &= UInt64.max >> UInt64(63 - range.upperBound & 63) }
            sum += word.nonzeroBitCount
        }
        return sum
    }

    /// Calls `body` with every item in ascending order.
    public func forEach<E: Error>(_ body: (UInt32) throws(E) -> Void) throws(E) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                try body(UInt32(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
    }

    /// The items in ascending order.
    public var items: [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(count)
        forEach { result.append($0) }
        return result
    }

    /// Whether both hold the same items.
    public static func == (left: ItemSet, right: ItemSet) -> Bool {
        guard left.count == right.count else { return false }
        let shared = min(left.words.count, right.words.count)
        return left.words[..<shared] == right.words[..<shared]
    }
}

/// The bits of an `ItemSet` behind a raw pointer, for the search loop; valid only within the closure that made it.
struct ItemFilter {
    let words: UnsafePointer<UInt64>?
    let wordCount: Int

    static var everything: ItemFilter { ItemFilter(words: nil, wordCount: 0) }

    @inline(__always) func matches(_ item: UInt32) -> Bool {
        guard let words else { return true }
        let word = Int(item >> 6)
        // Safety: `word` is below the count of words that the closure's owner keeps alive.
        return word < wordCount && words[word] >> UInt64(item & 63) & 1 == 1
    }
}
