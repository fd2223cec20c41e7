/// Learns a WordPiece vocabulary from texts and a list of terms.
///
///     texts ─► word counts ─► alphabet ─► syllables ─► words of the terms, whole ─► merges by frequency ─► unused ones out
///                                                                                         ▲                         │
///                                                                                         └──── until it is full ◄──┘
///
/// The merge rule is that of byte-pair encoding (Sennrich, Haddow, Birch, "Neural machine translation of rare words with
/// subword units", ACL 2016): most frequent pair first, ties by the text of the pair, so that the result is a pure function
/// of the input. Departures: greedy longest match does not need the steps between, so merges that end up unused give their
/// place to others; an eighth of the room goes first to the pairs that most different words share (endings, stems), each
/// word counted once, so that a word never seen is spelt in syllables instead of letters; digits are never merged, so that a
/// measure is spelt digit by digit; a term weighs as some occurrences.
public enum VocabularyBuilder {
    /// How often each word of a term counts as seen.
    static let termWeight = 4
    /// The share of the room beside the alphabet that pieces shared by many words take.
    static let syllableShare = 0.125
    /// The share of the room beside the alphabet that whole words of terms may take.
    static let termShare = 0.75

    /// A vocabulary of at most `size` pieces (at least 300); smaller when the texts hold no more.
    ///
    /// Always contains the special pieces 0…4 and `baseAlphabet`. The order of `texts` does not matter, except that other
    /// characters of equal count are taken by code point when there is no room for all.
    ///
    /// - Complexity: one pass over the texts, then O(merges · words that hold the pair).
    public static func build(texts: some Sequence<String>, terms: [String], size: Int) throws(MCRError) -> Vocabulary {
        precondition(size >= 300, "the alphabet alone needs 300 places")
        var counts: [String: Int] = [:]
        for text in texts { count(text, weight: 1, into: &counts) }
        let termWords = wholeWords(of: terms, counts: counts)
        for term in terms { count(term, weight: termWeight, into: &counts) }

        let alphabet = makeAlphabet(counts: counts, limit: size / 2)
        var pieces = Vocabulary.specialPieces + alphabet
        let known = Set(alphabet)
        let room = size - pieces.count
        pieces += syllables(of: counts, alphabet: known, limit: Int(Double(room) * syllableShare))
        var taken = Set(pieces)
        let whole = termWords.filter { isSpellable($0, known) && !taken.contains($0) }
        pieces += whole.prefix(Int(Double(room) * termShare))
        taken.formUnion(pieces)

        var merger = PairMerger(counts: counts, alphabet: known)
        var merged: [String] = []
        var removed: [String] = []
        while true {
            while pieces.count + merged.count < size, let piece = merger.mergeBest() {
                if taken.insert(piece).inserted { merged.append(piece) }
            }
            // Words of terms stand; merges that greedy longest match does not use go, and free their places.
            let vocabulary = try Vocabulary(pieces: pieces + merged)
            let usage = pieceUsage(vocabulary, counts: counts)
            let unused = merged.indices.filter { usage[pieces.count + $0] == 0 }
            let isFull = pieces.count + merged.count >= size
            guard isFull, unused.count > size / 200 else {
                if removed.isEmpty || isFull { return vocabulary }
                // There is room after all: the steps between may still spell words that the texts do not hold.
                return try Vocabulary(pieces: pieces + merged + removed.prefix(size - pieces.count - merged.count))
            }
            let gone = Set(unused)
            removed += unused.map { merged[$0] }
            merged = merged.indices.filter { !gone.contains($0) }.map { merged[$0] }
        }
    }

    /// The characters every vocabulary spells, as pieces: letters and digits at the start of a word and inside one,
    /// punctuation (which is always a word of its own) at the start only, and the Latin letters that folding leaves.
    static let baseAlphabet: [String] = {
        let inside = "0123456789abcdefghijklmnopqrstuvwxyzæðøþđħıłŋœßµαβγδμ²³¹½¼¾ªº"
        let alone = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~°±×÷·•…→←↑↓≤≥≈≠§©®€£¥«»"
        return (inside + alone).map(String.init) + inside.map { "##\($0)" }
    }()

    /// The first pieces that merging gives when each different word counts once.
    private static func syllables(of counts: [String: Int], alphabet: Set<String>, limit: Int) -> [String] {
        var merger = PairMerger(counts: counts.mapValues { _ in 1 }, alphabet: alphabet)
        var syllables: [String] = []
        while syllables.count < limit, let piece = merger.mergeBest() { syllables.append(piece) }
        return syllables
    }

    private static func count(_ text: String, weight: Int, into counts: inout [String: Int]) {
        scanWords(text) { word, _ in
            if let word { counts[String(decoding: word, as: UTF8.self), default: 0] += weight }
            return true
        }
    }

    /// The words of the terms that may become whole pieces, most frequent in the texts first, then in the order given.
    private static func wholeWords(of terms: [String], counts: [String: Int]) -> [String] {
        var order: [String: Int] = [:]
        for term in terms {
            scanWords(term) { word, _ in
                guard let word, word.count > 1 else { return true }
                let text = String(decoding: word, as: UTF8.self)
                if text.unicodeScalars.count > 1, !text.unicodeScalars.contains(where: isDigit), order[text] == nil {
                    order[text] = order.count
                }
                return true
            }
        }
        return order.sorted { (counts[$0.key] ?? 0, $1.value) > (counts[$1.key] ?? 0, $0.value) }.map(\.key)
    }

    /// `baseAlphabet` and the other characters of the texts, most frequent first, up to `limit` pieces.
    private static func makeAlphabet(counts: [String: Int], limit: Int) -> [String] {
        var starts: [Unicode.Scalar: Int] = [:]
        var insides: [Unicode.Scalar: Int] = [:]
        for (word, count) in counts {
            for (position, scalar) in word.unicodeScalars.enumerated() {
                if position == 0 { starts[scalar, default: 0] += count } else { insides[scalar, default: 0] += count }
            }
        }
        var alphabet = baseAlphabet
        let known = Set(alphabet)
        let others = starts.map { ("\($0.key)", $0.value) } + insides.map { ("##\($0.key)", $0.value) }
        let sorted = others.filter { !known.contains($0.0) }.sorted { ($1.1, key($0.0)) < ($0.1, key($1.0)) }
        alphabet += sorted.prefix(max(0, limit - alphabet.count)).map(\.0)
        return alphabet
    }

    /// Compares by code points; `String`'s own order is by canonical equivalence.
    private static func key(_ text: String) -> UInt64 {
        text.unicodeScalars.reduce(0) { $0 << 21 | UInt64($1.value) }
    }

    private static func isSpellable(_ word: String, _ alphabet: Set<String>) -> Bool {
        word.unicodeScalars.enumerated().allSatisfy { alphabet.contains($0 == 0 ? "\($1)" : "##\($1)") }
    }

    private static func pieceUsage(_ vocabulary: Vocabulary, counts: [String: Int]) -> [Int] {
        var usage = [Int](repeating: 0, count: vocabulary.count)
        var ids: [Int32] = []
        for (word, count) in counts {
            ids.removeAll(keepingCapacity: true)
            let bytes = Array(word.utf8)
            _ = bytes.withUnsafeBufferPointer { vocabulary.appendPieces(of: $0, to: &ids) }
            for id in ids { usage[Int(id)] += count }
        }
        return usage
    }

    static func isDigit(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }
}
