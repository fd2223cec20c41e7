import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Synchronization
import Testing

@testable import HilumArchive
@testable import HilumServer

/// Texts by their first byte; enough to store something.
private struct ByteEmbedder: Embedder {
    let modelID = String(repeating: "b", count: 64)
    let dimension = 4

    func embed(images: [GrayImage], threads: Int) throws -> [Float] { images.flatMap { _ in [1, 0, 0, 0] as [Float] } }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { text -> [Float] in
            let angle = Float(text.utf8.reduce(0) { $0 &+ Int($1) } % 97) / 97
            return [(1 - angle * angle).squareRoot(), angle, 0, 0]
        }
    }
}

@Suite("A daemon's archive is opened again when a write failed")
struct RecoveringArchiveTests {
    /// How often it was opened, for what, and whether opening for writing fails.
    private final class Openings: Sendable {
        let modes = Mutex<[Archive.Mode]>([])
        let stops = Mutex(0)
        let isBroken = AtomicFlag()
        let mended = AtomicFlag()
    }

    private func made(_ folder: TemporaryFolder, _ openings: Openings) throws -> RecoveringArchive {
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        return try RecoveringArchive { mode, _ in
            openings.modes.withLock { $0.append(mode) }
            if mode == .readWrite && openings.isBroken.isRaised && !openings.mended.isRaised {
                throw ArchiveError(.io, "the disk is gone")
            }
            return .init(try Archive(path: path, mode: mode, embedder: ByteEmbedder())) {
                openings.stops.withLock { $0 += 1 }
            }
        }
    }

