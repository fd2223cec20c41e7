import HilumCore

/// Gives words their numbers.
protocol WordNumbers {
    /// The number of a folded word; −1 where it has none.
    mutating func number(of word: Span<UInt8>, count: Int, hash: UInt32) -> Int32
}

/// The words of a finished table, also where one is misspelt.
struct KnownWords: WordNumbers {
    let table: TokenTable
    let spelling: SpellingTable

    func number(of word: Span<UInt8>, count: Int, hash: UInt32) -> Int32 {
        let number = table.number(of: word, count: count, hash: hash)
        return number >= 0 ? number : spelling.meant(by: word, count: count, hash: hash, table)
    }
}

/// A table that is being filled with the words of one language.
struct NewWords: WordNumbers {
    var table: TokenTable
    var language: Int

    mutating func number(of word: Span<UInt8>, count: Int, hash: UInt32) -> Int32 {
        table.add(word, count: count, hash: hash, language: language)
    }
}

/// Cuts UTF-8 bytes into tokens, in one pass.
///
/// Words are folded as they are read: capitals to small letters, accented letters of Latin-1 to plain ones, full-width letters
/// and digits to ASCII. A hyphen between letters joins two words and is no token (`right-sided` reads like `right sided`). Each
/// character of Chinese or Japanese script is a token, because words are not separated there. Malformed UTF-8 is skipped.
struct Tokenizer {
    private(set) var tokens: [Token] = []
    private var folded: [UInt8] = Array(repeating: 0, count: TokenTable.wordByteCount)
    private var foldedCount = 0
    private var hash = TokenTable.seed
    private var place = 0
    private var flags: Token.Flags = [.startsLine]

    /// Replaces `tokens` by those of a text.
    mutating func tokenize<Words: WordNumbers>(_ text: Span<UInt8>, _ words: inout Words) {
        tokens.removeAll(keepingCapacity: true)
        place = 0
        flags = [.startsLine]
        while place < text.count {
            let byte = text[place]
            switch Self.classes[Int(byte)] {
            case .blank:
                place += 1
                flags.insert(.spaced)
            case .letter: word(text, &words)
            case .digit: number(text, &words)
            case .lineEnd: lineEnd(text)
            case .lead: wide(text, &words)
            case .stray: place += 1
            case .mark: mark(text, byte, &words)
            }
        }
    }

    private enum ByteClass { case blank, letter, digit, mark, lineEnd, lead, stray }

    private static let classes: [ByteClass] = (0..<256).map { value in
        switch UInt8(value) {
        case 10, 13: .lineEnd
        case 0...32, 127: .blank
        case 48...57: .digit
        case 65...90, 97...122: .letter
        case 0xC2...0xF4: .lead
        case 128...: .stray
        default: .mark
        }
    }

    private mutating func add(_ kind: Token.Kind, id: Int32 = -1, from start: Int, more: Token.Flags = []) {
        tokens.append(Token(id: id, start: Int32(start), end: Int32(place), kind: kind, flags: flags.union(more)))
        flags = []
    }

    // MARK: Words and numbers

    private mutating func beginWord() {
        foldedCount = 0
        hash = TokenTable.seed
    }

    private mutating func fold(_ byte: UInt8) {
        if foldedCount < TokenTable.wordByteCount { folded[foldedCount] = byte }
        foldedCount += 1
        hash = TokenTable.mixed(hash, byte)
    }

    private func numberOfWord<Words: WordNumbers>(_ words: inout Words) -> Int32 {
        guard foldedCount <= TokenTable.wordByteCount else { return -1 }
        return words.number(of: folded.span, count: foldedCount, hash: hash)
    }

