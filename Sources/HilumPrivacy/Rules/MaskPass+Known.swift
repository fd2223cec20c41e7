import HilumCore

/// What the caller knows of a patient.
extension MaskPass {
    /// Masks the known names and ids wherever they stand.
    mutating func findKnown() {
        guard !known.isEmpty else { return }
        if !latin.isEmpty { findLatin() }
        if !known.wide.isEmpty { findWide() }
        if !known.ids.isEmpty { findIDs() }
    }

    /// Whether a piece is a part of a known name, also within `O'Brien` and before a genitive.
    func isKnown(_ index: Int) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, !isXRay(index) else { return false }
        return latin.contains { part in
            part.count == piece.count && (0..<part.count).allSatisfy { page.characters[piece.start + $0] == part[$0] }
        }
    }

    /// Whether a word ends `X-ray`.
    private func isXRay(_ index: Int) -> Bool {
        isWord(index, "ray") && isWord(isMark(index - 1, "-") ? index - 2 : index - 1, "x")
    }

    private mutating func findLatin() {
        let labels = labels()
        var index = 0
        while index < count {
            guard isKnown(index) else {
                index += 1
                continue
            }
            let run = runOfParts(from: index)
            index = run.upperBound
            let long = run.filter { isKnown($0) && piece($0).count > 1 }
            if !long.isEmpty, long.allSatisfy({ isSaid($0) || labels.contains(text(of: piece($0))) }) {
                let isLabel = long.allSatisfy { labels.contains(text(of: piece($0))) }
                if let end = saidNameEnd(run, long, isLabel: isLabel) { add(run.lowerBound, end, .name) }
                continue
            }
            let name = withoutSaidEnds(run)
            // An initial is none alone, and a word of reports only with a capital, a title or another part.
            let parts = name.filter(isKnown)
            // `BI-RADS 4`
            let isCode = parts.contains { table.codes.contains(text(of: piece($0))) }
            if isCode, parts.allSatisfy({ isDoubtful(piece($0)) }) { continue }
            if parts.contains(where: { isSure($0, in: name) }) || isSeveral(parts.map(piece)) {
                add(name.lowerBound, name.upperBound, .name)
            }
        }
    }

    /// Known parts in a row, with commas, carets, points and hyphens between them. A full stop is none of them. Initials of the name beside a
    /// word of reports count, and so does one letter between two parts: `E. Post`, `Alice M. Bone`.
    private func runOfParts(from start: Int) -> Range<Int> {
        var begin = start
        // `A. M. Bone`
        if isSaid(start) || isInitial(start) && isMark(start + 1, ".") && isSaid(start + 2) {
            var place = start
            while place > start - 5, isMark(place - 1, "."), isGlued(place - 1), isInitial(place - 2) {
                place -= 2
                // `Effusion L. Effusion is stable.`
                if isFirstLetter(place), !isReportWord(place - 1) { begin = place }
            }
        }
        var end = start + 1
        while true {
            var next = end
            while isMark(next, in: ",^.-'"), next < end + 2 { next += 1 }
            if !isKnown(next), let letter = letterEnd(next, in: start..<end) {
                end = letter
                continue
            }
            guard isKnown(next), !(end..<next).contains(where: { isMark($0, ".") && endsSentence($0) }) else { break }
            // `No, J. No effusion`
            if isMark(next - 1, "."), isSaid(next), !followsInitial(next, in: start..<end) { break }
            end = next + 1
        }
        return begin..<end
    }

    /// The piece behind a letter that belongs to a run, though it is no known part.
    private func letterEnd(_ letter: Int, in run: Range<Int>) -> Int? {
        guard isInitial(letter) else { return nil }
        let last = run.upperBound - 1
        // `Post, E.`
        if letter == last + 2, isMark(letter - 1, ","), isSaid(last), isFirstLetter(letter) { return letter + 1 }
        // `Alice M. Bone`
        let next = isMark(letter + 1, ".") ? letter + 2 : letter + 1
        guard letter == last + 1, piece(last).count > 1, isKnown(next), piece(next).count > 1, piece(next).is(.capital),
            !isSaid(next) || followsInitial(next, in: run)
        else { return nil }
        return next
    }

    /// Whether a word of reports behind an initial ends the name that a run began.
    private func followsInitial(_ word: Int, in run: Range<Int>) -> Bool {
        let parts = run.filter { isKnown($0) && piece($0).count > 1 }
        guard !parts.isEmpty else { return true }
        return !parts.contains { text(of: piece($0)) == text(of: piece(word)) }
            && endsName(word, run.lowerBound..<(word + 1))
    }

    /// Whether a point behind a part ends a sentence, and is not that of an initial or of `St.`, nor inside of `smith.john`.
    private func endsSentence(_ point: Int) -> Bool {
        piece(point - 1).count > 1 && !isWord(point - 1, "st") && !isGlued(point + 1)
    }

    /// Whether a part of a run is a name by itself.
    private func isSure(_ index: Int, in run: Range<Int>) -> Bool {
        let part = piece(index)
        guard part.count > 1, !isSaid(index) else { return false }
        let start = run.lowerBound
        let hasTitle = piece(start - 1).has([.title, .kin]) || isMark(start - 1, ".") && piece(start - 2).has(.title)
        if hasTitle { return true }
        if isDoubtful(part) {
            let isFamily = table.families.contains(text(of: part))
            let mayBe = part.is(.capital) || isFamily || !known.besideNumbers.contains(text(of: part))
            // `Ng was seen`, and not `5 ng`
            let isAlone = piece(index - 1).kind != .number && part.is(.capital) && !part.is(.capitals)
            if isFamily, part.count < 4, isAlone { return true }
            return !part.has(Self.words) && mayBe || isLikely(index, run.upperBound)
        }
        guard part.has([.ordinary, .function]) else { return true }
        guard part.is(.capital), !part.is(.loud) else { return false }
        // `Seen in ED`
        if part.is(.capitals), part.count < 4 { return false }
        // `Small left effusion`, `Head CT`: the capital is that of the sentence.
        let next = piece(index + 1)
        let goesOn = isReportWord(index + 1) && (!next.is(.capital) || next.is(.capitals))
        return !(run.count == 1 && beginsSentence(index) && goesOn)
    }

    /// Whether a doubtful part that is an eponym stands for the patient: another part of the name is an initial or a given name, and no noun
    /// behind it makes it the name of something.
    private func isLikely(_ index: Int, _ end: Int) -> Bool {
        let part = piece(index)
        guard part.has(.eponym), part.classes.isDisjoint(with: Self.words.subtracting(.eponym)), part.is(.capital),
            !part.is(.loud), !isEponymNoun(index), !piece(end).has(.eponymNoun)
        else { return false }
        let own = text(of: part)
        return known.patientParts.contains { parts in
            parts.contains(own)
                && parts.contains { $0 != own && ($0.count == 1 || classes(of: $0).contains(.given)) }
        }
    }

    /// What a report may say with a word that is also a label: no name by itself.
    private static let words: WordClass = WordClass.noName.union([.field, .void, .idWeak, .idStrong, .idNoun, .picture])

    /// Whether a part stems from a value that need not be a name.
    private func isDoubtful(_ part: Piece) -> Bool {
        !known.doubtful.isEmpty && known.doubtful.contains(text(of: part))
    }

    func text(of piece: Piece) -> [UInt32] { Array(page.characters[piece.start..<piece.end]) }

    private func classes(of word: [UInt32]) -> WordClass { table.classes(of: word, 0, word.count) }

    /// The parts of patients who are given by words of reports alone.
    private func labels() -> Set<[UInt32]> {
        var labels: Set<[UInt32]> = []
        var names = Set(latin)
        for parts in known.patientParts where isLabel(parts) { labels.formUnion(parts) }
        guard !labels.isEmpty else { return [] }
        names.subtract(labels)
        // `Chest, Right` and `Right, Anna` of one case
        for parts in known.patientParts where !names.isDisjoint(with: parts) { labels.subtract(parts) }
        return labels
    }

    /// Whether a patient is given by words of reports of which none is a name. An eponym needs a word that follows such: `Ewing sarcoma`.
    private func isLabel(_ parts: [[UInt32]]) -> Bool {
        // `Small, J.` is a name, and `chest^x^ray` none.
        let long = parts.filter { $0.count > 1 }
        guard long.count == parts.count || long.count > 1 && long.contains(where: table.said.contains) else {
            return false
        }
        let found = long.map(classes)
        let hasNoun = found.contains { $0.contains(.eponymNoun) }
        // `An, So` is one.
        return long.contains { $0.count > 3 }
            && zip(long, found).allSatisfy { part, classes in
                let isWord = !classes.isDisjoint(with: Self.words.subtracting(.eponym))
                return (isWord || classes.contains(.eponym) && hasNoun) && !classes.contains(.given)
                    && !table.namesThatAreWords.contains(part)
            }
    }

    /// Whether the field of a patient's name ends before a piece: `Patient:`, `Name:`.
    func isInNameField(_ start: Int) -> Bool {
        guard isMark(start - 1, in: ":="), !piece(start).is(.startsLine) else { return false }
        return isWord(start - 2, "patient") || isWord(start - 2, "pt") || piece(start - 2).has(.holder)
    }

    /// Whether two parts make a name where one does not; of words that may be labels, two with capitals.
    private func isSeveral(_ parts: [Piece]) -> Bool {
        let long = parts.filter { $0.count > 1 }
        return long.count > 1
            && long.contains { !isDoubtful($0) || !$0.has(Self.words) || $0.is(.capital) && !$0.is(.loud) }
    }

    /// Masks the names that a rule has found wherever else they stand with a capital: `Smith` behind `Dr. Smith`.
    mutating func findLearned() {
        var learned: [Piece] = []
        for span in spans where span.mask == .name && learned.count < 64 {
            var index = pieceIndex(from: span.start)
            while index < count, piece(index).end <= span.end {
                let word = piece(index)
                if word.kind == .word, word.count > 3, word.is(.capital), !word.has(.noName),
                    !word.has([.field, .state]), !table.said.contains(text(of: word))
                {
                    learned.append(word)
                }
                index += 1
            }
        }
        guard !learned.isEmpty else { return }
        let text = page.characters
        for index in 0..<count where piece(index).kind == .word && piece(index).is(.capital) && piece(index).count > 3 {
            let word = piece(index)
            let isLearned = learned.contains { other in
                other.count == word.count && other.start != word.start && text[other.start] == text[word.start]
                    && text[other.start..<other.end].elementsEqual(text[word.start..<word.end])
            }
            if isLearned { add(index, index + 1, .name) }
        }
    }

    private mutating func findWide() {
        for part in known.wide {
            let isKana = part.allSatisfy { 0x30A1...0x30FC ~= $0 }
            let isSaid = table.isSaid(wide: part)
            var place = 0
            while place + part.count <= page.characters.count {
                guard let end = match(part, place) else {
                    place += 1
                    continue
                }
                if !isKana || isBounded(place, end), !isSaid || isWideName(place, end) {
                    addCharacters(place, end, .name)
                }
                place = end
            }
        }
    }

    /// The place behind a known name, in either script of kana and with blanks or a point between its characters.
    private func match(_ part: [UInt32], _ place: Int) -> Int? {
        guard isSame(page.characters[place], part[0]) else { return nil }
        var next = place + 1
        var index = 1
        while index < part.count {
            var skipped = 0
            while skipped < 2, [32, 0x30FB, 44, 94].contains(character(next)) {
                next += 1
                skipped += 1
            }
            guard isSame(character(next), part[index]) else { return nil }
            next += 1
            index += 1
        }
        return next
    }

    private func isSame(_ character: UInt32, _ wanted: UInt32) -> Bool {
        character == wanted || 0x3041...0x3096 ~= character && character + 0x60 == wanted
    }

    /// Whether kana does not go on on either side, so that a name is not found within a word.
    private func isBounded(_ start: Int, _ end: Int) -> Bool {
        let isHiragana = 0x3041...0x3096 ~= page.characters[start]
        let script: ClosedRange<UInt32> = isHiragana ? 0x3041...0x3096 : 0x30A1...0x30FC
        if script.contains(character(start - 1)) { return false }
        // A particle may follow hiragana.
        return isHiragana ? end - start > 2 : !script.contains(character(end))
    }

    private mutating func findIDs() {
        let ids = known.ids.filter { id in
            guard let companion = id.companion else { return true }
            if known.short.contains(companion) { return table.families.contains(companion) }
            return classes(of: companion).isDisjoint(with: Self.words) && !table.codes.contains(companion)
        }
        var index = 0
        while index < count {
            guard isWordOrNumber(index), !(isGlued(index) && isWordOrNumber(index - 1)) else {
                index += 1
                continue
            }
            let ends = ids.compactMap { id in
                idEnd(id.characters, index).flatMap { isSure(id, index, $0) ? $0 : nil }
            }
            let end = ends.max()
            if let end { add(index, end, .number) }
            index = end ?? index + 1
        }
    }

    /// Whether an id that stands there is one and no measurement, level or word.
    private func isSure(_ id: KnownIdentifiers.ID, _ index: Int, _ end: Int) -> Bool {
        switch id.form {
        case .sure:
            // `10mm`, and `AP 2 views` where `AP2` is an id.
            let isMeasured = piece(index).kind == .number && end == index + 2 && piece(index + 1).has(.unit)
            let isGlued = (index + 1..<end).allSatisfy(isGlued)
            let isWhole = id.characters.count > 5 || isGlued
            return isWhole && !isMeasured && !isOfReports(id.characters, isGlued: isGlued) || isCued(index, end)
        case .word: return !(index..<end).contains { piece($0).has(Self.words) } || isCued(index, end)
        case .short:
            // With its zeros it is long, and by itself on a line it measures nothing.
            let isPadded = end == index + 1 && piece(index).kind == .number && piece(index).count > 3
            let isAlone = piece(index).is(.startsLine) && [.newline, .none].contains(piece(end).kind)
            return isPadded || isAlone || isCued(index, end)
        }
    }

    /// What a number behind it is of: a person, or an exam.
    private static let ofPersons = Set(
        "subject case control volunteer participant donor study exam visit session male female man woman person"
            .split(separator: " ").map { $0.unicodeScalars.map(\.value) })

    /// Whether a code may be what a report says of a picture: `COVID-19`, `Grade 2`, `Lung-RADS 4A`, `nodule 3`.
    private func isOfReports(_ code: [UInt32], isGlued: Bool) -> Bool {
        if table.codes.contains(code) { return true }
        let runs = KnownIdentifiers.runs(of: code)
        let digits = runs.reduce(0) { $0 + (KnownIdentifiers.isDigit($1[0]) ? $1.count : 0) }
        guard digits < (isGlued ? 3 : 4), let first = runs.first, !KnownIdentifiers.isDigit(first[0]) else {
            return false
        }
        return runs.enumerated().allSatisfy { place, run in
            // `4A`
            if KnownIdentifiers.isDigit(run[0]) || place == runs.count - 1 && run.count == 1 { return true }
            if table.codes.contains(run) { return true }
            let classes = table.classes(of: run, 0, run.count)
            // `patient 12` and `subject 12` say what it is.
            return !isGlued && !Self.ofPersons.contains(run)
                && !classes.isDisjoint(with: Self.words) && classes.isDisjoint(with: [.idStrong, .idWeak])
        }
    }

    /// Whether a word before a value says that it is a number of a patient: `patient 12`, `MRN: 12`, `# 12`.
    private func isCued(_ index: Int, _ end: Int) -> Bool {
        // `Patient 45 years old`, `Patient 12 mm`
        let behind = isMark(end, "-") ? end + 1 : end
        guard !isMeasure(end - 1), !isAmount(end - 1), !piece(behind).has(.old), !piece(index).is(.startsLine) else {
            return false
        }
        var place = index - 1
        var isMarked = false
        while place >= 0, place > index - 6 {
            if isMark(place, "#") { return true }
            if isMark(place, in: ":=") {
                isMarked = true
            } else if isIDCue(place) {
                return true
            } else if isWord(place, "id"), isMarked {
                return true
            } else if !(isMark(place, in: ".(-") || piece(place).has(.idNoun) || isWord(place, "is")) {
                return false
            }
            guard !piece(place).is(.startsLine) else { return false }
            place -= 1
        }
        return false
    }

    /// The piece behind an id that begins at a piece; hyphens, points, blanks and leading zeros do not count.
    private func idEnd(_ id: [UInt32], _ index: Int) -> Int? {
        var matched = 0
        var next = index
        while next < min(count, index + 48) {
            let piece = piece(next)
            if isWordOrNumber(next) {
                for place in piece.start..<piece.end {
                    let character = page.characters[place]
                    if matched == 0 && character == 48 { continue }
                    guard matched < id.count, id[matched] == character else { return nil }
                    matched += 1
                }
                if matched == id.count { return isGlued(next + 1) && isWordOrNumber(next + 1) ? nil : next + 1 }
            } else if !(isMark(next, in: "-._/") && isGlued(next)) {
                return nil
            }
            next += 1
        }
        return nil
    }
}
