import Foundation
import Testing

@testable import HilumMCR

@Test(arguments: [0, 25, 50, 75]) func asManyPatchesStayAsTheRatioSays(percent: Int) {
    let kept = Masking.keptPatches(196, MaskRatio(percent: percent), seed: 1, step: 5, sample: 9)
    #expect(kept.count == 196 - 196 * percent / 100)
    #expect(kept == kept.sorted())
    #expect(Set(kept).count == kept.count)
    #expect(kept == Masking.keptPatches(196, MaskRatio(percent: percent), seed: 1, step: 5, sample: 9))
}

@Test func masksAreRedrawnAtEachStepAndForEachSample() {
    let ratio = MaskRatio(1, 2)
    let first = Masking.keptPatches(64, ratio, seed: 1, step: 0, sample: 0)
    #expect(first != Masking.keptPatches(64, ratio, seed: 1, step: 1, sample: 0))
    #expect(first != Masking.keptPatches(64, ratio, seed: 1, step: 0, sample: 1))
    #expect(first != Masking.keptPatches(64, ratio, seed: 2, step: 0, sample: 0))
}

@Test func eachPatchStaysAsOftenAsAnother() {
    var counts = [Int](repeating: 0, count: 64)
    for sample in 0..<2000 {
        for patch in Masking.keptPatches(64, MaskRatio(1, 2), seed: 1, step: 0, sample: sample) {
            counts[Int(patch)] += 1
        }
    }
    // A binomial of 2,000 draws at one half has a deviation of 22.
    #expect(counts.allSatisfy { abs($0 - 1000) < 110 })
}

@Test func wholeWordsAreHiddenAndNeverSpecialTokens() {
    // Eight words, the third of three pieces.
    let words: [Int32] = [-1, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, -1]
    for sample in 0..<50 {
        let hidden = Masking.hiddenTokens(wordIndices: words[...], MaskRatio(1, 4), seed: 1, step: 0, sample: sample)
        #expect(!hidden[0] && !hidden[11])
        #expect(hidden[3] == hidden[4] && hidden[4] == hidden[5])
        #expect(Set(zip(words, hidden).filter(\.1).map(\.0)).count == 2)
    }
    #expect(
        Masking.hiddenTokens(wordIndices: [-1, 0, -1][...], MaskRatio(1, 4), seed: 1, step: 0, sample: 0)
            == [false, true, false])
    #expect(
        Masking.hiddenTokens(wordIndices: [-1, -1][...], MaskRatio(1, 4), seed: 1, step: 0, sample: 0) == [
            false, false,
        ])
}

@Test func gridPositionsMatchHandComputedValues() {
    let table = Positions.grid(side: 4, width: 8)
    // Row 2, column 3: sin(3), sin(3/100), cos(3), cos(3/100), then the same for 2.
    let row = Array(table[(2 * 4 + 3) * 8..<(2 * 4 + 4) * 8])
    let expected: [Double] = [sin(3), sin(0.03), cos(3), cos(0.03), sin(2), sin(0.02), cos(2), cos(0.02)]
    for (value, truth) in zip(row, expected) { #expect(abs(Double(value) - truth) < 1e-6) }
}

@Test func equalReportsGiveASymmetricTarget() {
    let targets = ContrastiveLoss.targets([7, 8, 7, 9, 7])
    for (row, entries) in targets.enumerated() {
        #expect(abs(entries.reduce(0) { $0 + $1.share } - 1) < 1e-6)
        for entry in entries {
            #expect(targets[entry.column].contains { $0.column == row && $0.share == entry.share })
        }
    }
    #expect(targets[1].map(\.column) == [1])
    #expect(targets[0].map(\.column) == [0, 2, 4])
}
