/// Folds characters outside of ASCII: case, accents and width; and says which are words at all.
enum CharacterFolding {
    /// What a character is.
    enum Kind {
        case separator
        /// Drops out of the word that it stands in: an accent by itself.
        case mark
        case letter
        case digit
        /// A Chinese or Japanese character.
        case character
    }

    /// A character as it is found by: one or two.
    struct Folded {
        var kind: Kind
        var first: UInt32 = 0
        /// 0 when there is one only.
        var second: UInt32 = 0
    }

    /// Characters below this are looked up in a table.
    private static let tableEnd: UInt32 = 0x2100
    private static let markEntry = UInt32.max
    /// By character: 0 for a separator, `markEntry`, or the first character and, shifted by 16, the second.
    private static let table = makeTable()

    /// Letters with accents after their base letters. Every letter stands in lower case; capitals are folded before.
    private static let accents: [(base: String, letters: String)] = [
        ("a", "àáâãäåāăąǎǟǡǻȁȃȧạảấầẩẫậắằẳẵặḁªₐ"), ("ae", "æǣǽ"), ("b", "ƀḃḅḇ"), ("c", "çćĉċčḉ"), ("d", "ďđḋḍḏḑḓ"),
        ("d", "ð"),
        ("e", "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"), ("f", "ḟ"), ("g", "ĝğġģǥǧǵḡ"), ("h", "ĥħȟḣḥḧḩḫẖ"),
        ("i", "ìíîïĩīĭįıǐȉȋḭḯỉị"), ("ij", "ĳ"), ("j", "ĵǰ"), ("k", "ķĸǩḱḳḵ"), ("l", "ĺļľŀłḷḹḻḽ"), ("m", "ḿṁṃ"),
        ("n", "ñńņňŉŋǹṅṇṉṋ"), ("o", "òóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợº"), ("oe", "œ"), ("p", "ṕṗ"),
        ("r", "ŕŗřȑȓṙṛṝṟ"), ("s", "śŝşšșṡṣṥṧṩſẛ"), ("ss", "ß"), ("t", "ţťŧțṫṭṯṱẗ"), ("th", "þ"),
        ("u", "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"), ("v", "ṽṿ"), ("w", "ŵẁẃẅẇẉẘ"), ("x", "ẋẍ"), ("y", "ýÿŷȳẏẙỳỵỷỹ"),
        ("z", "źżžƶẑẓẕ"), ("μ", "µ"), ("α", "ά"), ("ε", "έ"), ("η", "ή"), ("ι", "ίϊΐ"), ("ο", "ό"), ("υ", "ύϋΰ"),
        ("ω", "ώ"),
        ("σ", "ς"), ("е", "ё"),
    ]

    private static func makeTable() -> [UInt32] {
        var bases: [UInt32: UInt32] = [:]
        for (base, letters) in accents {
            let scalars = Array(base.unicodeScalars)
            let entry = scalars[0].value | (scalars.count > 1 ? scalars[1].value << 16 : 0)
            for letter in letters.unicodeScalars { bases[letter.value] = entry }
        }
        var table = [UInt32](repeating: 0, count: Int(tableEnd))
        for value in 128..<tableEnd {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let properties = scalar.properties
            if (0x300...0x36F).contains(value) || (0x1AB0...0x1AFF).contains(value) || (0x1DC0...0x1DFF).contains(value)
            {
                table[Int(value)] = markEntry
            } else if properties.numericType == .decimal, let digit = properties.numericValue {
                table[Int(value)] = UInt32(ascii: "0") + UInt32(digit)
            } else if properties.isAlphabetic || properties.generalCategory == .nonspacingMark
                || properties.generalCategory == .spacingMark
            {
                // A capital may become a letter and a mark, as the dotted I does; the mark drops out.
                let lower = properties.lowercaseMapping.unicodeScalars.first?.value ?? value
                table[Int(value)] = bases[lower] ?? lower
            }
        }
        return table
    }

    /// Folds a character of at least 128.
    static func fold(_ scalar: UInt32) -> Folded {
        if scalar < tableEnd {
            let entry = table[Int(scalar)]
            if entry == 0 { return Folded(kind: .separator) }
            if entry == markEntry { return Folded(kind: .mark) }
            let first = entry & 0xFFFF
            let isDigit = first >= UInt32(ascii: "0") && first <= UInt32(ascii: "9")
            return Folded(kind: isDigit ? .digit : .letter, first: first, second: entry >> 16)
        }
        switch scalar {
        case 0x3005...0x3007, 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FC...0x30FF, 0x31F0...0x31FF,
            0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF:
            return Folded(kind: .character, first: scalar)
        case 0xFF10...0xFF19: return Folded(kind: .digit, first: scalar - 0xFEE0)
        case 0xFF21...0xFF3A: return Folded(kind: .letter, first: scalar - 0xFEE0 + 32)
        case 0xFF41...0xFF5A: return Folded(kind: .letter, first: scalar - 0xFEE0)
        case 0xFF66...0xFF9D: return Folded(kind: .character, first: UInt32(fullWidth[Int(scalar - 0xFF66)]))
        case 0x339C: return Folded(kind: .letter, first: UInt32(ascii: "m"), second: UInt32(ascii: "m"))
        case 0x339D: return Folded(kind: .letter, first: UInt32(ascii: "c"), second: UInt32(ascii: "m"))
        case 0x212A, 0x212B: return Folded(kind: .letter, first: UInt32(ascii: scalar == 0x212A ? "k" : "a"))
        case 0x3000...0x303F, 0xFE00...0xFE0F, 0xFE20...0xFE2F:
            return Folded(kind: scalar >= 0xFE00 ? .mark : .separator)
        default:
            guard let properties = Unicode.Scalar(scalar)?.properties, properties.isAlphabetic else {
                return Folded(kind: .separator)
            }
            let lower = properties.lowercaseMapping.unicodeScalars.first?.value ?? scalar
            return Folded(kind: .letter, first: lower)
        }
    }

    /// The full-width forms of U+FF66 to U+FF9D.
    private static let fullWidth: [UInt16] = Array(
        "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン".utf16)

    /// A kana with the voicing mark that follows it; nil when the two do not join.
    static func voiced(_ kana: UInt32, by mark: UInt32) -> UInt32? {
        // Katakana have the order of Hiragana.
        let shift: UInt32 = kana >= 0x30A1 ? 0x60 : 0
        let hiragana = kana - shift
        switch mark {
        case 0xFF9E, 0x3099, 0x309B:
            switch hiragana {
            case 0x3046: return 0x3094 + shift
            case 0x304B...0x3062 where hiragana % 2 == 1: return kana + 1
            case 0x3064, 0x3066, 0x3068: return kana + 1
            case 0x306F...0x307D where hiragana % 3 == 0: return kana + 1
            case 0x308F where shift > 0: return 0x30F7
            default: return nil
            }
        case 0xFF9F, 0x309A, 0x309C:
            return (0x306F...0x307D).contains(hiragana) && hiragana % 3 == 0 ? kana + 2 : nil
        default: return nil
        }
    }
}

extension UInt32 {
    /// The number of an ASCII character.
    init(ascii scalar: Unicode.Scalar) { self = scalar.value }
}
