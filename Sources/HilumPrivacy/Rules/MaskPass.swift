import HilumCore

/// One walk over the pieces of a page, in which the rules of each kind look at every piece.
///
/// Rules are in the files beside this one, one topic each. A rule adds spans of pieces; those that overlap become one. Thread rule: one owner.
struct MaskPass {
    /// Characters that one mask stands for.
    struct Span {
        var start: Int
        var end: Int
        var mask: ReportMask
    }

    let page: Page
    let table: ListedWords
    let known: KnownIdentifiers
    /// The known parts in Latin letters, without those that are codes: `CT 12`.
    let latin: [[UInt32]]
    var spans: [Span] = []
    /// A word of the sentence says that somebody was spoken to.
    var isTalk = false

    init(_ page: Page, _ table: ListedWords, _ known: KnownIdentifiers) {
        self.page = page
        self.table = table
        self.known = known
        latin =
            known.short.isEmpty
            ? known.latin : known.latin.filter { !known.short.contains($0) || table.families.contains($0) }
    }

    // MARK: Looking

    var count: Int { page.pieces.count }

    @inline(__always)
    func piece(_ index: Int) -> Piece { index >= 0 && index < page.pieces.count ? page.pieces[index] : .none }

    /// Whether a piece is this mark of ASCII.
    func isMark(_ index: Int, _ mark: Unicode.Scalar) -> Bool {
        let piece = piece(index)
        return piece.kind == .mark && piece.value == Int(mark.value)
    }

    func isMark(_ index: Int, in marks: StaticString) -> Bool {
        let piece = piece(index)
        guard piece.kind == .mark, piece.value < 128 else { return false }
        // Safety: a static string of ASCII lives as long as the program.
        return UnsafeBufferPointer(start: marks.utf8Start, count: marks.utf8CodeUnitCount).contains(UInt8(piece.value))
    }

    /// Whether nothing stands between a piece and the one before it.
    func isGlued(_ index: Int) -> Bool {
        index > 0 && index < count && page.pieces[index].start == page.pieces[index - 1].end
    }

