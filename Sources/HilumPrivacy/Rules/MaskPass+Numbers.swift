import HilumCore

/// Numbers of records, telephones and insurances, e-mail addresses and URLs.
extension MaskPass {
    /// The piece behind a code: words, numbers and `-./_` without a blank between them, and how many digits it has.
    func codeEnd(_ index: Int) -> (end: Int, digits: Int, letters: Int) {
        var end = index
        var digits = 0
        var letters = 0
        while end < count, end == index || isGlued(end) {
            let piece = piece(end)
            switch piece.kind {
            case .number: digits += piece.count
            case .word: letters += piece.count
            case .mark where isMark(end, in: "-./_") && end > index && isGlued(end + 1) && isWordOrNumber(end + 1):
                break
            default: return (end, digits, letters)
            }
            end += 1
        }
        return (end, digits, letters)
    }

    // MARK: After a cue

    /// Whether a word says that what follows is the number of a patient or of an order: `MRN`, `Patient`.
    func isIDCue(_ index: Int) -> Bool {
        piece(index).has(.idStrong) || isWord(index, "patient") || isWord(index, "pt")
    }

    /// Whether the words of a cue leave no doubt that a number of a patient follows: `MRN`, `Patient ID`, `ID:`, `Record no.`
    ///
    /// - Parameters:
    ///   - isNamed: whether `number`, `no` or `ID` stands among them.
    ///   - isMarked: whether a colon or the like does.
    private func isExplicit(_ index: Int, _ next: Int, isNamed: Bool, isMarked: Bool) -> Bool {
        if isWord(index, "mrn") || isWord(index, "mrns") || isWord(index, "accession") { return true }
        if (index..<next).contains(where: { piece($0).has(.idStrong) }) { return isNamed || isMarked }
        let isOfPatient =
            isWord(index, "patient") || isWord(index, "pt") || isWord(index, "record") || isWord(index, "chart")
            || isWord(index, "medical") || isWord(index, "hospital") || isWord(index, "registration")
        let saysID = (index..<next).contains { place in
            isWord(place, "id") || isWord(place, "ids") || isWord(place, "identifier")
                || isWord(place, "identification")
        }
        return isNamed && isOfPatient || saysID && isMarked
    }

    /// Whether words behind an explicit cue are a code of letters: `MRN: ABCDEF`.
    private func isLetterCode(_ index: Int, _ end: Int) -> Bool {
        var letters = 0
        for place in index..<end where piece(place).kind == .word {
            guard piece(place).classes.isEmpty, piece(place).is(.capitals) else { return false }
            letters += piece(place).count
        }
        return letters > 2
    }

    /// `MRN: 12345`, `Accession number CR-19-0042`, `Patient ID 123`, `pager 4567`, from its first word.
    mutating func numberCue(_ index: Int) -> Int? {
        let cue = piece(index)
        var next = index + 1
        var isMarked = false
        var isNamed = false
        var isColon = false
        var steps = 0
        while steps < 6 {
            let piece = piece(next)
            if isMark(next, "("), let end = telephone(next) { return end }
            if isMark(next, in: "#:=") {
                isMarked = true
                if isMark(next, in: ":=") { isColon = true }
            } else if isMark(next, in: ".(-") || piece.value == 0x2116 && piece.kind == .mark {
            } else if piece.has(.idNoun), piece.kind == .word {
                isNamed = true
            } else if piece.kind == .word,
                piece.has([.idWeak, .idStrong, .phone]) || isWord(next, "is") || isWord(next, "security")
                    || isWord(next, "record")
                    || isWord(next, "at") && cue.has(.phone)
            {
            } else {
                break
            }
            next += 1
            steps += 1
        }
        guard next > index, piece(next).kind == .number || piece(next).kind == .word, !piece(next).is(.startsLine)
        else { return nil }
        if cue.has(.phone), let end = telephone(next) ?? digitGroups(next, least: 4) { return end }
        let (end, digits, letters) = codeEnd(next)
        let isExplicit = isExplicit(index, next, isNamed: isNamed, isMarked: isMarked)
        if isExplicit, digits == 0, isMarked, isLetterCode(next, end) {
            add(next, end, .number)
            return end
        }
        guard digits > 0, letters <= digits + (isExplicit ? 12 : 6) else { return nil }
        // `Record no 2 lesions` counts them.
        let isDenied =
            isWord(next - 1, "no") && !isMarked && piece(end).kind == .word && piece(end).has(.eponymNoun)
            && !piece(end).is(.capital) && !piece(end).is(.startsLine)
        if isExplicit, digits < 3, !isMeasure(end - 1), !isAmount(end - 1), !isDenied {
            add(next, end, .number)
            return end
        }
        let isBare = isWord(index, "id")
        let least = cue.has(.idStrong) || isNamed ? 3 : isColon || isMarked || isBare || cue.has(.phone) ? 4 : 99
        let isMeasured = digits < 7 ? isAmount(end - 1) : isQuantity(end - 1)
        guard digits >= least, !(cue.has(.phone) && !isMarked && isMeasured) else { return nil }
        // `Pt: 1500 ml drained`; nothing else says that a number of somebody follows.
        // `Pt: 4711 MM old film` has initials, and five digits are no amount of anything.
        let isAlwaysUnit =
            isWord(end, "hu") || isWord(end, "ml") || isWord(end, "mg") || isWord(end, "cc") || isWord(end, "iu")
            || isWord(end, "kg")
        let mayBeInitials = piece(end).is(.capitals) && !piece(end).is(.loud) && !isAlwaysUnit
        let isAmountOfIt = digits < 5 && isQuantity(end - 1) && !mayBeInitials
        if least == 4, !isBare, !cue.has(.phone), isAmountOfIt { return nil }
        // A blank inside of a number: `123-45 6789`.
        var last = end
        while piece(last).kind == .number, piece(last - 1).kind == .number,
            piece(last).count >= (cue.has(.idStrong) ? 2 : 3),
            !isMeasure(last) || piece(last).count > 2 && !isAmount(last), !isGlued(last)
        { last += 1 }
        add(next, last, .number)
        return last
    }

