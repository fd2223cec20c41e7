import HilumCore

/// A text as characters and pieces.
///
///     bytes ──► characters, folded ──► pieces, each with the classes of its word
///
/// Characters are folded as they are read: capitals to small letters, full width to ASCII, katakana of half width to full width with its
/// voicing. `offsets` says where each stands in the bytes. A byte that is not UTF-8 is a character that nothing knows.
/// Thread rule: a value; one owner at a time.
struct Page {
    private(set) var bytes: [UInt8] = []
    private(set) var characters: [UInt32] = []
    /// Where a character begins in the bytes; one more at the end.
    private(set) var offsets: [Int32] = []
    private(set) var pieces: [Piece] = []
    private var capitals: [Bool] = []

    /// Reads a text.
    init(_ bytes: [UInt8], _ table: ListedWords) {
        decode(bytes)
        cut(table)
    }

    init() {}

    // MARK: Characters

    mutating func decode(_ text: [UInt8]) {
        bytes = text
        characters.reserveCapacity(text.count)
        offsets.reserveCapacity(text.count + 1)
        capitals.reserveCapacity(text.count)
        var place = 0
        while place < text.count {
            let start = place
            let byte = text[place]
            if byte < 128 {
                place += 1
                let isCapital = byte >= 65 && byte <= 90
                add(UInt32(isCapital ? byte | 32 : byte), start, isCapital: isCapital)
                continue
            }
            let (scalar, byteCount) = Self.scalar(text, place)
            place += byteCount
            fold(scalar, start)
        }
        offsets.append(Int32(text.count))
    }

    private mutating func add(_ character: UInt32, _ start: Int, isCapital: Bool = false) {
        characters.append(character)
        offsets.append(Int32(start))
        capitals.append(isCapital)
    }

    /// A character beyond ASCII; U+FFFD for a byte that is not UTF-8.
    private static func scalar(_ text: [UInt8], _ place: Int) -> (UInt32, Int) {
        let lead = text[place]
        let count = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0
        guard count > 0, place + count <= text.count else { return (0xFFFD, 1) }
        var scalar = UInt32(lead) & (0x7F >> UInt32(count))
        for index in 1..<count {
            guard text[place + index] & 0xC0 == 0x80 else { return (0xFFFD, 1) }
            scalar = scalar << 6 | UInt32(text[place + index] & 0x3F)
        }
        return (scalar, count)
    }

    private mutating func fold(_ scalar: UInt32, _ start: Int) {
        switch scalar {
        case 0xFF01...0xFF5E:
            let narrow = scalar - 0xFF01 + 0x21
            let isCapital = 65...90 ~= narrow
            add(isCapital ? narrow | 32 : narrow, start, isCapital: isCapital)
        case 0xC0...0xDE where scalar != 0xD7: add(scalar + 32, start, isCapital: true)
        case 0x100...0x17F: add(scalar | 1, start, isCapital: scalar & 1 == 0)
        case 0x3000, 0xA0, 0x2002...0x200A: add(32, start)
        case 0x2018, 0x2019: add(39, start)
        case 0x2010...0x2015, 0x2212: add(45, start)
        case 0x2028, 0x2029, 0x85: add(10, start)
        case 0xFF9E, 0xFF9F: voice(scalar, start)
        case 0xFF66...0xFF9D: add(Self.wideKana[Int(scalar - 0xFF66)], start)
        default: add(scalar, start)
        }
    }

    /// A mark of voicing joins the kana before it.
    private mutating func voice(_ scalar: UInt32, _ start: Int) {
        let step: UInt32 = scalar == 0xFF9E ? 1 : 2
        guard let last = characters.last, 0x30AB...0x30DB ~= last else { return add(scalar, start) }
        characters[characters.count - 1] = last + step
    }

    /// Katakana of half width, U+FF66 to U+FF9D, in full width.
    private static let wideKana: [UInt32] =
        "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン".unicodeScalars.map(\.value)

    // MARK: Pieces

    private static func kind(_ character: UInt32) -> Piece.Kind {
        switch character {
        case 48...57: .number
        case 0xD7, 0xF7: .mark
        case 97...122, 0xC0...0x24F: .word
        case 0x3041...0x309F: .hiragana
        case 0x30A1...0x30FA, 0x30FC: .katakana
        case 0x3005, 0x3007, 0x3400...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF: .kanji
        default: .mark
        }
    }

