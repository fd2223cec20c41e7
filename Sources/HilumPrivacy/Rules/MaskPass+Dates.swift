import HilumCore

/// Dates and times of the day in the forms of the West, and ages of 90 years and more.
extension MaskPass {
    // MARK: Dates of numbers

    /// `2019-03-12`, `3/12/19`, `12.03.2019`, `20190312`, `12 March 2019`, `03/2019`; the piece behind it.
    mutating func date(_ index: Int) -> Int? {
        if let end = dayAndMonth(index) { return add(index, to: end, .date) }
        let first = piece(index)
        // Not inside of a longer number or a code.
        if isGlued(index),
            isWordOrNumber(index - 1) || isMark(index - 1, in: "./-") && isGlued(index - 1) && isWordOrNumber(index - 2)
        {
            return nil
        }
        if first.count == 8 || first.count == 12 || first.count == 14, let end = compact(index) {
            return add(index, to: end, .date)
        }
        guard isGlued(index + 1), isMark(index + 1, in: "-/."), isGlued(index + 2), piece(index + 2).kind == .number
        else { return nil }
        let sign = piece(index + 1).value
        let hasThird =
            isGlued(index + 3) && piece(index + 3).kind == .mark && piece(index + 3).value == sign
            && isGlued(index + 4) && piece(index + 4).kind == .number
        if hasThird {
            let hasYear = isYear(first) || isYear(piece(index + 4))
            // `3/4/2019films`
            let isEnd = endsNumber(index + 5) || hasYear && piece(index + 5).has([.unit, .picture])
            // `10-12-14 mm`: only a year of two digits may be a length.
            guard isDate(first, piece(index + 2), piece(index + 4)), isEnd, hasYear || !isQuantity(index + 4) else {
                return nil
            }
            return add(index, to: index + 5, .date)
        }
        guard endsNumber(index + 3), !isQuantity(index + 2) else { return nil }
        if isMonthAndYear(first, piece(index + 2), sign) { return add(index, to: index + 3, .date) }
        if sign == 47, isShortDate(index) { return add(index, to: index + 3, .date) }
        return nil
    }

    private mutating func add(_ start: Int, to end: Int, _ mask: ReportMask) -> Int {
        var end = end
        // `2019-03-12T14:32:05.123+09:00`: the time goes with it.
        if isGlued(end), isWord(end, "t"), isGlued(end + 1), piece(end + 1).kind == .number {
            end += 2
            while isGlued(end),
                piece(end).kind == .number
                    || isMark(end, in: ":.+-") && isGlued(end + 1) && piece(end + 1).kind == .number
            { end += 1 }
            if isGlued(end), isWord(end, "z") { end += 1 }
        }
        add(start, end, mask)
        return end
    }

    /// Whether a number ends before a piece, so that it is no part of a longer one.
    func endsNumber(_ index: Int) -> Bool {
        guard isGlued(index) else { return true }
        if piece(index).kind == .number { return false }
        if piece(index).kind == .word { return isWord(index, "t") || piece(index).has([.dayHalf, .hours]) }
        return !(isMark(index, in: "-/.") && isGlued(index + 1) && piece(index + 1).kind == .number)
    }

    private func isYear(_ piece: Piece) -> Bool { piece.count == 4 && 1900...2099 ~= piece.value }

    private func isDate(_ a: Piece, _ b: Piece, _ c: Piece) -> Bool {
        if isYear(a) { return b.count <= 2 && c.count <= 2 && 1...12 ~= b.value && 1...31 ~= c.value }
        guard a.count <= 2, b.count <= 2, 1...31 ~= a.value, 1...31 ~= b.value, min(a.value, b.value) <= 12 else {
            return false
        }
        return isYear(c) || c.count == 2
    }

    private func isMonthAndYear(_ a: Piece, _ b: Piece, _ sign: Int) -> Bool {
        if sign == 46 { return a.count == 2 && 1...12 ~= a.value && isYear(b) }
        return a.count <= 2 && 1...12 ~= a.value && isYear(b) || isYear(a) && b.count == 2 && 1...12 ~= b.value
    }