    // MARK: By form

    /// Groups of digits with a hyphen, point or one blank between them, as in telephone numbers; the piece behind them.
    private mutating func digitGroups(_ index: Int, least: Int) -> Int? {
        var end = index
        var digits = 0
        while piece(end).kind == .number {
            digits += piece(end).count
            end += 1
            if end > index + 24 { break }
            let isJoined =
                isMark(end, in: "-./") && piece(end + 1).kind == .number
                || isMark(end, in: ")") && piece(end + 1).kind == .number
            if isJoined {
                end += 1
            } else if piece(end).kind != .number || piece(end).is(.column) || piece(end).is(.startsLine) {
                break
            }
        }
        while end > index, piece(end - 1).kind == .mark { end -= 1 }
        guard digits >= least, !(digits < 7 ? isAmount(end - 1) : isQuantity(end - 1)) else { return nil }
        let last = digits < 7 ? end : extensionEnd(end)
        add(index, last, .number)
        return last
    }

    /// The piece behind the extension of a telephone number that ends before a place: `x 45`, `ext. 123`; the place where there is none.
    func extensionEnd(_ index: Int) -> Int {
        var next = isMark(index, ",") ? index + 1 : index
        guard isWord(next, "x") || isWord(next, "ext") || isWord(next, "extension"), !piece(next).is(.startsLine)
        else { return index }
        next += 1
        if isMark(next, in: ".:#") { next += 1 }
        // `x 2 days`
        guard piece(next).kind == .number, 2...6 ~= piece(next).count, !isMeasure(next) else { return index }
        return next + 1
    }

    /// `(617) 555-0123`, `+44 20 7946 0958`, from its bracket, sign or first number.
    mutating func telephone(_ index: Int) -> Int? {
        if isMark(index, "+"), isGlued(index + 1), piece(index + 1).kind == .number, piece(index + 1).count <= 3 {
            var next = index + 1
            var digits = 0
            while piece(next).kind == .number || isMark(next, in: "-.()") && piece(next + 1).kind != .newline {
                if piece(next).kind == .number { digits += piece(next).count }
                if digits > 15 { break }
                next += 1
            }
            while next > index + 1, piece(next - 1).kind == .mark { next -= 1 }
            guard digits >= 8 else { return nil }
            next = extensionEnd(next)
            add(index, next, .number)
            return next
        }
        guard isMark(index, "("), piece(index + 1).kind == .number, 2...5 ~= piece(index + 1).count,
            isMark(index + 2, ")"),
            piece(index + 3).kind == .number, isMark(index + 4, in: "-.") || piece(index + 4).kind == .number
        else { return nil }
        let last = isMark(index + 4, in: "-.") ? index + 5 : index + 4
        guard piece(last).kind == .number, piece(index + 1).count + piece(index + 3).count + piece(last).count >= 9
        else { return nil }
        let end = extensionEnd(last + 1)
        add(index, end, .number)
        return end
    }

    /// Long numbers, telephone numbers, UIDs and codes of letters and digits, from a number.
    mutating func longNumber(_ index: Int) -> Int? {
        let first = piece(index)
        if isGlued(index), isWordOrNumber(index - 1) { return nil }
        if isGlued(index), isMark(index - 1, in: ".-/") && isGlued(index - 1) && isWordOrNumber(index - 2) {
            return nil
        }
        if let end = spacedGroups(index) { return end }
        let (end, digits, letters) = codeEnd(index)
        var groups = 0
        var longest = 0
        var points = 0
        for place in index..<end {
            if piece(place).kind == .number {
                groups += 1
                longest = max(longest, piece(place).count)
            } else if isMark(place, ".") {
                points += 1
            }
        }
        let isPhone = letters == 0 && (groups > 1 || 10...11 ~= digits)
        guard !(isPhone ? isQuantity(end - 1) : isAmount(end - 1)) else { return nil }
        // `0.1234567` is a decimal.
        if groups == 2 && points == 1 && letters == 0 && end == index + 3 { return nil }
        let isLong = longest >= 7 || longest == 6 && !isMark(end, "%")
        let isGrouped = groups > 1 && digits >= 9 && letters == 0
        let isLocal =
            letters == 0 && groups == 2 && first.count == 3 && piece(index + 2).count == 4 && isMark(index + 1, in: "-")
            && end == index + 3
        let isCode = letters > 0 && letters <= digits && (longest >= 5 || digits >= 8)
        guard isLong || isGrouped || isLocal || isCode else { return nil }
        let last = isPhone ? extensionEnd(end) : end
        add(index, last, .number)
        return last
    }