    /// Whether a word is the one given, in small letters.
    func isWord(_ index: Int, _ word: StaticString) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, piece.count == word.utf8CodeUnitCount else { return false }
        // Safety: as above; `count` bytes are read.
        let bytes = UnsafeBufferPointer(start: word.utf8Start, count: piece.count)
        for offset in 0..<piece.count where page.characters[piece.start + offset] != UInt32(bytes[offset]) {
            return false
        }
        return true
    }

    /// The character of a page; 0 where there is none.
    func character(_ place: Int) -> UInt32 { place >= 0 && place < page.characters.count ? page.characters[place] : 0 }

    /// The classes of the characters of a range.
    func classes(_ start: Int, _ end: Int) -> WordClass { table.classes(of: page.characters, start, end) }

    /// Whether a piece begins a sentence.
    func beginsSentence(_ index: Int) -> Bool {
        let piece = piece(index)
        return piece.is(.startsLine) || isMark(index - 1, in: ".!?:;") || piece.kind == .none
    }

    func isWordOrNumber(_ index: Int) -> Bool { piece(index).kind == .word || piece(index).kind == .number }

    /// Whether a number at a place measures something: `mm` or `%` stands behind it.
    func isMeasure(_ index: Int) -> Bool {
        let next = isMark(index + 1, "-") ? index + 2 : index + 1
        return piece(next).has(.unit) && piece(next).kind == .word || isMark(next, "%") || isWord(next, "x")
    }

    /// Whether a number at a place measures something in a body or a picture. Behind a date or a telephone number other units are words
    /// like any other: `3/4/2019 films`.
    func isQuantity(_ index: Int) -> Bool {
        let next = isMark(index + 1, "-") ? index + 2 : index + 1
        return piece(next).has(.quantity) && piece(next).kind == .word || isMark(next, "%")
    }

    /// Whether a number at a place measures or counts something, whatever the number is: not `x`, not `films`, and not the `in` of a
    /// sentence.
    func isAmount(_ index: Int) -> Bool {
        let next = isMark(index + 1, "-") ? index + 2 : index + 1
        return isMeasure(index) && !isWord(next, "x") && !piece(next).has([.picture, .function])
    }

    /// Adds pieces.
    mutating func add(_ start: Int, _ end: Int, _ mask: ReportMask) {
        guard start < end else { return }
        addCharacters(page.pieces[start].start, page.pieces[end - 1].end, mask)
    }

    /// Adds characters.
    mutating func addCharacters(_ start: Int, _ end: Int, _ mask: ReportMask) {
        spans.append(Span(start: start, end: end, mask: mask))
    }

    /// The first piece that begins at a character or behind it. O(log n).
    func pieceIndex(from place: Int) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if page.pieces[middle].start < place { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Walking

    /// Finds the spans.
    mutating func run() {
        findKnown()
        var index = 0
        while index < count {
            let piece = page.pieces[index]
            let next: Int
            switch piece.kind {
            case .number: next = number(index)
            case .word: next = word(index)
            case .kanji, .katakana, .hiragana: next = japanese(index)
            case .mark: next = mark(index)
            case .newline, .mask, .none:
                if piece.kind == .newline && self.piece(index + 1).kind == .newline { isTalk = false }
                next = index + 1
            }
            index = max(next, index + 1)
        }
        findLearned()
    }

    /// A rule that matches returns the piece behind its span.
    private mutating func number(_ index: Int) -> Int {
        let piece = page.pieces[index]
        if let end = age(index) { return end }
        if let end = date(index) { return end }
        if let end = streetNumber(index) { return end }
        if let end = longNumber(index) { return end }
        if let end = time(index) { return end }
        if let end = japaneseDate(piece.start) { return pieceIndex(from: end) }
        if let end = japaneseBlock(index) { return end }
        return index + 1
    }

    private mutating func word(_ index: Int) -> Int {
        let piece = page.pieces[index]
        if piece.has(.talk) { isTalk = true }
        if piece.has([.jaID, .jaField, .jaPhone, .jaFieldStrict]), let end = japaneseCue(piece.start) {
            return pieceIndex(from: end)
        }
        if piece.has([.month, .monthShort, .weekday]), let end = monthDate(index) { return end }
        if piece.classes.isEmpty || piece.count == 1, let end = code(index) { return end }
        if piece.has([.idStrong, .idWeak, .phone]), let end = numberCue(index) { return end }
        if let end = url(index) { return end }
        if piece.has(.home), let end = home(index) { return end }
        if piece.has(.dwelling), let end = room(index) { return end }
        if let end = people(index) { return end }
        if let end = institution(index) { return end }
        if let end = town(index) { return end }
        if let end = spelledAge(index) { return end }
        if let end = japaneseDate(piece.start) { return pieceIndex(from: end) }
        return index + 1
    }

    private mutating func mark(_ index: Int) -> Int {
        if isMark(index, in: ".!?") && (!isGlued(index + 1) || piece(index + 1).kind == .newline)
            && !piece(index - 1).has([.title, .suffix]) && piece(index - 1).count > 1
        {
            isTalk = false
        }
        if page.pieces[index].value == 0x3002 { isTalk = false }
        if isMark(index, "@"), let end = email(index) { return end }
        if isMark(index, in: "(+"), let end = telephone(index) { return end }
        if page.pieces[index].value == 0x3012, let end = postalMark(index) { return end }
        return index + 1
    }

    // MARK: Writing

    /// Makes of each span the line that it stands in, or one of the whole page.
    mutating func widen(toLines: Bool) {
        guard let first = spans.min(by: { $0.start < $1.start }) else { return }
        guard toLines else {
            spans = [Span(start: 0, end: page.characters.count, mask: first.mask)]
            return
        }
        var lines: [Span] = []
        for span in spans.sorted(by: { $0.start < $1.start }) {
            if let last = lines.last, span.end <= last.end { continue }
            var line = span
            let least = lines.last?.end ?? 0
            while line.start > least, !isNewline(line.start - 1) { line.start -= 1 }
            while line.end < page.characters.count, !isNewline(line.end) { line.end += 1 }
            lines.append(line)
        }
        spans = lines
    }

    private func isNewline(_ place: Int) -> Bool { page.characters[place] == 10 || page.characters[place] == 13 }

    /// The page with its masks, and how many of each kind were put in.
    mutating func write(_ counts: inout MaskCounts) -> [UInt8] {
        spans.sort { $0.start < $1.start || $0.start == $1.start && $0.end > $1.end }
        var text: [UInt8] = []
        text.reserveCapacity(page.bytes.count + spans.count * 4)
        var place = 0
        var index = 0
        while index < spans.count {
            var span = spans[index]
            index += 1
            while index < spans.count && spans[index].start < span.end {
                span.end = max(span.end, spans[index].end)
                index += 1
            }
            let start = Int(page.offsets[span.start])
            let end = Int(page.offsets[span.end])
            text.append(contentsOf: page.bytes[place..<start])
            text.append(contentsOf: span.mask.rawValue.utf8)
            counts[span.mask] += 1
            place = end
        }
        text.append(contentsOf: page.bytes[place...])
        return text
    }
}
