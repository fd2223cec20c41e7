/// A phrase with short forms: `(a|b)` is one or the other, `[s]` may be there or not.
///
/// `effusion[s]` is `effusion` and `effusions`; `(no|without) [any] sign[s] of` is eight phrases. Groups may stand in groups.
/// `phrases` writes all of them out. A pattern of the lexicon stands for many phrases that share most of their words; `cut` cuts it
/// where words end, so that each word is read once. One value reads any number of patterns, in the memory of the first ones.
struct PhrasePattern {
    /// More would be a mistake.
    static let limit = 4_000

    /// Texts, one behind the other, of which lists are ranges.
    private(set) var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// By piece of the pattern, the texts of which one stands there.
    private var pieces: [Range<Int>] = []
    /// By alternative of the whole pattern, its pieces.
    private var branches: [Range<Int>] = []

    /// Where a text stands in `bytes`.
    func text(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    /// Whether a text is nothing but blanks.
    func isBlank(_ index: Int) -> Bool { bytes[text(index)].allSatisfy { $0 == UInt8(ascii: " ") } }

    /// Reads a pattern.
    ///
    /// - Parameter error: makes the error that is thrown for a reason.
    mutating func read(
        _ pattern: Span<UInt8>, _ error: (String) -> ReportsError
    ) throws(ReportsError) {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        pieces.removeAll(keepingCapacity: true)
        branches.removeAll(keepingCapacity: true)
        var place = 0
        var first = 0
        var count = 1
        loop: while place < pattern.count {
            let start = ends.count
            switch pattern[place] {
            case UInt8(ascii: ")"), UInt8(ascii: "]"): break loop
            case UInt8(ascii: "|"):
                place += 1
                branches.append(first..<pieces.count)
                first = pieces.count
                count = 1
                continue loop
            case UInt8(ascii: "("), UInt8(ascii: "["): try readGroup(pattern, &place, error)
            default:
                ends.append(bytes.count)
                readPlain(pattern, &place, of: start)
            }
            pieces.append(start..<ends.count)
            count *= ends.count - start
            guard count <= Self.limit else { throw Self.tooMany(error) }
        }
        branches.append(first..<pieces.count)
        guard place == pattern.count else { throw error("a bracket is closed that was not opened") }
    }

    private static func tooMany(_ error: (String) -> ReportsError) -> ReportsError {
        error("a phrase stands for more than \(limit)")
    }

    private static func isMark(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "|"): true
        default: false
        }
    }

    /// Bytes without marks, behind the last text.
    private mutating func readPlain(_ pattern: Span<UInt8>, _ place: inout Int, of text: Int) {
        while place < pattern.count, !Self.isMark(pattern[place]) {
            bytes.append(pattern[place])
            place += 1
        }
        ends[text] = bytes.count
    }

    /// The texts of a group, behind the others.
    private mutating func readGroup(
        _ pattern: Span<UInt8>, _ place: inout Int, _ error: (String) -> ReportsError
    ) throws(ReportsError) {
        let isChoice = pattern[place] == UInt8(ascii: "(")
        place += 1
        // The texts of the alternative that is being read begin here.
        var start = ends.count
        ends.append(bytes.count)
        loop: while place < pattern.count {
            let end = ends.count
            switch pattern[place] {
            case UInt8(ascii: ")"), UInt8(ascii: "]"): break loop
            case UInt8(ascii: "|"):
                place += 1
                start = end
                ends.append(bytes.count)
                continue loop
            case UInt8(ascii: "("), UInt8(ascii: "["): try readGroup(pattern, &place, error)
            default:
                if end - start == 1 {
                    readPlain(pattern, &place, of: start)
                    continue loop
                }
                ends.append(bytes.count)
                readPlain(pattern, &place, of: end)
            }
            let product = ends.count
            guard (end - start) * (product - end) <= Self.limit else { throw Self.tooMany(error) }
            join(start..<end, end..<product)
            removeTexts(start..<product)
        }
        guard place < pattern.count, pattern[place] == (isChoice ? UInt8(ascii: ")") : UInt8(ascii: "]")) else {
            throw error("a bracket is not closed")
        }
        place += 1
        if !isChoice { ends.append(bytes.count) }
    }

    /// Adds each text of a list followed by each of another one.
    private mutating func join(_ heads: Range<Int>, _ tails: Range<Int>) {
        for head in heads {
            for tail in tails {
                for place in text(head) { bytes.append(bytes[place]) }
                for place in text(tail) { bytes.append(bytes[place]) }
                ends.append(bytes.count)
            }
        }
    }

    private mutating func removeTexts(_ texts: Range<Int>) {
        let start = text(texts.lowerBound).lowerBound
        let byteCount = text(texts.upperBound - 1).upperBound - start
        bytes.removeSubrange(start..<start + byteCount)
        ends.removeSubrange(texts)
        for index in texts.lowerBound..<ends.count { ends[index] -= byteCount }
    }

    // MARK: Whole phrases

    /// Every phrase of the pattern that was read, each once, with one blank between words.
    mutating func phrases() -> [[UInt8]] {
        var phrases: [[UInt8]] = []
        for branch in branches {
            guard let first = branch.first else { continue }
            var all = pieces[first]
            for piece in branch.dropFirst() {
                let start = ends.count
                join(all, pieces[piece])
                all = start..<ends.count
            }
            for index in all {
                let phrase = Self.single(bytes[text(index)])
                if !phrase.isEmpty { phrases.append(phrase) }
            }
        }
        guard phrases.count > 1 else { return phrases }
        var seen: Set<[UInt8]> = []
        return phrases.filter { seen.insert($0).inserted }
    }

    /// One blank between words.
    private static func single(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var words: [UInt8] = []
        words.reserveCapacity(text.count)
        let blank = UInt8(ascii: " ")
        for byte in text where byte != blank || (words.last ?? blank) != blank { words.append(byte) }
        if words.last == blank { words.removeLast() }
        return words
    }

    // MARK: Parts

    /// How many alternatives the pattern has.
    var branchCount: Int { branches.count }

    /// The parts of an alternative, each a range of texts: no word reaches from one part into the next.
    ///
    /// Pieces between which a word may go on are joined: `effusion` and `[s]`.
    mutating func cut(branch: Int, into parts: inout [Range<Int>]) {
        parts.removeAll(keepingCapacity: true)
        let row = branches[branch]
        guard var part = row.first.map({ pieces[$0] }) else { return }
        var isClosed = isClear(part, isEnd: true, beyond: true)
        for piece in row.dropFirst() {
            if isClosed || isOpen(piece, in: row) {
                parts.append(part)
                part = pieces[piece]
            } else {
                let start = ends.count
                join(part, pieces[piece])
                part = start..<ends.count
            }
            isClosed = isClear(pieces[piece], isEnd: true, beyond: isClosed)
        }
        parts.append(part)
    }

    /// Whether no word of a piece before it goes on in a piece.
    private func isOpen(_ piece: Int, in row: Range<Int>) -> Bool {
        guard piece < row.upperBound else { return true }
        if isClear(pieces[piece], isEnd: false, beyond: true) {
            return isClear(pieces[piece], isEnd: false, beyond: false) || isOpen(piece + 1, in: row)
        }
        return false
    }

    /// Whether each text ends (or begins) with a blank, or with a character of Chinese or Japanese script, which is a word
    /// alone. Where a text is empty, what lies beyond it counts.
    private func isClear(_ texts: Range<Int>, isEnd: Bool, beyond: Bool) -> Bool {
        for index in texts {
            let range = text(index)
            if range.isEmpty {
                if beyond { continue }
                return false
            }
            if bytes[isEnd ? range.upperBound - 1 : range.lowerBound] == UInt8(ascii: " ") { continue }
            var lead = range.lowerBound
            if isEnd {
                lead = range.upperBound - 3
                guard lead >= range.lowerBound, bytes[lead + 1] & 0xC0 == 0x80, bytes[lead + 2] & 0xC0 == 0x80 else {
                    return false
                }
            }
            guard (0xE3...0xE9).contains(bytes[lead]) else { return false }
        }
        return true
    }
}
