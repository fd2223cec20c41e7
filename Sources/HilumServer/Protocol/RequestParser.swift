import HilumCore

/// Cuts a stream of bytes into requests; pure, and indifferent to how the bytes were chunked.
///
/// ```
/// append(bytes) → buffer → next() ─ line ─┬─ no bytes=N ──────────────────────────────→ .request
///                                         └─ bytes=N → N octets → LF ─────────────────→ .request
///          a line that begins with { ─── JSON-RPC 2.0 (`RPCRequest`) ──────────────────→ .request or .rpcFault
///                  a malformed line → .malformed at once; its announced octets are skipped, so the stream stays in step
/// ```
/// Memory: at most one line, one literal and what `append` brought since the last `next`.
/// Thread rule: a value type; one owner at a time.
struct RequestParser: Sendable {
    struct Limits: Sendable {
        /// Bytes of a line without its line feed.
        var lineByteCount = 64 << 10
        /// Bytes of a line of JSON-RPC, which may hold a picture; without that it is bounded as any line.
        var rpcByteCount = RPCRequest.longestLineInBytes
        /// Octets after `bytes=N`.
        var literalByteCount = 64 << 20

        init() {}
    }

    private enum State {
        case line
        /// Collecting `expected` octets for the request of a well-formed line.
        case literal(Request, expected: Int)
        /// Dropping the octets of a refused line.
        case skipping(remaining: Int)
        /// All octets are there; a line feed must follow. Nil: of a refused line.
        case terminator(Request?)
        /// Dropping up to the next line feed.
        case resynchronising(dropped: Int)
        /// A limit was broken; nothing is read any more.
        case stopped
    }

    private static let lineFeed: UInt8 = 10
    private static let carriageReturn: UInt8 = 13

    let limits: Limits
    private var state = State.line
    private var buffer: [UInt8] = []
    /// What lies before is consumed.
    private var head = 0
    /// What lies before holds no line feed.
    private var scanned = 0
    private var literal: [UInt8] = []

    init(limits: Limits = Limits()) { self.limits = limits }

    /// Bytes held.
    var bufferedByteCount: Int { buffer.count - head + literal.count }

    /// Whether a request was begun and is not complete (only meaningful once `next` has returned nil).
    var isInsideRequest: Bool {
        switch state {
        case .line: buffer.count > head
        case .literal, .skipping, .terminator, .resynchronising: true
        case .stopped: false
        }
    }

    /// Octets that the request under way announced, 0 if none.
    var announcedByteCount: Int {
        switch state {
        case .literal(_, let expected): expected
        case .skipping(let remaining): remaining
        default: 0
        }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if case .stopped = state { return }
        if head > 0 && (head == buffer.count || head >= 64 << 10) {
            buffer.removeFirst(head)
            scanned -= head
            head = 0
        }
        buffer.append(contentsOf: bytes)
    }

    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// The next item, nil when more bytes are needed.
    mutating func next() -> ParsedItem? {
        while true {
            switch state {
            case .stopped: return nil
            case .line:
                guard let line = takeLine() else { return nil }
                if let item = begin(line) { return item }
            case .literal(let request, let expected):
                let count = min(expected - literal.count, buffer.count - head)
                literal.append(contentsOf: buffer[head..<head + count])
                consume(count)
                if literal.count < expected { return nil }
                var complete = request
                complete.literal = literal
                literal = []
                state = .terminator(complete)
            case .skipping(let remaining):
                let count = min(remaining, buffer.count - head)
                consume(count)
                if count < remaining {
                    state = .skipping(remaining: remaining - count)
                    return nil
                }
                state = .terminator(nil)
            case .terminator(let request):
                guard let isThere = takeTerminator() else { return nil }
                state = isThere ? .line : .resynchronising(dropped: 0)
                guard let request else { continue }
                if isThere { return .request(request) }
                let count = request.literal?.count ?? 0
                return .malformed(
                    tag: request.tag, code: .badRequest,
                    text: "a line feed must follow the \(count) octets that bytes= announced", closes: false)
            case .resynchronising(let dropped):
                if let item = resynchronise(dropped) { return item }
                if case .resynchronising = state { return nil }
            }
        }
    }

    /// The stream has ended: what that makes of a request that was begun.
    mutating func finish() -> ParsedItem? {
        defer {
            state = .stopped
            buffer = []
            head = 0
            scanned = 0
            literal = []
        }
        switch state {
        case .terminator(.some(let request)): return .request(request)
        case .literal(let request, let expected):
            return .malformed(
                tag: request.tag, code: .badRequest,
                text: "the connection ended after \(literal.count) of \(expected) octets", closes: true)
        case .line:
            let rest = buffer[head...]
            if rest.first == UInt8(ascii: "#")
                || rest.allSatisfy({ $0 == LineScanner.space || $0 == Self.carriageReturn })
            {
                return nil
            }
            let text = "the connection ended within a line; a request ends with a line feed"
            if RPCRequest.isMeant(by: rest) {
                return .rpcFault(
                    id: ReplyForm.unknownID, fault: ReplyForm.Fault.parse, code: .badRequest, text: text, closes: true)
            }
            return .malformed(tag: RequestLine(rest).tag, code: .badRequest, text: text, closes: true)
        default: return nil
        }
    }