    /// `3/12`, where a word before it expects a date and nothing behind it makes it a ratio.
    private func isShortDate(_ index: Int) -> Bool {
        let a = piece(index), b = piece(index + 2)
        guard a.count <= 2, b.count <= 2, 1...31 ~= a.value, 1...31 ~= b.value, min(a.value, b.value) <= 12 else {
            return false
        }
        let cue = isMark(index - 1, in: ":(") ? index - 2 : index - 1
        guard piece(cue).has([.dateCue, .weekday]) else { return false }
        let next = piece(index + 3)
        // `to 2/3 views`, `of 2/6 murmur`, `from 1/3 to 1/2`.
        if isWord(index - 1, "to") || isWord(index - 1, "of") || isWord(cue, "d") || isWord(cue, "t") {
            return b.value > 12 || a.value > 12 || a.value > b.value && isDatedWord(index + 3)
        }
        guard a.value >= b.value || b.value > 8 else { return next.kind == .none || isMark(index + 3, in: ",.;)") }
        return next.kind != .word || next.has(.function) || next.has(.by) || isAfterDate(index + 3)
    }

    private func isAfterDate(_ index: Int) -> Bool {
        isWord(index, "showed") || isWord(index, "shows") || isWord(index, "demonstrated")
            || isWord(index, "examination") || isDatedWord(index)
            || isWord(index, "ct") || isWord(index, "x") || isWord(index, "cxr") || isWord(index, "report")
    }

    /// `films`, and not `views` or `images`, which are also counted: `3/3 views`.
    private func isDatedWord(_ index: Int) -> Bool {
        piece(index).has(.picture) && !isWord(index, "view") && !isWord(index, "views") && !isWord(index, "image")
            && !isWord(index, "images") && !isWord(index, "slice") && !isWord(index, "slices")
    }

    private func compact(_ index: Int) -> Int? {
        let start = piece(index).start
        func part(_ from: Int, _ count: Int) -> Int {
            (from..<(from + count)).reduce(0) { $0 * 10 + Int(character(start + $1)) - 48 }
        }
        guard 1900...2099 ~= part(0, 4), 1...12 ~= part(4, 2), 1...31 ~= part(6, 2), endsNumber(index + 1) else {
            return nil
        }
        return index + 1
    }

    // MARK: Dates with the name of a month

    /// `12 March 2019`, `12-Mar-2019`, `12MAR2019`, `3rd of May`, from its day.
    private func dayAndMonth(_ index: Int) -> Int? {
        guard piece(index).count <= 2, 1...31 ~= piece(index).value, !(isGlued(index) && isWordOrNumber(index - 1))
        else { return nil }
        var next = index + 1
        if isGlued(next), isOrdinalEnd(next) { next += 1 }
        if isWord(next, "of") { next += 1 }
        if isMark(next, in: "-./,") { next += 1 }
        guard isMonth(next) else { return nil }
        let isFull = piece(next).has(.month)
        if !isFull, !piece(next).is(.capital), !isYearBehind(next) { return nil }
        // `2 may represent`.
        if !piece(next).is(.capital) && isAmbiguous(next) { return nil }
        if piece(next).is(.loud) && isAmbiguous(next) && !isYearBehind(next) { return nil }
        return yearBehind(next) ?? next + 1
    }

    private func isOrdinalEnd(_ index: Int) -> Bool {
        isWord(index, "st") || isWord(index, "nd") || isWord(index, "rd") || isWord(index, "th")
    }

    private func isMonth(_ index: Int) -> Bool { piece(index).has([.month, .monthShort]) }

    /// Months that are words.
    private func isAmbiguous(_ index: Int) -> Bool {
        isWord(index, "may") || isWord(index, "march") || isWord(index, "mar")
    }

    private func isYearBehind(_ index: Int) -> Bool { yearBehind(index) != nil }

    /// The piece behind the year that follows a month: `2019`, `, 2019`, `-19`, `'19`.
    private func yearBehind(_ index: Int) -> Int? {
        var next = index + 1
        if isMark(next, in: ".") { next += 1 }
        if isMark(next, in: ",-/'") || isWord(next, "of") { next += 1 }
        let year = piece(next)
        guard year.kind == .number, !isQuantity(next) else { return nil }
        if isYear(year) { return next + 1 }
        return year.count == 2 && isGlued(next) && (next == index + 1 || isMark(next - 1, in: "-/'")) ? next + 1 : nil
    }

