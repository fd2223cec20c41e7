import HilumCore
import Testing

@testable import HilumServer

/// A connection with a handler that answers at once, on a clock that is set by hand.
struct Machine {
    var connection: Connection
    let handler: RequestHandler
    var now = 0.0
    var output: [UInt8] = []
    var mostHeld = 0

    init(_ change: (inout Connection.Limits) -> Void = { _ in }) {
        var limits = Connection.Limits()
        change(&limits)
        connection = Connection(limits: limits, now: 0)
        handler = RequestHandler(archive: FakeArchive(caseCount: 5), configuration: ServerConfiguration())
    }

    /// What the daemon does with a request, in one go.
    func answer(_ work: Connection.Work) -> Reply {
        switch handler.route(work.request, mayWrite: true) {
        case .reply(let reply): return reply
        case .read: return handler.read(work.request)
        case .write:
            do {
                let outcome: WriterQueue.Outcome
                switch handler.change(work.request, Errand(work.request)) {
                case .forget(let id, let source):
                    outcome = .deleted(try handler.archive.forget(id: id, source: source))
                case .delete(let id, _): outcome = .deleted(try handler.archive.delete(id: id))
                case .put(let make):
                    let value = try make()
                    outcome = .put(id: value.id, try handler.archive.put([value], courtesy: .none)[0])
                }
                return RequestHandler.reply(to: work.request, outcome: .success(outcome))
            } catch {
                return RequestHandler.reply(to: work.request, outcome: .failure(WriterQueue.refusal(error)))
            }
        }
    }

    mutating func settle(read: Bool = true) {
        var moved = true
        while moved {
            moved = false
            while let work = connection.nextWork(now: now) {
                connection.complete(ticket: work.ticket, answer(work), now: now)
                moved = true
            }
            mostHeld = max(mostHeld, connection.heldByteCount)
            guard read, connection.pendingOutputByteCount > 0 else { continue }
            var taken: [UInt8] = []
            connection.writeOutput(now: now) { bytes in
                taken = Array(bytes)
                return bytes.count
            }
            output += taken
            moved = true
        }
    }

    /// Feeds bytes as a socket would: only while they are wanted.
    mutating func feed(_ bytes: [UInt8], chunk: Int = Int.max) {
        var index = 0
        while index < bytes.count, connection.wantsInput {
            let end = index + min(chunk, bytes.count - index)
            bytes[index..<end].withUnsafeBytes { connection.receive($0, now: now) }
            settle()
            index = end
        }
    }

    mutating func feed(_ text: String, chunk: Int = Int.max) { feed(Array(text.utf8), chunk: chunk) }

    mutating func end() {
        connection.receiveEnd(now: now)
        settle()
    }

    mutating func tick(_ time: Double) {
        now = time
        connection.tick(now: now)
        settle()
    }

    var lines: [String] { HilumServerTests.lines(output) }
}

@Suite struct ConnectionTests {
    @Test func pipelinedRequestsAreAnsweredInOrderWithTheirTags() {
        var machine = Machine()
        machine.feed("@a PING\nb@d line\n@b NOSUCH\nPING\n@c COUNT\n@d QUIT\n@e PING\n")
        #expect(machine.lines.count == 6)
        #expect(machine.lines[0] == "@a OK PONG")
        #expect(machine.lines[1].hasPrefix("ERR BADREQ "))
        #expect(machine.lines[2].hasPrefix("@b ERR UNKNOWN "))
        let verbs =
            "PING HELLO SEARCH PUT GET DELETE COUNT FACET EXPLAIN PICTURE STATS METRICS HELP QUIT REEMBED SNAPSHOT"
        #expect(machine.lines[2].contains(verbs))
        #expect(machine.lines[3] == "OK PONG")
        #expect(machine.lines[4] == "@c OK count=5")
        #expect(machine.lines[5] == "@d OK BYE")
        #expect(machine.connection.isOutputOver)
    }

    @Test func everyLineOfATaggedReplyBearsTheTag() {
        var machine = Machine()
        machine.feed("@x SEARCH text=effusion k=3\n")
        #expect(machine.lines.count == 4)
        #expect(machine.lines.allSatisfy { $0.hasPrefix("@x ") })
    }

