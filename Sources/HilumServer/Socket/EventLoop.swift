import CHilumSystem
import Foundation
import HilumCore
import Synchronization

/// The socket shell: accepts clients, feeds their `Connection`s and carries work to the threads and replies back.
///
/// ```
/// epoll ─→ bytes ─→ Connection ─→ ReadingTask ─┬─ reply of the one request that waits ─→ ClientSocket ─→ a letter that wakes nobody
///                                              └─ every other reply ─────────────────→ a letter that wakes the loop ─→ Connection
/// ```
/// A client that asks one thing at a time gets its answer from the thread that has it; the loop learns of it when it wakes up the next time.
///
/// Thread rule: everything on the thread of `run`, but for `Mailbox`, which any thread fills.
final class EventLoop {
    static let listenerKey: UInt64 = 0
    static let wakeKey: UInt64 = 1
    static let stopKey: UInt64 = 2
    /// So much is read of one client before the next has its turn.
    static let readBudgetInBytes = 256 << 10
    /// Bytes of one read.
    private static let readByteCount = 16 << 10
    /// Events taken from epoll at once.
    private static let eventCount = 256
    /// Requests of a client that holds less, or less than half of its share, are never given up for want of memory.
    private static let smallHeldByteCount = 1 << 20
    /// epoll waits no longer than this.
    private static let longestWaitInMilliseconds = 60_000.0

    let listener: Int32
    let epoll: Int32
    /// Raised by the mailbox, and the mailbox's.
    let wake: Int32
    let handler: RequestHandler
    let pool: WorkerPool
    let writer: WriterQueue
    let mailbox: Mailbox
    let daemonUser = geteuid()
    let stop: Int32
    var clients: [UInt64: ServedClient] = [:]
    var nextKey: UInt64 = 3
    /// Clients with a request that has a deadline.
    var hurried: Set<UInt64> = []
    var heldByteCount = 0
    /// Given up to accept and refuse a client when no descriptor is left.
    var reserve: Int32
    var isListening = true
    var isDraining = false
    /// When accepting, which was suspended for want of descriptors, is tried again.
    var acceptAgain: Double?
    var refusals = RefusalLog()
    private let scratch: UnsafeMutableRawBufferPointer
    private let events: UnsafeMutableBufferPointer<hilum_event>

    var configuration: ServerConfiguration { handler.configuration }

    /// - Parameters:
    ///   - listener: a listening socket; stays the caller's.
    ///   - stop: an eventfd that is raised to end `run`; stays the caller's.
    /// - Throws: `.system` when epoll is not to be had.
    init(listener: Int32, stop: Int32, handler: RequestHandler, pool: WorkerPool, writer: WriterQueue)
        throws(ServerError)
    {
        self.listener = listener
        self.stop = stop
        self.handler = handler
        self.pool = pool
        self.writer = writer
        mailbox = Mailbox()
        wake = mailbox.wake
        epoll = hilum_epoll_create()
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
        events = .allocate(capacity: Self.eventCount)
        events.initialize(repeating: hilum_event())
        scratch = .allocate(byteCount: Self.readByteCount, alignment: 16)
        guard epoll >= 0, hilum_epoll_add(epoll, listener, HILUM_READABLE, Self.listenerKey) == 0,
            hilum_epoll_add(epoll, wake, HILUM_READABLE, Self.wakeKey) == 0,
            hilum_epoll_add(epoll, stop, HILUM_READABLE, Self.stopKey) == 0
        else { throw ServerError(.system(call: "epoll", errno: errno), "epoll: \(String(cString: strerror(errno)))") }
    }

    deinit {
        for client in clients.values { client.socket.close() }
        if epoll >= 0 { close(epoll) }
        if reserve >= 0 { close(reserve) }
        scratch.deallocate()
        events.deallocate()
    }

    /// Serves until `stop` is raised, then finishes what is pending.
    func run() throws(ServerError) {
        var nextSweep = monotonicSeconds() + 1
        let manager = configuration.serviceManager
        var nextBeat = manager.beatInSeconds.map { monotonicSeconds() + $0 }
        var drainEnd: Double?
        while true {
            let now = monotonicSeconds()
            if drainEnd == nil && isDraining {
                drainEnd = now + configuration.drainInSeconds
                beginDrain(now: now)
            }
            if let drainEnd, now >= drainEnd || clients.values.allSatisfy({ $0.connection.isQuiet }) { break }
            try wait(now: now, nextSweep: nextSweep, ends: [drainEnd, nextBeat])
            let after = monotonicSeconds()
            if let beat = nextBeat, after >= beat, let seconds = manager.beatInSeconds {
                manager.notify("WATCHDOG=1")
                nextBeat = after + seconds
            }
            if after >= nextSweep {
                sweep(now: after)
                nextSweep = after + 1
            }
            for key in hurried { if let client = clients[key] { tick(client, now: after) } }
            if let again = acceptAgain, after >= again { resumeAccepting() }
        }
        for client in Array(clients.values) { remove(client) }
    }

