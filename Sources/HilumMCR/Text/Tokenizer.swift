import HilumCore

/// Turns report text into WordPiece ids.
///
///     text ─► scalars folded (case, accents, widths) ─► words (white space, punctuation, CJK) ─► greedy longest pieces ─► ids
///
/// The policy is that of uncased BERT (Devlin et al., "BERT", 2019): lower case, accents taken off Latin, Greek and
/// Cyrillic letters, each punctuation mark and each Chinese character a word of its own, a word that cannot be spelt or has
/// more than 100 characters one [UNK]. Departures, because reports are not English prose only: kana are split like Chinese
/// characters and keep their voicing marks; marks of other scripts are kept; symbols and emoji are words of their own, so
/// that an unknown one does not take its neighbours with it; full-width ASCII, typographic quotes and dashes become ASCII.
/// Text such as `[MASK]` in a report is never read as a special piece.
///
/// Thread rule: an immutable value; any number of threads may encode at once. The result is a pure function of the text.
public struct Tokenizer: Sendable {
    /// The most characters in a word that is looked up.
    static let wordLimit = 100

    /// The pieces and their ids.
    public let vocabulary: Vocabulary

    /// A tokenizer for these pieces.
    public init(vocabulary: Vocabulary) { self.vocabulary = vocabulary }

    /// [CLS], the pieces of `text`, [SEP]; pieces beyond `maxLength − 2` are left out. `maxLength` is at least 2.
    ///
    /// - Complexity: O(bytes of the text that are looked at); reading ends once `maxLength` is reached.
    public func encode(_ text: String, maxLength: Int) -> TokenizedReport {
        precondition(maxLength >= 2, "[CLS] and [SEP] need two places")
        var report = TokenizedReport()
        let expected = min(maxLength, text.utf8.count / 3 + 8)
        report.ids.reserveCapacity(expected)
        report.wordIndex.reserveCapacity(expected)
        report.ids.append(vocabulary.classID)
        report.wordIndex.append(-1)
        scanWords(text) { word, range in
            guard report.ids.count < maxLength - 1 else {
                report.isTruncated = true
                return false
            }
            let added: Int
            if let word {
                added = vocabulary.appendPieces(of: word, to: &report.ids)
            } else {
                report.ids.append(vocabulary.unknownID)
                added = 1
            }
            let index = Int32(report.wordRanges.count)
            for _ in 0..<added { report.wordIndex.append(index) }
            report.wordRanges.append(range)
            if report.ids.count > maxLength - 1 {
                let excess = report.ids.count - (maxLength - 1)
                report.ids.removeLast(excess)
                report.wordIndex.removeLast(excess)
                report.isTruncated = true
                return false
            }
            return true
        }
        report.ids.append(vocabulary.separatorID)
        report.wordIndex.append(-1)
        return report
    }

    /// Whether a text has so many different words of three letters or more that are a piece of their own; `xxxx` masks a word.
    func hasKnownWords(_ text: String, atLeast count: Int) -> Bool {
        var known: Set<Int32> = []
        var pieces: [Int32] = []
        scanWords(text) { word, range in
            guard let word, word.count >= 3, !word.allSatisfy({ $0 == UInt8(ascii: "x") }),
                word.contains(where: { $0 >= UInt8(ascii: "a") })
            else { return true }
            pieces.removeAll(keepingCapacity: true)
            if vocabulary.appendPieces(of: word, to: &pieces) == 1, pieces[0] != vocabulary.unknownID {
                known.insert(pieces[0])
            }
            return known.count < count
        }
        return known.count >= count
    }

    /// Words, pieces and unknown pieces over all texts, without [CLS] and [SEP].
    func statistics(of texts: some Sequence<String>) -> TokenStatistics {
        var statistics = TokenStatistics()
        for text in texts {
            let report = encode(text, maxLength: .max)
            statistics.wordCount += report.wordRanges.count
            statistics.pieceCount += report.ids.count - 2
            statistics.unknownCount += report.ids.count { $0 == vocabulary.unknownID }
        }
        return statistics
    }

    /// The share of pieces that are [UNK], from 0 to 1.
    func unknownShare(_ texts: some Sequence<String>) -> Double { statistics(of: texts).unknownShare }
}
