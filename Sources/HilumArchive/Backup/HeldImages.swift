/// Keeps the files of images that no case uses any more for as long as a snapshot is made, which may still name them.
struct HeldImages {
    /// Snapshots that are being made.
    var snapshots = 0
    /// What to remove when the last of them is done.
    var unused: [[UInt8]] = []

    /// Those of `digests` that may go now.
    mutating func release(_ digests: [[UInt8]]) -> [[UInt8]] {
        guard snapshots > 0 else { return digests }
        unused += digests
        return []
    }

    /// One snapshot is done.
    /// - Returns: what may go, if no case has come to use it again.
    mutating func end() -> [[UInt8]] {
        snapshots -= 1
        guard snapshots == 0 else { return [] }
        defer { unused = [] }
        return unused
    }
}
