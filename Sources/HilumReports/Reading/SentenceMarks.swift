/// The marks of one sentence, and the findings that they say.
///
/// Thread rule: one owner; its arrays are used again for the next sentence.
struct SentenceMarks {
    var marks: [Mark] = []
    var mentions: [Mention] = []
    /// Whether the sentence is a phrase that answers although it names nothing.
    var isAnswer = false

    /// Whether one of them is more than a cue or a sign, or all of them are an answer.
    var saySomething: Bool {
        isAnswer
            || marks.contains { mark in
                switch mark.kind {
                case .finding, .part, .place, .side, .size, .severity, .change, .measure: true
                case .cue, .comma, .colon, .slash, .paren: false
                }
            }
    }

    /// How many tokens may stand between a thing and what is said of it.
    private static let gapBehind = 12
    private static let gapAhead = 6

    /// Replaces marks and mentions by those of a sentence.
    ///
    /// - Parameter isVerbLast: whether a predicate ends its clause, as in Japanese.
    mutating func collect(
        _ tokens: [Token], _ sentence: Outline.Sentence, _ lexicon: Lexicon, language: Int, isVerbLast: Bool
    ) {
        marks.removeAll(keepingCapacity: true)
        mentions.removeAll(keepingCapacity: true)
        isAnswer = false
        var place = sentence.first
        while place < sentence.end {
            if tokens[place].kind == .number, let end = addMeasure(tokens, at: place, sentence, lexicon, language) {
                place = end
            } else if let found = lexicon.trie.longest(tokens, from: place, limit: sentence.end, language: language) {
                let count = marks.count
                for index in found.meanings {
                    add(lexicon.trie.meanings[Int(index)], place, found.end, lexicon)
                }
                // `: none` speaks of the words right before it alone.
                if tokens[place].kind == .colon && marks.count > count { marks[count].extra = 1 }
                place = found.end
                if let cue = marks.last?.asCue, cue == .denyEnd || cue == .doubtEnd {
                    let isEnd = place == sentence.end || !tokens[place].kind.isText
                    let (last, within): (Cue, Cue) =
                        cue == .denyEnd ? (.denyAfter, .denyBefore) : (.doubtAfter, .or)
                    set(&marks[marks.count - 1], isEnd ? last : within)
                }
            } else {
                addSign(tokens, at: place, sentence)
                place += 1
            }
        }
        if mentions.isEmpty && marks.isEmpty { return }
        joinParts(lexicon)
        dropWider(lexicon)
        noteEarlierSizes()
        addSecondSides(lexicon, isVerbLast: isVerbLast)
        mentions.sort { ($0.mark, $0.earlier) < ($1.mark, $1.earlier) }
    }

    private mutating func add(_ meaning: PhraseTrie.Meaning, _ first: Int, _ end: Int, _ lexicon: Lexicon) {
        let kind: Mark.Kind
        switch meaning.kind {
        case .finding: kind = .finding
        case .part: kind = .part
        case .place: kind = .place
        case .side: kind = .side
        case .size: kind = .size
        case .severity: kind = .severity
        case .change: kind = .change
        case .cue: kind = .cue
        case .unit, .section, .alone: return
        }
        var mark = Mark(kind: kind, value: meaning.value, extra: meaning.extra, first: first, end: end)
        if kind == .size && lexicon.sizes[Int(meaning.value)] == "large" { mark.extra = 1 }
        if kind == .finding {
            mark.isMention = true
            mark.isVerdict = lexicon.table.names[Int(meaning.value)].flags.contains(.verdict)
            mentions.append(
                Mention(name: Int(meaning.value), wording: meaning.extra, mark: marks.count, earlier: marks.count))
        }
        marks.append(mark)
    }

    private mutating func addSign(_ tokens: [Token], at place: Int, _ sentence: Outline.Sentence) {
        var mark = Mark(kind: .comma, value: 0, first: place, end: place + 1)
        switch tokens[place].kind {
        case .comma: break
        case .colon: mark.kind = .colon
        case .slash: mark.kind = .slash
        case .open, .close: mark.kind = .paren
        case .minus: set(&mark, .denyAfter)
        case .plus: set(&mark, .affirmAfter)
        case .semicolon: set(&mark, .stop)
        case .dash:
            mark.kind = .colon
            mark.extra = 1
        case .question: set(&mark, place + 1 == sentence.end ? .doubtAfter : .doubtBefore)
        default: return
        }
        marks.append(mark)
    }