    /// Waits and serves what is ready.
    private func wait(now: Double, nextSweep: Double, ends: [Double?]) throws(ServerError) {
        var until = clients.isEmpty ? Double.infinity : nextSweep
        for key in hurried { until = min(until, clients[key]?.connection.nextRequestDeadline ?? until) }
        for end in ends { until = min(until, end ?? until) }
        if let acceptAgain { until = min(until, acceptAgain) }
        let wait = max(0, min(Self.longestWaitInMilliseconds, ((until - now) * 1000).rounded(.up)))
        let milliseconds: Int32 = until.isFinite ? Int32(wait) : -1
        // Safety: `events` is allocated for the life of the loop and used by its thread alone.
        let count = hilum_epoll_wait(epoll, events.baseAddress, Int32(events.count), milliseconds)
        guard count >= 0 else {
            throw ServerError(
                .system(call: "epoll_wait", errno: errno), "epoll_wait: \(String(cString: strerror(errno)))")
        }
        let time = monotonicSeconds()
        let ready = UnsafeMutableBufferPointer(rebasing: events[..<Int(count)])
        // Before the letters are taken, so that none is left without a call.
        if ready.contains(where: { $0.key == Self.wakeKey }) { hilum_eventfd_clear(wake) }
        // Before clients are read, which may ask again what the loop believes to be unanswered.
        deliverLetters()
        for event in ready {
            switch event.key {
            case Self.listenerKey: accept(now: time)
            case Self.wakeKey: break
            case Self.stopKey:
                _ = hilum_epoll_remove(epoll, stop)
                isDraining = true
            default:
                guard let client = clients[event.key] else { continue }
                if event.events & (HILUM_HUNG_UP | HILUM_FAILED) != 0 { markGone(client) }
                serve(client, mayRead: true, now: time)
            }
        }
    }

    private func deliverLetters() {
        let letters = mailbox.takeAll()
        if letters.isEmpty { return }
        let now = monotonicSeconds()
        for letter in letters {
            guard let client = clients[letter.client] else { continue }
            client.underWay[letter.ticket] = nil
            if client.direct == letter.ticket { client.direct = nil }
            client.connection.complete(ticket: letter.ticket, letter.reply, now: now)
            serve(client, mayRead: client.isGone, now: now)
        }
    }

    /// The peer has closed both ways, or the socket is broken: nothing can be written, but what came is still read and done.
    private func markGone(_ client: ServedClient) {
        if client.isGone { return }
        client.isGone = true
        _ = hilum_epoll_remove(epoll, client.descriptor)
    }

    // MARK: one client

    /// Reads, starts what may start, writes; until nothing moves.
    func serve(_ client: ServedClient, mayRead: Bool, now: Double) {
        var budget = !mayRead || isDraining ? 0 : client.isGone ? Int.max : Self.readBudgetInBytes
        var moved = true
        while moved {
            moved = false
            if budget > 0 && client.connection.wantsInput {
                let count = read(client, now: now)
                budget -= count
                moved = client.isGone ? count > 0 : count == scratch.count
                // Less than was asked for: there is no more now, and epoll tells when there is.
                if !moved { budget = 0 }
            }
            if start(client, now: now) { moved = true }
            if write(client, now: now) { moved = true }
        }
        settle(client, now: now)
    }

    /// Bytes read, 0 when there are none now or no more to come.
    private func read(_ client: ServedClient, now: Double) -> Int {
        while true {
            // Safety: `scratch` is allocated for the life of the loop and used by its thread alone.
            let count = Foundation.read(client.descriptor, scratch.baseAddress, scratch.count)
            if count > 0 {
                client.connection.receive(UnsafeRawBufferPointer(rebasing: scratch[..<count]), now: now)
                return count
            }
            if count == 0 {
                client.connection.receiveEnd(now: now)
            } else if errno == EINTR {
                continue
            } else if errno != EAGAIN {
                markGone(client)
                client.connection.receiveEnd(now: now)
            }
            return 0
        }
    }

