import Foundation

/// Calls `body` with each word of `text` in order: its folded UTF-8 bytes (nil when it has more than `Tokenizer.wordLimit`
/// characters) and its UTF-8 byte range in `text`. Ends early when `body` returns false.
func scanWords(_ text: String, _ body: (UnsafeBufferPointer<UInt8>?, Range<Int>) -> Bool) {
    var text = text
    // Safety: the bytes live for the closure; String guarantees well-formed UTF-8, so a lead byte has its followers.
    text.withUTF8 { source in
        var scanner = WordScanner(source)
        while let range = scanner.next() {
            let goesOn = scanner.word.withUnsafeBufferPointer { body(scanner.isTooLong ? nil : $0, range) }
            if !goesOn { return }
        }
    }
}

/// The words of `text` in order, each as UTF-8 folded like the tokenizer folds (case, accents, widths); words of more than
/// `Tokenizer.wordLimit` characters are left out.
public func foldedWords(of text: String) -> [[UInt8]] {
    var words: [[UInt8]] = []
    scanWords(text) { word, _ in
        if let word { words.append(Array(word)) }
        return true
    }
    return words
}

/// Reads words from well-formed UTF-8. The byte buffer must outlive the scanner.
struct WordScanner {
    private let source: UnsafeBufferPointer<UInt8>
    private let table = CharacterTable.shared
    private var position = 0
    /// The folded bytes of the word just read; cut when it is too long.
    private(set) var word: [UInt8] = []
    private var characterCount = 0

    var isTooLong: Bool { characterCount > Tokenizer.wordLimit }

    init(_ source: UnsafeBufferPointer<UInt8>) {
        self.source = source
        word.reserveCapacity(64)
    }

    /// The source range of the next word, or nil at the end.
    mutating func next() -> Range<Int>? {
        word.removeAll(keepingCapacity: true)
        characterCount = 0
        var start = -1
        var end = 0
        while position < source.count {
            let byte = source[position]
            if byte < 0x80 {
                switch table.asciiClasses[Int(byte)] {
                case .letter:
                    if start < 0 { start = position }
                    append(byte | (byte &- 0x41 < 26 ? 0x20 : 0))
                    position += 1
                    end = position
                case .space:
                    position += 1
                    if start >= 0 { return start..<end }
                case .alone:
                    if start >= 0 { return start..<end }
                    append(byte)
                    position += 1
                    return position - 1..<position
                case .dropped:
                    position += 1
                }
                continue
            }
            let (scalar, length) = decode(at: position)
            switch table.classOf(scalar) {
            case .letter:
                if start < 0 { start = position }
                append(scalar, length)
                position += length
                end = position
            case .space:
                position += length
                if start >= 0 { return start..<end }
            case .alone:
                if start >= 0 { return start..<end }
                return takeAlone(scalar, length)
            case .dropped:
                position += length
            }
        }
        return start >= 0 ? start..<end : nil
    }

    /// One character as a word; a kana takes the voicing mark that follows it.
    private mutating func takeAlone(_ scalar: UInt32, _ length: Int) -> Range<Int> {
        let start = position
        position += length
        if 0x3040...0x30FF ~= scalar && position < source.count && source[position] == 0xE3 {
            let (mark, markLength) = decode(at: position)
            if 0x3099...0x309A ~= mark, let voiced = CharacterTable.voiced(scalar, mark) {
                position += markLength
                word.append(contentsOf: voiced)
                characterCount = 1
                return start..<position
            }
        }
        let here = position
        position = start
        append(scalar, length)
        position = here
        return start..<position
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        characterCount += 1
        if characterCount <= Tokenizer.wordLimit { word.append(byte) }
    }

    private mutating func append(_ scalar: UInt32, _ length: Int) {
        characterCount += 1
        guard characterCount <= Tokenizer.wordLimit else { return }
        if let folded = table.folds[scalar] {
            word.append(contentsOf: folded)
        } else {
            for offset in 0..<length { word.append(source[position + offset]) }
        }
    }

    private func decode(at position: Int) -> (scalar: UInt32, length: Int) {
        let lead = UInt32(source[position])
        func follower(_ offset: Int) -> UInt32 { UInt32(source[position + offset]) & 0x3F }
        if lead < 0xE0 { return ((lead & 0x1F) << 6 | follower(1), 2) }
        if lead < 0xF0 { return ((lead & 0x0F) << 12 | follower(1) << 6 | follower(2), 3) }
        return ((lead & 0x07) << 18 | follower(1) << 12 | follower(2) << 6 | follower(3), 4)
    }
}
