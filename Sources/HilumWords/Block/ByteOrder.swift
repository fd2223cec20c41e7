/// Compares terms as unsigned bytes from the first on, which is the order of keys in the store.
enum ByteOrder {
    /// The first eight bytes as a number in the order of the bytes, with zeros behind a shorter term: a terms' order is that of
    /// these numbers, unless they are equal.
    static func prefix(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        // Safety: eight bytes are there; the load assumes no alignment.
        if bytes.count >= 8 { return UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)) }
        var value: UInt64 = 0
        for index in 0..<bytes.count { value |= UInt64(bytes[index]) << UInt64(56 - 8 * index) }
        return value
    }

    static func areEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        left.count == right.count && commonCount(left, right) == left.count
    }

    static func isLess(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        let common = commonCount(left, right)
        if common == left.count { return common < right.count }
        return common < right.count && left[common] < right[common]
    }

    static func starts(_ bytes: UnsafeRawBufferPointer, with prefix: UnsafeRawBufferPointer) -> Bool {
        commonCount(bytes, prefix) == prefix.count
    }

    /// How many bytes the two have in common from the first on.
    static func commonCount(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let count = min(left.count, right.count)
        var index = 0
        while index + 8 <= count {
            // Safety: both have at least `index + 8` bytes; the loads assume no alignment.
            let difference =
                left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                ^ right.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if difference != 0 { return index + UInt64(littleEndian: difference).trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count && left[index] == right[index] { index += 1 }
        return index
    }
}
