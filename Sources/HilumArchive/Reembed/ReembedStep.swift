/// What a step of making a generation came to.
public enum ReembedStep: Sendable, Equatable {
    /// So many cases were read, and what they gave is on disk.
    case encoded(Int)
    /// All cases of the archive are in the generation.
    case upToDate
    /// It was interrupted; nothing was written.
    case interrupted
    /// There is no generation beside the one that is searched, or another than when the step began.
    case gone
}
