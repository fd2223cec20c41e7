/// How a vocabulary fits a set of texts.
public struct TokenStatistics: Sendable, Equatable {
    public var wordCount = 0
    public var pieceCount = 0
    public var unknownCount = 0

    /// [UNK] pieces in all pieces, from 0 to 1; 0 without pieces.
    public var unknownShare: Double { pieceCount == 0 ? 0 : Double(unknownCount) / Double(pieceCount) }
    /// Mean pieces a word; 0 without words.
    public var piecesPerWord: Double { wordCount == 0 ? 0 : Double(pieceCount) / Double(wordCount) }
}
