/// Makes findings of the mentions of one sentence.
struct SentenceReader {
    let tokens: [Token]
    let sentence: Outline.Sentence
    /// Its index in the reading.
    let index: Int

    func read(
        _ marks: SentenceMarks, _ text: Span<UInt8>, _ lexicon: Lexicon, into findings: inout [ReportFinding]
    ) {
        let start = findings.count
        for mention in marks.mentions {
            let name = lexicon.table.names[mention.name]
            let mark = marks.marks[mention.mark]
            let first = min(marks.marks[mention.earlier].first, mark.first)
            let end = max(marks.marks[mention.earlier].end, mark.end)
            var finding = ReportFinding(
                name: name.name, assertion: assertion(mention, mark, name), section: sentence.section, sentence: index,
                range: bytes(first, end))
            if mark.cue >= 0 { finding.cue = bytes(of: marks.marks[mark.cue]) }
            describe(&finding, mention, name, marks, text, lexicon)
            if mark.reach.contains(.gone) && finding.assertion == .absent {
                finding.change = ReportFinding.Marked(value: .resolved, range: finding.cue ?? finding.range)
            }
            findings.append(finding)
        }
        shareSides(marks, lexicon, &findings, from: start)
    }

    private func assertion(_ mention: Mention, _ mark: Mark, _ name: NameTable.Name) -> ReportFinding.Assertion {
        if sentence.section.isBackground { return .other }
        if mark.reach.contains(.denied) {
            // `The heart is not of normal size`: the denial stands between the two parts.
            return mention.wording == 1 && mark.cue > mention.earlier ? .present : .absent
        }
        if mark.reach.contains(.gone) { return .absent }
        if mark.reach.contains(.elsewhere) && !name.flags.contains(.lasting) { return .other }
        if mark.reach.contains(.doubted) || mention.wording == 2 { return .uncertain }
        return mention.wording == 1 ? .absent : .present
    }

    // MARK: Attributes

    private func describe(
        _ finding: inout ReportFinding, _ mention: Mention, _ name: NameTable.Name, _ marks: SentenceMarks,
        _ text: Span<UInt8>, _ lexicon: Lexicon
    ) {
        let around = marks.surroundings(of: mention)
        if name.flags.contains(.left) || name.flags.contains(.right) {
            finding.side = ReportFinding.Marked(
                value: name.flags.contains(.left) ? .left : .right, range: finding.range)
        } else if !name.flags.contains(.unsided), let side = marks.side(around) {
            let first = marks.marks[side.marks.lowerBound].first
            let end = marks.marks[side.marks.upperBound].end
            finding.side = ReportFinding.Marked(value: side.side, range: bytes(first, end))
        }
        if let index = marks.nearest(around, where: { $0.kind == .place }) {
            let place = lexicon.table.names[Int(marks.marks[index].value)]
            finding.place = ReportFinding.Marked(value: place.name, range: bytes(of: marks.marks[index]))
            if finding.side == nil && !name.flags.contains(.unsided) {
                if place.flags.contains(.left) {
                    finding.side = ReportFinding.Marked(value: .left, range: bytes(of: marks.marks[index]))
                } else if place.flags.contains(.right) {
                    finding.side = ReportFinding.Marked(value: .right, range: bytes(of: marks.marks[index]))
                }
            }
        }
        measure(&finding, name, around, marks, text, lexicon)
        if let index = marks.nearest(around, where: { $0.kind == .change && !isUsed($0, marks) }) {
            let change = SentenceMarks.changes[Int(marks.marks[index].value)]
            if finding.assertion != .absent {
                finding.change = ReportFinding.Marked(value: change, range: bytes(of: marks.marks[index]))
            }
        }
    }

    /// Size and severity.
    private func measure(
        _ finding: inout ReportFinding, _ name: NameTable.Name, _ around: SentenceMarks.Surroundings,
        _ marks: SentenceMarks, _ text: Span<UInt8>, _ lexicon: Lexicon
    ) {
        let isAmount = name.flags.contains(.amount)
        if name.kind != .device, let index = marks.nearest(around, where: { $0.kind == .measure }) {
            let mark = marks.marks[index]
            finding.size = ReportFinding.Marked(value: spelled(mark, text, lexicon), range: bytes(of: mark))
        } else if let index = marks.nearest(
            around, where: { $0.kind == .size && (isAmount || lexicon.sizes[Int($0.value)] != "moderate") })
        {
            let mark = marks.marks[index]
            finding.size = ReportFinding.Marked(value: lexicon.sizes[Int(mark.value)], range: bytes(of: mark))
        }
        if let index = marks.nearest(
            around, where: { $0.kind == .severity && (!isAmount || lexicon.severities[Int($0.value)] != "moderate") })
        {
            let mark = marks.marks[index]
            finding.severity = ReportFinding.Marked(
                value: lexicon.severities[Int(mark.value)], range: bytes(of: mark))
        }
    }

    /// Whether a word of change was read as part of a pair.
    private func isUsed(_ mark: Mark, _ marks: SentenceMarks) -> Bool {
        marks.mentions.contains {
            marks.marks[$0.mark].first == mark.first || marks.marks[$0.earlier].first == mark.first
        }
    }

    /// A measure in one spelling: `8 mm`, `3.2 x 2.1 cm`.
    private func spelled(_ mark: Mark, _ text: Span<UInt8>, _ lexicon: Lexicon) -> String {
        var value = ""
        var last: Int32 = 0
        for place in mark.first..<mark.end where tokens[place].kind == .number {
            let token = tokens[place]
            if !value.isEmpty { value += last == token.start ? "-" : token.start - last == 1 ? "-" : " x " }
            for index in Int(token.start)..<Int(token.end) {
                let byte = text[index]
                value.unicodeScalars.append(UnicodeScalar(byte == UInt8(ascii: ",") ? UInt8(ascii: ".") : byte))
            }
            last = token.end
        }
        return value + " " + lexicon.units[Int(mark.value)]
    }

    /// Findings that a bare `and` joins share the side that one of them has: `left effusion and atelectasis`.
    private func shareSides(
        _ marks: SentenceMarks, _ lexicon: Lexicon, _ findings: inout [ReportFinding], from start: Int
    ) {
        guard marks.mentions.count > 1 else { return }
        for index in 1..<marks.mentions.count {
            let first = marks.mentions[index - 1]
            let second = marks.mentions[index]
            guard second.earlier - first.mark == 2,
                findings[start + index].assertion == findings[start + index - 1].assertion
            else { continue }
            let join = marks.marks[first.mark + 1]
            guard join.isCue(.and) || join.isCue(.or) || join.kind == .slash else { continue }
            share(first, second, start + index - 1, start + index, lexicon, &findings)
        }
    }

    private func share(
        _ first: Mention, _ second: Mention, _ left: Int, _ right: Int, _ lexicon: Lexicon,
        _ findings: inout [ReportFinding]
    ) {
        let isSided = [first, second].allSatisfy { !lexicon.table.names[$0.name].flags.contains(.unsided) }
        guard isSided else { return }
        if findings[right].side == nil { findings[right].side = findings[left].side }
        if findings[left].side == nil { findings[left].side = findings[right].side }
    }

    // MARK: Bytes

    private func bytes(_ first: Int, _ end: Int) -> Range<Int> {
        Int(tokens[first].start)..<Int(tokens[end - 1].end)
    }

    private func bytes(of mark: Mark) -> Range<Int> { bytes(mark.first, mark.end) }
}
