import Foundation
import HilumArchive
import HilumCore
import Synchronization
import Testing

@testable import HilumServer

@Suite("A thread that has a reply sends it, and the event loop hears of it later")
struct DirectReplyTests {
    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let began = monotonicSeconds()
        try body()
        return monotonicSeconds() - began
    }

    @Test("Replies that the socket takes only in part come whole, between others and in order")
    func large() throws {
        let archive = FakeArchive()
        for number in 0..<400 {
            let report = String(repeating: "word\(number) ", count: 300)
            _ = try archive.put([CaseInput(id: "case\(number)", report: report)], courtesy: .none)
        }
        let running = try RunningServer(archive: archive)
        let client = try running.client()
        for round in 0..<3 {
            // 800 kB, several times what a socket holds; what follows waits behind them.
            try client.send("@big SEARCH text=x k=400 with=report")
            if round > 0 {
                try client.send("@ping PING")
                try client.send("@few SEARCH text=x k=3")
                try client.send("@count COUNT")
            }
            usleep(30_000)
            var hits = 0
            var isWhole = true
            let status = try client.readReply { line in
                hits += 1
                isWhole = isWhole && line.hasSuffix("\"}") && line.contains("\"rank\":\(hits),")
            }
            #expect(status.tag == "big" && hits == 400 && isWhole)
            guard round > 0 else { continue }
            #expect(try client.readReply { _ in }.tag == "ping")
            #expect(try client.readReply { _ in }.tag == "few")
            #expect(try client.readReply { _ in }.text == "count=400")
        }
        running.stop()
        #expect(running.error == nil)
    }

    @Test("Requests of many clients are each answered once, one by one and several at once")
    func many() throws {
        let running = try RunningServer(archive: FakeArchive(caseCount: 40)) { $0.workerCount = 3 }
        let faults = AtomicCounter()
        DispatchQueue.concurrentPerform(iterations: 6) { number in
            var generator = SeededGenerator(seed: UInt64(number))
            do {
                let client = try running.client()
                for round in 0..<150 {
                    let count = generator.integer(below: 3) == 0 ? 1 + generator.integer(below: 5) : 1
                    let lines = (0..<count).map { place in
                        let asked = ["SEARCH text=a k=4", "COUNT view=PA", "PING", "FACET by=view", "nonsense"]
                        return "@\(round).\(place) \(asked[generator.integer(below: asked.count)])\n"
                    }
                    try client.send(raw: Array(lines.joined().utf8))
                    for place in 0..<count {
                        let status = try client.readReply { _ in }
                        let isRight = status.isOK != lines[place].contains("nonsense")
                        if status.tag != "\(round).\(place)" || !isRight { faults.increment() }
                    }
                }
            } catch { faults.increment() }
        }
        #expect(faults.current == 0)
        running.stop()
    }

    @Test("Who closes its half while a search runs is answered, and closed at once behind that")
    func halfClosed() throws {
        var best = Double.infinity
        for _ in 0..<5 {
            let running = try RunningServer()
            let client = try running.client()
            try client.send("SEARCH text=wait k=2")
            #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
            client.finishSending()
            usleep(20_000)
            running.archive.gate.raise()
            #expect(try client.readReply { _ in }.isOK)
            var last: String? = ""
            best = min(best, try Self.seconds { last = try client.nextLine() })
            #expect(last == nil)
            running.stop()
        }
        // The loop wakes up every second for clients by itself.
        #expect(best < 0.2)
    }

    @Test("The daemon stops at once after replies that woke nobody, and behind one that is still to come")
    func stops() throws {
        var (best, bestOfWaiting) = (Double.infinity, Double.infinity)
        for round in 0..<6 {
            let running = try RunningServer()
            let client = try running.client()
            #expect(try client.request("SEARCH text=a k=2").status.isOK)
            if round % 2 == 0 {
                best = min(best, Self.seconds { running.stop() })
                continue
            }
            try client.send("SEARCH text=wait k=2")
            #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
            running.server.stop()
            usleep(20_000)
            running.archive.gate.raise()
            #expect(try client.readReply { _ in }.isOK)
            bestOfWaiting = min(bestOfWaiting, Self.seconds { running.stop() })
        }
        #expect(best < 0.5 && bestOfWaiting < 0.5, "\(best) \(bestOfWaiting)")
    }

    @Test("A letter that may wait wakes the loop only if it was called for")
    func letters() {
        let mailbox = EventLoop.Mailbox()
        func isRaised() -> Bool {
            var ready = pollfd(fd: mailbox.wake, events: Int16(POLLIN), revents: 0)
            return poll(&ready, 1, 0) == 1
        }
        func clear() {
            var count: UInt64 = 0
            _ = read(mailbox.wake, &count, 8)
        }
        func post(_ client: UInt64, _ ticket: Int = 0, mayWait: Bool) {
            let reply = Reply(bytes: [], closes: false)
            mailbox.post(.init(client: client, ticket: ticket, reply: reply), mayWait: mayWait)
        }
        post(3, mayWait: true)
        #expect(!isRaised())
        #expect(mailbox.call(for: 3, 0) && !mailbox.call(for: 3, 1) && !mailbox.call(for: 4, 0))
        // Behind one that waits, too.
        post(5, mayWait: false)
        #expect(isRaised())
        clear()
        #expect(mailbox.takeAll().map(\.client) == [3, 5])
        post(3, mayWait: true)
        #expect(!isRaised(), "a late letter about another request is not the one that was called for")
        #expect(mailbox.takeAll().map(\.ticket) == [0])
        post(3, 1, mayWait: true)
        #expect(isRaised(), "which still is")
        clear()
        #expect(mailbox.takeAll().map(\.ticket) == [1])
        post(3, 1, mayWait: true)
        #expect(!isRaised(), "it was called for once")
        post(4, mayWait: true)
        #expect(isRaised())
        clear()
        post(6, mayWait: false)
        #expect(!isRaised(), "the loop was woken and has not looked yet")
        #expect(mailbox.takeAll().count == 3)
        #expect(!mailbox.call(for: 7, 0))
        mailbox.forget(7)
        post(7, mayWait: true)
        #expect(!isRaised())
    }

    @Test("What is written to a socket that was closed reaches nobody who has its number by then")
    func closed() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let socket = ClientSocket(ends[0])
        #expect(socket.send(Array("a".utf8)) == 1)
        socket.close()
        socket.close()
        #expect(socket.send(Array("b".utf8)) == 0)
        var bytes = [UInt8](repeating: 0, count: 8)
        #expect(read(ends[1], &bytes, 8) == 1 && bytes[0] == UInt8(ascii: "a"))
        #expect(read(ends[1], &bytes, 8) == 0, "the other end sees the end")
        close(ends[1])
    }

    @Test("No task is left behind, however they come and whoever wakes up")
    func pool() {
        let pool = WorkerPool(threadCount: 2)
        let done = AtomicCounter()
        let peer = Peer(process: 1, user: 1, group: 1)
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            var generator = SeededGenerator(seed: UInt64(number))
            for _ in 0..<3000 {
                let lane: WorkerPool.Lane = generator.integer(below: 2) == 0 ? .light : .heavy
                _ = pool.submit(lane, for: peer) { done.increment() }
                if generator.integer(below: 20) == 0 { usleep(UInt32(generator.integer(below: 100))) }
            }
        }
        #expect(eventually(within: 10) { done.current == 12_000 })
        // One by one, each while all wait.
        for count in 1...200 {
            _ = pool.submit(count % 2 == 0 ? .light : .heavy, for: peer) { done.increment() }
            #expect(eventually(within: 5) { done.current == 12_000 + count })
        }
        pool.stop()
    }
}
