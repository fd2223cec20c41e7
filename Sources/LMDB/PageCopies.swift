import Foundation
import Synchronization

/// Copies of single pages of the file that one read transaction touched.
///
/// A page that is touched through a map may bring up to 2 MiB of its neighbours from the system's cache into the process. A process that
/// asks once touches some hundred pages all over the file; copies of these take less memory, and no more time.
///
/// Thread rule: any thread.
final class PageCopies: Sendable {
    private let descriptor: Int32
    private let pageSize: Int
    private let neighbourhoods: Neighbourhoods
    // Safety: memory that is written before anybody else sees its address, and freed with the last reader.
    private struct Pages: @unchecked Sendable { var bytes: [UInt64: UnsafeMutableRawPointer] = [:] }
    private let pages = Mutex(Pages())
    /// Whoever reads more, such as an export, goes through the map.
    private static let mostCount = 512

    /// - Parameter descriptor: of the file; outlives this.
    init(descriptor: Int32, pageSize: Int, _ neighbourhoods: Neighbourhoods) {
        self.descriptor = descriptor
        self.pageSize = pageSize
        self.neighbourhoods = neighbourhoods
    }

    deinit { pages.withLock { for bytes in $0.bytes.values { bytes.deallocate() } } }

    /// A copy of a page, which lives as long as this; nil where there are enough, or it cannot be read.
    func page(_ number: UInt64) -> UnsafeRawPointer? {
        pages.withLock { pages in
            if let bytes = pages.bytes[number] { return UnsafeRawPointer(bytes) }
            guard pages.bytes.count < Self.mostCount else { return nil }
            if let range = neighbourhoods.wanted(around: number) {
                // What comes of it does not matter: it is advice.
                _ = posix_fadvise(
                    descriptor, off_t(range.lowerBound) * off_t(pageSize), off_t(range.count * pageSize),
                    Int32(POSIX_FADV_WILLNEED))
            }
            let bytes = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: 16)
            // Safety: the page has the room.
            guard pread(descriptor, bytes, pageSize, off_t(number) * off_t(pageSize)) == pageSize else {
                bytes.deallocate()
                return nil
            }
            pages.bytes[number] = bytes
            return UnsafeRawPointer(bytes)
        }
    }

    /// Which pages are fetched together with those that an environment touches first.
    ///
    /// Pages that one commit wrote lie close together, and the ways through the main tree and that of a checkpoint lead through several:
    /// one after the other, each would wait for the disk.
    ///
    /// Thread rule: any thread.
    final class Neighbourhoods: Sendable {
        private let ranges = Mutex<[Range<UInt64>]>([])
        private static let mostCount = 2
        private static let reach: UInt64 = 8

        /// The pages around a page that was not fetched in such a way yet; nil after some.
        func wanted(around number: UInt64) -> Range<UInt64>? {
            ranges.withLock { ranges in
                guard ranges.count < Self.mostCount, !ranges.contains(where: { $0.contains(number) }) else {
                    return nil
                }
                ranges.append((number - min(number, Self.reach))..<(number + Self.reach))
                return ranges.last
            }
        }
    }
}
