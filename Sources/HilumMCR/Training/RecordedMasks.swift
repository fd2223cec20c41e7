/// Masks that were recorded, in place of drawn ones: two implementations agree only on the same masks.
struct RecordedMasks: Sendable {
    /// For each sample of the training set the patches that stay, ascending.
    let kept: [[Int32]]
    /// For each sample, for each of its tokens, whether it is hidden.
    let hidden: [[Bool]]
}
