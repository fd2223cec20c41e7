import Foundation

/// The newest commit as one of the two meta pages tells it.
struct PageMeta {
    let pageSizeInBytes: Int
    let transaction: UInt64
    let lastPage: UInt64
    let free: TableRoot
    let main: TableRoot

    /// What is read of a meta page.
    static let byteCount = 152

    /// - Parameter bytes: at least `byteCount` from the first of the page on.
    init(_ bytes: UnsafeRawBufferPointer) {
        pageSizeInBytes = Int(bytes.integer(at: 40) as UInt32)
        transaction = bytes.integer(at: 144)
        lastPage = bytes.integer(at: 136)
        free = TableRoot(bytes, at: 40)
        main = TableRoot(bytes, at: 88)
    }

    /// A meta page in a map that another process may write to meanwhile: read until two copies are the same. Nil when it is not that
    /// of commit `number`.
    init?(readingTwice page: UnsafeRawPointer, number: UInt64) {
        // Safety: the caller has checked that a whole page lies there.
        let bytes = UnsafeRawBufferPointer(start: page, count: Self.byteCount)
        var copy = [UInt8](bytes)
        for _ in 0..<1000 {
            let again = [UInt8](bytes)
            if copy == again {
                let meta = copy.withUnsafeBytes { PageMeta($0) }
                guard meta.transaction == number, meta.lastPage < 1 << 36 else { return nil }
                self = meta
                return
            }
            copy = again
        }
        return nil
    }
}

/// Where a table's tree begins and what it should hold: 48 bytes in a meta page or in a node of the main tree.
struct TableRoot {
    let flags: UInt16
    let depth: Int
    let entryCount: UInt64
    let page: UInt64

    static let byteCount = 48
    var isEmpty: Bool { page == UInt64.max }

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        flags = bytes.integer(at: offset + 4)
        depth = Int(bytes.integer(at: offset + 6) as UInt16)
        entryCount = bytes.integer(at: offset + 32)
        page = bytes.integer(at: offset + 40)
    }
}

/// `data.mdb` read with `pread`, so that a page that is not there is an answer and not a SIGBUS.
///
/// The layout is that of LMDB 0.9 on a 64-bit little-endian machine (mdb.c, structures MDB_page, MDB_meta, MDB_db):
///
///     page  0 number (8) · 8 key size (2) · 10 kind (2) · 12 end of the slots (2) · 14 begin of the nodes (2) · 16 slots
///     meta  16 magic (4) · 20 version (4) · 24 address (8) · 32 map size (8) · 40 free tree (48, its first four bytes are
///           the page size) · 88 main tree (48) · 136 last page (8) · 144 transaction (8)
final class PageFile {
    let folder: String
    private let descriptor: Int32

    init(folder: String) throws {
        self.folder = folder
        // A pipe in its place would wait for somebody who writes.
        descriptor = open(folder + "/data.mdb", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw LMDBError(status: errno, call: "open", path: folder) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            // `deinit` closes it.
            throw LMDBError(.damaged("data.mdb is no regular file"), call: "open", path: folder)
        }
        // Both meta pages at once, and not the hundred behind them that a first read would bring. It is advice.
        _ = posix_fadvise(descriptor, 0, 2 * 4096, Int32(POSIX_FADV_WILLNEED))
    }

    deinit { close(descriptor) }

