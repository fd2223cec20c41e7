/// The file of a store with pages of 512 bytes, which no LMDB of this machine writes: eight pages with a node of every kind. What is short
/// is changed at every place that matters.
///
///     0, 1 metas · 2 tables: `first`, `second` (empty) · 3 branch ─ 4, 5 leaves · 6 a long value · 7 free pages: 8
enum SmallStore {
    private static let pageSize = 512

    private struct Node {
        var key: [UInt8]
        var flags: UInt16 = 0
        /// Of the value, or the number of a page below a branch.
        var size: Int
        var content: [UInt8]
    }

    static let bytes: [UInt8] = {
        let first = root(flags: 0, depth: 2, entryCount: 8, page: 3)
        let second = root(flags: 0, depth: 0, entryCount: 0, page: .max)
        let long = Node(key: Array("key 8".utf8), flags: 1, size: 400, content: word(UInt64(6)))
        return meta(0) + meta(1)
            + page(
                2, kind: 2,
                [
                    Node(key: Array("first".utf8), flags: 2, size: 48, content: first),
                    Node(key: Array("second".utf8), flags: 2, size: 48, content: second),
                ])
            + page(
                3, kind: 1,
                [Node(key: [], size: 4, content: []), Node(key: Array("key 5".utf8), size: 5, content: [])])
            + page(4, kind: 2, (1...4).map(entry))
            + page(5, kind: 2, (5...7).map(entry) + [long])
            + (word(UInt64(6)) + word(UInt16(0)) + word(UInt16(4)) + word(UInt32(1))
                + [UInt8](repeating: 9, count: pageSize - 16))
            + page(7, kind: 2, [Node(key: word(UInt64(3)), size: 16, content: word(UInt64(1)) + word(UInt64(8)))])
    }()

    private static func entry(_ number: Int) -> Node {
        Node(key: Array("key \(number)".utf8), size: 20 + number, content: [UInt8](repeating: 7, count: 20 + number))
    }

    private static func word<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    private static func root(flags: UInt16, depth: UInt16, entryCount: UInt64, page: UInt64) -> [UInt8] {
        word(UInt32(0)) + word(flags) + word(depth) + [UInt8](repeating: 0, count: 24) + word(entryCount) + word(page)
    }

    private static func meta(_ number: UInt64) -> [UInt8] {
        var free = root(flags: 8, depth: 1, entryCount: 1, page: 7)
        free.replaceSubrange(0..<4, with: word(UInt32(pageSize)))
        let head = word(number) + word(UInt16(0)) + word(UInt16(8)) + word(UInt32(0))
        let bytes =
            head + word(UInt32(0xBEEF_C0DE)) + word(UInt32(1)) + word(UInt64(0)) + word(UInt64(1 << 20)) + free
            + root(flags: 0, depth: 1, entryCount: 2, page: 2) + word(UInt64(8)) + word(4 + number)
        return bytes + [UInt8](repeating: 0, count: pageSize - bytes.count)
    }

    private static func page(_ number: UInt64, kind: UInt16, _ nodes: [Node]) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: pageSize)
        var (upper, slots) = (pageSize, [UInt8]())
        for node in nodes {
            var bytes = word(UInt32(node.size)) + word(node.flags) + word(UInt16(node.key.count)) + node.key
            bytes += node.content
            if bytes.count % 2 == 1 { bytes.append(0) }
            upper -= bytes.count
            page.replaceSubrange(upper..<(upper + bytes.count), with: bytes)
            slots += word(UInt16(upper))
        }
        let head =
            word(number) + word(UInt16(0)) + word(kind) + word(UInt16(16 + slots.count)) + word(UInt16(upper)) + slots
        page.replaceSubrange(0..<head.count, with: head)
        return page
    }
}
