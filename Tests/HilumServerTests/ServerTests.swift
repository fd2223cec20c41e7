import Foundation
import HilumArchive
import HilumCore
import Synchronization
import Testing

@testable import HilumServer

@Suite struct ServerTests {
    @Test func aClientIsAnswered() throws {
        let running = try RunningServer()
        let client = try running.client()
        #expect(try client.request("PING").status == Client.Status(line: "OK PONG"))
        let reply = try client.request("@s SEARCH text=\"effusion\" k=2")
        #expect(reply.objects.count == 2)
        #expect(reply.status.tag == "s" && reply.status.fields["hits"] == "2")
        #expect(try client.request("QUIT").status.text == "BYE")
        #expect(try client.nextLine() == nil)
        running.stop()
        #expect(running.error == nil)
        #expect(running.archive.state.withLock { $0.isClosed })
        #expect(access(running.socketPath, F_OK) != 0)
        #expect(access(running.socketPath + ".lock", F_OK) != 0)
    }

    @Test func theSocketBelongsToUserAndGroup() throws {
        let running = try RunningServer()
        var status = stat()
        #expect(lstat(running.socketPath, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o660)
        running.stop()
    }

    @Test func faultyClientsGetTheirLineAndOthersGoOn() throws {
        let running = try RunningServer()
        let witness = try running.client()
        let halfWay = try running.client()
        try halfWay.send(raw: Array("SEARCH text=\"half".utf8))
        let malformed = try running.client()
        #expect(try malformed.request("SEARCH k=").status.code == .badRequest)
        #expect(try malformed.request("NOSUCH").status.code == .unknown)
        try malformed.send(raw: Array("PING ".utf8) + [0xFF, 0xFE, 10])
        #expect(try malformed.readReply { _ in }.code == .badRequest)
        #expect(try malformed.request("PING").status.isOK)
        let long = try running.client()
        try long.send(raw: [UInt8](repeating: 65, count: 1 << 20) + [10])
        #expect(try long.readReply { _ in }.code == .limit)
        #expect(try long.nextLine() == nil)
        let literal = try running.client()
        try literal.send(raw: Array("PUT id=a bytes=99999999\n".utf8))
        #expect(try literal.readReply { _ in }.code == .limit)
        #expect(try literal.nextLine() == nil)
        #expect(try witness.request("PING").status.isOK)
        // The one that stopped half-way hears so when it ends.
        halfWay.finishSending()
        #expect(try halfWay.readReply { _ in }.code == .badRequest)
        #expect(try halfWay.nextLine() == nil)
        running.stop()
    }

