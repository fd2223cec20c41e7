import HilumCore

/// Addresses, towns and institutions of the West.
extension MaskPass {
    // MARK: Addresses

    /// `42 Maple Street, Apt 3, Springfield, IL 62704`, from its number.
    mutating func streetNumber(_ index: Int) -> Int? {
        let number = piece(index)
        guard 1...5 ~= number.count, !(isGlued(index) && isWordOrNumber(index - 1)),
            !(isGlued(index) && isMark(index - 1, in: "./"))
        else { return nil }
        var next = index + 1
        if isGlued(next), piece(next).kind == .word, piece(next).count == 1 { next += 1 }
        var words = 0
        var hasName = false
        while words < 5, !piece(next).is(.startsLine) {
            let piece = piece(next)
            let isOrdinal = piece.kind == .number && isGlued(next + 1) && 2...2 ~= self.piece(next + 1).count
            if piece.kind == .word, piece.has([.street, .streetWeak]), piece.is(.capital), words > 0 {
                let isWeak = piece.has(.streetWeak) || piece.is(.loud)
                // `2 Chest CT`: what may be another word needs a name before it.
                if !isWeak || hasName { return addressEnd(index, next + 1) }
                return nil
            }
            if isOrdinal {
                next += 2
                hasName = true
            } else if piece.kind == .word, piece.is(.capital) {
                hasName =
                    hasName
                    || !piece.has([.ordinary, .function, .unit]) && piece.count > 1
                        && !(piece.is(.capitals) && !piece.is(.loud) && piece.count < 5)
                next += 1
                if isMark(next, ".") || isMark(next, "'") && isWord(next + 1, "s") { next += isMark(next, ".") ? 1 : 2 }
            } else {
                return nil
            }
            words += 1
        }
        return nil
    }

    /// Adds an address whose street ends at a place, with the dwelling, town, state and code behind it.
    private mutating func addressEnd(_ start: Int, _ street: Int) -> Int {
        var end = street
        if isMark(end, "."), isMark(end + 1, ",") || townEnd(end + 1) != nil { end += 1 }
        var next = isMark(end, ",") ? end + 1 : end
        if piece(next).has(.dwelling) || isMark(next, "#") {
            next += 1
            while isMark(next, in: "#.") { next += 1 }
            let code = codeEnd(next)
            if isWordOrNumber(next) { end = max(next + 1, code.end) }
        }
        if let town = townEnd(isMark(end, ",") ? end + 1 : end) { end = town }
        add(start, end, .address)
        return end
    }

    /// The piece behind `Springfield, IL 62704`; nil unless a state or a code ends it.
    private func townEnd(_ index: Int) -> Int? {
        var next = index
        var words = 0
        while piece(next).kind == .word, piece(next).is(.capital), words < 4,
            !(words > 0 && piece(next).has(.state) && piece(next).is(.capitals))
        {
            next += isMark(next + 1, ".") && piece(next).count < 3 ? 2 : 1
            words += 1
        }
        while isMark(next, ",") || piece(next).kind == .newline && words > 0 && isMark(next - 1, ",") { next += 1 }
        if piece(next).has(.state), piece(next).is(.capitals) {
            if let end = zipEnd(next + 1) { return end }
            return words > 0 ? next + 1 : nil
        }
        if piece(next).has(.stateName), piece(next).is(.capital), words > 0 { return zipEnd(next + 1) ?? next + 1 }
        if words > 0, let end = zipEnd(next) { return end }
        return nil
    }

    /// The piece behind a code of the US or Canada or the UK.
    private func zipEnd(_ index: Int) -> Int? {
        if piece(index).kind == .number, piece(index).count == 5, !isMeasure(index) || piece(index + 1).has(.function) {
            return isMark(index + 1, "-") && piece(index + 2).count == 4 && piece(index + 2).kind == .number
                ? index + 3 : index + 1
        }
        return nil
    }

