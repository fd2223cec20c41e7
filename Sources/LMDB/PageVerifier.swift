import Foundation

/// A walk over all trees of one snapshot that trusts nothing: every page number, offset, length, order and count is
/// checked before it is used, and pages are read with `pread` only.
///
/// It finds what would end a process inside LMDB (a truncated file: SIGBUS; a zeroed page: SIGABRT) and what LMDB does not look for
/// (two swapped pages). It cannot see a wrong byte inside a key or a value; `visit` can test checksums that cover both.
public struct PageVerifier {
    /// What a walk found.
    public struct Report: Sendable {
        /// What is wrong, at most 100 of them; empty for a sound file.
        public var findings: [String] = []
        /// Pages in use by the trees.
        public var pageCount = 0
        /// Entries by table.
        public var entryCounts: [String: Int] = [:]
    }

    /// What is read of values that take pages of their own.
    enum Depth {
        /// Their first page, by whose count a writer frees them.
        case headers
        /// All.
        case values
    }

    /// Gets a table's name, a key and a value; returns what is wrong with them.
    public typealias Visit = (_ table: String, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) ->
        String?

    private struct Stop: Error {}

    private let file: PageFile
    private let meta: PageMeta
    private let depth: Depth
    private let fileByteCount: UInt64
    private let visit: Visit?
    private let isCancelled: () -> Bool
    private let pageSize: Int
    private var report = Report()
    /// Pages in use: 64 to a word, by the first of them over 64. A file may be sparse and promise any number of pages, so memory goes by
    /// what was walked.
    private var used: [UInt64: UInt64] = [:]
    private var previousKey: [UInt8]?
    private var entryCount: UInt64 = 0

    /// - Parameter isCancelled: asked now and then; once it says so, the walk ends with what it has found.
    init(
        file: PageFile, meta: PageMeta, depth: Depth, visit: Visit?, isCancelled: @escaping () -> Bool = { false }
    ) throws {
        self.file = file
        self.meta = meta
        self.depth = depth
        fileByteCount = UInt64(try file.byteCount())
        self.visit = visit
        self.isCancelled = isCancelled
        pageSize = meta.pageSizeInBytes
        // The last pages may be free ones that were never written, so a file may end before `lastPage`, but not far.
        guard meta.lastPage < fileByteCount / UInt64(pageSize) + PageFile.mostUnwrittenPages else {
            report.findings.append("the last page number \(meta.lastPage) is impossible")
            return
        }
    }

    consuming func run() throws -> Report {
        guard report.findings.isEmpty else { return report }
        do {
            try walk(meta.main, table: nil)
            try walk(meta.free, table: "")
        } catch is Stop {}
        return report
    }

    private mutating func fail(_ finding: String) throws {
        report.findings.append(finding)
        if report.findings.count >= 100 { throw Stop() }
    }

    /// - Parameter table: nil for the main tree, "" for the tree of free pages.
    private mutating func walk(_ root: TableRoot, table: String?) throws {
        let name = table.map { $0.isEmpty ? "free pages" : $0 } ?? "tables"
        previousKey = nil
        entryCount = 0
        if root.isEmpty {
            if root.entryCount != 0 { try fail("\(name): no root page but \(root.entryCount) entries") }
        } else if root.depth < 1 || root.depth > 32 {
            try fail("\(name): a tree of depth \(root.depth)")
        } else {
            var children: [(String, TableRoot)] = []
            try descend(root.page, depth: root.depth, table: table, name: name, children: &children)
            if entryCount != root.entryCount {
                try fail("\(name): \(entryCount) entries where \(root.entryCount) should be")
            }
            report.entryCounts[name] = Int(entryCount)
            for (child, root) in children { try walk(root, table: child) }
            return
        }
        report.entryCounts[name] = 0
    }

    /// Takes page `number` into use; false when it cannot be.
    private mutating func claim(_ number: UInt64, name: String) throws -> Bool {
        guard number >= 2, number <= meta.lastPage else {
            try fail("\(name): page \(number) of \(meta.lastPage + 1) is referred to")
            return false
        }
        let bit: UInt64 = 1 << (number & 63)
        guard used[number / 64, default: 0] & bit == 0 else {
            try fail("\(name): page \(number) is referred to twice")
            return false
        }
        used[number / 64, default: 0] |= bit
        report.pageCount += 1
        return true
    }

    private mutating func descend(
        _ number: UInt64, depth: Int, table: String?, name: String, children: inout [(String, TableRoot)]
    ) throws {
        guard try claim(number, name: name) else { return }
        if isCancelled() { throw Stop() }
        var page = [UInt8](repeating: 0, count: pageSize)
        guard try page.withUnsafeMutableBytes({ try file.read(at: number * UInt64(pageSize), into: $0) }) else {
            return try fail("\(name): the file is truncated: page \(number) is missing")
        }
        try page.withUnsafeBytes { page in
            let kind: UInt16 = page.integer(at: 10)
            let lower = Int(page.integer(at: 12) as UInt16)
            let upper = Int(page.integer(at: 14) as UInt16)
            guard page.integer(at: 0) == number else { return try fail("\(name): page \(number) bears another number") }
            guard kind == (depth == 1 ? PageKind.leaf : PageKind.branch) else {
                return try fail("\(name): page \(number) is of the wrong kind")
            }
            guard lower >= 16, lower & 1 == 0, lower <= upper, upper <= pageSize, lower > 16 else {
                return try fail("\(name): page \(number) has impossible bounds")
            }
            for slot in 0..<(lower - 16) / 2 {
                let offset = Int(page.integer(at: 16 + 2 * slot) as UInt16)
                guard offset >= upper, offset + 8 <= pageSize else {
                    return try fail("\(name): page \(number) has a node outside of it")
                }
                let keyCount = Int(page.integer(at: offset + 6) as UInt16)
                guard offset + 8 + keyCount <= pageSize else {
                    return try fail("\(name): page \(number) has a key that is too long")
                }
                let key = UnsafeRawBufferPointer(rebasing: page[(offset + 8)..<(offset + 8 + keyCount)])
                if depth > 1 {
                    let child =
                        UInt64(page.integer(at: offset) as UInt32) | UInt64(page.integer(at: offset + 4) as UInt16)
                        << 32
                    if slot > 0 { try checkOrder(key, table: table, name: name, page: number, mayRepeat: false) }
                    try descend(child, depth: depth - 1, table: table, name: name, children: &children)
                } else {
                    try checkOrder(key, table: table, name: name, page: number, mayRepeat: slot == 0)
                    try leafNode(page, offset, key, number, table: table, name: name, children: &children)
                }
            }
        }
    }