    @Test func afterAHalfCloseEveryPendingRequestIsAnswered() {
        var machine = Machine { $0.pendingRequestCount = 2 }
        let requests = Array(String(repeating: "@t COUNT\n", count: 50).utf8)
        requests.withUnsafeBytes { machine.connection.receive($0, now: 0) }
        machine.connection.receiveEnd(now: 0)
        #expect(!machine.connection.isFinished)
        machine.settle()
        #expect(machine.lines == Array(repeating: "@t OK count=5", count: 50))
        #expect(machine.connection.isFinished)
    }

    @Test("chunked delivery gives the same replies as all at once", arguments: 1...6 as ClosedRange<UInt64>)
    func chunkingDoesNotMatter(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<60 {
            let bytes = mutatedStream(&generator)
            var whole = Machine()
            whole.feed(bytes)
            whole.end()
            var single = Machine()
            single.feed(bytes, chunk: 1)
            single.end()
            #expect(single.output == whole.output)
            #expect(single.connection.isFinished || single.connection.isOutputOver)
        }
    }

    @Test func aClientThatNeverReadsHoldsLittleMemory() {
        var machine = Machine()
        let bytes = Array(String(repeating: "NOSUCHVERB\n", count: 2000).utf8)
        var fed = 0
        while machine.connection.wantsInput && fed < 1000 {
            bytes.withUnsafeBytes { machine.connection.receive($0, now: 0) }
            machine.settle(read: false)
            fed += 1
        }
        #expect(fed < 10)
        #expect(machine.connection.heldByteCount < 256 << 10)
        #expect(!machine.connection.wantsInput)
        // Once it reads, it goes on.
        machine.settle()
        #expect(machine.connection.wantsInput)
        #expect(machine.lines.count >= 2000)
    }

    @Test func aClientThatNeverReadsIsDroppedInTheEnd() {
        var machine = Machine()
        machine.feed("PING\n")
        machine.output = []
        Array("PING\n".utf8).withUnsafeBytes { machine.connection.receive($0, now: 0) }
        machine.settle(read: false)
        machine.connection.tick(now: 29)
        #expect(!machine.connection.isFinished)
        machine.connection.tick(now: 31)
        #expect(machine.connection.isFinished)
    }

    @Test func aLineMustBeFinishedInTime() {
        var machine = Machine()
        machine.feed("PING\nSEARCH te")
        machine.tick(9.9)
        #expect(machine.lines == ["OK PONG"])
        machine.feed("x")
        machine.tick(10.1)
        #expect(machine.lines.count == 2)
        #expect(machine.lines[1].hasPrefix("ERR LIMIT "))
        #expect(machine.connection.isOutputOver)
        machine.tick(13)
        #expect(machine.connection.isFinished)
    }

    @Test func aLargeLiteralHasMoreTime() {
        var machine = Machine()
        machine.feed("PUT id=a bytes=6553600\nabc")
        machine.tick(100)
        #expect(machine.lines.isEmpty)
        machine.tick(111)
        #expect(machine.lines.first?.hasPrefix("ERR LIMIT ") == true)
    }

    @Test func anIdleClientIsToldAndClosed() {
        var machine = Machine()
        machine.feed("PING\n")
        machine.tick(299)
        #expect(machine.lines.count == 1)
        machine.tick(301)
        #expect(machine.lines.count == 2)
        #expect(machine.lines[1].hasPrefix("ERR LIMIT "))
    }

    @Test func aTooLongLineIsAnsweredOnceAndTheRestIsDropped() {
        var machine = Machine()
        machine.feed(Array(repeating: 65, count: 1 << 20), chunk: 65_536)
        #expect(machine.lines.count == 1)
        #expect(machine.lines[0].hasPrefix("ERR LIMIT "))
        #expect(machine.connection.isOutputOver)
        #expect(machine.connection.wantsInput)
        #expect(machine.mostHeld <= 192 << 10)
        machine.feed("\nPING\n")
        machine.end()
        #expect(machine.lines.count == 1)
        #expect(machine.connection.isFinished)
    }

    @Test func writesShareACommitAndReadsWaitForThem() {
        var connection = Connection(now: 0)
        let text = "PUT id=a report=x\nPUT id=b report=x\nCOUNT\nPUT id=c report=x\n"
        Array(text.utf8).withUnsafeBytes { connection.receive($0, now: 0) }
        let first = connection.nextWork(now: 0)
        let second = connection.nextWork(now: 0)
        #expect(first?.request.value("id") == "a")
        #expect(second?.request.value("id") == "b")
        #expect(connection.nextWork(now: 0) == nil)
        // Out of order: the reply of the second waits for that of the first.
        connection.complete(ticket: second?.ticket ?? -1, Reply(bytes: [50], closes: false), now: 0)
        #expect(connection.pendingOutputByteCount == 0)
        connection.complete(ticket: first?.ticket ?? -1, Reply(bytes: [49], closes: false), now: 0)
        var output: [UInt8] = []
        connection.writeOutput(now: 0) { bytes in
            output = Array(bytes)
            return bytes.count
        }
        #expect(output == [49, 50])
        let third = connection.nextWork(now: 0)
        #expect(third?.request.verb == .count)
        #expect(connection.nextWork(now: 0) == nil)
    }

