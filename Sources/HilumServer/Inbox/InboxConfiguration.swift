import HilumArchive

/// What the daemon does when a file leaves the inbox.
public enum MissingFileRule: String, Sendable, CaseIterable {
    /// The case stays.
    case keep
    /// The case goes with the last of its files.
    case delete
}

/// How the inbox is watched.
struct InboxConfiguration: Sendable {
    /// A file counts when its size and time have been still for so long.
    var stillInSeconds = 0.5
    /// Between two looks at every folder, for what the kernel did not report.
    var rescanInSeconds = 2.0
    /// Whether inotify is used; without it, what is new is found by looking.
    var usesKernelEvents = true
    /// Before a case is tried again that could not be stored for a passing reason (disk full, not ready); then twice as long, and so on
    /// up to `retryGrowth` times as long.
    var retryInSeconds = 5.0
    var retryGrowth = 16.0
    /// A case that fails by itself, such as one that its decoder does not answer for, is given up after so many times, until it changes or
    /// the daemon starts again.
    var retryCount = 5
    /// Cases handed to the writer at once.
    var batchCount = ArchiveLimits.batchCount
    /// What becomes of a case whose files leave the inbox.
    var missing = MissingFileRule.keep
    /// A file must have been gone for so long before its case goes too; programs replace files by removing them first.
    var missingInSeconds = 5.0
}