    private mutating func cut(_ table: ListedWords) {
        pieces.reserveCapacity(characters.count / 4 + 8)
        var flags: Piece.Flags = [.startsLine, .spaced]
        var place = 0
        var blanks = 0
        var line = 0
        while place < characters.count {
            let character = characters[place]
            if character == 10 || character == 13 {
                hush(line)
                pieces.append(Piece(start: place, end: place + 1, kind: .newline, flags: flags, classes: [], value: 10))
                place += 1
                line = pieces.count
                flags = [.startsLine, .spaced]
                blanks = 0
                continue
            }
            if character <= 32 {
                blanks += character == 9 ? 2 : 1
                flags.insert(.spaced)
                if blanks > 1 { flags.insert(.column) }
                place += 1
                continue
            }
            place = piece(place, flags, table)
            flags = []
            blanks = 0
        }
        hush(line)
    }

    /// Marks the pieces of a line without a small letter.
    private mutating func hush(_ line: Int) {
        var words = 0
        for index in line..<pieces.count where pieces[index].kind == .word {
            let piece = pieces[index]
            if piece.is(.capitals) { words += 1 } else if piece.count > 1 || !piece.is(.capital) { return }
        }
        guard words > 1 else { return }
        for index in line..<pieces.count { pieces[index].flags.insert(.loud) }
    }

    private mutating func piece(_ start: Int, _ given: Piece.Flags, _ table: ListedWords) -> Int {
        let kind = Self.kind(characters[start])
        switch kind {
        case .word: return word(start, given, table)
        case .mark: return mark(start, given)
        default: break
        }
        var end = start + 1
        // The long vowel of katakana also stands in words of hiragana.
        while end < characters.count,
            Self.kind(characters[end]) == kind || kind == .hiragana && characters[end] == 0x30FC
        { end += 1 }
        var value = -1
        if kind == .number && end - start <= 9 {
            value = 0
            for index in start..<end { value = value * 10 + Int(characters[index] - 48) }
        }
        let classes = kind == .number ? [] : table.classes(of: characters, start, end)
        pieces.append(Piece(start: start, end: end, kind: kind, flags: given, classes: classes, value: value))
        return end
    }

    private mutating func word(_ start: Int, _ given: Piece.Flags, _ table: ListedWords) -> Int {
        var end = start
        var hash = ListedWords.seed
        var small = false
        var allMarks = true
        while end < characters.count {
            let character = characters[end]
            if character == 39 {
                // An apostrophe inside; the genitive is no part of the word.
                guard end + 1 < characters.count, Self.kind(characters[end + 1]) == .word else { break }
                let isGenitive =
                    characters[end + 1] == 115
                    && (end + 2 == characters.count || Self.kind(characters[end + 2]) != .word)
                if isGenitive { break }
            } else {
                guard Self.kind(character) == .word else { break }
                if !capitals[end] { small = true }
            }
            if character != 120 { allMarks = false }
            hash = ListedWords.mixed(hash, character)
            end += 1
        }
        var flags = given
        if capitals[start] { flags.insert(.capital) }
        if !small && end - start > 1 { flags.insert(.capitals) }
        let isMask = allMarks && !small && end - start > 2
        let classes = end - start > ListedWords.wordLimit ? [] : table.classes(of: characters, start, end, hash: hash)
        pieces.append(
            Piece(
                start: start, end: end, kind: isMask ? .mask : .word, flags: flags, classes: isMask ? [] : classes,
                value: -1))
        return end
    }

    private mutating func mark(_ start: Int, _ flags: Piece.Flags) -> Int {
        var end = start + 1
        var kind = Piece.Kind.mark
        if characters[start] == 95 {
            while end < characters.count && characters[end] == 95 { end += 1 }
            if end - start > 1 { kind = .mask }
        } else if characters[start] == 91, let mask = ReportMask.at(Int(offsets[start]), of: bytes.span) {
            end = start + mask.byteCount
            kind = .mask
        } else if characters[start] == 91, end + 1 < characters.count, characters[end] == 42,
            characters[end + 1] == 42
        {
            // `[** … **]` of other filters.
            var close = end + 1
            while close + 1 < characters.count, close - start < 120, characters[close] != 93, characters[close] != 10 {
                close += 1
            }
            if close < characters.count && characters[close] == 93 && characters[close - 1] == 42 {
                end = close + 1
                kind = .mask
            }
        }
        pieces.append(
            Piece(start: start, end: end, kind: kind, flags: flags, classes: [], value: Int(characters[start])))
        return end
    }
}
