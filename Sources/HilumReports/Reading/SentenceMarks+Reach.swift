/// How far the cues of a sentence reach.
///
/// The idea of a trigger, a direction and words that end its reach is that of NegEx (Chapman et al., 2001) and ConText
/// (Harkema et al., 2009). What differs: a denial ends at a comma or an `and` where a new thing begins (its size, its side, an
/// article, a verb), and goes on where the list ends in `or`; a phrase that only looks like a cue is hidden by a longer one.
extension SentenceMarks {
    /// Sets `reach` of every mark at which a finding is said.
    ///
    /// - Parameter isVerbLast: whether a predicate at the end of a clause speaks of all things listed before it, as in Japanese.
    mutating func reach(isVerbLast: Bool) {
        var isAsked = false
        for index in marks.indices {
            guard let cue = marks[index].asCue else { continue }
            switch cue {
            case .denyBefore: forward(index, .denied)
            case .doubtBefore: forward(index, .doubted)
            case .otherBefore: forward(index, .elsewhere)
            case .goneBefore: forward(index, .gone)
            case .otherNext: next(index)
            case .denyAfter: backward(index, .denied, isVerbLast: isVerbLast)
            case .doubtAfter, .doubtLink: backward(index, .doubted, isVerbLast: isVerbLast)
            case .otherAfter: backward(index, .elsewhere, isVerbLast: isVerbLast)
            case .goneAfter: backward(index, .gone, isVerbLast: isVerbLast)
            case .doubtEither: either(index, isVerbLast: isVerbLast)
            case .doubtBetween:
                nearest(before: index)
                forward(index, .doubted)
            case .contrast:
                let isDoubted = isDoubtful
                if isDoubted { nearest(before: index) }
                forward(index, isDoubted ? .doubted : .denied)
            case .contrastAfter:
                guard index > 0, marks[index - 1].isMention, marks[index - 1].end == marks[index].first else {
                    continue
                }
                touch(index - 1, isDoubtful ? .doubted : .denied, index)
            case .asks: isAsked = isAsked || index == 0 || !marks[index - 1].isCue(.denyBefore)
            default: continue
            }
        }
        guard isAsked else { return }
        for index in marks.indices where marks[index].reach.contains(.doubted) { marks[index].reach.insert(.elsewhere) }
    }

    /// Whether a word of the sentence doubts something.
    private var isDoubtful: Bool {
        marks.contains { mark in
            guard let cue = mark.asCue else { return false }
            return [.doubtBefore, .doubtAfter, .doubtEither, .doubtEnd, .doubtLink].contains(cue)
        }
    }

    private mutating func touch(_ index: Int, _ reach: Mark.Reach, _ cue: Int) {
        marks[index].reach.insert(reach)
        marks[index].cue = cue
    }

    /// A doubt that looks ahead where a finding follows in its part of the clause, and otherwise back.
    private mutating func either(_ cue: Int, isVerbLast: Bool) {
        for index in (cue + 1)..<max(cue + 1, marks.count) {
            let mark = marks[index]
            if mark.isMention { return forward(cue, .doubted) }
            if mark.kind == .comma || mark.kind == .colon || mark.kind == .paren { break }
            guard let other = mark.asCue else { continue }
            guard [.article, .verb, .of, .carry, .describes, .doubtBefore, .ignore].contains(other) else { break }
        }
        backward(cue, .doubted, isVerbLast: isVerbLast)
        // `Minimal, if any, effusion`.
        if !marks[..<cue].contains(where: { $0.cue == cue }) { forward(cue, .doubted) }
    }

    // MARK: Forward

    /// What a cue that looks ahead has met so far.
    private struct Progress {
        var hasReached = false
        var isJoined = false
        /// Whether a verb followed the last finding, so that its clause is complete.
        var hasVerb = false
        /// Whether a word followed the last finding with which another thing begins.
        var isNew = false
    }

    private mutating func forward(_ cue: Int, _ reach: Mark.Reach) {
        var progress = Progress()
        for index in (cue + 1)..<max(cue + 1, marks.count) {
            let mark = marks[index]
            if mark.isMention {
                if progress.hasReached {
                    if mark.isVerdict { return }
                    if !progress.isJoined && (progress.isNew || mark.isClause) && !hasOr(after: index) { return }
                }
                touch(index, reach, cue)
                progress = Progress(hasReached: true)
            } else if mark.kind == .cue {
                if ends(index, cue, reach, &progress) { return }
            } else if mark.kind == .comma {
                if progress.hasReached && (progress.hasVerb || !goesOn(after: index)) { return }
                // `Without a lateral view, a small effusion …`: what was denied has no name here.
                if !progress.hasReached && index > cue + 1 && beginsAnew(index + 1) { return }
                progress.isJoined = true
            } else if mark.kind == .slash {
                progress.isJoined = true
            } else if mark.kind == .colon {
                if mark.extra == 1 || progress.hasReached { return }
            } else if progress.hasReached {
                switch mark.kind {
                case .size: progress.isNew = progress.isNew || mark.extra == 0
                case .side, .severity, .change: progress.isNew = true
                default: continue
                }
            }
        }
    }