    /// Letters and digits, with apostrophes inside; letters of Latin scripts beyond ASCII belong to it.
    private mutating func word<Words: WordNumbers>(_ text: Span<UInt8>, _ words: inout Words) {
        let start = place
        beginWord()
        var capitals = 0
        var others = 0
        var marks = 0
        loop: while place < text.count {
            let byte = text[place]
            switch byte {
            case 65...90:
                fold(byte | 32)
                capitals += 1
                if byte == 88 { marks += 1 }
            case 97...122:
                fold(byte)
                others += 1
            case 48...57: fold(byte)
            case 0x27:  // An apostrophe between letters.
                guard place + 1 < text.count, Self.classes[Int(text[place + 1])] == .letter else { break loop }
                fold(byte)
            case 0xE2:  // A typographic apostrophe.
                guard place + 3 < text.count, text[place + 1] == 0x80, text[place + 2] == 0x99,
                    Self.classes[Int(text[place + 3])] == .letter
                else { break loop }
                fold(0x27)
                place += 2
            case 0xC3:
                guard place + 1 < text.count, text[place + 1] & 0xC0 == 0x80 else { break loop }
                place += 1
                for letter in Self.plain[Int(text[place] & 0x3F)] { fold(letter) }
                others += 1
            case 0xC4...0xCA:
                guard place + 1 < text.count, text[place + 1] & 0xC0 == 0x80 else { break loop }
                fold(byte)
                place += 1
                fold(text[place])
                others += 1
            default: break loop
            }
            place += 1
        }
        var more: Token.Flags = []
        if text[start] < 91 { more.insert(.capital) }
        if capitals > 1 && others == 0 { more.insert(.capitals) }
        if marks >= 3 && marks == capitals && others == 0 && marks == place - start {
            add(.mask, from: start, more: more)
        } else {
            add(.word, id: numberOfWord(&words), from: start, more: more)
        }
        joinHyphen(text)
    }

    /// A hyphen between letters or digits is passed over.
    private mutating func joinHyphen(_ text: Span<UInt8>) {
        guard place + 1 < text.count, text[place] == UInt8(ascii: "-") else { return }
        let next = Self.classes[Int(text[place + 1])]
        if next == .letter || next == .digit { place += 1 }
    }

    /// Digits with decimals; `8mm` is a number and a word.
    private mutating func number<Words: WordNumbers>(_ text: Span<UInt8>, _ words: inout Words) {
        let start = place
        beginWord()
        while place < text.count {
            let byte = text[place]
            if Self.classes[Int(byte)] == .digit {
                fold(byte)
                place += 1
                continue
            }
            guard byte == UInt8(ascii: ".") || byte == UInt8(ascii: ","), place + 1 < text.count,
                Self.classes[Int(text[place + 1])] == .digit
            else { break }
            fold(UInt8(ascii: "."))
            place += 1
        }
        add(.number, id: numberOfWord(&words), from: start)
        joinHyphen(text)
    }

    // MARK: Punctuation

    private mutating func lineEnd(_ text: Span<UInt8>) {
        let start = place
        var count = 0
        while place < text.count {
            let byte = text[place]
            if byte == 10 { count += 1 }
            guard byte == 10 || byte == 13 || byte == 32 || byte == 9 else { break }
            place += 1
        }
        flags = []
        add(.newline, from: start, more: count > 1 ? .blank : [])
        flags = [.startsLine, .spaced]
    }