    @Test("an archive that is only looked at is opened for reading, once, and every change is refused")
    func forReading() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let openings = Openings()
        let archive = try RecoveringArchive(mode: .readOnly) { mode, _ in
            openings.modes.withLock { $0.append(mode) }
            return .init(try Archive(path: path, mode: mode, embedder: ByteEmbedder()))
        }
        let error = #expect(throws: ArchiveError.self) { try archive.put([report("a")]) }
        #expect(error?.code == .readOnly)
        #expect(throws: ArchiveError.self) { try archive.delete(id: "a") }
        // In idle time too.
        archive.mend()
        #expect(openings.modes.withLock { $0 } == [.readOnly])
        archive.close()
    }

    /// Changes an archive from outside: this process has it open, and may open it only once.
    private func change(_ path: String, _ id: String) async {
        await #expect(processExitsWith: .success) { [path = path as String, id = id as String] in
            let writer = try Archive(path: path, mode: .readWrite, embedder: ByteEmbedder())
            try writer.put([CaseInput(id: id, report: "Small pleural effusion \(id).")])
            writer.close()
        }
    }

    @Test("One that is only looked at says that another process has changed it, and not that a disk failed")
    func looksOnInVain() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let isBroken = AtomicFlag()
        let archive = try RecoveringArchive(mode: .readOnly) { mode, _ in
            if isBroken.isRaised { throw ArchiveError(.io, "no") }
            return .init(try Archive(path: path, mode: mode, embedder: ByteEmbedder()))
        }
        await change(path, "a")
        isBroken.raise()
        archive.refresh()
        let error = #expect(throws: ArchiveError.self) { try archive.get(id: "a") }
        #expect(error?.reason.contains("another process") == true && error?.reason.contains("disk") == false)
        archive.close()
    }

    @Test("One that is closed while it is opened again is closed once")
    func closedWhileItLooksOn() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let stops = Mutex<[Int]>([])
        let box = Mutex<RecoveringArchive?>(nil)
        let archive = try RecoveringArchive(mode: .readOnly) { mode, _ in
            let number = stops.withLock { counts -> Int in
                counts.append(0)
                return counts.count - 1
            }
            return .init(try Archive(path: path, mode: mode, embedder: ByteEmbedder())) {
                stops.withLock { $0[number] += 1 }
                // As a signal ends the page in the middle of it.
                let ends = box.withLock { held -> RecoveringArchive? in
                    defer { held = nil }
                    return held
                }
                ends?.close()
            }
        }
        await change(path, "a")
        box.withLock { $0 = archive }
        archive.refresh()
        #expect(stops.withLock { $0 } == [1, 1])
        #expect(throws: ArchiveError.self) { try archive.get(id: "a") }
    }

    private func report(_ id: String) -> CaseInput { CaseInput(id: id, report: "Small pleural effusion \(id).") }

    /// What a failed commit leaves.
    private func poison(_ archive: RecoveringArchive) throws {
        try archive.withArchive { $0.progress.withLock { $0.mustReopen = true } }
    }

    @Test("it takes the next change, and nothing that was acknowledged is lost")
    func reopened() throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        #expect(try archive.put([report("a")]).count == 1)
        try poison(archive)
        #expect(try archive.get(id: "a") != nil, "reads do not wait for the next change")
        #expect(try archive.put([report("b")]).count == 1)
        #expect(openings.modes.withLock { $0 } == [.readWrite, .readWrite])
        #expect(openings.stops.withLock { $0 } == 1)
        for id in ["a", "b"] { #expect(try archive.get(id: id) != nil) }
        #expect(try archive.search(SearchRequest(.id("a"))).hits.count == 2)
        archive.close()
        #expect(openings.stops.withLock { $0 } == 2)
    }

    @Test("idle time opens it again though nobody changes anything")
    func idle() throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        _ = try archive.put([report("a")])
        try poison(archive)
        archive.mend()
        #expect(openings.modes.withLock { $0.count } == 2)
        #expect(try archive.withArchive { !$0.needsReopening })
        archive.close()
    }

    @Test("while it cannot be written it can be read, and it takes changes once the disk does")
    func readOnlyMeanwhile() throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        _ = try archive.put([report("a")])
        openings.isBroken.raise()
        try poison(archive)
        for _ in 0..<3 {
            do {
                _ = try archive.put([report("b")])
                Issue.record("a change was taken")
            } catch let error as ArchiveError {
                #expect(error.code == .io && error.reason.contains("the disk is gone"))
            }
        }
        #expect(openings.modes.withLock { $0 } == [.readWrite, .readWrite, .readOnly], "not at each request")
        #expect(try archive.get(id: "a") != nil)
        #expect(try archive.search(SearchRequest(.id("a"))).hits.count == 1)
        openings.mended.raise()
        #expect(eventually { (try? archive.put([report("b")]))?.count == 1 })
        #expect(try archive.get(id: "b") != nil)
        archive.close()
    }

    /// Holds the archive on a thread of its own until `mayLeave` is raised.
    private func hold(_ archive: RecoveringArchive, isLong: Bool, until mayLeave: AtomicFlag) -> WorkerThread {
        let isInside = AtomicFlag()
        let reader = WorkerThread("reader") {
            try? archive.withArchive(isLong: isLong) { opened in
                isInside.raise()
                while !mayLeave.isRaised { usleep(1000) }
                _ = try opened.get(id: "a")
            }
        }
        #expect(eventually { isInside.isRaised })
        return reader
    }

    @Test(
        "While something reads for long, other reads wait 0.3 s at most; when it is done, changes are taken again",
        arguments: [false, true])
    func leases(isLong: Bool) throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        _ = try archive.put([report("a")])
        try poison(archive)
        let mayLeave = AtomicFlag()
        let reader = hold(archive, isLong: isLong, until: mayLeave)
        #expect(throws: ArchiveError.self) { try archive.put([report("b")]) }
        let isDone = AtomicFlag()
        // As the writer's thread of the daemon does.
        let writer = WorkerThread("writer") {
            while !isDone.isRaised {
                archive.mend()
                usleep(10_000)
            }
        }
        var worst = 0.0
        let began = monotonicSeconds()
        while monotonicSeconds() - began < 3 {
            let asked = monotonicSeconds()
            #expect(try archive.get(id: "a") != nil)
            worst = max(worst, monotonicSeconds() - asked)
            usleep(1000)
        }
        // A little more for a machine that is busy with other things.
        #expect(worst < (isLong ? 0.2 : 0.5), "\(worst) s")
        #expect(openings.modes.withLock { $0.count } == 1, "the reader still has the archive")
        mayLeave.raise()
        reader.join()
        #expect(eventually { openings.modes.withLock { $0.count } == 2 })
        isDone.raise()
        writer.join()
        #expect(eventually { (try? archive.put([report("b")]))?.count == 1 })
        archive.close()
        #expect(throws: ArchiveError.self) { try archive.get(id: "a") }
    }

    @Test("What takes long is not begun while the archive is to be opened again, and is begun afterwards")
    func longOnesWait() throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        _ = try archive.put([report("a")])
        try poison(archive)
        let mayLeave = AtomicFlag()
        let reader = hold(archive, isLong: true, until: mayLeave)
        #expect(throws: ArchiveError.self) { try archive.put([report("b")]) }
        let seen = Mutex<Int?>(nil)
        let late = WorkerThread("late") {
            try? archive.withArchive(isLong: true) { _ in seen.withLock { $0 = openings.modes.withLock { $0.count } } }
        }
        usleep(100_000)
        #expect(seen.withLock { $0 } == nil)
        mayLeave.raise()
        reader.join()
        #expect(eventually { (try? archive.put([report("b")]))?.count == 1 })
        late.join()
        #expect(seen.withLock { $0 } == 2, "it has the archive that was opened again")
        archive.close()
    }

    @Test("A snapshot gives up where a write fails, leaves nothing, and says so")
    func snapshotGivesUp() throws {
        let folder = try TemporaryFolder()
        let openings = Openings()
        let archive = try made(folder, openings)
        _ = try archive.put([report("a")])
        // A model that takes seconds to copy, of which nothing but its length is on the disk.
        try FileIO.makeFolder(folder.path + "/archive/model")
        try folder.write("archive/model/weights.safetensors", "")
        #expect(truncate(folder.path + "/archive/model/weights.safetensors", 4 << 30) == 0)
        let outcome = Mutex<ServerError?>(nil)
        let target = folder.path + "/copy"
        let maker = WorkerThread("snapshot") {
            do { _ = try archive.snapshot(to: target, interrupted: AtomicFlag()) } catch {
                outcome.withLock { $0 = error as? ServerError }
            }
        }
        #expect(
            try eventually {
                try FileManager.default.contentsOfDirectory(atPath: folder.path).contains { $0.contains("copy") }
            })
        try poison(archive)
        #expect(eventually { (try? archive.put([report("b")]))?.count == 1 })
        maker.join()
        let refusal = outcome.withLock { $0 }
        #expect(refusal?.code == .refused(.busy), "\(String(describing: refusal))")
        #expect(refusal?.text.contains("ask for it again") == true)
        #expect(try !FileManager.default.contentsOfDirectory(atPath: folder.path).contains { $0.contains("copy") })
        #expect(try archive.get(id: "b") != nil)
        archive.close()
    }
}