    /// True when a reply was made at once.
    private func start(_ client: ServedClient, now: Double) -> Bool {
        var replied = false
        // What was answered late is still somewhere in a queue, and counts until a thread has seen it.
        while client.underWay.count < client.connection.limits.pendingRequestCount,
            let work = client.connection.nextWork(now: now)
        {
            let key = client.key
            let mailbox = mailbox
            switch handler.route(work.request, mayWrite: client.mayWrite) {
            case .reply(let reply):
                if reply.code == .denied { configuration.auditLog?.note(work.request.head, client.peer, .denied) }
                client.connection.complete(ticket: work.ticket, reply, now: now)
                replied = true
            case .read where client.isGone:
                // Nobody is there to read the answer.
                client.connection.complete(ticket: work.ticket, Reply(bytes: [], closes: false), now: now)
                replied = true
            case .read:
                let errand = Errand(work.request)
                let isDirect = client.connection.mayAnswerDirectly(work.ticket)
                let task = ReadingTask(
                    errand: errand, client: key, ticket: work.ticket, peer: client.peer, deadline: work.deadline,
                    handler: handler, pool: pool, mailbox: mailbox, socket: isDirect ? client.socket : nil,
                    waitsForWriter: work.request.verb == .changes)
                if task.submit(handler.lane(of: work.request)) {
                    client.underWay[work.ticket] = errand
                    client.direct = isDirect ? work.ticket : nil
                } else {
                    let reply = Reply.error(.busy, RequestHandler.laneIsTaken, tag: work.request.tag)
                    client.connection.complete(ticket: work.ticket, reply, now: now)
                    replied = true
                }
            case .write:
                let (errand, ticket, deadline) = (Errand(work.request), work.ticket, work.deadline)
                client.underWay[ticket] = errand
                let isCancelled: @Sendable () -> Bool = {
                    errand.isTaken || deadline.map { $0 <= monotonicSeconds() } ?? false
                }
                let handler = handler
                let submitted = monotonicSeconds()
                let (head, peer, audit) = (work.request.head, client.peer, configuration.auditLog)
                _ = writer.submit(handler.change(work.request, errand), isCancelled: isCancelled) { outcome in
                    let reply = RequestHandler.reply(to: head, outcome: outcome)
                    handler.metrics.note(head.verb, seconds: monotonicSeconds() - submitted)
                    audit?.note(head, peer, reply.code)
                    mailbox.post(.init(client: key, ticket: ticket, reply: reply))
                }
            }
        }
        return replied
    }

    /// True when something was written.
    private func write(_ client: ServedClient, now: Double) -> Bool {
        guard client.connection.pendingOutputByteCount > 0 else { return false }
        if client.isGone {
            client.connection.writeOutput(now: now) { $0.count }
            return true
        }
        var wrote = false
        var isBroken = false
        client.connection.writeOutput(now: now) { bytes in
            // Safety: the connection keeps `bytes` alive for this call; send only reads them.
            let count = hilum_send(client.descriptor, bytes.baseAddress, bytes.count)
            if count < 0 && errno != EAGAIN && errno != EINTR { isBroken = true }
            wrote = count > 0
            return max(0, count)
        }
        if isBroken { markGone(client) }
        return wrote
    }

    /// Accounts for memory, ends what is finished and tells epoll what the client waits for.
    private func settle(_ client: ServedClient, now: Double) {
        if client.connection.nextRequestDeadline != nil { hurried.insert(client.key) }
        for code in client.connection.takeRefusedCodes() {
            refusals.note(code, client)
            handler.metrics.refuse(code)
        }
        let held = client.connection.heldByteCount
        heldByteCount += held - client.heldByteCount
        client.heldByteCount = held
        let share = configuration.heldByteCount / (2 * max(1, clients.count))
        if heldByteCount > configuration.heldByteCount && held > min(Self.smallHeldByteCount, share) {
            client.connection.close(.busy, "the daemon holds too many requests in memory; try again later", now: now)
        }
        if client.connection.isFinished { return remove(client) }
        if let ticket = client.direct, isDraining || !client.connection.waitsForOneReply { call(for: client, ticket) }
        if client.isGone { return }
        if client.connection.isOutputOver && !client.isShutDown {
            client.isShutDown = true
            shutdown(client.descriptor, Int32(SHUT_WR))
        }
        var interest: UInt32 = client.connection.wantsInput && !isDraining ? HILUM_READABLE : 0
        if client.connection.pendingOutputByteCount > 0 { interest |= HILUM_WRITABLE }
        if interest != client.interest {
            client.interest = interest
            _ = hilum_epoll_change(epoll, client.descriptor, interest, client.key)
        }
    }

    /// Wants to be woken by the letter about a reply that goes out by itself.
    private func call(for client: ServedClient, _ ticket: Int) {
        client.direct = nil
        // It is there already.
        if mailbox.call(for: client.key, ticket) { hilum_eventfd_raise(wake) }
    }

    func tick(_ client: ServedClient, now: Double) {
        client.connection.tick(now: now)
        for (ticket, errand) in client.underWay where !client.connection.isPending(ticket) { errand.cancel() }
        serve(client, mayRead: false, now: now)
        if client.connection.nextRequestDeadline == nil { hurried.remove(client.key) }
    }

    private func sweep(now: Double) {
        for client in Array(clients.values) { tick(client, now: now) }
        refusals.flush()
    }

    func remove(_ client: ServedClient) {
        if clients.removeValue(forKey: client.key) == nil { return }
        for errand in client.underWay.values { errand.cancel() }
        heldByteCount -= client.heldByteCount
        hurried.remove(client.key)
        mailbox.forget(client.key)
        client.socket.close()
        if acceptAgain != nil { resumeAccepting() }
    }

    /// No new clients and no new requests; those that came are finished.
    private func beginDrain(now: Double) {
        _ = hilum_epoll_remove(epoll, listener)
        isListening = false
        acceptAgain = nil
        for client in Array(clients.values) { serve(client, mayRead: false, now: now) }
    }
}
