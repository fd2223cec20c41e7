/// An image that is taken out of a case on its way into the store.
struct ImageSetAside: Sendable {
    var entry: QuarantineEntry
    /// When it came as bytes: those that the archive keeps.
    var keptBytes: [UInt8]?
}

/// What is known of the images of one case, before it is read.
struct KnownImages: Sendable {
    /// What was decided of those that were set aside, by SHA-256.
    var states: [[UInt8]: QuarantineEntry.State] = [:]
    /// Those that the stored case has, by SHA-256: they were looked at when they came.
    var stored: Set<[UInt8]> = []
    /// Where those lie.
    var paths: Set<String> = []
}
