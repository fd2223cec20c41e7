/// Reads the arguments of a line of the protocol, one after the other; a pure function of its bytes.
///
/// ```
/// arg   = key "=" value | key "!=" value | bare          key = [a-z_][a-z0-9_.]*
/// value = 1*(printable, no space, no quote) | JSON string
/// ```
/// An argument that breaks the grammar is a fault in words, and reading goes on behind it where that is possible. A key
/// may stand once with `=` and once with `!=`, unless it is one of those that may repeat. The words name keys, never values.
///
/// Thread rule: a value type; one owner at a time.
public struct ArgumentReader {
    /// What comes next.
    public enum Item: Sendable, Equatable {
        /// A well-formed argument.
        case argument(Argument)
        /// A sentence about one that is not.
        case fault(String)
    }

    private enum Value {
        case text(String)
        case fault(String)
    }

    private var scanner: LineScanner
    /// The keys that stood with `=`, and those that stood with `!=`.
    private var seen: Set<String> = []
    private var seenNegated: Set<String> = []
    private let repeatable: Set<String>
    /// Whether a quote that is not closed makes the rest of the line a guess.
    private var isLost = false

    /// A reader of the bytes of one line, UTF-8 without a line feed.
    public init(_ line: ArraySlice<UInt8>) { self.init(LineScanner(line)) }

    /// A reader that goes on where `scanner` stands.
    ///
    /// - Parameter repeatable: keys that may stand more than once with `=`.
    public init(_ scanner: LineScanner, repeatable: Set<String> = []) {
        self.scanner = scanner
        self.repeatable = repeatable
    }

    /// The next argument, or what is wrong with it; nil at the end of the line, and where what follows cannot be told
    /// apart.
    public mutating func next() -> Item? {
        scanner.skipSpaces()
        guard !scanner.isAtEnd, !isLost else { return nil }
        let head = scanner.takeKey()
        switch scanner.peek {
        case LineScanner.equals?, LineScanner.bang?: return argument(head)
        case LineScanner.quote?:
            skipBrokenWord()
            return .fault("a quote may only stand after key= (write text=\"…\")")
        default:
            guard LineScanner.isPrintable(head), let word = LineScanner.text(head) else {
                return .fault("control characters are refused")
            }
            return .argument(Argument(key: "", value: word))
        }
    }

    /// - Precondition: the scanner stands on the sign.
    private mutating func argument(_ head: ArraySlice<UInt8>) -> Item {
        let isNegated = scanner.peek == LineScanner.bang
        if isNegated { scanner.advance() }
        scanner.advance()
        guard LineScanner.isKey(head) else {
            _ = value(of: "key")
            return .fault(Self.advice(onKey: head))
        }
        let key = String(decoding: head, as: UTF8.self)
        switch scanner.peek {
        case LineScanner.equals?:
            _ = value(of: key)
            return .fault("\(key)==: one equals sign is enough; write \(key)=…")
        case UInt8(ascii: "<")?, UInt8(ascii: ">")?:
            _ = value(of: key)
            return .fault(Argument.rangeAdvice(key))
        default: break
        }
        switch value(of: key) {
        case .fault(let text): return .fault(text)
        case .text(let text):
            let isNew = isNegated ? seenNegated.insert(key).inserted : seen.insert(key).inserted
            if !isNew && (isNegated || !repeatable.contains(key)) {
                let sign = isNegated ? "!=" : "="
                return .fault("\(key)\(sign) stands twice in the line; join several values with commas")
            }
            return .argument(Argument(key: key, value: text, isNegated: isNegated))
        }
    }

    /// What to write in place of a word that is no key.
    private static func advice(onKey head: ArraySlice<UInt8>) -> String {
        let signs = [UInt8(ascii: "<"), UInt8(ascii: ">")]
        if let last = head.last, signs.contains(last), LineScanner.isKey(head.dropLast()) {
            return Argument.rangeAdvice(String(decoding: head.dropLast(), as: UTF8.self))
        }
        let rule = "a key is a-z or _ first, then a-z, 0-9, _ or a point"
        let lower = String(decoding: head, as: UTF8.self).lowercased()
        return LineScanner.isKey(Array(lower.utf8)[...]) ? "\(rule); write \(lower)=" : rule
    }

    private mutating func value(of name: String) -> Value {
        if scanner.peek == LineScanner.quote {
            switch scanner.takeString() {
            case .failure(let failure):
                isLost = !failure.isTerminated
                return .fault("\(name)=: \(failure.reason)")
            case .success(let text):
                guard let next = scanner.peek, next != LineScanner.space else { return .text(text) }
                skipBrokenWord()
                return .fault("\(name)=: a space is expected after the closing quote")
            }
        }
        let word = scanner.takeWord()
        if word.isEmpty { return .fault("\(name)= has no value (write \(name)=\"\" for an empty one)") }
        if word.contains(LineScanner.quote) {
            return .fault("\(name)=: a value with a quote in it is written as a JSON string")
        }
        guard LineScanner.isPrintable(word), let text = LineScanner.text(word) else {
            return .fault("\(name)=: control characters are refused; write them as escapes in a JSON string")
        }
        return .text(text)
    }

    /// Goes to the end of a malformed word; a quote in it makes the rest of the line a guess.
    private mutating func skipBrokenWord() {
        if scanner.takeWord().contains(LineScanner.quote) { isLost = true }
    }
}
