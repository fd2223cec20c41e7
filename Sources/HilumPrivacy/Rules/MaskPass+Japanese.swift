import HilumCore

/// Names and fields of Japanese reports.
extension MaskPass {
    /// The rules of Japanese, over the characters of a run; the piece behind what they found.
    mutating func japanese(_ index: Int) -> Int {
        let run = page.pieces[index]
        var place = run.start
        if run.kind == .kanji, let end = bareName(index) {
            if end >= run.end { return pieceIndex(from: end) }
            place = end
        }
        if run.kind == .katakana, let end = kanaName(index) { return end }
        while place < run.end {
            let character = page.characters[place]
            let may = table.mayBegin(character)
            var end: Int?
            if may & ListedWords.cue != 0 { end = japaneseCue(place) }
            if end == nil, may & ListedWords.honorific != 0 { end = honorific(place, run, index) }
            if end == nil, may & ListedWords.institution != 0 { end = japaneseInstitution(place, run, index) }
            if end == nil, Self.startsDate(character) { end = japaneseDate(place) }
            place = end ?? place + 1
        }
        return place > run.end ? pieceIndex(from: place) : index + 1
    }

    /// The longest phrase of some classes that begins at a character: where it ends, and its classes.
    func phrase(_ place: Int, _ wanted: WordClass, limit: Int = 10) -> (end: Int, classes: WordClass)? {
        var hash = ListedWords.seed
        var best: (end: Int, classes: WordClass)?
        var next = place
        while next < page.characters.count, next - place < limit, page.characters[next] > 32 {
            hash = ListedWords.mixed(hash, page.characters[next])
            next += 1
            let classes = table.classes(of: page.characters, place, next, hash: hash)
            if !classes.isDisjoint(with: wanted) { best = (next, classes) }
        }
        return best
    }

    static func isKanji(_ character: UInt32) -> Bool {
        0x3400...0x9FFF ~= character || character == 0x3005 || 0xF900...0xFAFF ~= character
    }

    static func isKatakana(_ character: UInt32) -> Bool { 0x30A1...0x30FA ~= character || character == 0x30FC }
    static func isHiragana(_ character: UInt32) -> Bool { 0x3041...0x309F ~= character }

    // MARK: Fields

    /// `患者名：`, `カルテ番号`, `電話`, `住所：`, a prefecture, an era; where what it announces ends.
    mutating func japaneseCue(_ place: Int) -> Int? {
        let wanted: WordClass = [.jaField, .jaFieldStrict, .jaID, .jaPhone, .jaAddress, .jaPrefecture, .jaEra]
        guard let (end, classes) = phrase(place, wanted) else { return nil }
        if classes.contains(.jaEra) { return japaneseDate(place) }
        if classes.contains(.jaPrefecture) { return prefecture(place, end) }
        if !classes.isDisjoint(with: [.jaID, .jaPhone]),
            let last = numberField(end, isPhone: classes.contains(.jaPhone))
        {
            return last
        }
        if classes.contains(.jaAddress) { return addressField(end) }
        if !classes.isDisjoint(with: [.jaField, .jaFieldStrict]) {
            return nameField(end, isStrict: classes.contains(.jaFieldStrict))
        }
        return nil
    }

    /// A number behind a cue, with `No.`, `：` and the like between them.
    private mutating func numberField(_ end: Int, isPhone: Bool) -> Int? {
        var index = pieceIndex(from: end)
        var steps = 0
        var isMarked = false
        while steps < 5,
            isMark(index, in: ":=.#()-") || isBracket(index) || piece(index).has([.idNoun, .idStrong, .phone])
                || isWord(index, "phs")
                || piece(index).value == 0x2116
        {
            isMarked = isMarked || isMark(index, in: ":=#") || isBracket(index)
            index += 1
            steps += 1
        }
        guard isWordOrNumber(index), !piece(index).is(.startsLine) else { return nil }
        var (last, digits, letters) = codeEnd(index)
        guard digits > 0, letters < 7 else { return nil }
        while isPhone, piece(last).kind == .number || isMark(last, in: "()-"), !piece(last).is(.startsLine),
            last < index + 9
        {
            digits += piece(last).kind == .number ? piece(last).count : 0
            last += 1
        }
        while isMark(last - 1, in: "()-") { last -= 1 }
        let isMeasured = isPhone && digits >= 7 ? isQuantity(last - 1) : isAmount(last - 1)
        guard digits >= (isPhone ? 4 : isMarked ? 1 : 3), !isMeasured else { return nil }
        if isPhone, digits >= 7 { last = extensionEnd(last) }
        add(index, last, .number)
        return page.pieces[last - 1].end
    }

