import Foundation

/// Zeroed memory straight from the system: resident only where it is written.
///
/// - Parameter huge: asks for huge pages, which spare a random access to a large block one miss in the address cache.
///
/// Ends the process when there is no memory left, as `allocate` does.
func zeroedPages(_ byteCount: Int, huge: Bool = false) -> UnsafeMutableRawPointer {
    guard let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        pages != MAP_FAILED
    else { fatalError("no memory for \(byteCount) bytes of the index") }
    // A kernel without huge pages refuses, and small ones do.
    if huge { _ = madvise(pages, byteCount, MADV_HUGEPAGE) }
    return pages
}

/// Gives back what `zeroedPages` gave; `pages` may not be used any more.
func returnPages(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) {
    munmap(pages, byteCount)
}

/// Asks for huge pages under memory that came into use a few pages at a time. Other threads may read it meanwhile.
func gatherPages(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) {
    // MADV_COLLAPSE, of Linux 6.1, which the headers may not know; a kernel without it refuses, and small pages do.
    let collapse: Int32 = 25
    _ = madvise(pages, byteCount, collapse)
}
