import HilumCore

/// Dates, addresses and institutions of Japanese reports.
extension MaskPass {
    // MARK: Dates

    /// Whether a date may begin with a character that is no digit: `午`, a number in kanji.
    static func startsDate(_ character: UInt32) -> Bool { character == 0x5348 || digit(character) != nil }

    private static func digit(_ character: UInt32) -> Int? {
        switch character {
        case 48...57: Int(character - 48)
        case 0x3007: 0
        case 0x4E00: 1
        case 0x4E8C: 2
        case 0x4E09: 3
        case 0x56DB: 4
        case 0x4E94: 5
        case 0x516D: 6
        case 0x4E03: 7
        case 0x516B: 8
        case 0x4E5D: 9
        case 0x5341: 10
        default: nil
        }
    }

    /// A number in digits or kanji, and where it ends: `12`, `十二`, `二〇一九`, `元`.
    private func numeral(_ place: Int) -> (value: Int, end: Int)? {
        var next = skipBlanks(place)
        if character(next) == 0x5143 { return (1, next + 1) }
        var value = 0
        let start = next
        while let digit = Self.digit(character(next)), next - start < 5 {
            if digit == 10 {
                value = max(1, value) * 10
            } else {
                let isAfterTen = next > start && Self.digit(character(next - 1)) == 10
                value = isAfterTen ? value + digit : value * 10 + digit
            }
            next += 1
        }
        return next > start ? (value, next) : nil
    }

    private func skipBlanks(_ place: Int) -> Int {
        var next = place
        while character(next) == 32, next < place + 2 { next += 1 }
        return next
    }

    private func isDigitBefore(_ place: Int) -> Bool {
        48...57 ~= character(place - 1)
            || [46, 45, 47].contains(character(place - 1)) && 48...57 ~= character(place - 2)
    }

    /// `2019年3月12日`, `令和元年5月`, `R1.5.3`, `3月12日`, `14時32分`, `午後2時`; where it ends.
    mutating func japaneseDate(_ place: Int) -> Int? {
        guard !isDigitBefore(place), let end = eraDate(place) ?? calendarDate(place) ?? japaneseTime(place) else {
            return nil
        }
        addCharacters(place, end, .date)
        return end
    }

    private func eraDate(_ place: Int) -> Int? {
        if let (end, classes) = phrase(place, .jaEra, limit: 2), classes.contains(.jaEra), let (_, next) = numeral(end)
        {
            if character(skipBlanks(next)) == 0x5E74 {
                let year = skipBlanks(next) + 1
                return monthAndDay(year) ?? year
            }
            return parts(next).map { $0 } ?? nil
        }
        // R1.5.3
        let letter = character(place)
        guard [114, 104, 115, 116].contains(letter), !(97...122 ~= character(place - 1)),
            let (year, next) = numeral(place + 1), place + 1 == skipBlanks(place + 1), year <= 64
        else { return nil }
        if character(next) == 0x5E74 { return letter == 116 ? nil : monthAndDay(next + 1) }
        // `S8.9.10` and `T4.5.6` are segments and vertebrae.
        guard letter == 114 || letter == 104 || letter == 115 && year > 10 else { return nil }
        return parts(next)
    }

    /// `.5.3`, `/5/3`, `-5-3` behind a year.
    private func parts(_ place: Int) -> Int? {
        let sign = character(place)
        guard sign == 46 || sign == 47 || sign == 45, let (month, next) = numeral(place + 1), 1...12 ~= month,
            character(next) == sign,
            let (day, end) = numeral(next + 1), 1...31 ~= day, character(end) != sign
        else { return nil }
        return end
    }

    /// `3月`, `3月12日`
    private func monthAndDay(_ place: Int) -> Int? {
        guard let (month, next) = numeral(place), 1...12 ~= month, character(skipBlanks(next)) == 0x6708 else {
            return nil
        }
        let end = skipBlanks(next) + 1
        if let (day, last) = numeral(end), 1...31 ~= day, character(skipBlanks(last)) == 0x65E5 {
            return skipBlanks(last) + 1
        }
        return end
    }

    private func calendarDate(_ place: Int) -> Int? {
        guard let (value, next) = numeral(place) else { return nil }
        let sign = character(skipBlanks(next))
        if sign == 0x5E74 { return 1900...2099 ~= value ? monthAndDay(skipBlanks(next) + 1) : nil }
        guard sign == 0x6708, 1...12 ~= value, let end = monthAndDay(place) else { return nil }
        if character(end - 1) == 0x65E5 { return end }
        // `3月後`, `6月齢` and `2月間` are spans of time.
        let spans: [UInt32] = [0x5F8C, 0x9593, 0x524D, 0x9F62, 0x4EE5, 0x672A, 0x76EE, 0x7D4C, 0x7D4C, 0x7A0B]
        return spans.contains(character(end)) ? nil : end
    }

