import HilumCore

/// Names of people: by titles, degrees, fields of headers, what was done by them or said to them, and given names.
extension MaskPass {
    // MARK: What may be a name

    /// Whether a word may be a name that nothing announces: a capital, and no list has it.
    func isNameLike(_ index: Int) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, piece.count > 1, piece.is(.capital) else { return false }
        if piece.has([.given, .jaSurnameLatin]), !piece.has([.ordinary, .function]) { return true }
        guard !piece.has(.noName), !(piece.has(.state) && piece.is(.capitals)) else { return false }
        // `MICU`, `PICC`: words of capitals among others are abbreviations.
        if piece.is(.capitals) && !piece.is(.loud) && piece.count <= 4 { return false }
        // `T4`, `Tc99m`: digits belong to it.
        if isGlued(index + 1), self.piece(index + 1).kind == .number { return false }
        return !isEponymNoun(index)
    }

    /// Whether what follows makes an eponym of a name: `Looser zone`, `Monteggia's fracture`.
    func isEponymNoun(_ index: Int) -> Bool {
        var next = index + 1
        if isMark(next, "'"), isWord(next + 1, "s") { next += 2 }
        while next < index + 8, isMark(next, "-"), isGlued(next), isGlued(next + 1), piece(next + 1).kind == .word {
            if !piece(next + 1).is(.capital) { return true }
            next += 2
        }
        return piece(next).has(.eponymNoun) && (!piece(next).is(.capital) || piece(next).is(.loud))
            && !piece(next).is(.startsLine)
    }

    /// Whether a word may be a name behind a title.
    private func isTitled(_ index: Int) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, piece.is(.capital), piece.count > 1,
            !piece.has([.function, .degree]) || piece.has(.given)
        else { return false }
        return true
    }

    /// Whether a word is also a name of a disease or a device, but stands where a name does and announces none: `Weber`, no `Weber fracture`.
    private func isEponymousName(_ index: Int) -> Bool {
        piece(index).has(.eponym) && !piece(index).has(.ordinary) && isTitled(index) && !piece(index).is(.loud)
            && !isEponymNoun(index)
    }

    /// Whether a signature names somebody at a place: an initial before any word with a capital, or the name of an eponym.
    private func isSigner(_ index: Int) -> Bool {
        guard isInitial(index), isMark(index + 1, ".") else { return isSigned(index) && isEponymousName(index) }
        let next = index + 2
        return isTitled(next) && !piece(next).is(.startsLine) && (!piece(next).is(.loud) || isNameLike(next))
            && (isSigned(index) || isNameLike(next) || isEponymousName(next))
    }

    /// Whether `signed by` and the like stand before a place, which nothing but people do.
    private func isSigned(_ index: Int) -> Bool {
        (1...4).contains { step in
            let place = index - step
            return isWord(place, "signed") || isWord(place, "dictated") || isWord(place, "transcribed")
                || isWord(place, "typed") || isWord(place, "cosigned") || isWord(place, "countersigned")
                || isWord(place, "authenticated") || isWord(place, "attested")
        }
    }

    func isInitial(_ index: Int) -> Bool {
        let piece = piece(index)
        return piece.kind == .word && piece.count == 1 && piece.is(.capital)
    }

    /// The piece behind a name that begins at a place; nil where none does.
    ///
    /// - Parameter isSure: something before it says that a name follows; its first word may then be a word of reports.
    func nameEnd(_ index: Int, isSure: Bool) -> Int? {
        var next = index
        // Initials and particles before the name.
        var steps = 0
        while steps < 4, isInitial(next) || piece(next).has(.particle) && next + 1 < count {
            let isParticle = piece(next).has(.particle) && piece(next).count > 1
            if isParticle && !piece(next).is(.capital) && !isSure { return nil }
            if isParticle && isTitled(next) && !isTitled(next + 1) && !isInitial(next + 1) { break }
            next += isMark(next + 1, ".") ? 2 : 1
            if isMark(next, "-"), isGlued(next) { next += 1 }
            steps += 1
        }
        let hasInitial = next > index && (isInitial(next - 1) || isMark(next - 1, ".") && isInitial(next - 2))
        guard isSure ? isTitled(next) : isNameLike(next) || hasInitial && isEponymousName(next) else {
            // `Dr. J.`
            return nil
        }
        guard next == index || !piece(next).is(.startsLine) else { return nil }
        next += 1
        var parts = 1
        while parts < 5 {
            let from = next
            if let end = koreanGivenName(next), !piece(next).is(.startsLine) {
                next = end
            } else if isMark(next, "-") || isMark(next, "'") || isMark(next, "^"), isGlued(next), isGlued(next + 1),
                piece(next + 1).kind == .word
            {
                if isMark(next, "'"), isWord(next + 1, "s") { break }
                guard piece(next + 1).is(.capital) || isMark(next, "^") else { break }
                next += 2
            } else if piece(next).is(.startsLine) || piece(next).is(.column) {
                break
            } else if isInitial(next),
                isMark(next + 1, ".") || isNameLike(next + 1) || isMark(next + 1, ",") || endsField(next + 1)
            {
                next += isMark(next + 1, ".") && !(endsField(next + 2) && false) ? 2 : 1
                if piece(next - 1).kind == .mark, !isNameLike(next), !isInitial(next), !piece(next).has(.degree) {
                    next -= 1
                }
            } else if piece(next).has(.particle), piece(next).count > 1, isTitled(next + 1),
                !piece(next + 1).has(.ordinary), !isMark(next + 1, ".")
            {
                next += 2
            } else if isSaint(next) {
                next += 3
            } else if isNameLike(next) {
                next += 1
            } else if piece(next).has(.suffix), piece(next).is(.capital) {
                next += 1
            } else if isMark(next, ","), piece(next + 1).has(.suffix), piece(next + 1).is(.capital) {
                next += 2
            }
            if next == from { break }
            parts += 1
        }
        return next
    }

    /// Whether `St. John` begins at a place, as a part of a name.
    private func isSaint(_ index: Int) -> Bool {
        (isWord(index, "st") || isWord(index, "ste")) && piece(index).is(.capital) && isMark(index + 1, ".")
            && isGlued(index + 1) && isTitled(index + 2) && !piece(index + 2).has(.ordinary) && !isPlaceAhead(index + 2)
    }

    private func endsField(_ index: Int) -> Bool {
        piece(index).kind == .none || piece(index).is(.startsLine) || piece(index).is(.column)
            || piece(index).kind == .newline || isMark(index, in: ";|)")
    }

    /// Adds a name and what is listed behind it: `Smith and Jones`, `Smith / Jones`.
    private mutating func addNames(_ index: Int, _ end: Int, isPlural: Bool) -> Int {
        add(index, end, .name)
        var last = end
        while isMark(last, in: ",/&;") || isWord(last, "and") || isWord(last, "or") {
            var next = last + 1
            if isMark(last, ","), isWord(next, "and") { next += 1 }
            while piece(next).has(.title) { next += isMark(next + 1, ".") ? 2 : 1 }
            guard !piece(next).is(.startsLine),
                isNameLike(next) || isPlural && isTitled(next) && !piece(next).has(.ordinary)
                    || isInitial(next) && isMark(next + 1, "."),
                let end = nameEnd(next, isSure: isPlural)
            else { break }
            add(next, end, .name)
            last = end
        }
        return last
    }

    // MARK: Rules

    /// The rules of names, from a word; the piece behind the name.
    mutating func people(_ index: Int) -> Int? {
        let word = piece(index)
        if word.has(.title), let end = title(index) { return end }
        if word.has(.nursing), word.is(.capital), isNameLike(index + 1), let end = nameEnd(index + 1, isSure: true) {
            return addNames(index + 1, end, isPlural: false)
        }
        if let end = koreanName(index) { return end }
        if word.has([.field, .holder]), let end = field(index) { return end }
        if isWord(index, "pt") || isWord(index, "patient"),
            let end = smallName(isWord(index + 1, "is") ? index + 2 : index + 1)
        {
            return end
        }
        if isWord(index, "by"), let end = doneBy(index) { return end }
        if word.has(.degree) || word.count == 1, let end = degree(index) { return end }
        if isTalk, word.has(.towards), !piece(index + 1).is(.loud) || piece(index + 1).classes.isEmpty {
            var next = index + 1
            if isWord(next, "the") { next += 1 }
            if isNameLike(next)
                || isInitial(next) && isMark(next + 1, ".")
                    && (isNameLike(next + 2) || isEponymousName(next + 2)),
                !isPlaceAhead(next), let end = nameEnd(next, isSure: false)
            {
                return addNames(next, end, isPlural: false)
            }
        }
        if word.has(.kin) {
            let next = isMark(index + 1, in: ",:(") ? index + 2 : index + 1
            if isNameLike(next), !piece(next).is(.loud) || piece(next).has(.given),
                let end = nameEnd(next, isSure: false)
            {
                return addNames(next, end, isPlural: false)
            }
        }
        if word.is(.startsLine), let end = heading(index) { return end }
        if word.has([.given, .jaSurnameLatin]), let end = givenName(index) { return end }
        if let end = subject(index) { return end }
        if let end = caret(index) { return end }
        return initials(index)
    }

    /// `Dr. Smith`, `Drs. Smith and Jones`, `dr smith`.
    private mutating func title(_ index: Int) -> Int? {
        let title = piece(index)
        var next = index + 1
        let hasPoint = isMark(next, ".") && isGlued(next)
        if hasPoint { next += 1 }
        while piece(next).has(.title), next < index + 5 { next += isMark(next + 1, ".") ? 2 : 1 }
        // `Dr鶴巻`, `鶴巻Dr.`
        if piece(next).kind == .kanji, 2...5 ~= piece(next).count, !piece(next).is(.startsLine) {
            let last = surname(piece(next).start) ?? piece(next).end
            addCharacters(piece(next).start, max(last, min(piece(next).end, piece(next).start + 4)), .name)
            return next + 1
        }
        if isGlued(index), piece(index - 1).kind == .kanji, 2...4 ~= piece(index - 1).count,
            !piece(index - 1).has([.jaOrdinary, .jaVoid, .jaRole, .jaNobody])
        {
            add(index - 1, index, .name)
            return next
        }
        // A name on the next line belongs to a title with a point alone.
        guard !piece(next).is(.startsLine) else { return nil }
        if title.is(.capital) || hasPoint {
            // `MR` and `DR` are also ways to make an image, `MS` a disease; `Miss` a verb.
            let isDoubtful =
                title.is(.capitals) && !hasPoint || isWord(index, "miss") || isWord(index, "doctor")
                || isWord(index, "doctors")
            guard
                !isDoubtful || isNameLike(next) || isInitial(next) && isNameLike(next + (isMark(next + 1, ".") ? 2 : 1))
            else { return nil }
            if let end = nameEnd(next, isSure: true) {
                return addNames(
                    next, end, isPlural: isWord(index, "drs") || isWord(index, "doctors") || isWord(index, "messrs"))
            }
        }
        // Dictated without capitals.
        let word = piece(next)
        let isSmall =
            isWord(index, "dr") || isWord(index, "mr") || isWord(index, "mrs") || isWord(index, "prof")
            || isWord(index, "drs") || isWord(index, "ms")
        guard isSmall, word.kind == .word, !word.is(.capital), word.count > 2, !word.has(.noName),
            !word.has(.state) || word.count > 2,
            !isEponymNoun(next)
        else { return nil }
        var end = next + 1
        if piece(next).has(.given), piece(end).kind == .word, !piece(end).has(.noName), piece(end).count > 2 {
            end += 1
        }
        add(next, end, .name)
        return end
    }

    /// `Jane Roe, MD`, `J. Roe M.D.`, from the degree; the piece behind it.
    private mutating func degree(_ index: Int) -> Int? {
        let isDotted = isMark(index + 1, ".") && isGlued(index + 1) && piece(index).is(.capital)
        if !piece(index).has(.degree) {
            let isMD =
                isDotted
                && (isWord(index, "m") && isWord(index + 2, "d") || isWord(index, "d") && isWord(index + 2, "o")
                    || isWord(index, "r") && isWord(index + 2, "n"))
            guard isMD || isWord(index, "ph") && isDotted else { return nil }
        }
        guard piece(index).is(.capital) else { return nil }
        let hasComma = isMark(index - 1, ",")
        let isClear =
            isWord(index, "md") || isWord(index, "phd") || isWord(index, "mbbs") || isWord(index, "frcr") || isDotted
            || isWord(index, "crnp") || isWord(index, "mbchb")
        guard hasComma || isClear else { return nil }
        let last = hasComma ? index - 1 : index
        guard !piece(last).is(.startsLine) || hasComma else { return nil }
        var start = last
        var parts = 0
        var hasName = false
        while start > 0, parts < 5, start == last || !piece(start).is(.startsLine) {
            if isMark(start - 1, "."), isInitial(start - 2) {
                start -= 2
            } else if isInitial(start - 1) {
                start -= 1
            } else if isMark(start - 1, "-"), isGlued(start - 1), isGlued(start), piece(start - 2).is(.capital) {
                start -= 2
                hasName = hasName || isNameLike(start)
            } else if isNameLike(start - 1) {
                start -= 1
                hasName = true
            } else if parts == 0, hasComma || isClear, isTitled(start - 1),
                isNameLike(start - 2) || isMark(start - 2, ".") && isInitial(start - 3)
                    || isEponymousName(start - 1)
            {
                // `John Young, MD`, `A. Weber MD`
                start -= 1
                hasName = true
            } else if piece(start - 1).has(.particle), piece(start - 1).count > 1, parts > 0 {
                start -= 1
            } else if isMark(start - 1, ","), parts > 0, isNameLike(start - 2), piece(start).has(.given) {
                start -= 1
            } else {
                break
            }
            parts += 1
        }
        guard hasName else { return nil }
        add(start, last, .name)
        return index + 1
    }

    /// `Interpreted by Jane Roe`.
    private mutating func doneBy(_ index: Int) -> Int? {
        guard (1...3).contains(where: { piece(index - $0).has(.by) }) else { return nil }
        var next = index + 1
        if isMark(next, in: ":-") { next += 1 }
        if isWord(next, "the") { return nil }
        if let end = smallName(next) { return end }
        // `dictated by john`
        if piece(next).has(.given), !piece(next).is(.capital), !piece(next).has([.ordinary, .month]) {
            add(next, next + 1, .name)
            return next + 1
        }
        guard !piece(next).is(.startsLine),
            isNameLike(next) || isInitial(next) && isMark(next + 1, ".") || isSigner(next),
            !isPlaceAhead(next),
            let end = nameEnd(next, isSure: isSigner(next))
        else { return nil }
        return addNames(next, end, isPlural: false)
    }

    /// `john smith`, dictated without capitals.
    private mutating func smallName(_ index: Int) -> Int? {
        let (given, family) = (piece(index), piece(index + 1))
        guard given.has(.given), !given.is(.capital), !given.has([.ordinary, .function, .month]), family.kind == .word,
            !family.is(.startsLine), family.count > 2, !family.has(.noName)
        else { return nil }
        add(index, index + 2, .name)
        return index + 2
    }

    /// `JONAS FELDWEG: effusion`, `Feldweg, Jonas A.: effusion`: words of capitals, or two with a comma between, before a colon that no list
    /// has. Headings of reports have a word that one has.
    private mutating func heading(_ index: Int) -> Int? {
        func isPart(_ place: Int) -> Bool {
            isNameLike(place) && piece(place).count > 2 && (place == index || !piece(place).is(.startsLine))
                && (piece(place).classes.isEmpty || piece(place).has([.given, .jaSurnameLatin, .particle]))
        }
        var end = index
        var words = 0
        var isLoud = true
        var hasComma = false
        while end < index + 7 {
            if isPart(end) {
                isLoud = isLoud && piece(end).is(.capitals)
                words += 1
                end += 1
            } else if words > 0, isInitial(end) {
                end += isMark(end + 1, ".") ? 2 : 1
            } else if words == 1, isMark(end, ","), isPart(end + 1) {
                hasComma = true
                end += 1
            } else {
                break
            }
        }
        guard 2...3 ~= words, isLoud || hasComma, isMark(end, ":") else { return nil }
        add(index, end, .name)
        return end
    }

    /// Whether the words from a place on name an institution.
    private func isPlaceAhead(_ index: Int) -> Bool {
        var next = index
        while next < index + 6, piece(next).kind == .word, !piece(next).is(.startsLine),
            piece(next).is(.capital) || piece(next).has(.particle)
        {
            if piece(next).has([.institution, .institutionLast]), next > index { return true }
            next += 1
        }
        return false
    }

    /// `Smith, John`, `Mary Jones`, `SATO TARO`, from a given name or a Japanese family name.
    private mutating func givenName(_ index: Int) -> Int? {
        let word = piece(index)
        guard word.is(.capital), !(isGlued(index) && isMark(index - 1, "-")) else { return nil }
        if word.has(.jaSurnameLatin), !word.has(.given) {
            guard isNameLike(index), piece(index + 1).has(.given), piece(index + 1).is(.capital) else { return nil }
            add(index, index + 2, .name)
            return index + 2
        }
        // `Smith, John A.`
        if isMark(index - 1, ","), isNameLike(index - 2), !piece(index - 2).has(.given) || endsField(index + 1),
            !piece(index - 1).is(.startsLine),
            !isPlaceAhead(index), !isNameLike(index + 1) || beginsSentence(index - 2), !isTownAhead(index - 2)
        {
            let end = nameEnd(index, isSure: true) ?? index + 1
            add(index - 2, end, .name)
            return end
        }
        var next = index + 1
        // `Mary-Anne St. John`
        if isMark(next, "-"), isGlued(next), isGlued(next + 1), piece(next + 1).has(.given) { next += 2 }
        while isInitial(next), next < index + 5 { next += isMark(next + 1, ".") ? 2 : 1 }
        if isSaint(next) {
            next += 2
        } else if piece(next).has(.particle), piece(next).count > 1, isNameLike(next + 1) {
            next += 1
        }
        guard !piece(next).is(.startsLine), !piece(next).is(.column), isNameLike(next), !isPlaceAhead(next),
            let end = nameEnd(index, isSure: true), end > next
        else { return nil }
        if word.has([.ordinary, .month]), piece(next).is(.loud), !piece(next).classes.isEmpty { return nil }
        return addNames(index, end, isPlural: false)
    }

    /// `Wilson was informed`; `Mary tolerated …` in the middle of a sentence.
    private mutating func subject(_ index: Int) -> Int? {
        let word = piece(index)
        guard word.is(.capital), !word.is(.loud), word.count > 2, isNameLike(index) else { return nil }
        let isTold =
            (isWord(index + 1, "was") || isWord(index + 1, "has") || isWord(index + 1, "were"))
            && (piece(index + 2).has(.talk) || isWord(index + 2, "been") && piece(index + 3).has(.talk))
        let isGiven =
            word.has(.given) && !word.has([.ordinary, .eponym, .month]) && !beginsSentence(index)
            && !piece(index + 1).is(.capital) && !piece(index - 1).is(.capital) && !isMark(index - 1, in: "'-&./")
            && !isPlaceAhead(index)
        if isTold || isGiven {
            add(index, index + 1, .name)
            return index + 1
        }
        // Two unknown words with capitals within a sentence: `the case was shown to Zebulon Harker`.
        guard word.classes.isEmpty, !beginsSentence(index), !word.is(.capitals), !isMark(index - 1, in: "-/'&("),
            isNameLike(index + 1),
            piece(index + 1).classes.isEmpty, !piece(index + 1).is(.startsLine), !piece(index + 1).is(.capitals),
            !isGlued(index + 1), !isPlaceAhead(index),
            !piece(index + 2).is(.capital) || isNameLike(index + 2), let end = nameEnd(index, isSure: false)
        else { return nil }
        add(index, end, .name)
        return end
    }

    private func isTownAhead(_ index: Int) -> Bool { piece(index + 2).has(.stateName) }

    /// `SMITH^JOHN^A`, the form of DICOM.
    private mutating func caret(_ index: Int) -> Int? {
        guard isMark(index + 1, "^"), isGlued(index + 1), isGlued(index + 2) || piece(index + 2).kind == .none,
            piece(index).count > 1
        else { return nil }
        var end = index + 1
        while isGlued(end), isMark(end, "^") || isMark(end, "-") || piece(end).kind == .word { end += 1 }
        add(index, end, .name)
        return end
    }

    /// `JRS/mm`: who dictated and who typed, at the end of the text.
    private mutating func initials(_ index: Int) -> Int? {
        let word = piece(index)
        guard 2...3 ~= word.count, word.is(.capitals), word.is(.startsLine), isMark(index + 1, in: "/:"),
            isGlued(index + 1), isGlued(index + 2),
            2...3 ~= piece(index + 2).count, piece(index + 2).kind == .word, !piece(index + 2).is(.capital),
            !word.has(.noName),
            !piece(index + 2).has(.noName), piece(index + 3).kind == .none || piece(index + 3).kind == .newline
        else { return nil }
        add(index, index + 3, .name)
        return index + 3
    }

    // MARK: Fields

    /// `Patient name: …`, `Electronically signed by: …`, at the start of a line or column; the piece behind the value.
    private mutating func field(_ index: Int) -> Int? {
        let isStart =
            piece(index).is(.startsLine) || piece(index).is(.column) || isMark(index - 1, in: "|;(,*")
            || isMark(index - 1, ".")
        guard isStart else { return nil }
        var next = index
        var isStrict = false
        while next < index + 7, !piece(next).is(.startsLine) || next == index {
            let piece = piece(next)
            if piece.kind == .word, piece.has(.holder) { isStrict = true }
            guard
                piece.kind == .word && piece.has([.field, .holder, .function, .title, .degree])
                    || isMark(next, in: "/()'*") || isWord(next, "s") || isWord(next, "physician")
                    || isWord(next, "care")
            else { break }
            next += 1
        }
        if isMark(next, ".") { next += 1 }
        // `Patient name is Harker`
        if isStrict, isWord(next - 1, "is"), isNameLike(next) { return value(next, isStrict: false) }
        // `Name FELDWEG JONAS`
        if next > index, piece(next - 1).has(.holder), isNameLike(next), isNameLike(next + 1) {
            return value(next, isStrict: false)
        }
        guard isMark(next, in: ":="), next > index else { return nil }
        return value(next + 1, isStrict: isStrict)
    }

    private mutating func value(_ index: Int, isStrict: Bool) -> Int? {
        let first = piece(index)
        guard first.kind == .word, !first.is(.startsLine), !first.has(.void) else { return nil }
        var start = index
        while piece(start).has(.title) { start += isMark(start + 1, ".") ? 2 : 1 }
        guard piece(start).kind == .word else { return nil }
        if isStrict { return strictValue(start) }
        if let end = smallName(start) { return end }
        let hasGiven = (start..<(start + 4)).contains {
            piece($0).has(.given) && piece($0).is(.capital) && !piece($0).is(.startsLine) && !piece($0).has(.ordinary)
        }
        let isSure = start > index || hasGiven
        // `Attending: Smith, Mary`
        let isSigner = isSigner(start) && isInitial(start)
        guard isNameLike(start) || isInitial(start) || isSure && isTitled(start),
            let end = nameEnd(start, isSure: isSure || isSigner)
        else { return nil }
        if isMark(end, ","), !piece(end + 1).is(.startsLine),
            piece(end + 1).has(.given)
                || isNameLike(end + 1) && (endsField(end + 2) || isInitial(end + 2) || isMark(end + 2, ".")),
            let last = nameEnd(end + 1, isSure: true)
        {
            return addNames(start, last, isPlural: false)
        }
        return addNames(start, end, isPlural: false)
    }

    /// Whether a full stop ends the value that begins at `start`, and what follows is told of the patient: `Name: Harker. mild effusion.`
    private func isSentenceBehind(_ place: Int, from start: Int) -> Bool {
        guard isMark(place, "."), place > start else { return false }
        let last = piece(place - 1)
        // `Dr.`, `St.`, `J.`
        guard last.kind == .word, last.count > 2, !last.has([.title, .degree]), !isGlued(place + 1) else {
            return false
        }
        // One word may be a name that is a word of reports as well.
        return (place + 1...place + 2).allSatisfy {
            piece($0).has(Self.told) && !piece($0).has(Self.partsOfNames) && !piece($0).is(.startsLine)
        }
    }

    private static let told: WordClass = [.ordinary, .function, .picture]
    private static let partsOfNames: WordClass = [.given, .particle, .suffix, .title, .degree]

    /// The words of a line up to what cannot be in a name.
    private mutating func strictValue(_ index: Int) -> Int? {
        var end = index
        while end < count, end == index || !piece(end).is(.startsLine) && !piece(end).is(.column) {
            let piece = piece(end)
            if piece.kind == .word {
                if isMark(end + 1, ":") && end > index || piece.has([.idStrong]) || isWord(end, "dob")
                    || isWord(end, "sex") || isWord(end, "age")
                {
                    break
                }
            } else if !(isMark(end, in: "^-'") || isMark(end, in: ",.") && self.piece(end + 1).kind == .word)
                || isSentenceBehind(end, from: index)
            {
                break
            }
            if end - index > 8 { break }
            end += 1
        }
        while end > index, piece(end - 1).kind == .mark { end -= 1 }
        let isPlain = (index..<end).allSatisfy { piece($0).has([.ordinary, .function]) && !piece($0).is(.capital) }
        guard end > index, !isPlain else { return nil }
        add(index, end, .name)
        return end
    }
}
