/// A second side without a noun: `small right effusion, none left`, 左胸水は消失したが右に少量残存.
///
/// A part of a sentence that names a side, and says how much is there or whether anything is, but names no finding, speaks of the finding
/// before it, if that one was said of the other side. Its words reach no other finding.
extension SentenceMarks {
    /// Words without a meaning that such a part may have.
    private static let unknownLimit = 1

    /// Adds the mentions of second sides.
    mutating func addSecondSides(_ lexicon: Lexicon, isVerbLast: Bool) {
        guard !mentions.isEmpty, marks.count(where: { $0.kind == .side }) > 1 else { return }
        var start = 0
        while start < marks.count {
            var end = start
            while end < marks.count, !endsPart(end, isVerbLast: isVerbLast) { end += 1 }
            // A predicate at its end belongs to the part.
            let limit = end < marks.count && isPredicate(marks[end]) ? end + 1 : end
            if start > 0 { addSecondSide(start..<limit, lexicon) }
            start = end + 1
        }
    }

    private func endsPart(_ index: Int, isVerbLast: Bool) -> Bool {
        let mark = marks[index]
        return mark.kind == .comma || mark.isCue(.stop) || isVerbLast && isPredicate(mark)
            || mark.isCue(.and) && index + 1 < marks.count && marks[index + 1].asCue.map(Self.denies) == true
    }

    private func isPredicate(_ mark: Mark) -> Bool {
        guard let cue = mark.asCue else { return false }
        return cue == .denyAfter || cue == .affirmAfter || cue == .goneAfter
    }

    private static func denies(_ cue: Cue) -> Bool { cue == .denyBefore || cue == .denyAfter || cue == .denyEnd }

    private mutating func addSecondSide(_ part: Range<Int>, _ lexicon: Lexicon) {
        var side: Int?
        var denial: Int?
        var end: Int?
        var saysSomething = false
        for index in part {
            let mark = marks[index]
            guard !mark.isMention, !mark.isUsed else { return }
            switch mark.kind {
            case .side:
                guard side == nil, Self.sides[Int(mark.value)] != .bilateral else { return }
                side = index
            case .size, .severity, .measure, .change: saysSomething = true
            case .cue:
                guard let cue = mark.asCue else { return }
                switch cue {
                case .denyBefore, .denyAfter, .denyEnd: denial = index
                case .goneBefore, .goneAfter: end = index
                case .affirmAfter: saysSomething = true
                case .of, .article, .inside, .verb, .seen, .ignore, .and, .earlier: continue
                default: return
                }
            case .finding, .part, .place, .colon, .slash, .paren: return
            case .comma: continue
            }
        }
        guard let side, saysSomething || denial != nil || end != nil, unknownCount(in: part) <= Self.unknownLimit,
            let first = mentions.filter({ $0.mark < part.lowerBound }).max(by: { $0.mark < $1.mark }),
            isOfOtherSide(first, than: marks[side].value, before: part.lowerBound, lexicon)
        else { return }
        marks[side].isMention = true
        mentions.append(
            Mention(
                name: first.name, wording: 0, mark: side, earlier: side,
                assertion: denial != nil || end != nil ? .absent : .present))
        for cue in [denial, end].compactMap(\.self) {
            marks[side].cue = cue
            // It has done its work.
            marks[cue].value = Int16(Cue.ignore.rawValue)
        }
    }

    /// Whether a finding has sides, and one other than `side` is said of it before a place.
    private func isOfOtherSide(_ mention: Mention, than side: Int16, before end: Int, _ lexicon: Lexicon) -> Bool {
        let name = lexicon.table.names[mention.name]
        guard name.kind == .finding, !name.flags.contains(.unsided), !name.flags.contains(.left),
            !name.flags.contains(.right)
        else { return false }
        var start = mention.earlier
        while start > 0, marks[start - 1].kind != .comma, !marks[start - 1].isCue(.stop), !marks[start - 1].isMention {
            start -= 1
        }
        let sides = marks[start..<end].filter { $0.kind == .side }.map(\.value)
        return sides.count == 1 && sides[0] != side && Self.sides[Int(sides[0])] != .bilateral
    }

    private func unknownCount(in part: Range<Int>) -> Int {
        var count = 0
        for index in part.dropFirst() { count += max(0, marks[index].first - marks[index - 1].end) }
        return count
    }
}
