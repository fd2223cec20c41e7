import HilumCore

/// The masks of one training step, drawn by a counter-based generator: the mask of a sample is a function of
/// (seed, step, sample) alone, so a step can be replayed without storing its masks.
enum Masking {
    /// The patches that stay, K = N − N·num/den of them, in ascending order.
    ///
    /// N uniform numbers, argsort, the first K (He et al. 2022, "Masked autoencoders", section 3).
    static func keptPatches(_ patchCount: Int, _ ratio: MaskRatio, seed: UInt64, step: Int, sample: Int)
        -> [Int32]
    {
        let kept = patchCount - ratio.hidden(of: patchCount)
        if kept == patchCount { return (0..<Int32(patchCount)).map { $0 } }
        var generator = SeededGenerator(seed: seed, keys: 0x1_4A6E, UInt64(step), UInt64(sample))
        let draws = (0..<patchCount).map { _ in generator.next() }
        let order = (0..<patchCount).sorted { draws[$0] != draws[$1] ? draws[$0] < draws[$1] : $0 < $1 }
        return order[..<kept].sorted().map(Int32.init)
    }

    /// Which tokens of a report are hidden: max(1, round(ratio·W)) whole words of W, every piece of each.
    /// - Parameter wordIndices: the word each token belongs to, −1 for special tokens, which are never hidden.
    static func hiddenTokens(
        wordIndices: ArraySlice<Int32>, _ ratio: MaskRatio, seed: UInt64, step: Int, sample: Int
    ) -> [Bool] {
        let wordCount = Int((wordIndices.max() ?? -1) + 1)
        var hidden = [Bool](repeating: false, count: wordIndices.count)
        guard ratio.numerator > 0 && wordCount > 0 else { return hidden }
        let wanted = max(1, (2 * wordCount * ratio.numerator + ratio.denominator) / (2 * ratio.denominator))
        var words = Array(0..<wordCount)
        var generator = SeededGenerator(seed: seed, keys: 0x3E_60, UInt64(step), UInt64(sample))
        generator.shuffle(&words)
        var isHidden = [Bool](repeating: false, count: wordCount)
        for word in words.prefix(wanted) { isHidden[word] = true }
        for (position, word) in wordIndices.enumerated() where word >= 0 { hidden[position] = isHidden[Int(word)] }
        return hidden
    }
}