    private func isBracket(_ index: Int) -> Bool {
        piece(index).kind == .mark && [0x3011, 0x3015, 0x300D, 0xFF1D, 0x3010].contains(piece(index).value)
    }

    private mutating func addressField(_ end: Int) -> Int? {
        var index = pieceIndex(from: end)
        guard isMark(index, in: ":=") || isBracket(index) else { return nil }
        index += 1
        let first = index
        guard !piece(first).is(.startsLine), piece(first).kind != .none else { return nil }
        while index < count, !piece(index).is(.startsLine), piece(index).kind != .newline, index < first + 24 {
            if index > first, piece(index).is(.spaced), phrase(piece(index).start, [.jaID, .jaPhone, .jaField]) != nil {
                break
            }
            index += 1
        }
        guard index > first, piece(first).kind != .mask, !voids(piece(first)) else { return nil }
        add(first, index, .address)
        return page.pieces[index - 1].end
    }

    private func voids(_ piece: Piece) -> Bool { piece.has([.jaVoid, .jaOrdinary]) }

    /// The name behind a field.
    private mutating func nameField(_ end: Int, isStrict: Bool) -> Int? {
        var index = pieceIndex(from: end)
        var isMarked = false
        while isMark(index, in: ":=)") || isBracket(index), index < pieceIndex(from: end) + 3 {
            isMarked = true
            index += 1
        }
        let value = piece(index)
        guard !value.is(.startsLine), value.kind != .none else { return nil }
        // `担当医　鶴巻` at the end of a line, `患者名　鶴巻花子`
        let isLast = piece(index + 1).kind == .newline || piece(index + 1).kind == .none
        if !isMarked, value.kind == .kanji, value.is(.spaced), 2...5 ~= value.count, isStrict || isLast,
            isName(value, index) || isStrict
        {
            isMarked = true
        }
        // `主治医佐藤` in one run, `主治医の佐藤`.
        if !isMarked, character(end) == 0x306E, let last = surname(end + 1), last > end + 2 {
            return takeName(end + 1, last, isSure: false)
        }
        if !isMarked,
            value.start > end && !value.is(.spaced) || value.start == end || piece(pieceIndex(from: end) - 1).end > end
        {
            return surname(end).flatMap { $0 > end + 1 ? takeName(end, $0, isSure: false) : nil }
        }
        switch value.kind {
        case .kanji:
            if isMarked, isDepartment(value), piece(index + 1).kind == .kanji, piece(index + 1).is(.spaced),
                !piece(index + 1).is(.startsLine)
            {
                let next = piece(index + 1)
                return takeName(next.start, surname(next.start) ?? min(next.end, next.start + 2), isSure: true)
            }
            if let last = surname(value.start) { return takeName(value.start, last, isSure: isMarked) }
            guard isMarked, !voids(value), isStrict ? value.count <= 8 : value.count <= 5 && isName(value, index) else {
                return nil
            }
            return takeName(value.start, min(value.end, value.start + 2), isSure: true)
        case .katakana, .hiragana:
            guard isMarked, isStrict || value.has(.jaSurnameKana), value.count > 1, !voids(value) else { return nil }
            var last = index
            while last < index + 3, piece(last + 1).kind == value.kind, piece(last + 1).is(.spaced),
                !piece(last + 1).is(.startsLine)
            { last += 1 }
            add(index, last + 1, .name)
            return piece(last).end
        case .word:
            guard isMarked, value.is(.capital),
                let last = nameEnd(index, isSure: isStrict || piece(index).has([.given, .jaSurnameLatin]))
                    ?? (isStrict ? index + 1 : nil)
            else { return nil }
            add(index, last, .name)
            return piece(last - 1).end
        default: return nil
        }
    }