    /// `March 12, 2019`, `Mar 2019`, `in March`, `Monday, March 12`, from its month or weekday.
    mutating func monthDate(_ index: Int) -> Int? {
        var month = index
        if piece(index).has(.weekday) && !piece(index).has([.month, .monthShort]) {
            month = isMark(index + 1, in: ",.") ? index + 2 : index + 1
            if piece(month).kind == .number, let end = date(month) {
                add(index, end, .date)
                return end
            }
            guard isMonth(month), monthEnd(month) != nil else { return nil }
        }
        guard let end = monthEnd(month) else { return nil }
        add(index, end, .date)
        return end
    }

    private func monthEnd(_ index: Int) -> Int? {
        let month = piece(index)
        var next = index + 1
        if isMark(next, in: ".-") { next += 1 }
        let day = piece(next)
        if day.kind == .number, day.count <= 2, 1...31 ~= day.value, !isDecimal(next), !isQuantity(next) {
            if isGlued(next + 1), isOrdinalEnd(next + 1) { next += 1 }
            if let end = yearBehind(next) { return end }
            let isPlain = month.is(.capital) && !(month.is(.loud) && isAmbiguous(index))
            return isPlain ? next + 1 : nil
        }
        if month.is(.capital) || month.has(.month) && !isAmbiguous(index), let end = yearBehind(index) { return end }
        guard month.has(.month), month.is(.capital), !isNamed(index) else { return nil }
        if !isAmbiguous(index) && !month.has(.given) { return index + 1 }
        // `in May`, and not `May represent`.
        let before = index - 1
        let isIn =
            isWord(before, "in") || isWord(before, "since") || isWord(before, "of") || isWord(before, "last")
            || isWord(before, "from")
            || isWord(before, "until") || isWord(before, "by") || isWord(before, "this") || isWord(before, "early")
            || isWord(before, "late") || isWord(before, "mid") || isWord(before, "through")
        return isIn ? index + 1 : nil
    }

    /// Whether a month is the given name of somebody: `April Jones`.
    private func isNamed(_ index: Int) -> Bool { piece(index).has(.given) && isNameLike(index + 1) }

    private func isDecimal(_ index: Int) -> Bool {
        isMark(index + 1, in: "./") && isGlued(index + 1) && isGlued(index + 2) && piece(index + 2).kind == .number
    }

    // MARK: Times

    /// `14:32`, `2:32:05 PM`, `1432 hours`, `2 pm`, `at 0930`; the piece behind it.
    mutating func time(_ index: Int) -> Int? {
        let first = piece(index)
        if isGlued(index),
            isWordOrNumber(index - 1)
                || isMark(index - 1, in: ":./-") && isGlued(index - 1) && isWordOrNumber(index - 2)
        {
            return nil
        }
        if first.count <= 2, 0...24 ~= first.value, isMark(index + 1, ":"), isGlued(index + 1), isGlued(index + 2),
            piece(index + 2).kind == .number, piece(index + 2).count == 2, 0...59 ~= piece(index + 2).value
        {
            return clock(index)
        }
        if first.count == 4, 0...2400 ~= first.value, first.value % 100 < 60 {
            if piece(index + 1).has(.hours), endsNumber(index + 2) {
                add(index, index + 2, .date)
                return index + 2
            }
            let isPlain = !isAmount(index) && !isDecimal(index) && !isGlued(index + 1)
            if isWord(index - 1, "at") || isMark(index - 1, "@"),
                isPlain || isMark(index + 1, in: ",.;)") && !isDecimal(index)
            {
                add(index, index + 1, .date)
                return index + 1
            }
        }
        if first.count <= 2, 1...12 ~= first.value, let end = half(index + 1) {
            add(index, end, .date)
            return end
        }
        if first.count <= 2, 0...23 ~= first.value, isGlued(index + 1), isWord(index + 1, "h"), isGlued(index + 2),
            piece(index + 2).count == 2, piece(index + 2).kind == .number, 0...59 ~= piece(index + 2).value
        {
            add(index, index + 3, .date)
            return index + 3
        }
        return nil
    }

