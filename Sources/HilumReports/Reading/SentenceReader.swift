/// Makes findings of the mentions of one sentence.
struct SentenceReader {
    let tokens: [Token]
    let sentence: Outline.Sentence
    /// Its index in the reading.
    let index: Int
    /// Whether predicates stand last, as in Japanese.
    let isVerbLast: Bool

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
        share(marks, lexicon, isVerbLast: isVerbLast, &findings, from: start)
    }

    private func assertion(_ mention: Mention, _ mark: Mark, _ name: NameTable.Name) -> ReportFinding.Assertion {
        if let said = mention.assertion { return sentence.section.isBackground ? .other : said }
        if sentence.section.isBackground {
            // What an operation left is there, also where a history tells it.
            let isLasting = sentence.section == .indication && name.flags.contains(.lasting)
            if !isLasting || mark.reach.contains(.elsewhere) || mark.reach.contains(.doubted) { return .other }
        }
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
        if let index = marks.nearest(around, where: { $0.kind == .place && !isUsed($0, marks) }) {
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
        if let place = name.place, finding.place == nil {
            finding.place = ReportFinding.Marked(value: place, range: finding.range)
        }
        measure(&finding, name, around, marks, text, lexicon)
        if finding.assertion != .absent,
            let change = marks.changeOfSize(around, lexicon, length: { length($0, text, lexicon) })
        {
            finding.change = ReportFinding.Marked(value: change.value, range: bytes(of: marks.marks[change.mark]))
        } else if let index = marks.nearest(around, where: { $0.kind == .change && !isUsed($0, marks) }) {
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
        if name.kind != .device,
            let index = marks.nearest(
                around,
                where: { $0.kind == .measure && !$0.isEarlier && (isAmount || lexicon.units[Int($0.value)] != "%") })
        {
            let mark = marks.marks[index]
            finding.size = ReportFinding.Marked(value: spelled(mark, text, lexicon), range: bytes(of: mark))
        } else if let index = marks.nearest(
            around,
            where: { $0.kind == .size && !$0.isEarlier && (isAmount || lexicon.sizes[Int($0.value)] != "moderate") })
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
            if !value.isEmpty { value += token.start - last <= 1 ? "-" : " x " }
            for index in Int(token.start)..<Int(token.end) {
                let byte = text[index]
                if byte < 0x80 {
                    value.unicodeScalars.append(UnicodeScalar(byte == UInt8(ascii: ",") ? UInt8(ascii: ".") : byte))
                } else if byte & 0xC0 == 0x80 && (0x90...0x99).contains(byte) {
                    // The last byte of a full-width digit.
                    value.unicodeScalars.append(UnicodeScalar(byte - 0x90 + UInt8(ascii: "0")))
                }
            }
            last = token.end
        }
        return value + " " + lexicon.units[Int(mark.value)]
    }

    /// The first number of a measure, in millimetres where it is a length.
    private func length(_ mark: Mark, _ text: Span<UInt8>, _ lexicon: Lexicon) -> Double? {
        let words = spelled(mark, text, lexicon).split(separator: " ")
        guard let first = words.first, let value = Double(first), let unit = words.last else { return nil }
        return unit == "cm" ? 10 * value : value
    }

    // MARK: What findings have in common

    /// Findings that a bare `and` joins share a side or a change that one of them has: `left effusion and atelectasis`. What a
    /// finding is said to be caused by is where that finding is: `opacity in the left base, which may be pneumonia`.
    private func share(
        _ marks: SentenceMarks, _ lexicon: Lexicon, isVerbLast: Bool, _ findings: inout [ReportFinding], from start: Int
    ) {
        guard marks.mentions.count > 1 else { return }
        for index in 1..<marks.mentions.count {
            let first = marks.mentions[index - 1]
            let second = marks.mentions[index]
            let left = start + index - 1
            let names = [first, second].map { lexicon.table.names[$0.name] }
            guard second.earlier > first.mark, !names[1].flags.contains(.unsided) else { continue }
            if isBareJoin(marks, first.mark, second.earlier) {
                guard findings[left].assertion == findings[left + 1].assertion else { continue }
                if !names[0].flags.contains(.unsided) {
                    if findings[left + 1].side == nil { findings[left + 1].side = findings[left].side }
                    if findings[left].side == nil { findings[left].side = findings[left + 1].side }
                }
            } else if marks.isCause(first.mark, second.earlier, isVerbLast: isVerbLast), names[1].kind == .finding,
                findings[left + 1].side == nil, findings[left + 1].place == nil
            {
                findings[left + 1].side = findings[left].side
                findings[left + 1].place = findings[left].place
            }
        }
        shareChange(marks, &findings, from: start)
    }

    /// `ETT, PICC and effusion are unchanged`: a change at the end of a list is said of the whole list.
    private func shareChange(_ marks: SentenceMarks, _ findings: inout [ReportFinding], from start: Int) {
        for index in stride(from: marks.mentions.count - 1, to: 0, by: -1) {
            let first = marks.mentions[index - 1]
            let second = marks.mentions[index]
            let later = findings[start + index]
            guard let change = later.change, change.range.lowerBound > later.range.upperBound,
                findings[start + index - 1].change == nil, findings[start + index - 1].assertion == later.assertion,
                second.earlier > first.mark, isBareJoin(marks, first.mark, second.earlier, withPlaces: true)
            else { continue }
            findings[start + index - 1].change = change
        }
    }

    /// Whether nothing but a join, sides and places stands between two marks.
    private func isBareJoin(
        _ marks: SentenceMarks, _ first: Int, _ second: Int, withPlaces: Bool = false
    ) -> Bool {
        var hasJoin = false
        for index in (first + 1)..<max(first + 1, second) {
            let mark = marks.marks[index]
            if mark.first == marks.marks[first].first || mark.first == marks.marks[second].first { continue }
            if mark.kind == .slash || mark.kind == .comma || mark.isCue(.and) || mark.isCue(.or) {
                hasJoin = true
            } else if !withPlaces || mark.kind != .side && mark.kind != .place {
                return false
            }
        }
        return hasJoin && marks.marks[second].first - marks.marks[first].end <= (withPlaces ? 5 : 2)
    }

    // MARK: Bytes

    private func bytes(_ first: Int, _ end: Int) -> Range<Int> {
        Int(tokens[first].start)..<Int(tokens[end - 1].end)
    }

    private func bytes(of mark: Mark) -> Range<Int> { bytes(mark.first, mark.end) }
}