    /// Whether a run ends in the name of a department.
    private func isDepartment(_ run: Piece) -> Bool {
        [0x79D1, 0x90E8, 0x68DF, 0x5BA4, 0x5C40].contains(character(run.end - 1))
    }

    /// Whether a run of unknown kanji behind a field reads as a name: nothing of a sentence follows.
    private func isName(_ run: Piece, _ index: Int) -> Bool {
        guard run.count > 1, !isDepartment(run), !isMedical(run.start, run.end) else { return false }
        let next = piece(index + 1)
        return next.kind == .none || next.kind == .newline || next.kind == .mark || next.is(.spaced)
    }

    /// Takes a family name that ends at `last`, with the given name behind it; where the name ends.
    private mutating func takeName(_ start: Int, _ last: Int, isSure: Bool) -> Int {
        var end = last
        let run = pieceIndex(from: start + 1) - 1
        // The given name in the same run, up to an honorific.
        while end < piece(run).end, end - last < 4, phrase(end, [.jaHonorific, .jaRole]) == nil { end += 1 }
        if end == piece(run).end, end - last < 1 || isSure {
            let next = piece(run + 1)
            let isGiven =
                next.is(.spaced) && !next.is(.startsLine) && !next.is(.column) && next.count <= 4 && !voids(next)
                && !next.has([.jaHonorific, .jaField, .jaRole, .jaSurname])
            if isGiven,
                next.kind == .kanji && next.count <= 3 || next.kind == .katakana
                    || next.kind == .hiragana && next.count > 1
            {
                end = next.end
            }
        } else if end - last > 3 {
            end = last
        }
        addCharacters(start, end, .name)
        return end
    }

    /// Where the longest family name of the lists that begins at a character ends.
    func surname(_ place: Int) -> Int? { phrase(place, .jaSurname, limit: 3)?.end }

    // MARK: Honorifics

    /// `佐藤先生`, `佐藤太郎様`, `内科佐藤医師`, from the honorific; where it ends.
    private mutating func honorific(_ place: Int, _ run: Piece, _ index: Int) -> Int? {
        guard let (end, _) = phrase(place, .jaHonorific, limit: 3) else { return nil }
        let isLike = page.characters[place] == 0x69D8
        let next = character(end)
        if isLike, Self.isKanji(next) || Self.isKatakana(next) { return nil }
        if page.characters[place] == 0x6C0F, next == 0x540D { return nil }
        if page.characters[place] == 0x541B, Self.isKanji(next) { return nil }
        var start = max(run.start, place - 16)
        var last = place
        var family = start
        if place == run.start {
            let before = piece(index - 1)
            guard run.is(.spaced) ? !run.is(.startsLine) : true,
                before.kind == .kanji || before.kind == .katakana || before.kind == .word && before.is(.capital)
            else { return nil }
            if before.kind == .word {
                // `Smith先生`
                guard isNameLike(index - 1) || before.has(.given), !isLike || run.is(.spaced) else { return nil }
                add(index - 1, index, .name)
                return end
            }
            start = before.start
            last = before.end
            family = start
            // `佐藤 太郎 様`
            let first = piece(index - 2)
            if before.is(.spaced), !before.is(.startsLine), first.kind == before.kind, first.count <= 4,
                first.has([.jaSurname, .jaSurnameKana])
                    || run.is(.spaced) && isLike && first.count <= 3 && !voids(first)
            {
                family = first.start
            }
            if before.kind == .katakana {
                guard !isLike || run.is(.spaced) || character(start - 1) == 0x30FB || before.has(.jaSurnameKana),
                    before.count > 1
                else { return nil }
                var first = start
                if character(first - 1) == 0x30FB {
                    first = piece(index - 3).kind == .katakana ? piece(index - 3).start : first
                }
                addCharacters(min(first, family), last, .name)
                return end
            }
        }
        start = roleEnd(max(start, last - 16), last)
        let length = last - start
        let whole = classes(start, last)
        guard 1...6 ~= length, whole.isDisjoint(with: [.jaNobody, .jaOrdinary, .jaVoid, .jaRole, .jaField]) else {
            return nil
        }
        let isListed = surname(start).map { $0 <= last } ?? false
        if !isListed {
            // An unknown name: before 先生, さん, 様 and 殿 alone, of two kanji or more, and none that describes a shadow.
            let isPlain =
                isLike || page.characters[place] == 0x5148 || page.characters[place] == 0x3055
                || page.characters[place] == 0x6BBF
            guard isPlain, 2...5 ~= length, !isMedical(start, last), !endsInNobody(start, last) else { return nil }
        } else if length == 1, !whole.contains(.jaSurname) {
            return nil
        }
        addCharacters(
            family < roleEnd(max(run.start, place - 16), place) && place == run.start ? family : start, last, .name)
        return end
    }

