/// How a step masks and weighs.
struct StepPlan: Sendable {
    var objective: Objective
    /// Masks of this step; `.none` in the unmasked phase.
    var imageMask: MaskRatio
    var reportMask: MaskRatio
    /// Whether the reconstruction losses are computed.
    var reconstructs: Bool
    var contrastWeight: Float = 1
    var imageWeight: Float = 1
    var reportWeight: Float = 1
    /// How strongly images are varied, 0…1; see `FilmVariation`.
    var augmentation: Float = 0
    /// Share of the images of which a part is hidden where `imageMask` hides nothing; see `PartialImages`.
    var partialImageShare = 0.0
    var seed: UInt64
    var step: Int
    /// Masks to use instead of drawn ones.
    var recorded: RecordedMasks?
}

extension StepPlan {
    /// The patches of a sample that stay, ascending; all of them when not `masked`.
    func keptPatches(of patchCount: Int, masked: Bool, sample: Int) -> [Int32] {
        if masked, let recorded { return recorded.kept[sample] }
        if imageMask == .none, partialImageShare > 0 {
            return PartialImages.keptPatches(
                patchCount, share: partialImageShare, seed: seed, step: step, sample: sample)
        }
        return Masking.keptPatches(patchCount, masked ? imageMask : .none, seed: seed, step: step, sample: sample)
    }

    /// Which tokens of a sample's report are hidden; none when not `masked`.
    func hiddenTokens(of report: TokenizedReport, masked: Bool, sample: Int) -> [Bool] {
        if masked, let recorded { return recorded.hidden[sample] }
        return Masking.hiddenTokens(
            wordIndices: report.wordIndex[...], masked ? reportMask : .none, seed: seed, step: step, sample: sample)
    }
}
