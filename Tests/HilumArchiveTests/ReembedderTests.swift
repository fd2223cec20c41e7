import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// The background work: pace, pauses, following new cases.
@Suite struct ReembedderTests {
    /// Asks again and again until the condition holds; false when it does not within the time.
    private func eventually(within seconds: Double = 60, _ condition: () throws -> Bool) rethrows -> Bool {
        let end = monotonicSeconds() + seconds
        while monotonicSeconds() < end {
            if try condition() { return true }
            usleep(2000)
        }
        return false
    }

    /// Stores cases until the work has looked several times whether there is something to do.
    private func giveTurns(_ reembedder: Reembedder, _ archive: Archive, from number: Int) throws {
        for index in number..<(number + 3) {
            let turns = reembedder.turns.current
            try archive.put(makeInputs(index..<(index + 1)))
            #expect(eventually { reembedder.turns.current > turns })
        }
    }

    @Test func itMakesAGenerationAndFollowsNewCases() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<100)
        let reembedder = Reembedder(archive)
        reembedder.start()
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        #expect(try eventually { try archive.reembedStatus().state == .ready })
        try store(archive, 100..<120)
        #expect(try eventually { try archive.reembedStatus().done == 120 }, "new cases follow without an order")
        try archive.switchGeneration()
        try store(archive, 120..<130)
        #expect(try eventually { try archive.reembedStatus().done == 130 }, "the kept generation follows too")
        try archive.dropKeptGeneration()
        #expect(try eventually { try archive.reembedStatus().leaving.isEmpty })
        #expect(try archive.check(deep: true).findings == [])
        reembedder.stop()
        archive.close()
    }

    @Test func aPauseStopsTheWorkAndAResumeGoesOn() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<100)
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"))
        try archive.pauseReembedding(true)
        #expect(try archive.reembedStatus().state == .paused)
        let reembedder = Reembedder(archive)
        reembedder.start()
        try giveTurns(reembedder, archive, from: 100)
        #expect(try archive.reembedStatus().done == 0)
        try archive.pauseReembedding(false)
        #expect(try eventually { try archive.reembedStatus().state == .ready })
        reembedder.stop()
    }

    @Test func aPaceIsKept() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<100)
        let reembedder = Reembedder(archive)
        reembedder.start()
        let started = monotonicSeconds()
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"), pace: ReembedPace(casesPerSecond: 20))
        #expect(try eventually { try archive.reembedStatus().done >= 40 })
        let seconds = monotonicSeconds() - started
        #expect(seconds > 0.9, "40 cases at 20 a second took \(seconds) s")
        // New cases must not hurry it.
        #expect(try archive.reembedStatus().state == .building)
        try archive.setReembedding(pace: ReembedPace())
        #expect(try eventually { try archive.reembedStatus().state == .ready })
        reembedder.stop()
    }

    @Test func outsideOfItsHoursItWaits() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        var now = time(nil)
        var local = tm()
        localtime_r(&now, &local)
        let hour = (Int(local.tm_hour) + 6) % 24
        let hours = try #require(DailyHours(String(format: "%02d:00-%02d:30", hour, hour)))
        let reembedder = Reembedder(archive)
        reembedder.start()
        try archive.startReembedding(model: try FakeModel.write(scratch, "new"), pace: ReembedPace(hours: hours))
        #expect(try archive.reembedStatus().state == .waiting)
        try giveTurns(reembedder, archive, from: 20)
        #expect(try archive.reembedStatus().done == 0)
        try archive.setReembedding(pace: ReembedPace())
        #expect(try eventually { try archive.reembedStatus().state == .ready })
        reembedder.stop()
    }

    /// A thread that gets idle cores only may not end soon, and a daemon that stops does not wait for it.
    @Test func workThatIsNotWantedAnyMoreIsLeft() {
        let worker = LowPriorityWorker()
        let (isFree, isOver) = (AtomicFlag(), AtomicFlag())
        let began = monotonicSeconds()
        let result = worker.run(unless: { monotonicSeconds() > began + 0.2 }) {
            while !isFree.isRaised { usleep(1000) }
            isOver.raise()
            return 1
        }
        #expect(result == nil && !isOver.isRaised)
        isFree.raise()
        #expect(worker.run(unless: { false }) { 2 } == 2, "the next one has its turn after it")
        #expect(isOver.isRaised)
    }

    @Test func aDaemonThatStopsDoesNotWaitForTheModel() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<20)
        let isFree = AtomicFlag()
        let begun = AtomicFlag()
        let slow = FakeEmbedder(
            "new", dimension: 48,
            onImages: { _ in
                begun.raise()
                while !isFree.isRaised { usleep(1000) }
            })
        let reembedder = Reembedder(archive)
        reembedder.start()
        try archive.startReembedding(modelDirectory: try FakeModel.write(scratch, "new"), embedder: slow)
        #expect(eventually { begun.isRaised })
        let started = monotonicSeconds()
        reembedder.stop()
        #expect(monotonicSeconds() - started < 5)
        archive.close()
        isFree.raise()
        let left = try FakeModel.open(scratch.archive)
        #expect(try left.reembedStatus().done == 0)
        try finishReembedding(left)
        #expect(try left.check(deep: true).findings == [])
    }

    @Test func aBellWakesAndAWaitEnds() {
        let bell = ChangeBell()
        let started = monotonicSeconds()
        #expect(bell.wait(after: 0, forSeconds: 0.05) == 0)
        #expect(monotonicSeconds() - started >= 0.05)
        bell.ring()
        bell.ring()
        #expect(bell.current == 2 && bell.wait(after: 1, forSeconds: 1000) == 2, "a ring from before is not missed")
        Thread.detachNewThread {
            usleep(20_000)
            bell.ring()
        }
        #expect(bell.wait(after: 2, forSeconds: 1000) == 3)
        #expect(bell.wait(after: 3, forSeconds: -1) == 3)
    }

    @Test func theRateIsOfTheLastMinute() {
        var generations = Generations()
        generations.startClock(at: 100)
        #expect(generations.casesPerSecond(at: 100) == nil)
        generations.note(10, at: 101)
        generations.note(30, at: 104)
        #expect(generations.casesPerSecond(at: 105) == 10)
        #expect(generations.casesPerSecond(at: 170) == nil, "a rate of old")
        for second in 105..<200 { generations.note(5, at: Double(second)) }
        #expect(abs((generations.casesPerSecond(at: 200) ?? 0) - 5) < 1e-9)
    }
}
