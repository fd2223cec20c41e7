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

    /// Whether such a word behind other parts ends the name, and begins nothing: `Minjun No was seen`, `Emily Post presented`.
    func endsName(_ index: Int, _ run: Range<Int>) -> Bool {
        guard piece(index).is(.capital) else { return false }
        // What follows the initials of the name.
        var next = index + 1
        while next < run.upperBound, piece(next).kind == .mark || piece(next).count == 1 { next += 1 }
        if next < run.upperBound { return true }
        // `Right-sided`
        if isMark(next, in: "-/"), isGlued(next), isGlued(next + 1), piece(next + 1).kind == .word { return false }
        guard isWordOrNumber(next), !piece(next).is(.startsLine) else { return true }
        if (index + 1..<next).contains(where: { isMark($0, ".") }) { return true }
        // `Minjun, No effusion`
        if isMark(index - 1, ",") { return false }
        return isBehindName(next, after: index, isCertain: isCertainName(run.lowerBound))
    }

    /// Whether a word or a number goes on behind a name, and not behind what a report says.
    ///
    /// - Parameter isCertain: a name surely begins before the word, so that only what surely is of a report ends it.
    private func isBehindName(_ next: Int, after said: Int, isCertain: Bool) -> Bool {
        if piece(next).kind == .number { return isAge(next) || isDateOrID(next) }
        let isTurning = table.turning.contains(text(of: piece(said)))
        if piece(next).has(.function) { return !isSaid(next) && !joins(next, isTurning) }
        if table.ofPeople.contains(text(of: piece(next))) || piece(next).is(.column) { return true }
        // `Harker No pneumatosis`: what is denied is often no word of the lists.
        if isTurning { return isCertain && !isOfReports(next) }
        return isCertain || !isOfReports(next)
    }

    /// Whether a word of function goes on with what a report says: `Evidence of`, `Lungs are`, `Heart and mediastinum`, `Negative for`.
    private func joins(_ index: Int, _ isTurning: Bool) -> Bool {
        if isWord(index, "of") || isWord(index, "are") || isWord(index, "were") { return true }
        if isWord(index, "and") || isWord(index, "or") { return isOfReports(index + 1) && !isKnown(index + 1) }
        return isTurning && (isWord(index, "for") || isWord(index, "but"))
    }

    /// Whether a title, or the field of a name, stands before a run.
    private func isCertainName(_ start: Int) -> Bool {
        let title = isMark(start - 1, ".") ? start - 2 : start - 1
        return piece(title).has([.title, .kin]) || isInNameField(start)
    }

    /// Whether a word goes on with what a report says: `Bone lesion`, `Post surgical`, `Heart size`, `Still granulomatous`.
    private func isOfReports(_ index: Int) -> Bool {
        guard piece(index).kind == .word else { return false }
        let word = text(of: piece(index))
        return isReportWord(index) || table.describing.contains(word) || Self.hasEndOfReports(word)
    }

    /// Whether a word ends as adjectives and nouns of reports do, and as what people do does not.
    private static func hasEndOfReports(_ word: [UInt32]) -> Bool {
        word.count > 5 && ends.contains { word.suffix($0.count).elementsEqual($0) }
    }

    private static let ends =
        "al ar ary ic ous oid itis osis oma emia ion ity ness ive graphy ectomy otomy ostomy pathy plasty"
        .split(separator: " ").map { $0.unicodeScalars.map(\.value) }

    /// `45Y`, `45-year-old`, `45M`
    private func isAge(_ number: Int) -> Bool {
        let unit = isMark(number + 1, "-") ? number + 2 : number + 1
        // `45 m`
        return piece(number).count < 4 && piece(unit).has(.old) && (piece(unit).is(.capital) || !isMeasure(number))
    }

    /// `01/02/1960`, `12345678`
    private func isDateOrID(_ number: Int) -> Bool {
        let isDate = isMark(number + 1, in: "/-") && isGlued(number + 1) && piece(number + 2).kind == .number
        return isDate || piece(number).count > 4
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
        if isBehindPatient(word), end == word + 1 { return end }
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
        guard piece(title).has(.title) else { return false }
        // Of those in capitals `MRS` is the only one that is no modality, and spectroscopy is called so as well.
        guard !piece(title).is(.capitals) || isWord(title, "mrs") && !isOfReports(start + 1) else { return false }
        return !hasPoint || piece(title).count < 5 && !isWord(title, "miss")
    }

    /// Whether the value of a field ends before a piece: `Patient: No`, `Patient: No. Mass seen`, and not `Patient: No complaints`.
    private func endsField(behind end: Int) -> Bool {
        let hasPoint = isMark(end, ".")
        let next = piece(hasPoint ? end + 1 : end)
        return next.kind == .none || next.kind == .newline || next.is(.startsLine) || next.is(.column)
            || hasPoint && next.is(.capital) || isMark(end, ",") && piece(end + 1).kind == .number
            || isMark(hasPoint ? end + 1 : end, in: ";(|^/")
    }

    /// `The patient Broad presented`
    private func isBehindPatient(_ word: Int) -> Bool {
        guard isWord(word - 1, "patient") || isWord(word - 1, "pt"), !piece(word).is(.loud),
            !piece(word).is(.startsLine)
        else { return false }
        let next = piece(word + 1)
        if next.kind == .word, table.ofPeople.contains(text(of: next)) { return true }
        return isWord(word + 1, "was") || isWord(word + 1, "is") || isWord(word + 1, "has") || isWord(word + 1, "had")
    }

    /// Whether an initial of the name stands beside such a word: `Right, J.`, `J. Right was seen`. Letters also say sides and views:
    /// `Effusion L > R`.
    private func hasInitial(_ run: Range<Int>, _ word: Int) -> Bool {
        if let initial = run.first(where: { $0 < word && isOwnInitial($0) && isMark($0 + 1, ".") }) {
            // `A. Bone: normal`, `B. Nodule in the left lung`
            let isOfList = isMark(word + 1, ":") || Self.behindFindings.contains { isWord(word + 1, $0) }
            return (isKnown(initial) || !isOfList) && endsName(word, word..<(word + 1))
        }
        guard let initial = run.last(where: { $0 > word && isOwnInitial($0) }) else { return false }
        if isMark(initial + 1, "."), isGlued(initial + 1) { return true }
        let next = piece(initial + 1)
        guard next.kind == .word else {
            return isKnown(initial) && next.kind != .number && !isMark(initial + 1, in: "-/<>=+&") && next.kind != .mask
        }
        return next.has(.function) && !isSaid(initial + 1) && isMark(word + 1, ",")
            && (isKnown(initial) || !isWord(initial, "l") && !isWord(initial, "r"))
    }

    /// What findings of a list go on with, and seldom a name.
    private static let behindFindings: [StaticString] =
        ["in", "on", "of", "at", "is", "are", "with", "within", "and", "or", "to", "along", "near", "without"]

    /// Whether a letter is an initial of the patient: one that is known, or the first of another part.
    private func isOwnInitial(_ index: Int) -> Bool { isInitial(index) && (isKnown(index) || isFirstLetter(index)) }

    /// Whether a letter is the first of a known part that says nothing.
    func isFirstLetter(_ index: Int) -> Bool {
        guard isInitial(index) else { return false }
        let letter = page.characters[piece(index).start]
        return latin.contains { $0.count > 1 && $0[0] == letter && !table.said.contains($0) }
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
            return character(next) != 0x69D8 || !isLike(end, next, behind: last)
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

    /// Whether the 様 behind such a part says "like": `マス様陰影`, `腫瘤様の結節`, `結節様に見える`. Behind katakana it does so only
    /// before a shape, so that `アリ様は` is a patient.
    ///
    /// - Parameters:
    ///   - end: where the part ends.
    ///   - mark: where 様 stands.
    ///   - last: the place behind it.
    private func isLike(_ end: Int, _ mark: Int, behind last: Int) -> Bool {
        let behind = character(last)
        if Self.isKanji(behind) || Self.isKatakana(behind) { return true }
        let mayBeLike = classes(end - 1, end).contains(.jaLike)
        guard Self.isKatakana(character(end - 1)) || !mayBeLike else { return mark == end }
        // の and a shape, に見 and を呈
        let place = last + 1
        switch behind {
        case 0x306E: return Self.shapes.contains { page.characters.dropFirst(place).starts(with: $0) }
        case 0x306B: return character(place) == 0x898B
        case 0x3092: return character(place) == 0x5448
        default: return false
        }
    }

    private static let shapes =
        "陰影 影 像 結節 腫瘤 腫瘍 病変 病巣 所見 変化 構造 濃度 透亮 嚢胞 空洞 異常"
        .split(separator: " ").map { $0.unicodeScalars.map(\.value) }
}