    @Test func aPipelinedAndHalfClosedStreamIsAnsweredInFull() throws {
        let running = try RunningServer()
        let client = try running.client()
        var text = ""
        for number in 0..<300 { text += "@\(number) \(number % 3 == 0 ? "PUT id=n\(number) report=x" : "COUNT")\n" }
        try client.send(raw: Array(text.utf8))
        client.finishSending()
        for number in 0..<300 {
            let status = try client.readReply { _ in }
            #expect(status.tag == "\(number)" && status.isOK)
            if number % 3 == 1 { #expect(status.text == "count=\(5 + number / 3 + 1)") }
        }
        #expect(try client.nextLine() == nil)
        running.stop()
    }

    @Test func searchesOfTwoConnectionsRunAtOnceAndPingIsNotDelayed() throws {
        let running = try RunningServer { $0.workerCount = 3 }
        let first = try running.client()
        let second = try running.client()
        let third = try running.client()
        try first.send("SEARCH text=wait")
        try second.send("SEARCH text=wait")
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 2 })
        #expect(try third.request("PING").status.isOK)
        #expect(try third.request("SEARCH text=a k=1").objects.count == 1)
        running.archive.gate.raise()
        #expect(try first.readReply { _ in }.isOK)
        #expect(try second.readReply { _ in }.isOK)
        running.stop()
    }

    @Test func aDeadlinePassesWhileTheSearchRuns() throws {
        let running = try RunningServer()
        let client = try running.client()
        let reply = try client.request("SEARCH text=wait deadline_ms=30")
        #expect(reply.status.code == .deadline)
        running.archive.gate.raise()
        #expect(try client.request("PING").status.isOK)
        running.stop()
    }

    /// The archive looks at it within its loops.
    @Test func theArchiveIsToldHowLongASearchMayTake() throws {
        let running = try RunningServer()
        let client = try running.client()
        for (line, seconds) in [("SEARCH text=a", nil), ("SEARCH text=a deadline_ms=5000", 5.0)] as [(String, Double?)]
        {
            let began = monotonicSeconds()
            #expect(try client.request(line).status.isOK)
            let deadline = running.archive.state.withLock { $0.searches.last?.deadline }
            #expect((deadline == nil) == (seconds == nil))
            if let deadline, let seconds { #expect((began...monotonicSeconds()).contains(deadline - seconds)) }
        }
        running.stop()
    }

    @Test func theArchiveIsToldHowLongACountMayTake() throws {
        let running = try RunningServer()
        let client = try running.client()
        for line in ["COUNT", "FACET by=view"] {
            _ = try client.request(line)
            #expect(running.archive.state.withLock { $0.countDeadlines.last } == .some(nil))
            let began = monotonicSeconds()
            _ = try client.request("\(line) deadline_ms=5000")
            let deadline = try #require(running.archive.state.withLock { $0.countDeadlines.last } ?? nil)
            #expect((began...monotonicSeconds()).contains(deadline - 5))
        }
        running.stop()
    }

    @Test func aRequestThatWaitsBehindAnotherHasItsDeadlineToo() throws {
        let running = try RunningServer()
        let client = try running.client()
        try client.send(raw: Array("SEARCH text=wait\n@late COUNT deadline_ms=20\n".utf8))
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        let other = try running.client()
        #expect(try other.request("SEARCH text=wait deadline_ms=60").status.code == .deadline)
        running.archive.gate.raise()
        #expect(try client.readReply { _ in }.isOK)
        #expect(try client.readReply { _ in }.code == .deadline)
        running.stop()
    }

    /// Each of them would otherwise stay in the queue with its octets until a search is over.
    @Test func whatIsLateDoesNotPileUpBehindALongSearch() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let blocking = try [running.client(), running.client()]
        for client in blocking { try client.send("SEARCH text=wait") }
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 2 })
        let hasty = try running.client()
        let octets = [UInt8](repeating: 0x89, count: 64 << 10)
        for _ in 0..<200 {
            #expect(try hasty.request("SEARCH deadline_ms=1", literal: octets).status.code == .deadline)
        }
        running.archive.gate.raise()
        for client in blocking { #expect(try client.readReply { _ in }.isOK) }
        let metrics = try hasty.request("METRICS").objects.joined()
        let count = try #require(metrics.firstMatch(of: /hilum_requests_total\{verb=\\"SEARCH\\"\} (\d+)/)?.1)
        #expect(Int(count).map { (2...66).contains($0) } == true, "\(count) were handed to the workers")
        #expect(try hasty.request("SEARCH text=a k=1").objects.count == 1)
        running.stop()
    }

    @Test func requestsOfAClientThatWentAwayAreNotSearchedFor() throws {
        let running = try RunningServer()
        do {
            let client = try running.client()
            try client.send(raw: Array(("SEARCH text=wait\n" + String(repeating: "SEARCH text=a\n", count: 500)).utf8))
            try client.send(raw: Array("PUT id=last report=x\n".utf8))
            #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        }
        running.archive.gate.raise()
        // Changes that were sent are still made; nobody waits for the searches.
        #expect(eventually { running.archive.get(id: "last") != nil })
        #expect(running.archive.state.withLock { $0.searches.count } < 500)
        running.stop()
    }

    @Test func aClientThatDoesNotReadDelaysNobody() throws {
        let running = try RunningServer(archive: FakeArchive(caseCount: 2000))
        let silent = try running.client()
        try silent.send(raw: Array(String(repeating: "SEARCH text=a k=2000\n", count: 200).utf8))
        let other = try running.client()
        for _ in 0..<50 { #expect(try other.request("SEARCH text=a k=1").status.isOK) }
        // It gets all of it when it reads in the end.
        var hits = 0
        for _ in 0..<200 { #expect(try silent.readReply { _ in hits += 1 }.isOK) }
        #expect(hits == 200 * 2000)
        running.stop()
    }

    @Test func putsOfManyClientsShareCommits() throws {
        let running = try RunningServer()
        let blocker = try running.client()
        try blocker.send("PUT id=wait0 report=x")
        let clients = try (0..<40).map { _ in try running.client() }
        for (number, client) in clients.enumerated() { try client.send("PUT id=c\(number) report=x") }
        running.archive.gate.raise()
        #expect(try blocker.readReply { _ in }.isOK)
        for client in clients { #expect(try client.readReply { _ in }.isOK) }
        let batches = running.archive.state.withLock { $0.batches }
        #expect(batches.reduce(0, +) == 41)
        #expect(batches.count < 41, "\(batches)")
        #expect(batches.allSatisfy { $0 <= 64 })
        running.stop()
    }

    @Test func whatIsPendingIsAnsweredWhenTheDaemonStops() throws {
        let running = try RunningServer()
        let client = try running.client()
        try client.send("SEARCH text=wait k=2")
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        running.server.stop()
        running.archive.gate.raise()
        #expect(try client.readReply { _ in }.isOK)
        running.stop()
        #expect(running.error == nil)
    }

    @Test func aSearchThatDoesNotEndIsNotWaitedForLongerThanAllowed() throws {
        let running = try RunningServer { $0.drainInSeconds = 0.05 }
        let client = try running.client()
        try client.send("SEARCH text=wait k=2")
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        running.server.stop()
        #expect(try client.nextLine() == nil)
        running.archive.gate.raise()
        running.stop()
    }

    @Test func thousandsOfClientsAreServedAndOneTooManyIsToldSo() throws {
        let running = try RunningServer { $0.clientCount = 300 }
        var clients: [Client] = []
        for _ in 0..<300 { clients.append(try running.client()) }
        for client in clients { try client.send("PING") }
        for client in clients { #expect(try client.readReply { _ in }.isOK) }
        let extra = try running.client()
        #expect(try extra.readReply { _ in }.code == .busy)
        #expect(try extra.nextLine() == nil)
        clients.removeFirst(10)
        #expect(try eventually { try running.client().request("PING").status.isOK })
        running.stop()
    }

    @Test func randomClientsDoNotBringTheDaemonDown() throws {
        let running = try RunningServer()
        var generator = SeededGenerator(seed: 21)
        for _ in 0..<150 {
            let client = try running.client()
            try client.send(raw: mutatedStream(&generator))
            if generator.chance(0.5) { continue }
            client.finishSending()
            while try client.nextLine() != nil {}
        }
        #expect(try running.client().request("PING").status.isOK)
        running.stop()
        #expect(running.error == nil)
    }

    @Test("Large pictures hold up each other, and no other search")
    func largePictures() throws {
        let running = try RunningServer { $0.workerCount = 2 }
        let others = try (0..<4).map { _ in try running.client() }
        for client in others { try client.send("SEARCH k=1", literal: makeHeaderOfPicture(width: 9000, height: 9000)) }
        #expect(eventually { running.archive.state.withLock { $0.runningSearches } == 1 })
        let client = try running.client()
        for _ in 0..<20 { #expect(try client.request("SEARCH text=effusion k=1").status.isOK) }
        #expect(try client.request("SEARCH k=1", literal: makeHeaderOfPicture(width: 2000, height: 2500)).status.isOK)
        #expect(running.archive.state.withLock { $0.runningSearches } == 1, "one of four is under way")
        running.archive.gate.raise()
        for client in others { #expect(try client.readReply { _ in }.isOK) }
        running.stop()
    }
}

@Suite struct ListeningSocketTests {
    private func failure(_ path: String) -> ServerError.Code? {
        do {
            let socket = try ListeningSocket(path: path)
            socket.close()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func aSecondDaemonIsRefusedAndTheFirstGoesOn() throws {
        let running = try RunningServer()
        #expect(failure(running.socketPath) == .inUse(holder: getpid()))
        #expect(try running.client().request("PING").status.isOK)
        running.stop()
        #expect(failure(running.socketPath) == nil)
    }

    @Test func aStaleSocketIsReplacedAndALivingOneIsNot() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/s"
        // A socket that is bound and closed without being removed, as a killed daemon leaves it.
        let other = try ListeningSocket(path: folder.path + "/t")
        #expect(rename(folder.path + "/t", path) == 0)
        #expect(failure(path) == .inUse(holder: nil))
        #expect(access(path, F_OK) == 0)
        other.close()
        #expect(access(path, F_OK) == 0)
        #expect(failure(path) == nil)
        #expect(access(path, F_OK) != 0)
    }

    @Test func whatIsNotASocketIsLeftAlone() throws {
        let folder = try TemporaryFolder()
        try folder.write("file", "precious")
        try folder.write("folder/x", "")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: folder.path + "/file")
        for name in ["file", "folder", "link"] {
            #expect(failure("\(folder.path)/\(name)") == .notASocket)
            #expect(access("\(folder.path)/\(name)", F_OK) == 0)
        }
        #expect(try String(contentsOfFile: folder.path + "/file", encoding: .utf8) == "precious")
        #expect(access(folder.path + "/file.lock", F_OK) != 0)
    }

    @Test func aPathThatIsTooLongIsRefusedInWords() throws {
        let folder = try TemporaryFolder()
        let fits = folder.path + "/" + String(repeating: "s", count: 107 - folder.path.utf8.count - 1)
        #expect(failure(fits) == nil)
        #expect(failure(fits + "s") == .pathTooLong(limitInBytes: 107))
        #expect(failure("") != nil)
    }

    @Test func theFolderOfTheSocketIsMadePrivate() throws {
        let folder = try TemporaryFolder()
        let socket = try ListeningSocket(path: folder.path + "/run/s")
        var status = stat()
        #expect(stat(folder.path + "/run", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        socket.close()
    }

    @Test func aClientWithoutADaemonSaysSo() throws {
        let folder = try TemporaryFolder()
        #expect(throws: ServerError.self) { try Client(socketPath: folder.path + "/none") }
        do { _ = try Client(socketPath: folder.path + "/none") } catch { #expect(error.code == .unreachable) }
        try folder.write("file", "")
        do { _ = try Client(socketPath: folder.path + "/file") } catch { #expect(error.code == .unreachable) }
    }

    /// A descriptor that is closed twice takes with it whatever was opened under its number in between.
    @Test func clientsThatFindNoDaemonCloseNothingOfOthers() throws {
        let folder = try TemporaryFolder()
        let isDone = AtomicFlag()
        let thread = WorkerThread("clients without a daemon") {
            for _ in 0..<20_000 { _ = try? Client(socketPath: folder.path + "/none") }
            isDone.raise()
        }
        var lost = 0
        while !isDone.isRaised {
            let descriptors = (0..<20).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
            lost += descriptors.count { $0 >= 0 && close($0) != 0 }
        }
        thread.join()
        #expect(lost == 0)
    }
}

@Suite struct WriterQueueTests {
    @Test func oneBadCaseDoesNotTakeItsNeighboursWithIt() throws {
        let archive = FakeArchive()
        archive.state.withLock { $0.isPutBroken = true }
        let writer = WriterQueue(archive: archive)
        let outcomes = Mutex<[Int: String]>([:])
        for number in 0..<20 {
            let isQueued = writer.submit(.put { CaseInput(id: "c\(number)", report: "x") }) { outcome in
                outcomes.withLock { $0[number] = "\(outcome)" }
            }
            #expect(isQueued)
        }
        writer.start()
        writer.stop()
        #expect(outcomes.withLock { $0.count } == 20)
        #expect(archive.count(Filter(), until: nil) == 20)
    }

    /// A search that ends after the loop has been released must not write into whatever has the number of its eventfd by then.
    @Test func aReplyThatComesAfterTheLoopHasGoneWakesNobodyElse() throws {
        let folder = try TemporaryFolder()
        let archive = FakeArchive()
        let handler = RequestHandler(archive: archive, configuration: ServerConfiguration(), roots: ImageRoots())
        let pool = WorkerPool(threadCount: 1)
        var stop: [Int32] = [-1, -1]
        #expect(pipe(&stop) == 0)
        defer { for end in stop { close(end) } }
        let listener = try ListeningSocket(path: folder.path + "/s")
        weak var loop: EventLoop?
        let mailbox: EventLoop.Mailbox
        do {
            let made = try EventLoop(
                listener: listener.descriptor, stop: stop[0], handler: handler, pool: pool,
                writer: WriterQueue(archive: archive))
            loop = made
            mailbox = made.mailbox
        }
        #expect(loop == nil)
        let target = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(mailbox.wake)")
        #expect(target.contains("eventfd"))
        mailbox.post(.init(client: 3, ticket: 1, reply: Reply(bytes: [], closes: false)))
        #expect(mailbox.takeAll().count == 1)
        pool.stop()
        listener.close()
    }

    @Test func idleTimeIsUsedOnlyWhileNoRequestRuns() throws {
        let archive = FakeArchive()
        for _ in 0..<3 { _ = try archive.search(SearchRequest(.text("a"))) }
        let isFree = AtomicFlag()
        let looks = AtomicCounter()
        var limits = WriterQueue.Limits()
        limits.idlePauseInSeconds = 0.001
        limits.idleLookInSeconds = 0.001
        let writer = WriterQueue(archive: archive, limits: limits) {
            looks.increment()
            return isFree.isRaised
        }
        writer.start()
        defer { writer.stop() }
        #expect(eventually { looks.current > 5 })
        #expect(archive.state.withLock { $0.idleCount } == 0)
        isFree.raise()
        #expect(eventually { archive.state.withLock { $0.idleCount } == 3 })
        let seen = looks.current
        // A change is done as ever, and idle time goes on after it.
        let isStored = AtomicFlag()
        #expect(writer.submit(.put { CaseInput(id: "a", report: "x") }) { _ in isStored.raise() })
        #expect(eventually { isStored.isRaised && looks.current > seen + 3 })
        _ = try archive.search(SearchRequest(.text("a")))
        #expect(eventually { archive.state.withLock { $0.idleCount } == 4 })
    }

    @Test("Requests that never end keep idle work down to a piece now and then, and do not end it")
    func idleWorkUnderLoad() throws {
        let archive = FakeArchive()
        for _ in 0..<3 { _ = try archive.search(SearchRequest(.text("a"))) }
        var limits = WriterQueue.Limits()
        limits.idlePauseInSeconds = 0.001
        limits.idleLookInSeconds = 0.001
        limits.busyPauseInSeconds = 0.25
        let start = monotonicSeconds()
        let writer = WriterQueue(archive: archive, limits: limits) { false }
        writer.start()
        defer { writer.stop() }
        #expect(eventually { archive.state.withLock { $0.idleCount } == 3 })
        // Each piece came after a pause of its own.
        #expect(monotonicSeconds() - start >= 3 * 0.25)
    }

    @Test func changesOfOneCaseKeepTheirOrder() throws {
        let archive = FakeArchive()
        let writer = WriterQueue(archive: archive)
        for number in 0..<10 { #expect(writer.submit(.put { CaseInput(id: "a", report: "\(number)") }) { _ in }) }
        #expect(writer.submit(.delete(id: "a", forgets: false)) { _ in })
        #expect(writer.submit(.put { CaseInput(id: "a", report: "last") }) { _ in })
        #expect(writer.submit(.put { CaseInput(id: "b", report: "given up") }, isCancelled: { true }) { _ in })
        writer.start()
        writer.stop()
        #expect(archive.get(id: "a")?.report == "last")
        #expect(archive.get(id: "b") == nil)
        #expect(!writer.submit(.delete(id: "a", forgets: false)) { _ in })
    }
}