    /// `617 555 0123`, `943 476 5919`, `4111 1111 1111 1111`, `0120 123 456`.
    private mutating func spacedGroups(_ index: Int) -> Int? {
        var end = index
        var digits = 0
        while piece(end).kind == .number,
            end == index || !isGlued(end) && !piece(end).is(.column) && !piece(end).is(.startsLine),
            piece(end).count >= 2
        {
            digits += piece(end).count
            end += 1
        }
        guard end - index >= 3, 9...19 ~= digits, !isQuantity(end - 1),
            !isGlued(end) || !isMark(end, in: "./-") || !isGlued(end + 1)
        else { return nil }
        let a = piece(index).count, b = piece(index + 1).count, c = piece(index + 2).count
        let isPhone = a == 3 && b == 3 && c == 4 || character(piece(index).start) == 48 && a >= 2 && digits >= 10
        let isCard = a == 4 && b == 4 && c == 4
        let isSocial = a == 3 && b == 2 && c == 4
        guard isPhone || isCard || isSocial else { return nil }
        if isPhone { end = extensionEnd(end) }
        add(index, end, .number)
        return end
    }

    /// Codes that begin with letters: `E12345678`, `S19-12345`, `CR-2019-004512`, `x4567`.
    mutating func code(_ index: Int) -> Int? {
        guard !isGlued(index) || !isWordOrNumber(index - 1), !isGlued(index) || !isMark(index - 1, in: "-./_@") else {
            return nil
        }
        let (end, digits, letters) = codeEnd(index)
        guard digits >= 4, letters <= 8 else { return nil }
        if isWord(index, "x"), end == index + 2, 4...6 ~= digits, piece(index - 1).kind != .number {
            add(index, end, .number)
            return end
        }
        var longest = 0
        for place in index..<end where piece(place).kind == .number { longest = max(longest, piece(place).count) }
        guard
            longest >= 5 || digits >= 8 && longest >= 4
                || digits >= 6 && longest >= 4 && isMark(index + 1, "-") && end >= index + 5
        else { return nil }
        guard !isAmount(end - 1) else { return nil }
        add(index, end, .number)
        return end
    }

    // MARK: Contact

    /// An e-mail address, from its `@`.
    mutating func email(_ index: Int) -> Int? {
        guard isGlued(index), isGlued(index + 1), isWordOrNumber(index + 1), isWordOrNumber(index - 1) else {
            return nil
        }
        var start = index - 1
        while start > 0, isGlued(start), isWordOrNumber(start - 1) || isMark(start - 1, in: "._+-%") { start -= 1 }
        while start < index, piece(start).kind == .mark { start += 1 }
        var end = index + 1
        while isGlued(end) || end == index + 1,
            isWordOrNumber(end) || isMark(end, in: ".-_") && isGlued(end + 1) && isWordOrNumber(end + 1)
        { end += 1 }
        guard end > index + 1 else { return nil }
        add(start, end, .contact)
        return end
    }

    /// `https://…`, `www.…`, `portal.example.org`, from its first word.
    mutating func url(_ index: Int) -> Int? {
        let isScheme =
            isMark(index + 1, ":") && isGlued(index + 1) && isMark(index + 2, "/") && isGlued(index + 2)
            && isMark(index + 3, "/") && isGlued(index + 3)
        let isWeb = isWord(index, "www") && isMark(index + 1, ".") && isGlued(index + 1)
        guard isScheme || isWeb || isDomain(index) else { return nil }
        var end = index + 1
        while isGlued(end),
            isWordOrNumber(end)
                || piece(end).kind == .mark && !isMark(end, in: "<>\"()[]{},;") && piece(end).value < 128
        { end += 1 }
        while end > index + 1, isMark(end - 1, in: ".:!?'") { end -= 1 }
        add(index, end, .contact)
        return end
    }

    /// Words with points between them whose last is a domain.
    private func isDomain(_ index: Int) -> Bool {
        guard isMark(index + 1, "."), isGlued(index + 1), isGlued(index + 2),
            !(isGlued(index) && piece(index - 1).kind == .mark)
        else { return false }
        var end = index + 1
        while isMark(end, in: ".-"), isGlued(end), isGlued(end + 1), isWordOrNumber(end + 1) { end += 2 }
        let last = piece(end - 1)
        guard isMark(end - 2, "."), last.kind == .word, !last.is(.capital) else { return false }
        return isWord(end - 1, "com") || isWord(end - 1, "org") || isWord(end - 1, "net") || isWord(end - 1, "edu")
            || isWord(end - 1, "gov") || isWord(end - 1, "jp") || isWord(end - 1, "uk") || isWord(end - 1, "info")
            || isWord(end - 1, "mil")
    }
}