    /// Where the last role within a range ends, so that a name may begin: `呼吸器内科` of `呼吸器内科佐藤`.
    private func roleEnd(_ start: Int, _ end: Int) -> Int {
        var place = start
        var result = start
        while place < end {
            if let (last, _) = phrase(place, .jaRole, limit: 6), last <= end, surname(place).map({ $0 < last }) ?? true
            {
                result = last
                place = last
            } else if result == place, surname(place) != nil {
                return result
            } else {
                place += 1
            }
        }
        return result
    }

    private func isMedical(_ start: Int, _ end: Int) -> Bool {
        (start..<end).contains { classes($0, $0 + 1).contains(.jaLike) }
    }

    private func endsInNobody(_ start: Int, _ end: Int) -> Bool {
        (start..<end).contains { classes($0, end).contains(.jaNobody) }
    }

    // MARK: Names alone

    /// A run that is a family name of the lists, with or without a given name.
    private mutating func bareName(_ index: Int) -> Int? {
        let run = piece(index)
        guard run.count <= 6, !run.has([.jaOrdinary, .jaField]), let last = surname(run.start), last - run.start > 1
        else { return nil }
        if isGlued(index),
            piece(index - 1).kind == .katakana || piece(index - 1).kind == .number || piece(index - 1).kind == .word
        {
            return nil
        }
        let rest = run.end - last
        if rest == 0 {
            let next = piece(index + 1)
            if next.is(.spaced), !next.is(.startsLine), !next.is(.column), next.kind == .kanji, next.count <= 3,
                !voids(next), !next.has([.jaHonorific, .jaField, .jaRole]),
                !isMedical(next.start, next.end)
            {
                addCharacters(run.start, next.end, .name)
                return next.end
            }
            // `高橋病変`: katakana or Latin behind it make an eponym.
            if isGlued(index + 1), next.kind == .katakana || next.kind == .word { return nil }
            addCharacters(run.start, run.end, .name)
            return run.end
        }
        guard rest <= 3, !Self.endsEponym(character(run.end - 1)), !isMedical(last, run.end),
            phrase(last, [.jaHonorific, .jaInstitution, .jaRole]) == nil,
            !Self.endsEponym(character(last))
        else { return nil }
        let title = (last..<run.end).first { phrase($0, .jaHonorific, limit: 3)?.end == run.end }
        addCharacters(run.start, title ?? run.end, .name)
        return title ?? run.end
    }

    /// The last character of what an eponym names, or of a place.
    private static func endsEponym(_ character: UInt32) -> Bool {
        let ends: [UInt32] = "病法式型徴線点腺野束管角弓溝孔症群類準術子色応市県区町村郡駅府都道州院科医師内外側部説群膜".unicodeScalars.map(\.value)
        return ends.contains(character)
    }

    /// `サトウ タロウ`
    private mutating func kanaName(_ index: Int) -> Int? {
        let run = piece(index)
        let next = piece(index + 1)
        guard run.has(.jaSurnameKana), !isGlued(index) || piece(index - 1).kind == .mark, next.kind == .katakana,
            next.is(.spaced), !next.is(.startsLine),
            !next.is(.column), 2...5 ~= next.count
        else { return nil }
        add(index, index + 2, .name)
        return index + 2
    }
}