    /// Whether a cue ends the reach of another one before it.
    private func ends(_ index: Int, _ cue: Int, _ reach: Mark.Reach, _ progress: inout Progress) -> Bool {
        guard let other = marks[index].asCue else { return false }
        switch other {
        case .stop, .relative, .denyBefore, .affirmAfter: return true
        case .doubtBefore, .otherBefore, .goneBefore:
            if reach == .denied && progress.hasReached && startsAnew(index) { return true }
            progress.isJoined = true
        case .and:
            if progress.hasReached && (progress.hasVerb || !goesOn(after: index)) { return true }
            progress.isJoined = true
        case .or, .carry, .of, .doubtBetween: progress.isJoined = true
        case .contrast:
            if reach != .doubted { return progress.hasReached }
            progress.isJoined = true
        case .inside:
            // `No fluid level within the cavity` says that there is a cavity.
            if !progress.hasReached && reach == .denied && isUnknown(between: cue, index) { return true }
            progress.isJoined = true
        case .with: return progress.hasReached
        case .article: return progress.hasReached && !progress.isJoined
        case .verb: if progress.hasReached && !isFollowedBySeen(index) { progress.hasVerb = true }
        case .describes: progress.isNew = progress.hasReached
        default: break
        }
        return false
    }

    /// Whether words without a meaning here stand between two marks.
    private func isUnknown(between first: Int, _ second: Int) -> Bool { unknownCount(between: first, second) > 0 }

    /// How many tokens between two marks are no part of a mark.
    private func unknownCount(between first: Int, _ second: Int) -> Int {
        var count = 0
        for index in first..<max(first, second) { count += max(0, marks[index + 1].first - marks[index].end) }
        return count
    }

    private func beginsAnew(_ index: Int) -> Bool { index < marks.count && marks[index].isCue(.article) }

    /// Whether a comma or an `and` stands right before a mark.
    private func startsAnew(_ index: Int) -> Bool {
        index > 0 && (marks[index - 1].kind == .comma || marks[index - 1].isCue(.and))
    }

    private func isFollowedBySeen(_ index: Int) -> Bool {
        index + 1 < marks.count && marks[index + 1].isCue(.seen)
    }

    /// Whether the list that a mark stands in goes on to an `or`.
    private func hasOr(after index: Int) -> Bool {
        for next in (index + 1)..<max(index + 1, marks.count) {
            guard let cue = marks[next].asCue else { continue }
            if cue == .or { return true }
            if [.stop, .relative, .denyBefore, .with, .verb].contains(cue) { return false }
        }
        return false
    }

    /// Whether what follows a comma or an `and` belongs to the denied list before it.
    private func goesOn(after join: Int) -> Bool {
        var index = join + 1
        if index < marks.count, marks[index].isCue(.and) || marks[index].isCue(.or) { index += 1 }
        if beginsAnew(index) || index < marks.count && marks[index].kind == .change { return false }
        if hasOr(after: join) { return true }
        var isNew = false
        while index < marks.count {
            let mark = marks[index]
            if mark.isMention { return !isNew && !mark.isVerdict && !mark.isClause && !hasPredicate(after: index) }
            switch mark.kind {
            case .comma: return true
            case .side, .severity, .change: isNew = true
            case .size: isNew = isNew || mark.extra == 0
            case .part, .place: if hasPredicate(after: index) { return false }
            case .cue:
                switch mark.asCue {
                case .stop, .denyBefore, .and: return true
                case .verb: if !isFollowedBySeen(index) { return false }
                case .article, .describes, .otherBefore, .otherNext: isNew = true
                default: break
                }
            default: break
            }
            index += 1
        }
        return true
    }

    /// Whether a verb that says something of its own follows in the same part of the clause.
    private func hasPredicate(after index: Int) -> Bool {
        for next in (index + 1)..<max(index + 1, marks.count) {
            if marks[next].kind == .comma { return false }
            guard let cue = marks[next].asCue else { continue }
            if cue == .verb { return !isFollowedBySeen(next) }
            if cue == .stop || cue == .denyBefore || cue == .and { return false }
        }
        return false
    }

    private mutating func next(_ cue: Int) {
        var index = cue + 1
        while index < marks.count, index <= cue + 3 {
            if marks[index].isMention { return touch(index, .elsewhere, cue) }
            guard [.side, .place, .size, .severity].contains(marks[index].kind) else { return }
            index += 1
        }
    }

    // MARK: Backward

    /// How many words without a meaning may stand between a cue and the list that it speaks of, where verbs stand last.
    private static let unknownLimit = 3

