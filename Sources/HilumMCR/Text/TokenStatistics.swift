/// How a vocabulary fits a set of texts.
struct TokenStatistics: Sendable, Equatable {
    var wordCount = 0
    var pieceCount = 0
    var unknownCount = 0

    /// [UNK] pieces in all pieces, from 0 to 1; 0 without pieces.
    var unknownShare: Double { pieceCount == 0 ? 0 : Double(unknownCount) / Double(pieceCount) }
    /// Mean pieces a word; 0 without words.
    var piecesPerWord: Double { wordCount == 0 ? 0 : Double(pieceCount) / Double(wordCount) }
}
