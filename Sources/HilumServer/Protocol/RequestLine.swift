import HilumCore

/// One line of the protocol, taken apart: a pure function of its bytes.
///
/// ```
/// [ "@" tag SP ] verb *( SP arg ) [ SP "bytes=" N ]      arg: see `ArgumentReader`
/// ```
/// A line that breaks the grammar still yields its tag and its `bytes=N`, so that the reply can be matched and the
/// literal skipped.
struct RequestLine: Sendable, Equatable {
    var tag: String?
    /// In upper case.
    var verb = ""
    var arguments: [Argument] = []
    var literalByteCount: Int?
    /// The first fault of the line; nil if it is well formed.
    var fault: String?

    static let longestTagInBytes = 64
    static let longestVerbInBytes = 32
    /// Digits of `bytes=` that always fit an `Int`.
    private static let longestCountInDigits = 18

    /// - Parameter line: the bytes before the line feed, without a carriage return before it.
    init(_ line: ArraySlice<UInt8>) {
        var scanner = LineScanner(line)
        if !LineScanner.isText(line) { note("the line is not valid UTF-8") }
        scanner.skipSpaces()
        if scanner.peek == UInt8(ascii: "@") { readTag(&scanner) }
        scanner.skipSpaces()
        readVerb(&scanner)
        let asks = verb == Verb.search.rawValue || verb == Verb.explain.rawValue
        var reader = ArgumentReader(scanner, repeatable: asks ? SearchOptions.repeatable : [])
        while let item = reader.next() {
            switch item {
            case .fault(let text): note(text)
            case .argument(let argument) where argument.key == "bytes": readByteCount(argument)
            case .argument(let argument): arguments.append(argument)
            }
        }
    }

    private mutating func note(_ text: String) {
        if fault == nil { fault = text }
    }

    private mutating func readTag(_ scanner: inout LineScanner) {
        let word = scanner.takeWord().dropFirst()
        if word.isEmpty || word.count > Self.longestTagInBytes || !LineScanner.isPrintable(word)
            || word.contains(LineScanner.quote)
        {
            note("a tag is 1 to \(Self.longestTagInBytes) printable bytes after @, then a space")
        } else if let text = String(validating: word, as: UTF8.self) {
            tag = text
        }
    }

    private mutating func readVerb(_ scanner: inout LineScanner) {
        let word = scanner.takeWord()
        if word.isEmpty {
            note("a verb is missing after the tag")
        } else if word.count > Self.longestVerbInBytes || !word.allSatisfy(LineScanner.isLetter) {
            note("a request begins with a verb of letters, such as SEARCH")
        } else {
            verb = String(decoding: word, as: UTF8.self).uppercased()
        }
    }

    private mutating func readByteCount(_ argument: Argument) {
        guard !argument.isNegated, !argument.value.isEmpty,
            argument.value.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 })
        else { return note("bytes= takes a number of octets in decimal digits") }
        let digits = argument.value.drop { $0 == "0" }
        // Whatever is longer is more than any limit, so the stream ends there.
        literalByteCount = digits.utf8.count <= Self.longestCountInDigits ? Int(digits) ?? 0 : Int.max
    }
}
