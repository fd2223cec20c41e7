import HilumCore

/// A reading request on its way through the worker threads, and its reply on the way back to the event loop.
///
/// ```
/// lane by its verb ─→ take ─→ read ─┬─ reply ─────────────────────────────────→ socket, mailbox
///                                   └─ what it brings or names takes long ─→ long lane ─→ take ─→ read ─→ reply
/// ```
/// Thread rule: any thread.
struct ReadingTask: Sendable {
    let errand: Errand
    let client: UInt64
    let ticket: Int
    let peer: Peer
    /// In the seconds of the monotonic clock.
    let deadline: Double?
    let handler: RequestHandler
    let pool: WorkerPool
    let mailbox: EventLoop.Mailbox
    /// Where the reply goes by itself; nil where it goes with the letter.
    let socket: ClientSocket?
    /// A copy that asks what is new waits for the writer: it is nobody for whom the writer should make room.
    let waitsForWriter: Bool

    /// Lets a thread carry it out; false when the lane takes nothing.
    func submit(_ lane: WorkerPool.Lane) -> Bool {
        enterCrowd(lane)
        let isTaken = pool.submit(lane, for: peer) { run(in: lane) }
        if !isTaken { leaveCrowd(lane) }
        return isTaken
    }

    /// What takes long is no part of a crowd: its client knows that it waits.
    private func isOfCrowd(_ lane: WorkerPool.Lane) -> Bool { !waitsForWriter && (lane == .light || lane == .heavy) }

    private func enterCrowd(_ lane: WorkerPool.Lane) {
        if isOfCrowd(lane) { handler.crowd.enter() }
    }

    /// Called before a reply goes out: whoever has read it may ask again at once, and is still one.
    private func leaveCrowd(_ lane: WorkerPool.Lane) {
        if isOfCrowd(lane) { handler.crowd.leave() }
    }

    private func run(in lane: WorkerPool.Lane) {
        guard var request = errand.take() else {
            leaveCrowd(lane)
            return post(Reply(bytes: [], closes: false))
        }
        request.deadline = deadline
        if let deadline, deadline <= monotonicSeconds() {
            leaveCrowd(lane)
            return answer(request, Connection.late(request.tag, hadBegun: false))
        }
        let reading = handler.reading(request, in: lane)
        leaveCrowd(lane)
        switch reading {
        case .takesLong(let request):
            let isTaken = errand.giveBack(request) && submit(.long)
            if !isTaken { post(Reply(bytes: [], closes: false)) }
        case .reply(let reply):
            pool.release(lane)
            answer(request, reply)
        }
    }

    private func answer(_ request: Request, _ reply: Reply) {
        if handler.changesSomething(request) {
            handler.configuration.auditLog?.note(request.head, peer, reply.code)
        }
        post(reply.written(as: request.form))
    }

    private func post(_ reply: Reply) {
        var rest = reply
        var isSent = false
        if let socket, !reply.closes, !reply.bytes.isEmpty {
            let count = socket.send(reply.bytes)
            isSent = count == reply.bytes.count
            rest.bytes.removeFirst(count)
        }
        mailbox.post(.init(client: client, ticket: ticket, reply: rest), mayWait: isSent)
    }
}
