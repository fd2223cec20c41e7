import HilumCore

/// Parts of known names that carry what a report says: `No`, `Right`, `Mass`, `ガン`. Masked by themselves they would turn a denial into its
/// opposite, or take a side or a finding away, so they are masked only where a name stands.
extension MaskPass {
    // MARK: Latin

    func isSaid(_ index: Int) -> Bool {
        let piece = piece(index)
        return piece.kind == .word && piece.count > 1 && table.said.contains(text(of: piece))
    }

    /// Whether a piece is a word that reports say of a picture.
    func isReportWord(_ index: Int) -> Bool {
        isSaid(index) || piece(index).kind == .word && piece(index).has([.eponymNoun, .picture])
    }

    /// A run with a part that is a name, less parts at its ends that are what the report says: `Harker, no effusion`.
    func withoutSaidEnds(_ run: Range<Int>) -> Range<Int> {
        let parts = run.filter(isKnown)
        guard let first = parts.first(where: { !isSaid($0) && piece($0).count > 1 }),
            let last = parts.last(where: { !isSaid($0) && piece($0).count > 1 })
        else { return run }
        var (start, end) = (run.lowerBound, run.upperBound)
        // `No Minjun`, `NO, MINJUN`
        if let said = parts.last(where: { $0 < first && isSaid($0) && !piece($0).is(.capital) }) {
            start = parts.first { $0 > said } ?? first
        }
        if let said = parts.first(where: { $0 > last && isSaid($0) && !endsName($0, run) }) {
            end = (parts.last { $0 < said } ?? last) + 1
        }
        return start..<end
    }

    /// Whether such a word behind other parts ends the name, and begins nothing: `Minjun No was seen`.
    private func endsName(_ index: Int, _ run: Range<Int>) -> Bool {
        guard piece(index).is(.capital) else { return false }
        // What follows the initials of the name.
        var next = index + 1
        while next < run.upperBound, piece(next).kind == .mark || piece(next).count == 1 { next += 1 }
        guard isWordOrNumber(next), !piece(next).is(.startsLine), next >= run.upperBound else { return true }
        if (index + 1..<next).contains(where: { isMark($0, ".") }) { return true }
        // `Minjun, No effusion`
        return piece(next).has(.function) && !isSaid(next) && !isMark(index - 1, ",")
    }

    /// Where a run of nothing but such words, or of parts of a label, ends as a name; nil where it is what the report says.
    ///
    /// - Parameters:
    ///   - long: its parts of more than one letter.
    ///   - isLabel: all of them are parts of a patient who is given by words of reports.
    func saidNameEnd(_ run: Range<Int>, _ long: [Int], isLabel: Bool) -> Int? {
        let (start, end) = (run.lowerBound, run.upperBound)
        if isTitled(beforeSaid: start) { return end }
        let isCapital = long.allSatisfy { piece($0).is(.capital) }
        if long.count > 1 { return isInNameField(start) && (isLabel || isCapital) ? end : nil }
        guard !isLabel, isCapital, let word = long.first else { return nil }
        if isInNameField(start), endsField(behind: end) { return end }
        if hasInitial(run, word) { return end }
        // `Right's film`, `Right denies pain`
        let isGenitive = isMark(end, "'") && isGlued(end) && isWord(end + 1, "s") && isGlued(end + 1)
        return !piece(word).is(.loud) && (isGenitive || isDoneByPeople(end)) ? end : nil
    }

    /// Whether a title stands before such a word. `MR. No effusion` has none, nor has `seen by the doctor. No effusion`.
    private func isTitled(beforeSaid start: Int) -> Bool {
        guard piece(start).is(.capital), !piece(start).is(.startsLine) else { return false }
        let hasPoint = isMark(start - 1, ".")
        let title = hasPoint ? start - 2 : start - 1
        guard piece(title).has(.title), !piece(title).is(.capitals) else { return false }
        return !hasPoint || piece(title).count < 5 && !isWord(title, "miss")
    }

    /// Whether the value of a field ends before a piece: `Patient: No`, and not `Patient: No complaints`.
    private func endsField(behind end: Int) -> Bool {
        let next = isMark(end, in: ".") ? end + 1 : end
        return piece(next).kind == .none || piece(next).kind == .newline || piece(next).is(.startsLine)
            || isMark(next, in: ";(|^/")
    }

    /// Whether an initial of the name stands beside such a word: `Right, J.`, `J. Right was seen`. Letters also say sides and views: `Effusion L > R`.
    private func hasInitial(_ run: Range<Int>, _ word: Int) -> Bool {
        if run.contains(where: { $0 < word && isInitial($0) && isKnown($0) && isMark($0 + 1, ".") }) {
            return endsName(word, word..<(word + 1))
        }
        guard let initial = run.last(where: { $0 > word && isInitial($0) && isKnown($0) }) else { return false }
        if isMark(initial + 1, "."), isGlued(initial + 1) { return true }
        let next = piece(initial + 1)
        guard next.kind == .word else {
            return next.kind != .number && !isMark(initial + 1, in: "-/<>=+&") && next.kind != .mask
        }
        return next.has(.function) && !isSaid(initial + 1) && isMark(word + 1, ",")
    }

    /// Whether a word says what people do, and findings do not.
    private func isDoneByPeople(_ index: Int) -> Bool {
        isWord(index, "denies") || isWord(index, "denied") || isWord(index, "complains")
            || isWord(index, "complained") || isWord(index, "underwent") || isWord(index, "smokes")
            || isWord(index, "coughs") || isWord(index, "lives")
    }

    // MARK: Japanese

    /// Whether such a part stands where a name does: before an honorific, or behind the field of a name. One that is a family name as well
    /// (`中野`) is the patient's where no side stands before it.
    func isWideName(_ start: Int, _ end: Int) -> Bool {
        let before = character(start - 1)
        if table.namesThatAreWords.contains(Array(page.characters[start..<end])) {
            let sides: [Unicode.Scalar] = ["右", "左", "両", "側", "肺", "全"]
            return !sides.contains { $0.value == before }
        }
        var next = end
        while character(next) == 32 { next += 1 }
        if let (last, _) = phrase(next, .jaHonorific, limit: 3) {
            // `マス様陰影`, `腫瘤様`
            let isLike = character(next) == 0x69D8
            let behind = character(last)
            return !isLike || next > end && !Self.isKanji(behind) && !Self.isKatakana(behind)
        }
        var place = start - 1
        while place > 0, [32, 58, 61].contains(character(place)) { place -= 1 }
        guard place < start - 1, place > 0 else { return false }
        let hasField = (2...8).contains { count in
            place - count + 1 >= 0
                && !classes(place - count + 1, place + 1).isDisjoint(with: [.jaField, .jaFieldStrict])
        }
        // The field ends with it.
        return hasField && (character(next) < 32 || [40, 0x3001, 0x3002].contains(character(next)))
    }
}
