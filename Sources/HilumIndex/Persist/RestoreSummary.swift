/// What became of the items of a checkpoint.
public struct RestoreSummary: Sendable, Equatable {
    /// Items whose vector is gone; their nodes were taken out with repair.
    public var goneItemCount = 0
    /// Items whose vector is another one now; they were linked again.
    public var changedItemCount = 0
}
