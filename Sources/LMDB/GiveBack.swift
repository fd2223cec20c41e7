import Foundation

/// Tells the system that the pages of a value which was copied need not stay resident in this process.
///
/// They stay in the system's cache and come back by themselves when they are read again. Pages that the value shares with others are
/// left alone. Any thread.
///
/// - Precondition: the value was lent by a read transaction. One of a write transaction may lie in memory of its own, which this
///   would empty.
public func giveBackPages(of value: UnsafeRawBufferPointer) {
    guard let base = value.baseAddress else { return }
    let page = UInt(getpagesize())
    let first = (UInt(bitPattern: base) + page - 1) / page * page
    let last = (UInt(bitPattern: base) + UInt(value.count)) / page * page
    guard last > first, let start = UnsafeMutableRawPointer(bitPattern: first) else { return }
    // Safety: the range lies inside the value, in a mapping of a file that this process never writes through.
    _ = madvise(start, Int(last - first), MADV_DONTNEED)
}
