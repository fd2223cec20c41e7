import HilumArchive

/// What a client wants of the archive's generations.
enum ReembedOrder: Sendable, Equatable {
    /// Nothing but to know where it stands.
    case status
    /// A new generation of a model, or to go on with one.
    case start(model: String, precision: String?, pace: ReembedPace)
    /// To stop the work on it for a while.
    case pause
    /// To go on.
    case resume
    /// Another pace.
    case pace(ReembedPace)
    /// To search the new generation.
    case `switch`(allowsPartial: Bool)
    /// To search the former one again.
    case rollback(allowsPartial: Bool)
    /// To give up the new one.
    case abort
    /// To give up the former one.
    case drop
}
