/// One client, as a pure state machine: bytes in, work out, replies in, bytes out. It knows no socket and no clock.
///
/// ```
///  receive ─→ RequestParser ─→ slots (requests in order) ─→ nextWork ─→ (pool, writer) ─→ complete ─→ output
/// ```
/// Replies leave in the order of the requests. A request starts when all before it are answered; writes that follow each
/// other may be under way together, so that they share a commit. Nothing more is parsed while many requests wait or the
/// client does not read, so memory is bounded: `pendingRequestCount` requests, one literal, and output of
/// `outputHighWaterInBytes` plus one reply. `now` is in seconds of any clock that never goes back.
///
/// Thread rule: a value type; one owner at a time.
struct Connection: Sendable {
    struct Limits: Sendable {
        var parser = RequestParser.Limits()
        /// Requests parsed and not yet answered.
        var pendingRequestCount = 64
        /// Bytes of memory of those requests, beyond which no further request is parsed.
        var pendingByteCount = 8 << 20
        /// Unread output beyond which no further request starts.
        var outputHighWaterInBytes = 16 << 10
        /// To finish a line that was begun.
        var lineInSeconds = 10.0
        /// A literal has the time of a line and one second more for so many octets.
        var slowestLiteralInBytesPerSecond = 64 << 10
        /// Without a request, before the connection is closed.
        var idleInSeconds = 300.0
        /// Without the client reading any of its output.
        var stalledOutputInSeconds = 30.0
        /// To read and drop what a client still sends after an error that closes.
        var lingerInSeconds = 2.0

        init() {}
    }

    /// A request to be answered with `complete(ticket:)`.
    struct Work: Sendable {
        let ticket: Int
        let request: Request
        /// In the seconds of `now`.
        let deadline: Double?
    }

    private enum SlotState {
        case waiting(Request)
        case running
        case done(Reply)
    }

    private struct Slot {
        let ticket: Int
        let tag: String?
        let form: ReplyForm
        let isWrite: Bool
        let deadline: Double?
        let byteCount: Int
        var state: SlotState
    }

    /// A day.
    private static let longestDeadlineInMilliseconds = 86_400_000

    let limits: Limits
    private var parser: RequestParser
    private var slots: [Slot] = []
    private var pendingByteCount = 0
    private var nextTicket = 0
    private var outputBytes: [UInt8] = []
    private var outputHead = 0
    private var isInputEnded = false
    /// The reply that closes is in the output; later input is dropped.
    private var isClosing = false
    private var isDropped = false
    private var lingerEnd: Double?
    private var requestBegan: Double?
    /// How the client spoke last, for what is said without being asked.
    private var lastForm = ReplyForm.lines
    private var refusedCodes: [ReplyCode] = []
    private var lastActivity: Double
    private var lastOutputProgress: Double

    init(limits: Limits = Limits(), now: Double) {
        self.limits = limits
        parser = RequestParser(limits: limits.parser)
        lastActivity = now
        lastOutputProgress = now
    }

    // MARK: what the shell asks

    /// Bytes that wait to be written.
    var pendingOutputByteCount: Int { outputBytes.count - outputHead }

    /// Whether the request of this ticket is not answered yet.
    func isPending(_ ticket: Int) -> Bool {
        slots.contains { slot in
            guard slot.ticket == ticket, case .running = slot.state else { return false }
            return true
        }
    }

    /// Whether bytes should be read from the client.
    var wantsInput: Bool {
        if isInputEnded || isDropped { return false }
        return isClosing || hasRoom
    }

    /// Whether the shell should tell the client that no more will come (shutdown of the writing side).
    var isOutputOver: Bool { isClosing && pendingOutputByteCount == 0 && slots.isEmpty }

    /// Nothing is left to do; the shell closes the socket.
    var isFinished: Bool {
        if isDropped { return true }
        guard slots.isEmpty && pendingOutputByteCount == 0 else { return false }
        return isInputEnded && (isClosing || !parser.isInsideRequest && parser.bufferedByteCount == 0)
    }

    /// Whether the reply to a request that runs may go to the client before it comes here (`complete`, with what is left of it).
    ///
    /// Nothing goes out before that reply then: it is the next, and no time of its own runs out.
    func mayAnswerDirectly(_ ticket: Int) -> Bool {
        guard let first = slots.first, first.ticket == ticket, first.deadline == nil else { return false }
        return !isDropped && !isClosing && pendingOutputByteCount == 0
    }

    /// Whether there is one request, and nothing to be done about its reply but to read what the client sends then.
    var waitsForOneReply: Bool { slots.count == 1 && wantsInput }