    private mutating func clock(_ index: Int) -> Int? {
        var end = index + 3
        if isMark(end, ":"), isGlued(end), isGlued(end + 1), piece(end + 1).count == 2 {
            end += 2
            if isMark(end, "."), isGlued(end), isGlued(end + 1), piece(end + 1).kind == .number { end += 2 }
        }
        guard endsNumber(end), !isMark(end, ":") || !isGlued(end + 1) else { return nil }
        for back in 1...4 where piece(index - back).has(.notTime) { return nil }
        if piece(end).has(.notClock) || isMark(end, "-") && piece(end + 1).has(.notClock) { return nil }
        if let half = half(end) { end = half } else if piece(end).has(.hours) { end += 1 }
        add(index, end, .date)
        return end
    }

    /// `PM`, `p.m.`; the piece behind it.
    private func half(_ index: Int) -> Int? {
        if piece(index).has(.dayHalf) { return index + 1 }
        guard isWord(index, "a") || isWord(index, "p"), isMark(index + 1, "."), isGlued(index + 1),
            isWord(index + 2, "m"), isGlued(index + 2)
        else { return nil }
        return isMark(index + 3, ".") && isGlued(index + 3) ? index + 4 : index + 3
    }

    // MARK: Ages

    /// `92-year-old`, `aged 92`, `92 y/o`, `92F`, `92歳`: an age of 90 years or more; the piece behind the number.
    mutating func age(_ index: Int) -> Int? {
        let number = piece(index)
        guard 2...3 ~= number.count, 90...130 ~= number.value, !isDecimal(index) else { return nil }
        if isGlued(index), isMark(index - 1, in: "./") || isWordOrNumber(index - 1) { return nil }
        let isSaid =
            isWord(index - 1, "aged") || isWord(index - 1, "age") || isWord(index - 1, "of") && isWord(index - 2, "age")
            || isMark(index - 1, ":") && isWord(index - 2, "age") || isWord(index - 1, "turned")
        // `age 92 M`
        let isTold = isSaid && (!isMeasure(index) || isWord(index + 1, "m") && piece(index + 1).is(.capital))
        guard isTold || isOld(index + 1) || isJapaneseAge(index) else { return nil }
        add(index, index + 1, .age)
        return index + 1
    }

    /// `-year-old`, `y/o`, `yo`, `y.o.`, `F`.
    private func isOld(_ index: Int) -> Bool {
        let next = isMark(index, "-") ? index + 1 : index
        if isWord(next, "yo") || isWord(next, "year-old") { return true }
        if isWord(next, "y") && isMark(next + 1, in: "/.") && isWord(next + 2, "o") { return true }
        if isGlued(index), piece(index).count == 1, isWord(index, "f") || isWord(index, "m") || isWord(index, "y") {
            return !isGlued(index + 1) || !isWordOrNumber(index + 1)
        }
        guard
            isWord(next, "year") || isWord(next, "years") || isWord(next, "yr") || isWord(next, "yrs")
                || isWord(next, "y")
        else { return false }
        var after = next + 1
        if isMark(after, in: ".-") { after += 1 }
        if isMark(after, "-") { after += 1 }
        return piece(after).kind == .word
            && (isWord(after, "old") || isWord(after, "o") || isWord(after, "male") || isWord(after, "female")
                || isWord(after, "woman") || isWord(after, "man") || isWord(after, "lady") || isWord(after, "gentleman")
                || isWord(after, "of"))
    }

    private func isJapaneseAge(_ index: Int) -> Bool {
        let next = character(piece(index).end)
        return next == 0x6B73 || next == 0x624D
    }

    /// `ninety-two-year-old`.
    mutating func spelledAge(_ index: Int) -> Int? {
        guard isWord(index, "ninety") else { return nil }
        var end = index + 1
        if isMark(end, "-"), piece(end + 1).kind == .word, !isWord(end + 1, "year") { end += 2 }
        guard isOld(end) else { return nil }
        add(index, end, .age)
        return end
    }
}
