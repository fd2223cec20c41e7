/// Side, place, size, severity and change of a finding, read from the words around it.
///
/// What stands before a finding, back to the last join or the finding before it, belongs to it; so does what stands behind it up to
/// the next part of the clause that says a finding of its own. Words before it win.
extension SentenceMarks {
    /// The marks that may describe a finding.
    struct Surroundings {
        /// From the start of its part of the clause to the finding.
        var before: Range<Int>
        /// Between the two parts of a pair.
        var within: Range<Int>
        var behind: Range<Int>
    }

    func surroundings(of mention: Mention) -> Surroundings {
        var first = mention.earlier
        while first > 0 && marks[first - 1].first == marks[mention.earlier].first { first -= 1 }
        var start = first
        var near = first
        var hasJoin = false
        while start > 0 {
            let mark = marks[start - 1]
            if mark.isMention || isStop(mark) || isPredicate(mark) { break }
            start -= 1
            if isJoin(mark) && !hasJoin {
                hasJoin = true
                near = start + 1
            }
        }
        let isFirst = start == 0 || !marks[start - 1].isMention
        var end = mention.mark + 1
        while end < marks.count && marks[end].first == marks[mention.mark].first { end += 1 }
        let behindStart = end
        var join: Int?
        while end < marks.count {
            let mark = marks[end]
            // `enlarged but stable` goes on.
            if isStop(mark) && !(end + 1 < marks.count && marks[end + 1].kind == .change) { break }
            if mark.isMention || mark.isUsed {
                // What stands between the last join and the next finding belongs to that one.
                end = join ?? beginning(of: end, from: behindStart)
                break
            }
            if isJoin(mark) { join = end }
            end += 1
        }
        return Surroundings(
            before: (hasJoin && !isFirst ? near : start)..<first,
            within: mention.earlier == mention.mark ? first..<behindStart : mention.earlier + 1..<mention.mark,
            behind: behindStart..<max(behindStart, end))
    }

    /// Where the words before a finding begin to belong to it, if no join says so: behind the place of the one before.
    private func beginning(of next: Int, from start: Int) -> Int {
        var index = start
        guard index < next, marks[index].isCue(.of) else { return start }
        while index < next, marks[index].isCue(.of) || marks[index].isCue(.article) { index += 1 }
        while index < next, marks[index].kind == .side || marks[index].kind == .place { index += 1 }
        return index
    }

    private func isStop(_ mark: Mark) -> Bool {
        guard let cue = mark.asCue else { return false }
        return cue == .stop || cue == .denyBefore
    }

    private func isPredicate(_ mark: Mark) -> Bool {
        guard let cue = mark.asCue else { return false }
        return cue == .denyAfter || cue == .affirmAfter || cue == .doubtAfter || cue == .goneAfter || cue == .otherAfter
    }

    private func isJoin(_ mark: Mark) -> Bool {
        if mark.kind == .comma || mark.kind == .slash { return true }
        guard let cue = mark.asCue else { return false }
        return cue == .and || cue == .or || cue == .with || cue == .carry || cue == .doubtBetween || cue == .doubtBefore
            || cue == .relative
    }

    // MARK: Values

    /// The index of the mark of a kind that describes a finding: the nearest before it, then within, then behind.
    func nearest(_ around: Surroundings, where isWanted: (Mark) -> Bool) -> Int? {
        around.before.last { isWanted(marks[$0]) } ?? around.within.first { isWanted(marks[$0]) }
            ?? around.behind.first { isWanted(marks[$0]) }
    }

    /// The side, and the marks that say it.
    func side(_ around: Surroundings) -> (side: ReportFinding.Side, marks: ClosedRange<Int>)? {
        for range in [around.before, around.within, around.behind] {
            var found: (side: ReportFinding.Side, marks: ClosedRange<Int>)?
            for index in range {
                if found != nil && marks[index].kind == .comma { break }
                guard let side = side(of: marks[index]) else { continue }
                if let before = found {
                    found = (before.side == side ? side : .bilateral, before.marks.lowerBound...index)
                } else {
                    found = (side, index...index)
                }
            }
            if let found { return found }
        }
        return nil
    }

    // MARK: Sizes of an earlier examination

    /// Notes which sizes and measures are those of an earlier examination: `previously 20 mm`, 前回9mm.
    mutating func noteEarlierSizes() {
        for index in marks.indices where marks[index].isCue(.earlier) {
            var next = index + 1
            while next < marks.count, [.of, .article, .verb].contains(marks[next].asCue) { next += 1 }
            if next < marks.count, marks[next].kind == .measure || marks[next].kind == .size,
                marks[next].first - marks[index].end <= 2
            {
                marks[next].isEarlier = true
            }
        }
    }

    /// The change that a size and the size of an earlier examination say, and the mark of the earlier one.
    ///
    /// - Parameter length: the number of a measure, by which two of them are compared.
    func changeOfSize(
        _ around: Surroundings, _ lexicon: Lexicon, length: (Mark) -> Double?
    ) -> (value: ReportFinding.Change, mark: Int)? {
        guard let earlier = nearest(around, where: \.isEarlier) else { return nil }
        let kind = marks[earlier].kind
        guard let present = nearest(around, where: { $0.kind == kind && !$0.isEarlier }) else { return nil }
        let pair = [marks[present], marks[earlier]].map { mark -> Double? in
            if kind == .measure { return length(mark) }
            return Self.sizeOrder.firstIndex(of: lexicon.sizes[Int(mark.value)]).map(Double.init)
        }
        guard let now = pair[0], let before = pair[1] else { return nil }
        return (now == before ? .unchanged : now > before ? .increased : .decreased, earlier)
    }

    private static let sizeOrder = ["tiny", "small", "moderate", "large"]

    private func side(of mark: Mark) -> ReportFinding.Side? {
        switch mark.kind {
        case .side: Self.sides[Int(mark.value)]
        case .place where mark.extra > 0: Self.sides[Int(mark.extra) - 1]
        default: nil
        }
    }

    static let sides = ReportFinding.Side.allCases
    static let changes = ReportFinding.Change.allCases
}
