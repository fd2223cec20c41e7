import Foundation

/// What each character is to the scanner, and what it is folded to. Made once, in about 20 ms.
final class CharacterTable: Sendable {
    enum Class: UInt8, Sendable { case letter, space, alone, dropped }

    static let shared = CharacterTable()

    /// `[128]`.
    let asciiClasses: [Class]
    /// `[65536]`: classes of the basic plane.
    private let classes: [Class]
    /// Folded UTF-8 of the characters beyond ASCII that do not stay as they are.
    let folds: [UInt32: [UInt8]]

    func classOf(_ scalar: UInt32) -> Class {
        scalar < 0x10000 ? classes[Int(scalar)] : Self.classify(scalar)
    }

    private init() {
        var classes = [Class](repeating: .dropped, count: 0x10000)
        var folds: [UInt32: [UInt8]] = [:]
        for value in UInt32(0)..<0x10000 {
            classes[Int(value)] = Self.classify(value)
            if value >= 0x80, let scalar = Unicode.Scalar(value), let folded = Self.fold(scalar) {
                folds[value] = folded
            }
        }
        // Full-width forms are what their ASCII twins are.
        for value in UInt32(0xFF01)...0xFF5E {
            let twin = UInt8(value - 0xFEE0)
            classes[Int(value)] = classes[Int(twin)]
            folds[value] = [0x41...0x5A ~= twin ? twin | 0x20 : twin]
        }
        for (mark, plain) in Self.typography { folds[mark] = [plain] }
        self.classes = classes
        self.folds = folds
        asciiClasses = Array(classes[..<0x80])
    }

    /// Quotes and dashes that word processors put in place of the ASCII ones.
    private static let typography: [UInt32: UInt8] = [
        0x2018: 0x27, 0x2019: 0x27, 0x201A: 0x27, 0x2032: 0x27, 0x201C: 0x22, 0x201D: 0x22, 0x201E: 0x22, 0x2033: 0x22,
        0x2010: 0x2D, 0x2011: 0x2D, 0x2012: 0x2D, 0x2013: 0x2D, 0x2014: 0x2D, 0x2015: 0x2D, 0x2212: 0x2D,
    ]

    private static func classify(_ value: UInt32) -> Class {
        guard let scalar = Unicode.Scalar(value) else { return .dropped }
        if value < 0x80 { return classifyASCII(UInt8(value)) }
        if isCJK(value) { return .alone }
        // Combining marks of Latin, Greek and Cyrillic, and the selectors of text and emoji style.
        if 0x300...0x36F ~= value || 0xFE00...0xFE0F ~= value || 0xE0100...0xE01EF ~= value { return .dropped }
        switch scalar.properties.generalCategory {
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return .space
        case .control: return value == 0x85 ? .space : .dropped
        case .format, .surrogate, .privateUse, .unassigned: return .dropped
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
            return .alone
        default: return .letter
        }
    }

    private static func classifyASCII(_ byte: UInt8) -> Class {
        switch byte {
        case 0x09...0x0D, 0x20: .space
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: .letter
        case 0x21...0x7E: .alone
        default: .dropped
        }
    }

    /// Chinese characters (the blocks BERT splits), the iteration marks among them, and kana of either width.
    private static func isCJK(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2EBEF, 0x2F800...0x2FA1F,
            0x30000...0x323AF, 0x3005...0x3007, 0x3040...0x30FF, 0x31F0...0x31FF, 0xFF65...0xFF9F:
            true
        default: false
        }
    }

    /// Lower case without accents, or nil where that changes nothing.
    private static func fold(_ scalar: Unicode.Scalar) -> [UInt8]? {
        let decomposes =
            switch scalar.value {
            case 0xC0...0x24F, 0x370...0x52F, 0x1E00...0x1FFF, 0x2126...0x212B: true
            default: false
            }
        guard decomposes || scalar.properties.changesWhenLowercased else { return nil }
        var lowered = scalar.properties.lowercaseMapping
        if decomposes { lowered = lowered.decomposedStringWithCanonicalMapping }
        var folded = String.UnicodeScalarView()
        for part in lowered.unicodeScalars where !(0x300...0x36F ~= part.value) { folded.append(part) }
        let bytes = Array(String(folded).utf8)
        return bytes.elementsEqual(String(scalar).utf8) || bytes.isEmpty ? nil : bytes
    }

    /// A kana and a combining voicing mark as the one character they spell, where there is one.
    static func voiced(_ kana: UInt32, _ mark: UInt32) -> [UInt8]? {
        guard let base = Unicode.Scalar(kana), let sign = Unicode.Scalar(mark) else { return nil }
        var pair = String.UnicodeScalarView()
        pair.append(base)
        pair.append(sign)
        let composed = String(pair).precomposedStringWithCanonicalMapping
        return composed.unicodeScalars.count == 1 ? Array(composed.utf8) : nil
    }
}
