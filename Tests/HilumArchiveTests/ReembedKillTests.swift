import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// A process that is killed while it makes, switches and drops generations. One at a time: each keeps a core busy.
@Suite(.serialized) struct ReembedKillTests {
    /// So many kills; `HILUM_REEMBED_KILLS` asks for more.
    static let kills = 0..<(ProcessInfo.processInfo.environment["HILUM_REEMBED_KILLS"].flatMap { Int($0) } ?? 30)

    /// The child does all there is to do, over and over, and is killed after the nth transaction of its life. Whatever that hit: the
    /// archive opens on one whole generation, every case that was there is found, and what was begun can be finished.
    @Test("a kill at any moment leaves one generation serving and the other to go on with", arguments: kills)
    func killAtAnyMoment(_ seed: Int) async throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<90)
        archive.close()
        let names = try (0..<3).map { try FakeModel.write(scratch, "new\($0)", dimension: 24 + 8 * $0) }
        var generator = SeededGenerator(seed: 21, keys: UInt64(seed))
        let count = UInt64(1 + generator.integer(below: 110))
        let delay = UInt32(generator.integer(below: 3000))
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [
                path = scratch.archive as String, names = names as [String], count = count as UInt64,
                delay = delay as UInt32
            ] in
            var options = FakeModel.options
            options.checkpointGroupByteCount = 8 << 10
            options.changesBetweenCheckpoints = 40
            let archive = try FakeModel.open(path, options: options)
            let start = try newestTransaction(of: path)
            Thread.detachNewThread {
                while true {
                    guard let now = try? newestTransaction(of: path), now >= start + count else {
                        usleep(200)
                        continue
                    }
                    usleep(delay)
                    kill(getpid(), SIGKILL)
                }
            }
            for (round, name) in names.enumerated() {
                try archive.startReembedding(model: name)
                for step in 0..<3 {
                    _ = try archive.encodeNextBatch(13)
                    try archive.put([makeInput(100 + 10 * round + step)])
                }
                if round == 1 {
                    try archive.abortReembedding()
                    try archive.removeLeavingGenerations()
                    continue
                }
                try finishReembedding(archive, 13)
                try archive.switchGeneration()
                try archive.put([makeInput(104 + 10 * round)])
                try archive.rollBackGeneration()
                try archive.switchGeneration()
                try archive.dropKeptGeneration()
                try archive.removeLeavingGenerations()
            }
            kill(getpid(), SIGKILL)
        }
        let left = try FakeModel.open(scratch.archive)
        #expect(try left.check(deep: true).findings == [])
        for index in 0..<90 where index % 3 != 1 && index % 10 != 0 {
            #expect(try first(left, makeReport(index)) == "case-\(index)")
        }
        let status = try left.reembedStatus()
        #expect(status.state != .unusable)
        // What was begun is finished by the next process; nothing that was encoded is lost.
        try left.removeLeavingGenerations()
        try finishReembedding(left)
        switch status.state {
        case .building, .ready:
            try left.switchGeneration()
            #expect(left.generation == status.nextGeneration)
        case .kept:
            try left.rollBackGeneration()
            #expect(left.generation == status.nextGeneration)
        default: break
        }
        #expect(try left.check(deep: true).findings == [])
        for index in 0..<90 where index % 3 != 1 && index % 10 != 0 {
            #expect(try first(left, makeReport(index)) == "case-\(index)")
        }
    }

    /// What a killed process had encoded is there: at most one batch is done again.
    @Test func aKillCostsAtMostOneBatch() async throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<100)
        archive.close()
        let model = try FakeModel.write(scratch, "new")
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = scratch.archive as String, model = model as String] in
            let archive = try FakeModel.open(path)
            try archive.startReembedding(model: model)
            for _ in 0..<4 { _ = try archive.encodeNextBatch(10) }
            Thread.detachNewThread {
                usleep(500)
                kill(getpid(), SIGKILL)
            }
            _ = try archive.encodeNextBatch(10)
            sleep(10)
        }
        let left = try FakeModel.open(scratch.archive)
        #expect([40, 50].contains(try left.reembedStatus().done))
        try finishReembedding(left)
        try left.switchGeneration()
        #expect(try left.check(deep: true).findings == [])
    }
}
