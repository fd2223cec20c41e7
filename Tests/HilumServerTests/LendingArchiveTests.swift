import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Synchronization
import Testing

@testable import HilumArchive
@testable import HilumServer

/// Texts by their bytes, in 8 directions and between.
private struct TextEmbedder: Embedder {
    let modelID = String(repeating: "c", count: 64)
    let dimension = 8

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        images.flatMap { _ in [1] + [Float](repeating: 0, count: 7) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { text -> [Float] in
            var generator = SeededGenerator(seed: 3, keys: text.utf8.reduce(0) { 31 &* $0 &+ UInt64($1) })
            let values = (0..<8).map { _ in Float(generator.normal()) }
            let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return values.map { $0 / length }
        }
    }
}

@Suite("A daemon with large graphs answers before these are in memory")
struct LendingArchiveTests {
    private static var options: Archive.Options {
        var options = Archive.Options()
        (options.vectorsForCodes, options.vectorsForScan, options.vectorsForLending) = (20, 5, 30)
        return options
    }

    private static func report(_ number: Int) -> String { "Small pleural effusion number \(number)." }

    private static func make(_ path: String) throws {
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: TextEmbedder(), options: options)
        try archive.put((0..<80).map { CaseInput(id: "\($0)", report: report($0)) })
        archive.close()
    }

    /// Holds the graphs back until it is opened.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        func wait() { semaphore.wait() }
        func open() { semaphore.signal() }
    }

    /// The archive of a daemon whose graphs wait for `gate`.
    ///
    /// - Parameter failsFirst: whether it cannot be opened the first time, after it was lent.
    private static func open(
        _ path: String, _ gate: Gate, failsFirst: Bool = false
    ) throws -> RecoveringArchive {
        let isFirst = AtomicFlag()
        return try RecoveringArchive { mode, lend in
            let archive = try Archive(path: path, mode: mode, embedder: TextEmbedder(), options: options) { lent in
                lend(lent)
                if !isFirst.isRaised { gate.wait() }
            }
            let wasFirst = !isFirst.isRaised
            isFirst.raise()
            guard failsFirst, wasFirst else { return .init(archive) }
            archive.close()
            throw ArchiveError(.io, "the disk is gone")
        }
    }

    private static func first(_ archive: RecoveringArchive, _ number: Int) throws -> String? {
        var request = SearchRequest(.text(report(number)))
        request.mode = .vector
        return try archive.search(request).hits.first?.id
    }

    @Test func readsDoNotWaitAndChangesDo() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Self.make(path)
        let gate = Gate()
        let archive = try Self.open(path, gate)
        #expect(try Self.first(archive, 7) == "7")
        #expect(try archive.stats().cases == 80 && archive.count(Filter(), until: nil) == 80)
        #expect(try archive.get(id: "7")?.report == Self.report(7) && archive.dimension == 8)
        #expect(try archive.estimateRecall(forSeconds: 0.1, isInterrupted: { false }) == false)
        archive.mend()
        let stored = AtomicFlag()
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let outcomes = try? archive.put([CaseInput(id: "new", report: Self.report(900))], courtesy: .none)
            if outcomes?.count == 1 { stored.raise() }
            ended.signal()
        }
        #expect(ended.wait(timeout: .now() + 0.1) == .timedOut && !stored.isRaised)
        #expect(try Self.first(archive, 8) == "8")
        gate.open()
        ended.wait()
        #expect(stored.isRaised)
        #expect(try Self.first(archive, 900) == "new" && archive.stats().cases == 81)
        #expect(try archive.withArchive { $0.mode == .readWrite && $0.graphs != nil })
        #expect(try archive.withArchive { try $0.check(deep: true).findings } == [])
        archive.close()
    }

    @Test func whatCannotBeOpenedIsTriedAgain() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Self.make(path)
        let gate = Gate()
        let archive = try Self.open(path, gate, failsFirst: true)
        #expect(try Self.first(archive, 7) == "7")
        gate.open()
        // The change waits for the graphs; that it cannot be opened ends the wait, and it is opened again.
        #expect(try archive.put([CaseInput(id: "new", report: Self.report(900))], courtesy: .none).count == 1)
        #expect(try Self.first(archive, 900) == "new")
        archive.close()
    }

    @Test func whatFailsBeforeAnythingAnswersIsThrown() throws {
        let folder = try TemporaryFolder()
        #expect(throws: ArchiveError.self) { try Self.open(folder.path + "/none", Gate()) }
    }

    @Test func closingWhileItLoadsLeavesTheArchiveToOthers() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Self.make(path)
        let gate = Gate()
        let archive = try Self.open(path, gate)
        archive.close()
        #expect(throws: ArchiveError.self) { try archive.get(id: "7") }
        #expect(throws: (any Error).self) {
            try archive.put([CaseInput(id: "new", report: Self.report(900))], courtesy: .none)
        }
        gate.open()
        var again: RecoveringArchive?
        for _ in 0..<500 where again == nil {
            let free = Gate()
            free.open()
            again = try? Self.open(path, free)
            if again == nil { usleep(10_000) }
        }
        let opened = try #require(again)
        #expect(try Self.first(opened, 7) == "7")
        opened.close()
    }
}