    private func set(_ mark: inout Mark, _ cue: Cue) {
        mark.kind = .cue
        mark.value = Int16(cue.rawValue)
    }

    /// A measure: `8 mm`, `3.2 x 2.1 cm`, `2-3 cm`. Returns the token behind it.
    private mutating func addMeasure(
        _ tokens: [Token], at first: Int, _ sentence: Outline.Sentence, _ lexicon: Lexicon, _ language: Int
    ) -> Int? {
        var place = first
        while place < sentence.end, place - first < 12 {
            let token = tokens[place]
            if token.kind == .number || token.kind == .dash {
                place += 1
                continue
            }
            if let found = lexicon.trie.longest(tokens, from: place, limit: sentence.end, language: language) {
                for index in found.meanings {
                    let meaning = lexicon.trie.meanings[Int(index)]
                    guard meaning.kind == .unit else { continue }
                    if lexicon.units[Int(meaning.value)] == "x" {
                        place = found.end
                        break
                    }
                    marks.append(Mark(kind: .measure, value: meaning.value, first: first, end: found.end))
                    return found.end
                }
                if place == found.end { continue }
            }
            return nil
        }
        return nil
    }

    // MARK: Pairs

    /// Finds what is said of what: each quality belongs to the nearest thing for which there is a rule.
    private mutating func joinParts(_ lexicon: Lexicon) {
        for index in marks.indices where marks[index].kind == .part && !lexicon.rules.isObject[Int(marks[index].value)]
        {
            let behind = objectBehind(index, lexicon)
            let ahead = objectAhead(index, lexicon)
            let behindFirst = behind.map { !$0.isAcross } ?? false
            if behindFirst, let behind, join(behind.object, index, lexicon) { continue }
            if let ahead, join(ahead, index, lexicon) { continue }
            if !behindFirst, let behind { _ = join(behind.object, index, lexicon) }
        }
    }

    /// Drops findings that are only the wider name of a pair's: the `fractures` of `fractures of the ribs`.
    private mutating func dropWider(_ lexicon: Lexicon) {
        guard mentions.contains(where: { $0.mark != $0.earlier }) else { return }
        let pairs = mentions.filter { $0.mark != $0.earlier }
        mentions.removeAll { single in
            guard single.mark == single.earlier else { return false }
            let first = marks[single.mark].first
            return pairs.contains { pair in
                (marks[pair.mark].first == first || marks[pair.earlier].first == first)
                    && (pair.name == single.name || lexicon.table.isKind(pair.name, of: single.name))
            }
        }
    }

    /// The nearest thing before a quality, and whether an `and` stands between.
    private func objectBehind(_ quality: Int, _ lexicon: Lexicon) -> (object: Int, isAcross: Bool)? {
        var isAcross = false
        for index in stride(from: quality - 1, through: 0, by: -1) {
            let mark = marks[index]
            if mark.first == marks[quality].first { continue }
            guard marks[quality].first - mark.end <= Self.gapBehind else { return nil }
            switch mark.kind {
            case .part:
                if lexicon.rules.isObject[Int(mark.value)] { return (index, isAcross) }
            case .comma: return nil
            case .finding: if !isPart(index) { return nil }
            case .cue:
                if mark.isCue(.stop) || mark.isCue(.relative) { return nil }
                if mark.isCue(.and) || mark.isCue(.with) || mark.isCue(.or) || mark.isCue(.of) { isAcross = true }
                if mark.isCue(.denyAfter) || mark.isCue(.affirmAfter) || mark.isCue(.doubtAfter) { return nil }
            default: continue
            }
        }
        return nil
    }

    /// Whether the words of a mark are also a part of pairs.
    private func isPart(_ index: Int) -> Bool {
        for other in max(0, index - 3)..<min(marks.count, index + 4)
        where marks[other].kind == .part && marks[other].first == marks[index].first { return true }
        return false
    }

