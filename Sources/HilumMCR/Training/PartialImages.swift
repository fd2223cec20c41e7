import HilumCore

/// Shows the image encoder parts of images, beside the masked phase: a picture that is cut off, or covered here and there.
///
/// The contrast then learns to do without, also in the steps that mask nothing else.
enum PartialImages {
    /// Of a picture at least so many per cent of the patches are hidden, and at most `most`.
    private static let least = 10
    private static let most = 60

    /// With probability `share` only some of the patches, else all of them; ascending.
    ///
    /// Half of the partial pictures lack patches all over, the other half show one window. A pure function of (seed, step, sample).
    static func keptPatches(_ patchCount: Int, share: Double, seed: UInt64, step: Int, sample: Int) -> [Int32] {
        let all = (0..<Int32(patchCount)).map { $0 }
        guard share > 0 else { return all }
        var generator = SeededGenerator(seed: seed, keys: 0x9A_1A6E, UInt64(step), UInt64(sample))
        guard generator.chance(share) else { return all }
        let percent = least + generator.integer(below: most - least + 1)
        guard generator.chance(0.5) else {
            return Masking.keptPatches(
                patchCount, MaskRatio(percent: percent), seed: seed, step: step, sample: sample)
        }
        let side = Int(Double(patchCount).squareRoot())
        // A window of the wanted area, as wide as high up to the rounding, where it fits.
        let wanted = patchCount - patchCount * percent / 100
        let square = max(1, Int(Double(wanted).squareRoot().rounded()))
        let width = min(side, square + generator.integer(below: max(1, side - square + 1)))
        let height = min(side, max(1, (wanted + width / 2) / width))
        let left = generator.integer(below: side - width + 1)
        let top = generator.integer(below: side - height + 1)
        return all.filter { patch in
            let (row, column) = (Int(patch) / side, Int(patch) % side)
            return (top..<(top + height)).contains(row) && (left..<(left + width)).contains(column)
        }
    }
}
