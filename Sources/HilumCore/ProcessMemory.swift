import Foundation

/// What the process has used of the machine's memory.
public enum ProcessMemory {
    /// Bytes of memory that were resident at once, at the most, since the process began; code and libraries included.
    public static var peakByteCount: Int {
        var usage = rusage()
        // Safety: `usage` is a local that the call fills; it cannot fail for the process itself. Linux counts in KiB.
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Int(usage.ru_maxrss) * 1024
    }
}