    private mutating func backward(_ cue: Int, _ reach: Mark.Reach, isVerbLast: Bool) {
        // A denial at the end of a Japanese clause speaks of the whole list, a doubt of what stands after the comma.
        let isWhole = isVerbLast && (reach == .denied || reach == .gone)
        if marks[cue].extra == 1 && (cue == 0 || marks[cue].first > marks[cue - 1].end) { return }
        var hasReached = false
        var isJoined = false
        var isList = false
        var comma: Int?
        var index = cue
        while index > 0 {
            index -= 1
            let mark = marks[index]
            if mark.isMention {
                if hasReached && !isJoined && !isWhole { return }
                if mark.isVerdict && (hasReached || comma != nil) { return }
                if isWhole, let comma, isComplete(index, comma) { return }
                if isVerbLast && !hasReached && ownsUnknown(index, cue) { return }
                touch(index, reach, cue)
                hasReached = true
                isJoined = false
            } else if mark.kind == .comma {
                if reach == .elsewhere { return }
                if isVerbLast && !hasReached {
                    if unknownCount(between: index, cue) > (isWhole ? Self.unknownLimit : 1) { return }
                }
                if isWhole {
                    if index > 0 && marks[index - 1].kind == .change { return }
                } else if hasReached {
                    if !isList || hasVerb(before: index) { return }
                } else if index == cue - 1, let start = beginningOfRelative(index) {
                    index = start
                    continue
                }
                comma = index
                isJoined = true
            } else if mark.kind == .slash {
                isJoined = true
            } else if mark.kind == .colon {
                if hasReached { return }
            } else if let other = mark.asCue {
                switch other {
                case .and:
                    if !isVerbLast && hasReached && hasVerb(before: index) { return }
                    isJoined = true
                    isList = true
                case .or:
                    isJoined = true
                    isList = true
                case .contrast: isJoined = true
                default: if endsBackward(index, other, hasReached: hasReached) { return }
                }
            }
        }
    }

    /// Whether a cue ends the reach of a later one that looks back.
    private func endsBackward(_ index: Int, _ other: Cue, hasReached: Bool) -> Bool {
        switch other {
        case .stop, .denyAfter, .goneAfter, .affirmAfter, .otherAfter, .denyBefore: true
        case .relative: index > 0 && marks[index - 1].kind == .comma
        // 再発を疑う腫瘤影を認めない: what is doubted belongs to the thing that follows.
        case .doubtAfter:
            !(index + 1 < marks.count && marks[index + 1].isMention && marks[index + 1].first == marks[index].end)
        case .verb, .doubtBefore, .with: hasReached
        default: false
        }
    }

    /// Whether a cue speaks of something that belongs to a finding, not of the finding: リードの断線なし.
    private func ownsUnknown(_ mention: Int, _ cue: Int) -> Bool {
        guard mention + 2 == cue, marks[mention + 1].isCue(.of), marks[mention + 1].first == marks[mention].end else {
            return false
        }
        return marks[cue].first - marks[mention + 1].end > 1
    }

    /// Whether what stands before a comma is said already: by words that are not known, or by a size.
    private func isComplete(_ mention: Int, _ comma: Int) -> Bool {
        if unknownCount(between: mention, comma) > Self.unknownLimit { return true }
        for index in mention..<comma where marks[index].kind == .size && marks[index].extra == 0 { return true }
        var index = mention
        while index > 0, marks[index - 1].kind != .comma, !marks[index - 1].isMention {
            index -= 1
            let kind = marks[index].kind
            if kind == .measure || kind == .change || kind == .size && marks[index].extra == 0 { return true }
        }
        return false
    }

    /// Where a part of a sentence that stands in commas begins, if one ends at a comma: `A pneumothorax, which …, is gone`.
    private func beginningOfRelative(_ comma: Int) -> Int? {
        for index in stride(from: comma - 1, to: 0, by: -1) {
            if marks[index].isCue(.relative) { return marks[index - 1].kind == .comma ? index - 1 : nil }
            if marks[index].isMention || marks[index].isCue(.stop) { return nil }
        }
        return nil
    }

    private func hasVerb(before index: Int) -> Bool {
        for earlier in stride(from: index - 1, through: 0, by: -1) {
            if marks[earlier].isCue(.stop) { return false }
            if marks[earlier].isCue(.verb) || marks[earlier].isCue(.with) { return true }
        }
        return false
    }

    /// Doubts the finding just before a `versus`.
    private mutating func nearest(before cue: Int) {
        for index in stride(from: cue - 1, through: 0, by: -1) {
            if marks[index].isMention { return touch(index, .doubted, cue) }
            if marks[index].kind == .comma || marks[index].isCue(.stop) || marks[index].isCue(.verb) { return }
        }
    }

    // MARK: Cause

    /// Whether the later of two findings is said to explain the earlier one.
    func isCause(_ first: Int, _ second: Int, isVerbLast: Bool) -> Bool {
        var isLinked = isVerbLast
        for index in (first + 1)..<max(first + 1, second) {
            if marks[index].kind == .comma && isVerbLast { return false }
            guard let cue = marks[index].asCue else { continue }
            switch cue {
            case .carry, .doubtBefore, .doubtEither: isLinked = true
            // 空洞を伴う結節: the finding follows its own attribute.
            case .affirmAfter where index + 1 == second && marks[index].end == marks[second].first: continue
            case .and, .or, .stop, .denyBefore, .denyAfter, .affirmAfter, .doubtAfter, .goneAfter: return false
            default: continue
            }
        }
        return isLinked
    }
}
