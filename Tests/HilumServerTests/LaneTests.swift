import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import Synchronization
import Testing

@testable import HilumServer

@Suite("What takes long keeps nobody waiting who asks for little")
struct LaneTests {
    private static let large = makeHeaderOfPicture(width: 9000, height: 9000)
    private static let small = makeHeaderOfPicture(width: 2000, height: 2500)

    /// Requests that stand still in the archive, as those of real archives take seconds.
    private static let slow: [(line: String, literal: [UInt8]?)] = [
        ("SEARCH text=wait", nil), ("EXPLAIN SEARCH text=wait", nil), ("SEARCH k=1", large),
        ("EXPLAIN id=case1 text=wait", nil), ("SNAPSHOT to=/wait", nil), ("REEMBED switch", nil),
        ("PUT id=wait-1 report=x", nil),
    ]

    @Test("COUNT and GET are answered within 50 ms beside all of them at once, three of each")
    func lightOnes() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        var clients: [Client] = []
        for (line, literal) in Self.slow {
            for _ in 0..<3 {
                let client = try running.client()
                try client.send(line, literal: literal)
                clients.append(client)
            }
        }
        let archive = running.archive
        // Two workers, the long one, the snapshot and the writer are taken.
        #expect(eventually { archive.state.withLock { $0.runningSearches + $0.waitingCount } >= 4 })
        let client = try running.client()
        for line in ["COUNT", "GET id=case1", "FACET by=view", "STATS", "METRICS", "HELLO", "REEMBED status"] {
            var best = Double.infinity
            for _ in 0..<10 {
                let began = monotonicSeconds()
                #expect(try client.request(line).status.isOK)
                best = min(best, monotonicSeconds() - began)
            }
            // The best of ten: this machine may be busy with other tests.
            #expect(best < 0.05, "\(line): \(best) s")
        }
        #expect(archive.state.withLock { $0.runningSearches + $0.waitingCount } >= 4, "they were all under way")
        archive.gate.raise()
        for client in clients { _ = try client.readReply { _ in } }
        running.stop()
    }

    @Test("Changes make room for requests as soon as these keep all workers, and not for one alone")
    func crowd() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let archive = running.archive
        let writer = try running.client()
        func start() throws -> Client {
            let client = try running.client()
            try client.send("SEARCH text=wait")
            return client
        }
        // One after the other are no crowd either, however quickly they come.
        let quick = try running.client()
        for _ in 0..<200 {
            #expect(try quick.request("SEARCH text=effusion k=1").status.isOK)
            #expect(try quick.request("PUT id=a report=x").status.isOK)
            #expect(!archive.state.withLock { $0.wasCrowded })
        }
        var clients = [try start()]
        #expect(eventually { archive.state.withLock { $0.runningSearches } == 1 })
        #expect(try writer.request("PUT id=a report=x").status.isOK)
        #expect(!archive.state.withLock { $0.wasCrowded })
        clients.append(try start())
        #expect(eventually { archive.state.withLock { $0.runningSearches } == 2 })
        #expect(try writer.request("PUT id=b report=x").status.isOK)
        #expect(archive.state.withLock { $0.wasCrowded })
        archive.gate.raise()
        for client in clients { _ = try client.readReply { _ in } }
        // Nobody asks any more; a moment later that is known.
        #expect(
            eventually {
                _ = try? writer.request("PUT id=c report=x")
                return !archive.state.withLock { $0.wasCrowded }
            })
        running.stop()
    }

    @Test("Copies that ask what is new are no crowd: the writer would rest for those who wait for it")
    func copiesAreNoCrowd() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let archive = running.archive
        let writer = try running.client()
        var clients: [Client] = []
        for _ in 0..<2 {
            let client = try running.client()
            try client.send("CHANGES")
            clients.append(client)
        }
        #expect(eventually { archive.state.withLock { $0.waitingCount } == 2 })
        for _ in 0..<20 {
            #expect(try writer.request("PUT id=a report=x").status.isOK)
            #expect(!archive.state.withLock { $0.wasCrowded })
        }
        archive.gate.raise()
        for client in clients { #expect(try client.readReply { _ in }.isOK == false) }
        running.stop()
    }

    @Test("A crowd is remembered for a moment, and ends however requests come and go")
    func crowdAlone() {
        let time = Mutex(100.0)
        let crowd = Crowd(size: 1) { time.withLock { $0 } }
        for _ in 0..<3 {
            #expect(!crowd.isThere)
            crowd.enter()
            #expect(!crowd.isThere, "one is no crowd")
            crowd.enter()
            #expect(crowd.isThere)
            time.withLock { $0 += 10 }
            #expect(crowd.isThere)
            crowd.leave()
            #expect(crowd.isThere)
            time.withLock { $0 += 0.01 }
            #expect(crowd.isThere)
            time.withLock { $0 += 0.02 }
            #expect(!crowd.isThere)
            crowd.leave()
        }
    }

    @Test("EXPLAIN and large pictures wait for each other, whether they are sent or stored; searches go on")
    func longOnes() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let archive = running.archive
        var clients: [Client] = []
        func start(_ line: String, _ literal: [UInt8]? = nil) throws {
            clients.append(try running.client())
            try clients[clients.count - 1].send(line, literal: literal)
        }
        for _ in 0..<3 { try start("EXPLAIN id=case1 text=wait") }
        #expect(eventually { archive.state.withLock { $0.waitingCount } == 1 })
        // What is large is known once its bytes are read.
        for _ in 0..<3 {
            try start("PICTURE id=large")
            try start("SEARCH k=1", Self.large)
        }
        let client = try running.client()
        for _ in 0..<10 {
            #expect(try client.request("SEARCH text=effusion k=1").status.isOK)
            #expect(try client.request("SEARCH k=1", literal: Self.small).status.isOK)
            #expect(try client.request("PICTURE id=case1").status.isOK, "thumbnails of small pictures do not wait")
        }
        #expect(archive.state.withLock { $0.waitingCount } == 1 && archive.state.withLock { $0.runningSearches } == 0)
        archive.gate.raise()
        for (place, client) in clients.enumerated() {
            let status = try client.readReply { _ in }
            // The large picture of the case is no picture behind its header.
            #expect(place < 3 || place % 2 == 0 ? status.isOK : status.code == .badImage, "\(place): \(status)")
        }
        running.stop()
    }

    @Test("A second SNAPSHOT is told at once that one is being made")
    func snapshots() throws {
        let running = try RunningServer { $0.workerCount = 1 }
        let first = try running.client()
        try first.send("SNAPSHOT to=/wait")
        #expect(eventually { running.archive.state.withLock { $0.waitingCount } == 1 })
        let second = try running.client()
        let status = try second.request("SNAPSHOT to=/wait").status
        #expect(status.code == .busy && status.text.contains("a snapshot is being made"))
        #expect(try second.request("SEARCH text=a k=1").status.isOK, "no worker is taken")
        running.archive.gate.raise()
        #expect(try first.readReply { _ in }.code == .exists)
        #expect(try eventually { try second.request("SNAPSHOT to=/there").status.code == .exists })
        running.stop()
    }

    @Test("What waits for the long lane and is not waited for any more is not carried out")
    func cancelled() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let first = try running.client()
        try first.send("SEARCH k=1", literal: Self.large)
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        let hasty = try running.client()
        for _ in 0..<5 {
            let status = try hasty.request("SEARCH k=1 deadline_ms=30", literal: Self.large).status
            #expect(status.code == .deadline)
        }
        running.archive.gate.raise()
        #expect(try first.readReply { _ in }.isOK)
        #expect(try hasty.request("PICTURE id=large").status.code == .badImage, "the lane goes on")
        #expect(running.archive.state.withLock { $0.searches.count } == 1)
        running.stop()
    }

    @Test("Users take turns, and the processes of a user; what a process asked for keeps its order")
    func turns() {
        var queue = TurnQueue<String>()
        func add(_ name: String, _ user: UInt32, _ process: Int32) {
            queue.append(name, of: Peer(process: process, user: user, group: 0))
        }
        func takeAll() -> [String] {
            var names: [String] = []
            while let name = queue.take() { names.append(name) }
            return names
        }
        for number in 0..<4 { add("a\(number)", 1, 10) }
        #expect(queue.take() == "a0")
        add("b0", 2, 20)
        add("c0", 1, 11)
        add("b1", 2, 20)
        add("b2", 2, 21)
        #expect(takeAll() == ["b0", "c0", "b2", "a1", "b1", "a2", "a3"])
        #expect(queue.take() == nil)
    }

    @Test("Light and heavy tasks are taken in the order of their arrival, and all of them")
    func arrivals() {
        var queue = ArrivalQueue<Int>()
        var taken: [Int] = []
        for number in 0..<2000 {
            queue.append(number, number: number)
            if number % 3 == 0, let next = queue.take() { taken.append(next) }
        }
        #expect(queue.firstNumber == taken.count)
        while let next = queue.take() { taken.append(next) }
        #expect(taken == Array(0..<2000) && queue.firstNumber == nil)
    }
}
