/// Gives each distinct term a small number: a byte arena with a hash table of open addressing.
///
/// Thread rule: a value type; one owner at a time.
struct TermTable {
    private var arena: [UInt8] = []
    /// Where each term ends in the arena.
    private var ends: [UInt32] = []
    private var hashes: [UInt32] = []
    /// The number plus one of a term, or 0; a power of two long and at most half full.
    private var slots: [UInt32] = Array(repeating: 0, count: 4096)

    var count: Int { ends.count }

    /// Forgets the terms and keeps the memory.
    mutating func removeAll() {
        arena.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        hashes.removeAll(keepingCapacity: true)
        for index in slots.indices { slots[index] = 0 }
    }

    /// The number of a term, which is new if it was not there.
    mutating func intern(_ term: UnsafeRawBufferPointer) -> UInt32 {
        let hash = Self.hash(term)
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let number = Int(slots[slot] - 1)
            if hashes[number] == hash && isEqual(number, term) { return UInt32(number) }
            slot = (slot + 1) & (slots.count - 1)
        }
        arena.append(contentsOf: term)
        ends.append(UInt32(arena.count))
        hashes.append(hash)
        slots[slot] = UInt32(ends.count)
        if ends.count * 2 > slots.count { grow() }
        return UInt32(ends.count - 1)
    }

    /// Lends the arena with the range of each term.
    func withBytes<Result>(of number: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        arena.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range(of: number)])) }
    }

    /// The numbers of the terms in the order of the terms' bytes.
    func sorted() -> [UInt32] {
        arena.withUnsafeBytes { arena in
            var keyed = (0..<ends.count).map { number in
                (
                    prefix: ByteOrder.prefix(UnsafeRawBufferPointer(rebasing: arena[range(of: number)])),
                    number: UInt32(number)
                )
            }
            keyed.sort { left, right in
                if left.prefix != right.prefix { return left.prefix < right.prefix }
                return ByteOrder.isLess(
                    UnsafeRawBufferPointer(rebasing: arena[range(of: Int(left.number))]),
                    UnsafeRawBufferPointer(rebasing: arena[range(of: Int(right.number))]))
            }
            return keyed.map(\.number)
        }
    }

    private func range(of number: Int) -> Range<Int> {
        (number == 0 ? 0 : Int(ends[number - 1]))..<Int(ends[number])
    }

    private func isEqual(_ number: Int, _ term: UnsafeRawBufferPointer) -> Bool {
        arena.withUnsafeBytes { ByteOrder.areEqual(UnsafeRawBufferPointer(rebasing: $0[range(of: number)]), term) }
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 4)
        for number in hashes.indices {
            var slot = Int(hashes[number]) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(number + 1)
        }
    }

    /// Eight bytes a step, mixed by multiplication. The table only lives as long as a segment is written, so that the hash
    /// need not withstand an adversary beyond slow inserts of one report.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(bytes.count)
        var index = 0
        while index < bytes.count {
            let piece = ByteOrder.prefix(UnsafeRawBufferPointer(rebasing: bytes[index...]))
            let product = (state ^ piece).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
            state = product.high ^ product.low
            index += 8
        }
        return UInt32(truncatingIfNeeded: state ^ (state >> 32))
    }
}