    /// Keys rise through a tree: within a leaf, from leaf to leaf, and across the separators of branches, which are at most
    /// the first key below them (so that the first key of a leaf may repeat one).
    private mutating func checkOrder(
        _ key: UnsafeRawBufferPointer, table: String?, name: String, page: UInt64, mayRepeat: Bool
    ) throws {
        // The tree of free pages is ordered by integers in the machine's own byte order.
        var bytes = [UInt8](key)
        if table == "" {
            guard bytes.count == 8 else { return try fail("\(name): page \(page) has a key of \(bytes.count) bytes") }
            bytes.reverse()
        }
        if let previous = previousKey {
            let isAbove = previous.lexicographicallyPrecedes(bytes) || (mayRepeat && previous == bytes)
            if !isAbove { try fail("\(name): page \(page) has keys out of order") }
        }
        previousKey = bytes
    }

    private mutating func leafNode(
        _ page: UnsafeRawBufferPointer, _ offset: Int, _ key: UnsafeRawBufferPointer, _ number: UInt64, table: String?,
        name: String, children: inout [(String, TableRoot)]
    ) throws {
        let flags: UInt16 = page.integer(at: offset + 4)
        let byteCount = Int(page.integer(at: offset) as UInt32)
        let start = offset + 8 + key.count
        entryCount += 1
        guard start + (flags & 1 == 1 ? 8 : byteCount) <= pageSize else {
            return try fail("\(name): page \(number) has a value that is too long")
        }
        switch flags {
        case _ where table == nil && flags != 2:
            try fail("\(name): page \(number) has an entry that is no table")
        case 0:
            let value = UnsafeRawBufferPointer(rebasing: page[start..<(start + byteCount)])
            try entry(table, name, key, value)
        case 1:
            try overflow(page.integer(at: start), byteCount, key, table: table, name: name)
        case 2 where table == nil && byteCount == TableRoot.byteCount:
            children.append((String(decoding: key, as: UTF8.self), TableRoot(page, at: start)))
        default:
            try fail("\(name): page \(number) has a node of an unknown kind")
        }
    }

    private mutating func overflow(
        _ first: UInt64, _ byteCount: Int, _ key: UnsafeRawBufferPointer, table: String?, name: String
    ) throws {
        let count = (16 + byteCount - 1) / pageSize + 1
        guard first <= meta.lastPage, first + UInt64(count) <= meta.lastPage + 1 else {
            return try fail("\(name): a value of \(byteCount) bytes lies outside of the file")
        }
        for number in first..<(first + UInt64(count)) {
            guard try claim(number, name: name) else { return }
        }
        let isWhole = first * UInt64(pageSize) + UInt64(16 + byteCount) <= fileByteCount
        guard isWhole else { return try fail("\(name): the file is truncated: page \(first) is missing") }
        let isRead = depth == .values || table == ""
        var bytes = [UInt8](repeating: 0, count: isRead ? 16 + byteCount : 16)
        guard try bytes.withUnsafeMutableBytes({ try file.read(at: first * UInt64(pageSize), into: $0) })
        else { return try fail("\(name): the file is truncated: page \(first) is missing") }
        try bytes.withUnsafeBytes { page in
            guard page.integer(at: 0) == first, page.integer(at: 10) as UInt16 == PageKind.overflow,
                page.integer(at: 12) as UInt32 == UInt32(count)
            else { return try fail("\(name): page \(first) is not the long value that it should be") }
            if isRead { try entry(table, name, key, UnsafeRawBufferPointer(rebasing: page[16...])) }
        }
    }

    private mutating func entry(
        _ table: String?, _ name: String, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws {
        if table == "" { return try checkFreePages(value) }
        if let table, let finding = visit?(table, key, value) { try fail("\(name): \(finding)") }
    }

    /// A list of free pages: how many, then their numbers; none may be in use. (The free tree is walked last.)
    private mutating func checkFreePages(_ value: UnsafeRawBufferPointer) throws {
        let count: UInt64 = value.count >= 8 ? value.integer(at: 0) : UInt64.max
        guard count < 1 << 36, value.count >= 8 * (Int(count) + 1) else {
            return try fail("free pages: a list of impossible length")
        }
        for index in 0..<Int(count) {
            let number: UInt64 = value.integer(at: 8 * (index + 1))
            guard number >= 2, number <= meta.lastPage else {
                try fail("free pages: page \(number) does not exist")
                continue
            }
            let isUsed = used[number / 64, default: 0] & (1 << (number & 63)) != 0
            if isUsed { try fail("free pages: page \(number) is in use") }
        }
    }
}