    /// `Springfield, IL 62704`, `MA 02139`, `Boston, Massachusetts`, `PO Box 12`, from its first word.
    mutating func town(_ index: Int) -> Int? {
        let word = piece(index)
        guard word.is(.capital) else { return ukPostcode(index) }
        if word.has(.state), word.is(.capitals), let end = zipEnd(index + 1) {
            // The town before it.
            var start = index
            if isMark(start - 1, ",") { start -= 1 }
            while start > 0, isTownWord(start - 1), start > index - 4, !piece(start).is(.startsLine) { start -= 1 }
            add(isMark(start, ",") ? index : start, end, .address)
            return end
        }
        if isTownWord(index), isMark(index + 1, ",") {
            if piece(index + 2).has(.stateName), piece(index + 2).is(.capital),
                !piece(index + 2).has(.given) || piece(index + 3).kind == .number
            {
                let end = zipEnd(index + 3) ?? index + 3
                add(index, end, .address)
                return end
            }
            // Codes of states that are no abbreviation of medicine.
            if piece(index + 2).has(.state), piece(index + 2).is(.capitals),
                !piece(index + 2).has([.ordinary, .function, .degree, .unit]), !word.is(.loud),
                !isWord(index + 2, "la"), !isWord(index + 2, "al"), !isWord(index + 2, "hi"), !isWord(index + 2, "de"),
                !isWord(index + 2, "sc")
            {
                add(index, index + 3, .address)
                return index + 3
            }
        }
        var box = index
        if isWord(box, "p"), isMark(box + 1, "."), isWord(box + 2, "o") {
            box += isMark(box + 3, ".") ? 4 : 3
        } else if isWord(box, "po") {
            box += 1
        }
        if box > index, isWord(box, "box"), piece(box + 1).kind == .number {
            let end = addressEnd(index, box + 2)
            return end
        }
        return ukPostcode(index)
    }

    /// `SW1A 1AA`, from its letters.
    private mutating func ukPostcode(_ index: Int) -> Int? {
        let area = piece(index)
        guard area.count <= 2, area.kind == .word, area.is(.capital), area.count == 1 || area.is(.capitals),
            isGlued(index + 1),
            piece(index + 1).kind == .number, piece(index + 1).count <= 2, !isGlued(index)
        else { return nil }
        var next = index + 2
        if isGlued(next), piece(next).kind == .word, piece(next).count == 1, piece(next).is(.capital) { next += 1 }
        guard piece(next).kind == .number, piece(next).count == 1, !isGlued(next), isGlued(next + 1),
            isInward(next + 1), !isGlued(next + 2) || piece(next + 2).kind == .mark
        else { return nil }
        let hasTown = isTownWord(index - 1) && !piece(index).is(.startsLine) && !piece(index - 1).is(.loud)
        add(hasTown ? index - 1 : index, next + 2, .address)
        return next + 2
    }

    /// Whether a word may be the name of a town; many an eponym is.
    private func isTownWord(_ index: Int) -> Bool {
        let word = piece(index)
        return word.kind == .word && word.count > 2 && word.is(.capital)
            && !word.has([.ordinary, .function, .unit, .month, .title])
    }

    /// The two letters that end a British code; units of measures have others.
    private func isInward(_ index: Int) -> Bool {
        let word = piece(index)
        guard word.kind == .word, word.count == 2, word.is(.capitals) else { return false }
        // No C, I, K, M, O, V.
        let never: [UInt32] = [99, 105, 107, 109, 111, 118]
        return !never.contains(character(word.start)) && !never.contains(character(word.start + 1))
    }

    /// `Address: …` to the end of the line; `lives in Springfield`.
    mutating func home(_ index: Int) -> Int? {
        var next = index + 1
        if isMark(next, ":") {
            next += 1
            var end = next
            while end < count, !piece(end).is(.startsLine), !piece(end).is(.column), piece(end).kind != .newline,
                !isMark(end, in: ";|"), end - next < 24
            {
                // The next field.
                if piece(end).kind == .word, isMark(end + 1, ":"), end > next { break }
                end += 1
            }
            guard end > next, isWordOrNumber(next), !piece(next).has(.void),
                piece(next).kind == .number || piece(next).is(.capital)
            else { return nil }
            add(next, end, .address)
            return end
        }
        guard isWord(next, "in") || isWord(next, "at") || isWord(next, "of") else { return nil }
        next += 1
        guard isNameLike(next), !piece(next).is(.loud), let end = nameEnd(next, isSure: false),
            !piece(end).has([.institution, .institutionLast])
        else { return nil }
        add(next, end, .address)
        return end
    }

    // MARK: Institutions

    /// `Mercy General Hospital`, `University of Springfield`, `transferred from Lakeview`, from any of its words.
    mutating func institution(_ index: Int) -> Int? {
        let word = piece(index)
        if word.has([.institution, .institutionLast]), word.is(.capital), let end = namedInstitution(index) {
            return end
        }
        guard word.has(.at), (1...3).contains(where: { piece(index - $0).has(.move) }) else { return nil }
        let next = isWord(index + 1, "the") ? index + 2 : index + 1
        if isWord(next, "st") || isWord(next, "mt"), piece(next).is(.capital) {
            // `transferred from St. Mary's`
            let saint = isMark(next + 1, ".") ? next + 2 : next + 1
            guard isTownWord(saint),
                piece(saint + 1).kind != .word || !piece(saint + 1).has([.eponymNoun, .institution])
            else { return nil }
            add(next, saint + 1, .place)
            return saint + 1
        }
        guard isNameLike(next), !piece(next).is(.loud), !piece(next).is(.startsLine),
            let end = nameEnd(next, isSure: false),
            !piece(end).has([.institution, .institutionLast, .institutionMiddle]) || !piece(end).is(.capital)
        else { return nil }
        add(next, end, .place)
        return end
    }

