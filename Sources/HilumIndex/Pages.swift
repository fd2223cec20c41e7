import Foundation

/// Zeroed memory straight from the system: resident only where it is written, in huge pages where there are any.
///
/// Ends the process when there is no memory left, as `allocate` does.
func zeroedPages(_ byteCount: Int) -> UnsafeMutableRawPointer {
    guard let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        pages != MAP_FAILED
    else { fatalError("no memory for \(byteCount) bytes of the index") }
    return pages
}

/// Gives back what `zeroedPages` gave; `pages` may not be used any more.
func returnPages(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) {
    munmap(pages, byteCount)
}