    private mutating func consume(_ count: Int) {
        head += count
        scanned = max(scanned, head)
        if head == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 128 << 10)
            head = 0
            scanned = 0
        }
    }

    private enum Line {
        case text(ArraySlice<UInt8>)
        case tooLong(tag: String?)
        case rpcTooLong
    }

    private mutating func takeLine() -> Line? {
        let end = buffer[max(scanned, head)...].firstIndex(of: Self.lineFeed)
        let length = (end ?? buffer.count) - head
        let limit = RPCRequest.isMeant(by: buffer[head...]) ? limits.rpcByteCount : limits.lineByteCount
        // One byte more for the carriage return, which does not count.
        if length > limit + 1 || (length > limit && buffer[head + length - 1] != Self.carriageReturn) {
            if limit != limits.lineByteCount { return .rpcTooLong }
            let tag = RequestLine(buffer[head...].prefix(RequestLine.longestTagInBytes + 2)).tag
            return .tooLong(tag: tag)
        }
        guard let end else {
            scanned = buffer.count
            return nil
        }
        var line = buffer[head..<end]
        consume(length + 1)
        if line.last == Self.carriageReturn { line.removeLast() }
        return .text(line)
    }

    /// Nil for a line to which nothing is answered, and for one whose literal is still to come.
    private mutating func begin(_ line: Line) -> ParsedItem? {
        let bytes: ArraySlice<UInt8>
        switch line {
        case .tooLong(let tag):
            return stop(
                tag,
                "a line has at most \(limits.lineByteCount) bytes; send an image as bytes=N and N octets after the line"
            )
        case .rpcTooLong:
            stop()
            let text =
                "a line of JSON-RPC has at most \(limits.rpcByteCount) bytes; larger images go as octets in the line protocol"
            return .rpcFault(
                id: ReplyForm.unknownID, fault: ReplyForm.Fault.request, code: .limit, text: text, closes: true)
        case .text(let text): bytes = text
        }
        if bytes.first == UInt8(ascii: "#") || bytes.allSatisfy({ $0 == LineScanner.space }) { return nil }
        if RPCRequest.isMeant(by: bytes) { return RPCRequest.read(bytes, limitInBytes: limits.lineByteCount) }
        let parsed = RequestLine(bytes)
        if let count = parsed.literalByteCount, count > limits.literalByteCount {
            return stop(parsed.tag, "bytes= may announce at most \(limits.literalByteCount) octets")
        }
        if let fault = parsed.fault {
            if let count = parsed.literalByteCount { state = .skipping(remaining: count) }
            return .malformed(tag: parsed.tag, code: .badRequest, text: fault, closes: false)
        }
        let request = Request(tag: parsed.tag, verb: parsed.verb, arguments: parsed.arguments)
        guard let count = parsed.literalByteCount else { return .request(request) }
        literal = []
        literal.reserveCapacity(min(count, 256 << 10))
        state = .literal(request, expected: count)
        return nil
    }

    private mutating func stop() {
        state = .stopped
        buffer = []
        head = 0
        scanned = 0
    }

    private mutating func stop(_ tag: String?, _ text: String) -> ParsedItem {
        stop()
        return .malformed(tag: tag, code: .limit, text: text, closes: true)
    }

    /// Whether a line feed (or CR LF) follows; nil when that cannot be known yet.
    private mutating func takeTerminator() -> Bool? {
        guard buffer.count > head else { return nil }
        if buffer[head] == Self.lineFeed {
            consume(1)
            return true
        }
        guard buffer[head] == Self.carriageReturn else { return false }
        guard buffer.count > head + 1 else { return nil }
        guard buffer[head + 1] == Self.lineFeed else { return false }
        consume(2)
        return true
    }

    private mutating func resynchronise(_ dropped: Int) -> ParsedItem? {
        let end = buffer[head...].firstIndex(of: Self.lineFeed)
        let total = dropped + (end ?? buffer.count) - head
        if total > limits.lineByteCount { return stop(nil, "no line feed came after the octets of bytes=") }
        consume((end.map { $0 + 1 } ?? buffer.count) - head)
        state = end == nil ? .resynchronising(dropped: total) : .line
        return nil
    }
}