    private func isPartOfPlace(_ index: Int) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word else { return false }
        if piece.is(.loud) {
            return piece.has(.institutionMiddle) && !piece.has(.function)
                || piece.count > 2 && !piece.has([.ordinary, .function, .unit])
        }
        return piece.is(.capital) && piece.count > 1 && (!piece.has(.function) || piece.has(.institutionMiddle))
            || isLink(index)
    }

    /// `of`, `and`, `the` between capitals.
    private func isLink(_ index: Int) -> Bool {
        (isWord(index, "of") || isWord(index, "and") || isWord(index, "the") || isWord(index, "for"))
            && !piece(index).is(.capital)
    }

    private func isStrong(_ index: Int) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, piece.is(.capital), piece.count > 2 else { return false }
        if piece.has(.institutionOwn) { return true }
        if piece.is(.capitals) && !piece.is(.loud) && piece.count <= 4 { return false }
        return !piece.has([.ordinary, .function, .institutionMiddle, .institution, .institutionLast, .unit, .month])
    }

    private mutating func namedInstitution(_ index: Int) -> Int? {
        var start = index
        var hasName = false
        var steps = 0
        while start > 0, steps < 8, !piece(start).is(.startsLine) {
            if isMark(start - 1, "."), isWord(start - 2, "st") || isWord(start - 2, "mt") {
                start -= 2
                hasName = true
            } else if isWord(start - 1, "s"), isMark(start - 2, "'"), piece(start - 3).kind == .word,
                piece(start - 3).is(.capital)
            {
                start -= 3
                hasName = hasName || isStrong(start)
            } else if isMark(start - 1, in: "-&"), piece(start - 2).is(.capital) {
                start -= 2
                hasName = hasName || isStrong(start)
            } else if isPartOfPlace(start - 1) {
                start -= 1
                hasName = hasName || isStrong(start)
            } else {
                break
            }
            steps += 1
        }
        // What begins a sentence or a phrase: `The`, `At`, `Outside`.
        while start < index,
            piece(start).has([.function, .title, .by, .move, .talk]) && !isStrong(start) || isLink(start)
                || isMark(start, in: "-&'")
        { start += 1 }
        while start < index, piece(start).has(.ordinary), !piece(start).has([.institutionMiddle, .institutionOwn]),
            !piece(start).is(.startsLine),
            start + 1 < index, beginsSentence(start) || piece(start).is(.loud)
        {
            start += 1
        }
        var end = index + 1
        while end < index + 8, isPartOfPlace(end), !isLink(end), !piece(end).is(.startsLine),
            piece(end).has([.institution, .institutionLast, .institutionMiddle])
        { end += 1 }
        if isWord(end, "of") || isWord(end, "for") || isWord(end, "at") {
            var next = isWord(end + 1, "the") ? end + 2 : end + 1
            let from = next
            while next < from + 8, isPartOfPlace(next), !isLink(next), !piece(next).is(.startsLine) {
                hasName = hasName || isStrong(next)
                next += 1
            }
            if next > from, (from..<next).contains(where: isStrong) { end = next }
        }
        guard hasName, end - start > 1 else { return nil }
        add(start, end, .place)
        return roomEnd(end) ?? end
    }

    /// Adds what stands behind an institution, or by itself: `, Room 412B, Boston`; the piece behind it.
    private mutating func roomEnd(_ index: Int) -> Int? {
        guard isMark(index, ",") else { return nil }
        if piece(index + 1).has(.dwelling), piece(index + 1).is(.capital) { return room(index + 1) }
        guard isTownAlone(index + 1) else { return nil }
        add(index + 1, index + 2, .address)
        return index + 2
    }

    /// `Room 412B, Boston`, `Suite 200, Springfield`, from its first word; the piece behind it.
    mutating func room(_ index: Int) -> Int? {
        let (end, digits, _) = codeEnd(index + 1)
        guard piece(index).is(.capital), digits > 0, isMark(end, ","), isTownAlone(end + 1) else { return nil }
        add(index + 1, end + 2, .address)
        return end + 2
    }

    /// Whether a word between a comma and the end of a phrase may be a town.
    private func isTownAlone(_ index: Int) -> Bool {
        isNameLike(index) && !piece(index).is(.loud) && !piece(index).is(.startsLine)
            && !piece(index).has([.institutionLast, .institutionMiddle])
            && (piece(index + 1).kind == .none || piece(index + 1).is(.startsLine) || piece(index + 1).kind == .newline
                || isMark(index + 1, in: ".,;)"))
    }
}