    private func japaneseTime(_ place: Int) -> Int? {
        var start = place
        var isHalf = false
        if character(place) == 0x5348, character(place + 1) == 0x524D || character(place + 1) == 0x5F8C {
            isHalf = true
            start = place + 2
        }
        guard let (hour, next) = numeral(start), 0...24 ~= hour, character(next) == 0x6642 else {
            // `午後 2:30`
            guard isHalf, let (_, next) = numeral(start), character(next) == 58, let (_, end) = numeral(next + 1) else {
                return nil
            }
            return end
        }
        if let (minute, end) = numeral(next + 1), 0...59 ~= minute, character(end) == 0x5206 {
            if let (_, last) = numeral(end + 1), character(last) == 0x79D2 { return last + 1 }
            return end + 1
        }
        if character(next + 1) == 0x534A { return next + 2 }
        // `6時方向`, `3時間`
        guard isHalf, ![0x9593, 0x65B9, 0x76F8].contains(character(next + 1)) else { return nil }
        return next + 1
    }

    // MARK: Addresses

    /// `〒100-0001 東京都…`, from its mark.
    mutating func postalMark(_ index: Int) -> Int? {
        var next = index + 1
        guard piece(next).kind == .number else { return nil }
        next += 1
        while isMark(next, "-") || piece(next).kind == .number, isGlued(next) { next += 1 }
        var end = page.pieces[next - 1].end
        if piece(next).kind == .kanji, !piece(next).is(.startsLine),
            let last = addressRun(piece(next).start, needs: false)
        {
            end = last
        }
        addCharacters(piece(index).start, end, .address)
        return pieceIndex(from: end)
    }

    /// `東京都千代田区丸の内1-1`: a prefecture with a town behind it; where the address ends.
    mutating func prefecture(_ place: Int, _ end: Int) -> Int? {
        guard let last = addressRun(end, needs: true) else { return nil }
        addCharacters(place, last, .address)
        return last
    }

    private static let towns: Set<UInt32> = [0x5E02, 0x533A, 0x753A, 0x6751, 0x90E1]
    private static let blocks: Set<UInt32> = [0x4E01, 0x756A, 0x53F7, 0x76EE, 0x5730]

    /// Where the characters of an address end: kanji, kana within names, numbers and hyphens.
    ///
    /// - Parameter needs: a town or a number must be among them.
    private func addressRun(_ place: Int, needs: Bool) -> Int? {
        var next = place
        var isFound = false
        var last = place
        while next < page.characters.count, next - place < 60 {
            let character = page.characters[next]
            if Self.towns.contains(character) || Self.blocks.contains(character) || 48...57 ~= character {
                isFound = true
            } else if Self.isKanji(character) || Self.isKatakana(character) {
            } else if character == 45 || character == 0x30FC, 48...57 ~= page.characters[next - 1] {
            } else if Self.isHiragana(character) || character == 32, staysAddress(next) {
            } else {
                break
            }
            next += 1
            if character != 32 { last = next }
        }
        // What lives there: 在住, 出身.
        for suffix in [[0x5728, 0x4F4F], [0x51FA, 0x8EAB], [0x5C45, 0x4F4F]] as [[UInt32]] {
            for start in place..<max(place, last - 1)
            where page.characters[start] == suffix[0] && page.characters[start + 1] == suffix[1] {
                last = start
                break
            }
        }
        return last > place && (isFound || !needs) ? last : nil
    }

    /// Whether hiragana or a blank stands inside of an address: `丸の内`, `1-2 コーポ山田203`.
    private func staysAddress(_ place: Int) -> Bool {
        let next = character(place + 1)
        if page.characters[place] == 32 {
            return 48...57 ~= character(place - 1) && (Self.isKatakana(next) || 48...57 ~= next)
                || Self.blocks.contains(character(place - 1)) && Self.isKatakana(next)
        }
        return [0x306E, 0x304C].contains(page.characters[place]) && Self.isKanji(next)
            && Self.isKanji(character(place - 1))
            && (place + 1..<min(place + 8, page.characters.count)).contains {
                Self.towns.contains(page.characters[$0]) || 48...57 ~= page.characters[$0]
            }
    }