    @Test func aDeadlineIsAnsweredWhenItPassesAndTheLateReplyIsDropped() {
        var connection = Connection(now: 0)
        Array("@s SEARCH text=a deadline_ms=50\nPING\n".utf8).withUnsafeBytes { connection.receive($0, now: 0) }
        let work = connection.nextWork(now: 0)
        #expect(work?.deadline == 0.05)
        #expect(connection.nextRequestDeadline == 0.05)
        connection.tick(now: 0.04)
        #expect(connection.pendingOutputByteCount == 0)
        connection.tick(now: 0.06)
        var output: [UInt8] = []
        connection.writeOutput(now: 0.06) { bytes in
            output = Array(bytes)
            return bytes.count
        }
        #expect(lines(output).first?.hasPrefix("@s ERR DEADLINE ") == true)
        connection.complete(ticket: work?.ticket ?? -1, Reply(bytes: [88], closes: false), now: 0.07)
        #expect(connection.pendingOutputByteCount == 0)
        #expect(connection.nextWork(now: 0.07)?.request.verb == .ping)
    }

    @Test func aDeadlineOfZeroIsAlwaysOverAndABadOneIsRefused() {
        var machine = Machine()
        machine.feed("PING deadline_ms=0\nPING deadline_ms=x\nPING deadline_ms=-1\nPING deadline_ms=1000\n")
        #expect(machine.lines.map { $0.prefix(8) } == ["ERR DEAD", "ERR BADR", "ERR BADR", "OK PONG"])
    }

    @Test func manyLargeLiteralsDoNotPileUp() {
        var connection = Connection(now: 0)
        let octets = [UInt8](repeating: 0x89, count: 1 << 20)
        var fed = 0
        while connection.wantsInput && fed < 100 {
            let bytes = Array("PUT id=c\(fed) bytes=\(octets.count)\n".utf8) + octets + [10]
            bytes.withUnsafeBytes { connection.receive($0, now: 0) }
            fed += 1
        }
        #expect(fed <= 9)
        #expect(connection.heldByteCount <= 10 << 20)
    }

    @Test func longLinesDoNotPileUp() {
        var connection = Connection(now: 0)
        let text = String(repeating: "x", count: 60_000)
        var fed = 0
        while connection.wantsInput && fed < 200 {
            Array("SEARCH text=\(text)\n".utf8).withUnsafeBytes { connection.receive($0, now: 0) }
            fed += 1
        }
        // Each is held once, and counted.
        #expect((60_000 * fed..<61_000 * fed).contains(connection.heldByteCount))
    }

    @Test func randomTicksAndCompletionsNeverTrap() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var machine = Machine { $0.pendingRequestCount = 4 }
            var open: [Connection.Work] = []
            for _ in 0..<80 {
                machine.now += generator.uniform() * 3
                switch generator.integer(below: 6) {
                case 0, 1:
                    let bytes = mutatedStream(&generator)
                    if machine.connection.wantsInput {
                        bytes.withUnsafeBytes { machine.connection.receive($0, now: machine.now) }
                    }
                case 2: if let work = machine.connection.nextWork(now: machine.now) { open.append(work) }
                case 3:
                    if !open.isEmpty {
                        let work = open.remove(at: generator.integer(below: open.count))
                        machine.connection.complete(ticket: work.ticket, machine.answer(work), now: machine.now)
                    }
                case 4: machine.connection.tick(now: machine.now)
                default:
                    let share = generator.uniform()
                    machine.connection.writeOutput(now: machine.now) { Int(Double($0.count) * share) }
                }
                #expect(machine.connection.heldByteCount < 1 << 20)
            }
            machine.connection.receiveEnd(now: machine.now)
            for work in open {
                machine.connection.complete(ticket: work.ticket, machine.answer(work), now: machine.now)
            }
            machine.settle()
            #expect(machine.connection.isFinished || machine.connection.isOutputOver)
        }
    }
}
