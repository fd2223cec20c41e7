/// How far the cues of a sentence reach.
///
/// The idea of a trigger, a direction and words that end its reach is that of NegEx (Chapman et al., 2001) and ConText (Harkema et
/// al., 2009). What differs: a denial ends at a comma or an `and` where a new thing begins (its size, its side, an article, a
/// verb), and goes on where the list ends in `or`; and a phrase that only looks like a cue is hidden by a longer phrase.
extension SentenceMarks {
    /// Sets `reach` of every mark at which a finding is said.
    ///
    /// - Parameter isVerbLast: whether a predicate at the end of a clause speaks of all things listed before it, as in Japanese.
    mutating func reach(isVerbLast: Bool) {
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
            case .doubtBetween:
                nearest(before: index)
                forward(index, .doubted)
            default: continue
            }
        }
    }

    private mutating func touch(_ index: Int, _ reach: Mark.Reach, _ cue: Int) {
        marks[index].reach.insert(reach)
        marks[index].cue = cue
    }

    // MARK: Forward

    private mutating func forward(_ cue: Int, _ reach: Mark.Reach) {
        var hasReached = false
        var isJoined = false
        var hasVerb = false
        var isNew = false
        for index in (cue + 1)..<max(cue + 1, marks.count) {
            let mark = marks[index]
            if mark.isMention {
                if hasReached && !isJoined && (isNew || isClause(index)) && !hasOr(after: index) { return }
                touch(index, reach, cue)
                hasReached = true
                isJoined = false
                isNew = false
                continue
            }
            switch mark.kind {
            case .comma:
                if hasReached && (hasVerb || !goesOn(after: index)) { return }
                isJoined = true
            case .slash: isJoined = true
            case .colon: if mark.extra == 1 { return }
            case .cue:
                guard let other = mark.asCue else { continue }
                switch other {
                case .stop, .denyBefore, .affirmAfter: return
                case .doubtBefore, .otherBefore, .goneBefore:
                    if reach == .denied, hasReached, startsAnew(index) { return }
                    isJoined = true
                case .and:
                    if hasReached && (hasVerb || !goesOn(after: index)) { return }
                    isJoined = true
                case .or, .carry, .of, .doubtBetween: isJoined = true
                case .with: if hasReached { return }
                case .article: if hasReached && !isJoined { return }
                case .verb: if hasReached && !isFollowedBySeen(index) { hasVerb = true }
                case .describes: isNew = hasReached
                default: continue
                }
            case .size: isNew = isNew || hasReached && mark.extra == 0
            case .side, .severity, .change: isNew = isNew || hasReached
            default: continue
            }
        }
    }

    /// Whether the finding of a mark is said by a thing and what follows it.
    private func isClause(_ index: Int) -> Bool { mentions.contains { $0.mark == index && $0.isClause } }

    /// Whether a comma or an `and` stands right before a mark.
    private func startsAnew(_ index: Int) -> Bool {
        index > 0 && (marks[index - 1].kind == .comma || marks[index - 1].isCue(.and))
    }

    private func isFollowedBySeen(_ index: Int) -> Bool {
        guard index + 1 < marks.count else { return false }
        return marks[index + 1].isCue(.seen)
    }

    /// Whether the list that a mark stands in goes on to an `or`.
    private func hasOr(after index: Int) -> Bool {
        for next in (index + 1)..<max(index + 1, marks.count) {
            guard let cue = marks[next].asCue else { continue }
            if cue == .or { return true }
            if cue == .stop || cue == .denyBefore || cue == .with || cue == .verb { return false }
        }
        return false
    }

    /// Whether what follows a comma or an `and` belongs to the denied list before it.
    private func goesOn(after join: Int) -> Bool {
        var index = join + 1
        if index < marks.count, marks[index].isCue(.and) || marks[index].isCue(.or) { index += 1 }
        if index < marks.count, marks[index].isCue(.article) || marks[index].kind == .change { return false }
        if hasOr(after: join) { return true }
        var isNew = false
        while index < marks.count {
            let mark = marks[index]
            if mark.isMention {
                if isNew { return false }
                return !isClause(index) && !hasPredicate(after: index)
            }
            switch mark.kind {
            case .comma: return true
            case .side, .severity, .change: isNew = true
            case .size: isNew = isNew || mark.extra == 0
            case .part, .place: if hasPredicate(after: index) { return false }
            case .cue:
                switch mark.asCue {
                case .stop, .denyBefore: return true
                case .verb: if !isFollowedBySeen(index) { return false }
                case .article, .describes, .otherBefore, .otherNext: isNew = true
                case .and: return true
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

    private mutating func backward(_ cue: Int, _ reach: Mark.Reach, isVerbLast: Bool) {
        var hasReached = false
        var isJoined = false
        var isList = false
        for index in stride(from: cue - 1, through: 0, by: -1) {
            let mark = marks[index]
            if mark.isMention {
                if hasReached && !isJoined && !isVerbLast { return }
                touch(index, reach, cue)
                hasReached = true
                isJoined = false
                continue
            }
            switch mark.kind {
            case .comma:
                // A denial at the end speaks of the whole list, a doubt of what stands after the comma.
                let isWhole = isVerbLast && reach != .doubted
                if !isWhole && hasReached && (!isList || hasVerb(before: index)) { return }
                isJoined = true
            case .slash: isJoined = true
            case .colon: if hasReached { return }
            case .cue:
                guard let other = mark.asCue else { continue }
                switch other {
                case .stop, .denyAfter, .doubtAfter, .goneAfter, .affirmAfter, .otherAfter, .denyBefore: return
                case .verb, .doubtBefore, .with: if hasReached { return }
                case .and:
                    if !isVerbLast && hasReached && hasVerb(before: index) { return }
                    isJoined = true
                    isList = true
                case .or:
                    isJoined = true
                    isList = true
                default: continue
                }
            default: continue
            }
        }
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
}