    /// `丸の内1丁目2番3号`, `本町3番地`, from its number.
    mutating func japaneseBlock(_ index: Int) -> Int? {
        let end = piece(index).end
        let isBlock =
            character(end) == 0x4E01 && character(end + 1) == 0x76EE
            || character(end) == 0x756A && character(end + 1) == 0x5730
        // `千代田区1-2-3`
        let isTown =
            isGlued(index) && Self.towns.contains(character(piece(index).start - 1)) && isMark(index + 1, "-")
            && isGlued(index + 1)
        guard isBlock || isTown, isGlued(index), piece(index - 1).kind == .kanji || piece(index - 1).kind == .katakana,
            let last = addressRun(piece(index).start, needs: true)
        else { return nil }
        var start = piece(index - 1).start
        var before = index - 1
        while isGlued(before), [Piece.Kind.kanji, .katakana].contains(piece(before - 1).kind) {
            before -= 1
            start = piece(before).start
        }
        addCharacters(start, last, .address)
        return pieceIndex(from: last)
    }

    // MARK: Institutions

    /// `聖路加国際病院`, `さくらクリニック`, from 病院 or クリニック; where it ends.
    mutating func japaneseInstitution(_ place: Int, _ run: Piece, _ index: Int) -> Int? {
        guard var (end, _) = phrase(place, .jaInstitution, limit: 6) else { return nil }
        // `東京大学医学部附属病院`
        if let last = (end..<min(end + 12, page.characters.count)).first(where: { !Self.isKanji(page.characters[$0]) })
            ?? Optional(min(end + 12, page.characters.count))
        {
            for next in end..<max(end, last) {
                if let (more, _) = phrase(next, .jaInstitution, limit: 6), more <= last + 6 { end = more }
            }
        }
        var start = place
        // No name of an institution is longer; each walk back has its bound, so that the time stays linear.
        while start > max(0, place - 40),
            Self.isKanji(character(start - 1)) || Self.isKatakana(character(start - 1))
                || 97...122 ~= character(start - 1)
        { start -= 1 }
        if start == place, Self.isHiragana(character(place - 1)),
            page.characters[place] == 0x30AF || page.characters[place] == 0x533B
        {
            while start > max(0, place - 12), Self.isHiragana(character(start - 1)) { start -= 1 }
            let particles: [UInt32] = [
                0x306E, 0x306B, 0x3067, 0x3092, 0x306F, 0x304C, 0x306A, 0x308B, 0x305F, 0x3089, 0x3066, 0x3068,
            ]
            if place - start < 3 || particles.contains(character(place - 1)) { return nil }
        }
        // What names no institution: 他, 紹介元.
        while start < place {
            guard let (next, _) = phrase(start, [.jaInstitutionAny, .jaEra], limit: 6), next <= place else { break }
            start = next
        }
        while start < place, let (next, _) = phrase(start, .jaRole, limit: 6), next <= place, surname(start) == nil {
            start = next
        }
        guard start < place else { return nil }
        // `さくら台クリニック` behind a bracket or a mark
        if start > 0, Self.isHiragana(character(start - 1)) {
            var first = start
            while first > max(0, start - 8), Self.isHiragana(character(first - 1)) { first -= 1 }
            let isFree =
                first == 0
                || !Self.isKanji(character(first - 1)) && !Self.isKatakana(character(first - 1))
                    && !(48...57 ~= character(first - 1))
            if isFree, 2...6 ~= start - first { start = first }
            // `国立がん研究センター`
            var own = first
            while own > max(0, first - 12), Self.isKanji(character(own - 1)) { own -= 1 }
            if own < first, start - first < 5, phrase(own, .jaInstitutionOwn, limit: 4)?.end == first { start = own }
        }
        // センター and schools are named by a place, a family or what is the state's.
        let isCentre = page.characters[place] == 0x30BB
        if isCentre {
            let isOwned =
                (start..<place).contains {
                    phrase($0, [.jaInstitutionOwn, .jaPrefecture, .jaSurname], limit: 4) != nil
                } || containsMedicalCentre(start, place)
            guard isOwned, !classes(start, place).contains(.jaInstitutionAny) else { return nil }
        }
        if page.characters[place] == 0x5927, end - place == 2, place - start < 2 { return nil }
        guard !isGeneric(start, place) else { return nil }
        addCharacters(start, end, .place)
        return end
    }

    /// `医療センター` with something before it.
    private func containsMedicalCentre(_ start: Int, _ end: Int) -> Bool {
        end - start > 2 && character(end - 2) == 0x533B && character(end - 1) == 0x7642
            && !classes(start, end - 2).contains(.jaInstitutionAny)
    }

    private func isGeneric(_ start: Int, _ end: Int) -> Bool {
        !classes(start, end).isDisjoint(with: [.jaInstitutionAny, .jaRole, .jaOrdinary, .jaVoid])
    }
}
