/// What became of images that a person gave back to their case.
public struct QuarantineRelease: Sendable, Equatable {
    /// Of the case, as people are shown it.
    public var id: String
    /// The images; all of them are in the case, or none where it was refused.
    public var images: [QuarantinedImage]
    /// What became of the case.
    public var outcome: PutOutcome
}
