import HilumCore

/// Finds the words of a text and folds them, so that case, accents, width and plural do not matter.
///
/// | in the text | term |
/// | --- | --- |
/// | `Effusions`, `patient's`, `ÖDEM` | `effusion`, `patient`, `odem` |
/// | `2.5`, `T4`, `5cm` | `2.5`; `t4`; `5` and `cm` |
/// | `XXXX`, `___`, `[NAME]` | none, but they take a position: a phrase does not reach across them as if they were not there |
/// | `右胸水` | `右胸`, `胸水`, `水`: each character with the next, so that any part of a run is a phrase of pairs |
/// | `ﾊﾞ` | `バ` |
///
/// It reads bytes of UTF-8 and makes no string; bytes that are not UTF-8 separate words.
/// Thread rule: a value type; one owner at a time. Its memory is used again from text to text.
public struct WordScanner: Sendable {
    /// A term has at most so many bytes; what is longer is cut off between characters.
    public static let termByteLimit = 200

    /// The words of the text that was scanned last, in its order.
    public private(set) var words: [ScannedWord] = []
    /// Positions that the text takes: words and masks.
    public private(set) var positionCount = 0

    private var terms: [UInt8] = []

    private enum ASCIIKind: UInt8 { case separator, letter, digit, underscore }

    private static let asciiKinds: [ASCIIKind] = (0..<128).map { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): .letter
        case UInt8(ascii: "0")...UInt8(ascii: "9"): .digit
        case UInt8(ascii: "_"): .underscore
        default: .separator
        }
    }

    /// A scanner that has seen no text.
    public init() {}

    /// Scans a text; what was known of the one before is forgotten.
    public mutating func scan(_ text: String) {
        var text = text
        text.withUTF8 { scan(UnsafeRawBufferPointer($0)) }
    }

    /// Scans the bytes of a text; what was known of the one before is forgotten.
    public mutating func scan(_ text: UnsafeRawBufferPointer) {
        words.removeAll(keepingCapacity: true)
        terms.removeAll(keepingCapacity: true)
        positionCount = 0
        Self.asciiKinds.withUnsafeBufferPointer { kinds in
            var index = 0
            while index < text.count {
                let byte = text[index]
                if byte < 128 {
                    switch kinds[Int(byte)] {
                    case .separator: index = scanSeparator(text, index)
                    case .letter: index = scanWord(text, index, kinds)
                    case .digit: index = scanNumber(text, index)
                    case .underscore: index = scanMask(text, index)
                    }
                } else {
                    let (scalar, byteCount) = Self.decode(text, index)
                    switch CharacterFolding.fold(scalar).kind {
                    case .separator, .mark: index += byteCount
                    case .letter: index = scanWord(text, index, kinds)
                    case .digit: index = scanNumber(text, index)
                    case .character: index = scanCharacters(text, index)
                    }
                }
            }
        }
    }

    /// Lends the bytes of all terms, for `ScannedWord.term`.
    public func withTerms<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try terms.withUnsafeBytes(body)
    }

    /// The term of a word.
    public func term(of word: ScannedWord) -> [UInt8] { Array(terms[word.term]) }

    // MARK: Kinds of words

    private mutating func append(
        _ kind: ScannedWord.Kind, _ range: Range<Int>, from start: Int, isLastCharacter: Bool = false
    ) {
        if terms.count - start > Self.termByteLimit { cutTerm(from: start) }
        words.append(
            ScannedWord(
                kind: kind, position: UInt32(truncatingIfNeeded: positionCount), range: range,
                term: start..<terms.count,
                isLastCharacter: isLastCharacter))
        positionCount += 1
    }

    /// Shortens the last term to the limit, between characters.
    private mutating func cutTerm(from start: Int) {
        var end = start + Self.termByteLimit
        while terms[end] & 0xC0 == 0x80 { end -= 1 }
        terms.removeSubrange(end...)
    }

    private mutating func scanWord(
        _ text: UnsafeRawBufferPointer, _ begin: Int, _ kinds: UnsafeBufferPointer<ASCIIKind>
    ) -> Int {
        let start = terms.count
        var index = begin
        var end = begin
        scan: while index < text.count {
            let byte = text[index]
            if byte < 128 {
                switch kinds[Int(byte)] {
                case .letter: terms.append(byte | 0x20)
                case .digit: terms.append(byte)
                case .separator, .underscore: break scan
                }
                index += 1
            } else {
                let (scalar, byteCount) = Self.decode(text, index)
                if Self.isApostrophe(scalar) { break scan }
                let folded = CharacterFolding.fold(scalar)
                switch folded.kind {
                case .separator, .character: break scan
                case .mark: break
                case .letter, .digit: appendScalars(folded)
                }
                index += byteCount
            }
            end = index
        }
        index = Self.skipGenitive(text, index, kinds)
        if isMask(from: start) {
            terms.removeSubrange(start...)
            positionCount += 1
            return index
        }
        Plural.fold(&terms, from: start)
        append(.word, begin..<end, from: start)
        return index
    }

    /// Goes over the `'s` of `patient's`, which is no word.
    private static func skipGenitive(
        _ text: UnsafeRawBufferPointer, _ begin: Int, _ kinds: UnsafeBufferPointer<ASCIIKind>
    ) -> Int {
        guard begin + 1 < text.count else { return begin }
        var index = begin
        if text[index] == UInt8(ascii: "'") {
            index += 1
        } else {
            guard text[index] == 0xE2 else { return begin }
            let (scalar, byteCount) = decode(text, index)
            guard isApostrophe(scalar) else { return begin }
            index += byteCount
        }
        guard index < text.count, text[index] | 0x20 == UInt8(ascii: "s") else { return begin }
        index += 1
        if index < text.count {
            let next = text[index]
            guard next < 128, kinds[Int(next)] == .separator else { return begin }
        }
        return index
    }

    private static func isApostrophe(_ scalar: UInt32) -> Bool { scalar == 0x2019 }

    /// Whether the word is three `x` or more: a mask of a public collection.
    private func isMask(from start: Int) -> Bool {
        terms.count - start > 2 && terms[start] == UInt8(ascii: "x")
            && terms[start...].allSatisfy { $0 == UInt8(ascii: "x") }
    }

    private mutating func scanMask(_ text: UnsafeRawBufferPointer, _ begin: Int) -> Int {
        var index = begin
        while index < text.count && text[index] == UInt8(ascii: "_") { index += 1 }
        if index - begin > 1 { positionCount += 1 }
        return index
    }

    /// Goes over a separator, or over the mask of an identifier, which takes a position.
    private mutating func scanSeparator(_ text: UnsafeRawBufferPointer, _ begin: Int) -> Int {
        guard text[begin] == UInt8(ascii: "["), let mask = ReportMask.at(begin, of: text) else { return begin + 1 }
        positionCount += 1
        return begin + mask.byteCount
    }

    private mutating func scanNumber(_ text: UnsafeRawBufferPointer, _ begin: Int) -> Int {
        let start = terms.count
        var index = begin
        while let (digit, byteCount) = Self.digit(text, index) {
            terms.append(digit)
            index += byteCount
            let point = Self.pointByteCount(text, index)
            if point > 0, Self.digit(text, index + point) != nil {
                terms.append(UInt8(ascii: "."))
                index += point
            }
        }
        append(.number, begin..<index, from: start)
        return index
    }

    /// The digit at `index` and its bytes in the text.
    private static func digit(_ text: UnsafeRawBufferPointer, _ index: Int) -> (UInt8, Int)? {
        guard index < text.count else { return nil }
        let byte = text[index]
        if byte < 128 { return byte >= 48 && byte < 58 ? (byte, 1) : nil }
        let (scalar, byteCount) = decode(text, index)
        let folded = CharacterFolding.fold(scalar)
        return folded.kind == .digit ? (UInt8(truncatingIfNeeded: folded.first), byteCount) : nil
    }

    private static func pointByteCount(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int {
        guard index < text.count else { return 0 }
        if text[index] == UInt8(ascii: ".") { return 1 }
        return text[index] == 0xEF && decode(text, index).scalar == 0xFF0E ? 3 : 0
    }

    private mutating func scanCharacters(_ text: UnsafeRawBufferPointer, _ begin: Int) -> Int {
        var index = begin
        var before: (scalar: UInt32, start: Int)?
        while index < text.count && text[index] >= 128 {
            let (scalar, byteCount) = Self.decode(text, index)
            let folded = CharacterFolding.fold(scalar)
            guard folded.kind == .character else { break }
            var (character, end) = (folded.first, index + byteCount)
            if end < text.count && text[end] >= 128 {
                let (mark, markByteCount) = Self.decode(text, end)
                if let voiced = CharacterFolding.voiced(character, by: mark) {
                    character = voiced
                    end += markByteCount
                }
            }
            if let before {
                let start = terms.count
                appendScalar(before.scalar)
                appendScalar(character)
                append(.characters, before.start..<end, from: start)
            }
            before = (character, index)
            index = end
        }
        if let before {
            let start = terms.count
            appendScalar(before.scalar)
            append(.characters, before.start..<index, from: start, isLastCharacter: true)
        }
        return index
    }

    // MARK: UTF-8

    private mutating func appendScalars(_ folded: CharacterFolding.Folded) {
        appendScalar(folded.first)
        if folded.second != 0 { appendScalar(folded.second) }
    }

    private mutating func appendScalar(_ scalar: UInt32) {
        switch scalar {
        case ..<0x80: terms.append(UInt8(truncatingIfNeeded: scalar))
        case ..<0x800:
            terms.append(UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 63))
        case ..<0x10000:
            terms.append(UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 63))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 63))
        default:
            terms.append(UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 12 & 63))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar >> 6 & 63))
            terms.append(UInt8(truncatingIfNeeded: 0x80 | scalar & 63))
        }
    }

    /// The character at `index`, where a byte of at least 128 stands, and its bytes; U+FFFD and 1 where it is not UTF-8.
    private static func decode(_ text: UnsafeRawBufferPointer, _ index: Int) -> (scalar: UInt32, byteCount: Int) {
        let first = text[index]
        let count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0
        guard count > 0, first < 0xF5, index + count <= text.count else { return (0xFFFD, 1) }
        var scalar = UInt32(first) & (count == 2 ? 0x1F : count == 3 ? 0x0F : 0x07)
        for place in 1..<count {
            let byte = text[index + place]
            guard byte & 0xC0 == 0x80 else { return (0xFFFD, 1) }
            scalar = scalar << 6 | UInt32(byte & 63)
        }
        let isLongEnough = count == 2 || (count == 3 ? scalar >= 0x800 : scalar >= 0x10000)
        return isLongEnough && Unicode.Scalar(scalar) != nil ? (scalar, count) : (0xFFFD, 1)
    }
}
