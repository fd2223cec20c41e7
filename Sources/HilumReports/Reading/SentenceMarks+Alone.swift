/// Sentences such as `Negative.` or 特になし: their few words name nothing that could be denied, and are an answer all the same.
///
/// The lexicon's `[alone]` lists such phrases. A longer sentence may hold the same words and mean something else by them (`COVID
/// negative`, `no findings suggest pneumonia`), so they count only where they are all that a sentence has, apart from signs
/// and words that change nothing (`essentially`, `chest`).
extension SentenceMarks {
    /// A longer sentence is none.
    private static let tokenLimit = 16

    /// Looks whether a sentence without a mention is such a phrase.
    ///
    /// - Parameter isWholeSection: whether no other sentence stands under its heading. Only then does the phrase speak of the whole
    ///   examination and become a mention: `HEART`, `Normal`, `LUNGS`, `Normal` in lines of their own speak of a part each.
    mutating func addAlone(
        _ tokens: [Token], _ sentence: Outline.Sentence, _ lexicon: Lexicon, language: Int, isWholeSection: Bool
    ) {
        guard mentions.isEmpty, !sentence.section.isBackground, sentence.end - sentence.first <= Self.tokenLimit,
            let meanings = Self.alone(tokens, sentence, lexicon, language: language)
        else { return }
        isAnswer = true
        guard isWholeSection else { return }
        for index in meanings {
            let meaning = lexicon.trie.meanings[Int(index)]
            guard meaning.value >= 0 else { continue }
            let text = sentence.first..<sentence.end
            guard let first = text.first(where: { tokens[$0].kind.isText }),
                let last = text.last(where: { tokens[$0].kind.isText || tokens[$0].kind == .minus })
            else { return }
            marks.removeAll(keepingCapacity: true)
            var mark = Mark(kind: .finding, value: meaning.value, extra: meaning.extra, first: first, end: last + 1)
            mark.isMention = true
            mark.isVerdict = true
            marks.append(mark)
            mentions.append(Mention(name: Int(meaning.value), wording: meaning.extra, mark: 0, earlier: 0))
            return
        }
    }

    /// What the words of a sentence mean together; nil where the lexicon has no such phrase.
    private static func alone(
        _ tokens: [Token], _ sentence: Outline.Sentence, _ lexicon: Lexicon, language: Int
    ) -> Range<Int32>? {
        var words: [Int32] = []
        for place in sentence.first..<sentence.end {
            let token = tokens[place]
            switch token.kind {
            case .word, .character: words.append(token.id)
            case .minus: words += lexicon.denials[language]
            case .number, .mask, .question, .plus, .slash: return nil
            default: continue
            }
        }
        guard words.allSatisfy({ $0 >= 0 }) else { return nil }
        let walk = lexicon.trie.walk(language: lexicon.languages.count + language)
        return meanings(words[...], walk, lexicon.ignored[language])
    }

    /// What the rest of a phrase means, with or without the words that may stand anywhere; a word that belongs to the phrase goes first.
    private static func meanings(
        _ words: ArraySlice<Int32>, _ walk: PhraseTrie.Walk, _ ignored: Set<Int32>
    ) -> Range<Int32>? {
        guard let word = words.first else { return walk.meanings }
        var next = walk
        if next.step(word), let found = meanings(words.dropFirst(), next, ignored) { return found }
        return ignored.contains(word) ? meanings(words.dropFirst(), walk, ignored) : nil
    }
}