    private func objectAhead(_ quality: Int, _ lexicon: Lexicon) -> Int? {
        for index in (quality + 1)..<max(quality + 1, marks.count) {
            let mark = marks[index]
            if mark.first == marks[quality].first { continue }
            guard mark.first - marks[quality].end <= Self.gapAhead else { return nil }
            switch mark.kind {
            case .part:
                if lexicon.rules.isObject[Int(mark.value)] { return index }
            case .comma, .finding, .colon: return nil
            case .cue:
                guard let cue = mark.asCue, [.article, .of, .inside, .and, .ignore, .describes].contains(cue) else {
                    return nil
                }
                if cue == .and
                    && !(index + 1 < marks.count && marks[index + 1].kind == .part
                        && !lexicon.rules.isObject[Int(marks[index + 1].value)])
                {
                    return nil
                }
            default: continue
            }
        }
        return nil
    }

    /// Adds what the rules say of a thing and a quality, and of the things listed with it.
    private mutating func join(_ object: Int, _ quality: Int, _ lexicon: Lexicon) -> Bool {
        var isJoined = add(object, quality, lexicon)
        if object < quality {
            var next = listed(before: object, lexicon)
            while let other = next {
                isJoined = add(other, quality, lexicon) || isJoined
                next = listed(before: other, lexicon)
            }
        } else {
            var next = listed(after: object, lexicon)
            while let other = next {
                isJoined = add(other, quality, lexicon) || isJoined
                next = listed(after: other, lexicon)
            }
        }
        return isJoined
    }

    private mutating func add(_ object: Int, _ quality: Int, _ lexicon: Lexicon) -> Bool {
        // A phrase may be a thing in two languages, or of two kinds: its marks stand beside each other.
        var object = object
        while object > 0 && marks[object - 1].first == marks[object].first { object -= 1 }
        let first = marks[object].first
        var isJoined = false
        while object < marks.count && marks[object].first == first {
            defer { object += 1 }
            guard marks[object].kind == .part else { continue }
            let later = max(object, quality)
            for outcome in lexicon.rules.outcomes(marks[object].value, marks[quality].value) {
                mentions.append(
                    Mention(
                        name: Int(outcome.name), wording: outcome.wording, mark: later, earlier: min(object, quality)))
                marks[later].isMention = true
                marks[later].isClause = marks[later].isClause || object < quality
                marks[min(object, quality)].isUsed = true
                marks[later].isVerdict =
                    outcome.wording == 1 || lexicon.table.names[Int(outcome.name)].flags.contains(.verdict)
                isJoined = true
            }
        }
        return isJoined
    }

    /// The thing that is listed just before another: `heart and mediastinum`.
    private func listed(before object: Int, _ lexicon: Lexicon) -> Int? {
        var isJoined = false
        for index in stride(from: object - 1, through: 0, by: -1) {
            let mark = marks[index]
            if mark.kind == .part {
                guard lexicon.rules.isObject[Int(mark.value)] else { return nil }
                if mark.first == marks[object].first { continue }
                return isJoined && marks[object].first - mark.end <= Self.gapAhead ? index : nil
            }
            if mark.kind == .comma || mark.kind == .slash || mark.isCue(.and) || mark.isCue(.or) {
                isJoined = true
            } else if mark.kind != .side && mark.kind != .place && !mark.isCue(.article) {
                return nil
            }
        }
        return nil
    }

    /// The thing that is listed just after another, if nothing is said of it: `normal heart and mediastinum`.
    private func listed(after object: Int, _ lexicon: Lexicon) -> Int? {
        var isJoined = false
        for index in (object + 1)..<max(object + 1, marks.count) {
            let mark = marks[index]
            if mark.kind == .part {
                guard lexicon.rules.isObject[Int(mark.value)] else { return nil }
                if mark.first == marks[object].first { continue }
                guard isJoined, mark.first - marks[object].end <= Self.gapAhead else { return nil }
                let next = index + 1 < marks.count ? marks[index + 1] : nil
                if let next, next.isCue(.verb) || next.kind == .part || next.kind == .colon || next.kind == .change {
                    return nil
                }
                return index
            }
            if mark.kind == .comma || mark.kind == .slash || mark.isCue(.and) || mark.isCue(.or) {
                isJoined = true
            } else if mark.kind != .side && mark.kind != .place && !mark.isCue(.article) {
                return nil
            }
        }
        return nil
    }
}
