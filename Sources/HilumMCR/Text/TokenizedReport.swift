/// The ids of one report.
public struct TokenizedReport: Sendable, Equatable {
    /// `[pieces]`: [CLS] … [SEP], no padding.
    public internal(set) var ids: [Int32] = []
    /// `[pieces]`: which word of the report each piece belongs to, from 0; −1 for [CLS] and [SEP].
    var wordIndex: [Int32] = []
    /// `[words]`: the UTF-8 byte range of each word in the source text. The last word may be cut to its first pieces.
    var wordRanges: [Range<Int>] = []
    /// Whether text was left out because `maxLength` was reached.
    var isTruncated = false

    var wordCount: Int { wordRanges.count }
}