    /// No request is pending and no output waits.
    var isQuiet: Bool { slots.isEmpty && pendingOutputByteCount == 0 }

    /// Bytes of memory that the client makes this connection hold.
    var heldByteCount: Int { parser.bufferedByteCount + pendingByteCount + pendingOutputByteCount }

    /// The earliest `deadline_ms` among the pending requests.
    var nextRequestDeadline: Double? {
        var earliest: Double?
        for slot in slots {
            if case .done = slot.state { continue }
            if let deadline = slot.deadline { earliest = min(earliest ?? deadline, deadline) }
        }
        return earliest
    }

    /// The codes of the `ERR` replies since the last call, for the log; at most 64 of them.
    mutating func takeRefusedCodes() -> [ReplyCode] {
        if refusedCodes.isEmpty { return [] }
        defer { refusedCodes = [] }
        return refusedCodes
    }

    /// Gives the pending output to `body`, which returns how many bytes of it were written.
    mutating func writeOutput(now: Double, _ body: (UnsafeRawBufferPointer) -> Int) {
        guard pendingOutputByteCount > 0 else { return }
        let count = outputBytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[outputHead...])) }
        precondition(count >= 0 && count <= pendingOutputByteCount, "more was written than was there")
        if count == 0 { return }
        outputHead += count
        lastOutputProgress = now
        if outputHead == outputBytes.count {
            outputBytes.removeAll(keepingCapacity: outputBytes.capacity <= limits.outputHighWaterInBytes)
            outputHead = 0
        }
        flush(now: now)
    }

    // MARK: what the shell tells

    /// Bytes came from the client.
    mutating func receive(_ bytes: UnsafeRawBufferPointer, now: Double) {
        guard !isInputEnded, !isClosing, !isDropped else { return }
        lastActivity = now
        parser.append(bytes)
        pump(now: now)
    }

    /// The client will send no more; everything pending is still answered.
    mutating func receiveEnd(now: Double) {
        isInputEnded = true
        pump(now: now)
    }

    /// The socket is broken or the daemon gives up: nothing more is read or written.
    mutating func drop() {
        isDropped = true
        slots = []
        outputBytes = []
        outputHead = 0
        pendingByteCount = 0
        parser = RequestParser(limits: limits.parser)
    }

    /// The next request that may start now; nil if there is none.
    mutating func nextWork(now: Double) -> Work? {
        while true {
            flush(now: now)
            pump(now: now)
            guard !isDropped, pendingOutputByteCount < limits.outputHighWaterInBytes else { return nil }
            var index = 0
            while index < slots.count, case .running = slots[index].state { index += 1 }
            guard index < slots.count, case .waiting(let request) = slots[index].state else { return nil }
            let joinsWrites = slots[index].isWrite && slots[..<index].allSatisfy(\.isWrite)
            guard index == 0 || joinsWrites else { return nil }
            if let deadline = slots[index].deadline, deadline <= now {
                slots[index].state = .done(Self.late(slots[index].tag, hadBegun: false))
                continue
            }
            slots[index].state = .running
            return Work(ticket: slots[index].ticket, request: request, deadline: slots[index].deadline)
        }
    }

    /// The reply to the work with this ticket; dropped when the request was answered already (its deadline passed).
    mutating func complete(ticket: Int, _ reply: Reply, now: Double) {
        guard let index = slots.firstIndex(where: { $0.ticket == ticket }), case .running = slots[index].state else {
            return
        }
        slots[index].state = .done(reply)
        lastActivity = now
        flush(now: now)
    }

    /// Time has passed: answers what is past its deadline, and closes what stands still.
    mutating func tick(now: Double) {
        guard !isDropped else { return }
        for index in slots.indices {
            guard let deadline = slots[index].deadline, deadline <= now else { continue }
            switch slots[index].state {
            case .waiting: slots[index].state = .done(Self.late(slots[index].tag, hadBegun: false))
            case .running: slots[index].state = .done(Self.late(slots[index].tag, hadBegun: slots[index].isWrite))
            case .done: break
            }
        }
        flush(now: now)
        if pendingOutputByteCount > 0 && now - lastOutputProgress >= limits.stalledOutputInSeconds { return drop() }
        if isClosing {
            if let lingerEnd, lingerEnd <= now { isInputEnded = true }
            return
        }
        if requestBegan != nil && !hasRoom { requestBegan = now }
        let literalSeconds = Double(parser.announcedByteCount) / Double(max(1, limits.slowestLiteralInBytesPerSecond))
        if let began = requestBegan, now - began >= limits.lineInSeconds + literalSeconds {
            return close(
                .limit, "a request must be complete \(Int(limits.lineInSeconds)) s after its first byte", now: now)
        }
        if isQuiet && requestBegan == nil && !isInputEnded && now - lastActivity >= limits.idleInSeconds {
            close(.limit, "no request came for \(Int(limits.idleInSeconds)) s; connect again", now: now)
        }
    }

    /// Ends the connection with one error line behind the replies that are pending.
    mutating func close(_ code: ReplyCode, _ text: String, now: Double) {
        guard !isClosing, !isDropped else { return }
        parser = RequestParser(limits: limits.parser)
        requestBegan = nil
        let form = lastForm == .lines ? .lines : ReplyForm.rpc(id: ReplyForm.unknownID, fault: nil)
        append(.done(Reply.error(code, text, tag: nil, closes: true)), form: form)
        flush(now: now)
    }

    // MARK: inside

    private var hasRoom: Bool {
        slots.count < limits.pendingRequestCount && pendingByteCount < limits.pendingByteCount
            && pendingOutputByteCount < limits.outputHighWaterInBytes && !endsWithClosing
    }

    /// A reply that closes is waiting its turn: nothing behind it counts.
    private var endsWithClosing: Bool {
        guard let last = slots.last, case .done(let reply) = last.state else { return false }
        return reply.closes
    }

    private mutating func append(
        _ state: SlotState, request: Request? = nil, tag: String? = nil, form: ReplyForm, deadline: Double? = nil
    ) {
        let byteCount = request?.byteCount ?? 0
        slots.append(
            Slot(
                ticket: nextTicket, tag: tag, form: form, isWrite: request?.isWrite ?? false, deadline: deadline,
                byteCount: byteCount, state: state))
        nextTicket += 1
        pendingByteCount += byteCount
    }

    /// Parses as long as there is room.
    private mutating func pump(now: Double) {
        guard !isClosing, !isDropped else { return }
        while hasRoom {
            let ended = isInputEnded
            guard let item = parser.next() ?? (ended ? parser.finish() : nil) else {
                requestBegan = parser.isInsideRequest && !ended ? requestBegan ?? now : nil
                return
            }
            requestBegan = nil
            switch item {
            case .malformed(let tag, let code, let text, let closes):
                lastForm = .lines
                append(.done(Reply.error(code, text, tag: tag, closes: closes)), tag: tag, form: .lines)
            case .rpcFault(let id, let fault, let code, let text, let closes):
                lastForm = .rpc(id: id, fault: fault)
                append(.done(Reply.error(code, text, tag: nil, closes: closes)), form: lastForm)
            case .request(let request):
                lastForm = request.form
                accept(request, now: now)
            }
            flush(now: now)
        }
    }

    private mutating func accept(_ request: Request, now: Double) {
        var deadline: Double?
        if let text = request.value(Request.deadlineKey) {
            guard let milliseconds = Int(text), milliseconds >= 0, milliseconds <= Self.longestDeadlineInMilliseconds
            else {
                let text =
                    "deadline_ms= takes whole milliseconds from 0 to \(Self.longestDeadlineInMilliseconds)"
                let reply = Reply.error(.badRequest, text, tag: request.tag)
                return append(.done(reply), tag: request.tag, form: request.form)
            }
            deadline = now + Double(milliseconds) / 1000
        }
        append(.waiting(request), request: request, tag: request.tag, form: request.form, deadline: deadline)
    }

    /// Moves the replies whose turn it is to the output.
    private mutating func flush(now: Double) {
        var count = 0
        while count < slots.count, !isClosing, case .done(let reply) = slots[count].state {
            if pendingOutputByteCount == 0 { lastOutputProgress = now }
            outputBytes.append(contentsOf: reply.bytes(as: slots[count].form))
            if let code = reply.code, refusedCodes.count < 64 { refusedCodes.append(code) }
            pendingByteCount -= slots[count].byteCount
            count += 1
            if reply.closes { isClosing = true }
        }
        if count > 0 { slots.removeFirst(count) }
        guard isClosing, lingerEnd == nil else { return }
        slots = []
        pendingByteCount = 0
        parser = RequestParser(limits: limits.parser)
        requestBegan = nil
        lingerEnd = now + limits.lingerInSeconds
    }

    static func late(_ tag: String?, hadBegun: Bool) -> Reply {
        let text =
            hadBegun
            ? "the time of deadline_ms= is over, but the change had begun and may still take effect; look with GET"
            : "the time of deadline_ms= is over"
        return Reply.error(.deadline, text, tag: tag)
    }
}
