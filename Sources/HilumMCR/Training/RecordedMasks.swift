/// Masks that were recorded, in place of drawn ones: two implementations agree only on the same masks.
struct RecordedMasks: Sendable {
    /// For each sample of the training set the patches that stay, ascending.
    let kept: [[Int32]]
    /// For each sample, for each of its tokens, whether it is hidden.
    let hidden: [[Bool]]
}

extension StepPlan {
    /// The patches of a sample that stay, ascending; all of them when not `masked`.
    func keptPatches(of patchCount: Int, masked: Bool, sample: Int) -> [Int32] {
        if masked, let recorded { return recorded.kept[sample] }
        return Masking.keptPatches(patchCount, masked ? imageMask : .none, seed: seed, step: step, sample: sample)
    }

    /// Which tokens of a sample's report are hidden; none when not `masked`.
    func hiddenTokens(of report: TokenizedReport, masked: Bool, sample: Int) -> [Bool] {
        if masked, let recorded { return recorded.hidden[sample] }
        return Masking.hiddenTokens(
            wordIndices: report.wordIndex[...], masked ? reportMask : .none, seed: seed, step: step, sample: sample)
    }
}