    private mutating func mark<Words: WordNumbers>(_ text: Span<UInt8>, _ byte: UInt8, _ words: inout Words) {
        let start = place
        place += 1
        switch byte {
        case UInt8(ascii: "_"):
            while place < text.count && text[place] == byte { place += 1 }
            add(place - start > 1 ? .mask : .symbol, from: start)
        case UInt8(ascii: "."):
            while place < text.count && text[place] == byte { place += 1 }
            add(.period, from: start)
        case UInt8(ascii: "-"): dash(text, from: start)
        case UInt8(ascii: "*"): add(flags.contains(.startsLine) ? .bullet : .symbol, from: start)
        case UInt8(ascii: ","): add(.comma, from: start)
        case UInt8(ascii: ";"): add(.semicolon, from: start)
        case UInt8(ascii: ":"): add(.colon, id: number(of: byte, &words), from: start)
        case UInt8(ascii: "?"): add(.question, id: number(of: byte, &words), from: start)
        case UInt8(ascii: "!"): add(.exclamation, from: start)
        case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "<"): open(text, from: start)
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: ">"): add(.close, from: start)
        case UInt8(ascii: "/"): add(.slash, id: number(of: byte, &words), from: start)
        default: symbol(byte, from: start, &words)
        }
    }

    /// An opening bracket, a sign in brackets (`(-)`, `（＋）`), or the mask of an identifier (`[NAME]`).
    private mutating func open(_ text: Span<UInt8>, from start: Int) {
        if let mask = ReportMask.at(start, of: text) {
            place = start + mask.byteCount
            return add(.mask, from: start, more: .capital)
        }
        let sign = Self.sign(text, at: place)
        let close = Self.sign(text, at: place + sign.byteCount)
        guard close.byte == UInt8(ascii: ")"), sign.byte == UInt8(ascii: "-") || sign.byte == UInt8(ascii: "+") else {
            return add(.open, from: start)
        }
        place += sign.byteCount + close.byteCount
        add(sign.byte == UInt8(ascii: "-") ? .minus : .plus, from: start)
    }

    /// The ASCII sign at a place, in whatever width it is written; a typographic minus is a hyphen.
    private static func sign(_ text: Span<UInt8>, at place: Int) -> (byte: UInt8, byteCount: Int) {
        guard place < text.count else { return (0, 0) }
        if let byte = narrow(text, at: place) { return (byte, 3) }
        guard text[place] == 0xE2, place + 2 < text.count else { return (text[place], 1) }
        let isMinus =
            text[place + 1] == 0x88 && text[place + 2] == 0x92
            || text[place + 1] == 0x80 && (0x90...0x95).contains(text[place + 2])
        return (isMinus ? UInt8(ascii: "-") : 0, 3)
    }

    private mutating func dash(_ text: Span<UInt8>, from start: Int) {
        while place < text.count && text[place] == UInt8(ascii: "-") { place += 1 }
        add(flags.contains(.startsLine) ? .bullet : .dash, from: start)
    }

    /// Another sign, which may be a word of the lexicon: `%`, `+`.
    private mutating func symbol<Words: WordNumbers>(_ byte: UInt8, from start: Int, _ words: inout Words) {
        let id = byte == UInt8(ascii: "%") || byte == UInt8(ascii: "+") ? number(of: byte, &words) : -1
        add(id >= 0 ? .word : .symbol, id: id, from: start)
    }

    /// The number of a sign, which a phrase may hold: `w/o`, `: none`.
    private mutating func number<Words: WordNumbers>(of sign: UInt8, _ words: inout Words) -> Int32 {
        beginWord()
        fold(sign)
        return numberOfWord(&words)
    }

    // MARK: Beyond ASCII

    /// A character of two to four bytes.
    private mutating func wide<Words: WordNumbers>(_ text: Span<UInt8>, _ words: inout Words) {
        let start = place
        let lead = text[place]
        let count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        guard Self.isWhole(text, at: place, count: count) else {
            place += 1
            return
        }
        if count == 2 {
            if lead >= 0xC3 && lead <= 0xCA { return word(text, &words) }
            place += count
            if lead == 0xC2 && text[start + 1] == 0xA0 { flags.insert(.spaced) } else { add(.symbol, from: start) }
            return
        }
        if count == 4 {
            place += count
            return add(.symbol, from: start)
        }
        let scalar =
            UInt32(lead & 0x0F) << 12 | UInt32(text[place + 1] & 0x3F) << 6 | UInt32(text[place + 2] & 0x3F)
        if (0xFF61...0xFF9F).contains(scalar) { return halfWidth(text, scalar, &words) }
        if (0xFF01...0xFF5E).contains(scalar) { return fullWidth(text, UInt8(scalar - 0xFF01 + 0x21), &words) }
        place += count
        if scalar == 0x3000 {
            flags.insert(.spaced)
        } else if let kind = Self.kind(of: scalar) {
            add(
                kind, id: kind == .slash ? number(of: UInt8(ascii: "/"), &words) : -1, from: start,
                more: kind == .period ? .wide : [])
        } else if (0x3040...0x9FFF).contains(scalar) || (0xAC00...0xD7AF).contains(scalar)
            || (0xF900...0xFAFF).contains(scalar) || scalar == 0x3005
        {
            beginWord()
            for index in start..<place { fold(text[index]) }
            add(.character, id: numberOfWord(&words), from: start)
        } else {
            add(.symbol, from: start)
        }
    }

    /// Whether the bytes after a lead byte are there and continue it.
    private static func isWhole(_ text: Span<UInt8>, at place: Int, count: Int) -> Bool {
        guard place + count <= text.count else { return false }
        for index in 1..<count where text[place + index] & 0xC0 != 0x80 { return false }
        return true
    }

    /// Punctuation of Japanese and typographic signs.
    private static func kind(of scalar: UInt32) -> Token.Kind? {
        switch scalar {
        case 0x3002: .period
        case 0x3001: .comma
        case 0x30FB: .slash
        case 0x3008, 0x300A, 0x300C, 0x300E, 0x3010, 0x3014: .open
        case 0x3009, 0x300B, 0x300D, 0x300F, 0x3011, 0x3015: .close
        case 0x2013, 0x2014, 0x2015: .dash
        case 0x2022, 0x25CF, 0x25A0, 0x25A1, 0x25CB, 0x25C6, 0x25C7, 0x203B, 0x25B6: .bullet
        default: nil
        }
    }

    /// The ASCII character whose full-width form stands at a place.
    private static func narrow(_ text: Span<UInt8>, at place: Int) -> UInt8? {
        guard place + 2 < text.count, text[place] == 0xEF else { return nil }
        let low = UInt32(text[place + 1] & 0x3F) << 6 | UInt32(text[place + 2] & 0x3F) | 0xF000
        return (0xFF01...0xFF5E).contains(low) ? UInt8(low - 0xFF01 + 0x21) : nil
    }

    /// A full-width form of an ASCII character. Letters and digits in a row are one token.
    private mutating func fullWidth<Words: WordNumbers>(_ text: Span<UInt8>, _ first: UInt8, _ words: inout Words) {
        let start = place
        let kind = Self.classes[Int(first)]
        if kind == .letter || kind == .digit {
            beginWord()
            while let byte = Self.narrow(text, at: place), Self.classes[Int(byte)] == kind {
                fold(byte < 91 && byte > 64 ? byte | 32 : byte)
                place += 3
            }
            return add(kind == .letter ? .word : .number, id: numberOfWord(&words), from: start)
        }
        place += 3
        switch first {
        case UInt8(ascii: "."): add(.period, from: start, more: .wide)
        case UInt8(ascii: ","): add(.comma, from: start)
        case UInt8(ascii: ":"): add(.colon, id: number(of: first, &words), from: start)
        case UInt8(ascii: ";"): add(.semicolon, from: start)
        case UInt8(ascii: "?"): add(.question, id: number(of: first, &words), from: start)
        case UInt8(ascii: "!"): add(.exclamation, from: start)
        case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "<"): open(text, from: start)
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: ">"): add(.close, from: start)
        case UInt8(ascii: "/"): add(.slash, id: number(of: first, &words), from: start)
        case UInt8(ascii: "-"): add(.dash, from: start)
        default: symbol(first, from: start, &words)
        }
    }

    /// A half-width character of Japanese, read like the full one; a voice mark behind it belongs to it.
    private mutating func halfWidth<Words: WordNumbers>(_ text: Span<UInt8>, _ scalar: UInt32, _ words: inout Words) {
        let start = place
        place += 3
        switch scalar {
        case 0xFF61: return add(.period, from: start, more: .wide)
        case 0xFF62: return add(.open, from: start)
        case 0xFF63: return add(.close, from: start)
        case 0xFF64: return add(.comma, from: start)
        case 0xFF65: return add(.slash, id: number(of: UInt8(ascii: "/"), &words), from: start)
        case 0xFF66...0xFF9D: break
        default: return add(.symbol, from: start)
        }
        var full = Self.kana[Int(scalar - 0xFF66)]
        if place + 2 < text.count, text[place] == 0xEF, text[place + 1] == 0xBE {
            let mark = text[place + 2]
            if mark == 0x9E || mark == 0x9F {
                full = full == 0x30A6 ? 0x30F4 : full + (mark == 0x9E ? 1 : 2)
                place += 3
            }
        }
        beginWord()
        fold(0xE3)
        fold(UInt8(0x80 | full >> 6 & 0x3F))
        fold(UInt8(0x80 | full & 0x3F))
        add(.character, id: numberOfWord(&words), from: start)
    }

    /// The full characters of U+FF66 … U+FF9D.
    private static let kana: [UInt32] =
        "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン".unicodeScalars.map(\.value)

    /// What the letters U+00C0 … U+00FF read as.
    private static let plain: [[UInt8]] = {
        let letters =
            "a a a a a a ae c e e e e i i i i d n o o o o o x o u u u u y th ss "
            + "a a a a a a ae c e e e e i i i i d n o o o o o x o u u u u y th y"
        return letters.split(separator: " ").map { Array($0.utf8) }
    }()
}