    /// The file's size.
    func byteCount() throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LMDBError(.other(errno), call: "fstat", path: folder) }
        return Int(status.st_size)
    }

    /// Fills `buffer` from `offset`; false when the file ends before.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            guard offset < 1 << 62 else { return false }
            // Safety: `done` is below the buffer's length.
            let got = pread(descriptor, base + done, buffer.count - done, off_t(offset) + off_t(done))
            if got < 0 && errno == EINTR { continue }
            if got < 0 { throw LMDBError(.other(errno), call: "pread", path: folder) }
            if got == 0 { return false }
            done += got
        }
        return true
    }

    /// The valid meta pages, the newest first. Both must be: LMDB itself refuses a file with a broken one.
    func metas() throws -> [PageMeta] {
        guard let first = try meta(at: 0, pageSize: nil),
            let second = try meta(at: UInt64(first.pageSizeInBytes), pageSize: first.pageSizeInBytes)
        else { return [] }
        return [first, second].sorted { $0.transaction > $1.transaction }
    }

    /// What is wrong with the meta pages; nil when nothing is.
    ///
    /// Commit n goes to meta page n mod 2, after commit n − 1. LMDB takes whichever page has the larger number, so a flipped bit in one
    /// would silently bring back the commit before. One flip is not seen: the one that makes the older page's number that of the next
    /// commit.
    func metaFinding() throws -> String? {
        for _ in 0..<1000 {
            let metas = try (0..<2).map { try numbers(ofMeta: $0) }
            // A writer may be between the two.
            guard try (0..<2).map({ try numbers(ofMeta: $0) }) == metas else { continue }
            guard try !self.metas().isEmpty, let first = metas[0], let second = metas[1] else {
                return "no valid meta page"
            }
            let isFresh = first.transaction == 0 && second.transaction == 0
            let (low, high) = (min(first.transaction, second.transaction), max(first.transaction, second.transaction))
            guard isFresh || high - low == 1 && first.transaction % 2 == 0 else {
                return "the numbers of the two meta pages contradict each other"
            }
            // Pages that a commit took and gave back are never written, so the file may end before the last one.
            let pageSize = try meta(at: 0, pageSize: nil)?.pageSizeInBytes ?? 4096
            let pageCount = UInt64(try byteCount() / pageSize)
            guard max(first.lastPage, second.lastPage) < pageCount + Self.mostUnwrittenPages else {
                return "the last page lies far beyond the end of the file"
            }
            return nil
        }
        return "the meta pages change all the time"
    }

    /// Free pages at the end of a file that were never written.
    static let mostUnwrittenPages: UInt64 = 1 << 16

    private struct MetaNumbers: Equatable {
        let transaction: UInt64
        let lastPage: UInt64
    }

    private func numbers(ofMeta place: Int) throws -> MetaNumbers? {
        guard let first = try meta(at: 0, pageSize: nil) else { return nil }
        guard
            let meta = place == 0
                ? first : try meta(at: UInt64(first.pageSizeInBytes), pageSize: first.pageSizeInBytes)
        else { return nil }
        return MetaNumbers(transaction: meta.transaction, lastPage: meta.lastPage)
    }

    private func meta(at offset: UInt64, pageSize: Int?) throws -> PageMeta? {
        var bytes = [UInt8](repeating: 0, count: PageMeta.byteCount)
        guard try bytes.withUnsafeMutableBytes({ try read(at: offset, into: $0) }) else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let kind: UInt16 = bytes.integer(at: 10)
            let magic: UInt32 = bytes.integer(at: 16)
            let version: UInt32 = bytes.integer(at: 20)
            let size = Int(bytes.integer(at: 40) as UInt32)
            guard kind & PageKind.meta != 0, magic == 0xBEEF_C0DE, version == 1 else { return nil }
            // LMDB ends the process over a tree of a kind that nobody made. Numbers are the keys of the free pages' tree.
            let (freeKind, mainKind): (UInt16, UInt16) = (bytes.integer(at: 44), bytes.integer(at: 92))
            guard freeKind == 0x08, mainKind == 0 else { return nil }
            guard size >= 512, size <= 65536, size & (size - 1) == 0, pageSize ?? size == size else { return nil }
            return PageMeta(bytes)
        }
    }
}

/// Bits of a page's kind.
enum PageKind {
    static let branch: UInt16 = 1
    static let leaf: UInt16 = 2
    static let overflow: UInt16 = 4
    static let meta: UInt16 = 8
}

extension UnsafeRawBufferPointer {
    /// A little-endian integer; the caller has checked that it lies inside.
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> Number {
        // Safety: bounds are the caller's; no alignment is assumed.
        Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
}
