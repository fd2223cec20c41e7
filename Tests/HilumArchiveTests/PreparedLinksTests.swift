import Foundation
import HilumCore
import Synchronization
import Testing

@testable import HilumArchive

/// Vectors whose places are looked for while their transaction is on its way to the disk.
@Suite struct PreparedLinksTests {
    /// For these the places are looked for after the commit.
    private static let waited = Courtesy(restFactor: 0) { true }

    private func options(vectorsForCodes: Int = 50) -> Archive.Options {
        var options = Archive.Options()
        options.vectorsForCodes = vectorsForCodes
        return options
    }

    /// Every row of every table.
    private func rows(_ archive: Archive) throws -> [String: [[UInt8]]] {
        try archive.store.environment.read { transaction in
            var rows: [String: [[UInt8]]] = [:]
            for name in Store.Name.allCases {
                var found: [[UInt8]] = []
                try transaction.forEach(archive.store.table(name)) { key, value in
                    found.append([UInt8](key) + [0xff] + [UInt8](value))
                    return true
                }
                rows[name.rawValue] = found
            }
            return rows
        }
    }

    private func hits(_ archive: Archive) throws -> [String] {
        try stride(from: 1, to: 140, by: 7).flatMap { index in
            var request = SearchRequest(.text(makeReport(index)))
            request.mode = .vector
            return try archive.search(request).hits.map { "\($0.id) \($0.via) \($0.score)" }
        }
    }

    private func expectSound(_ archive: Archive) throws {
        for kind in VectorKind.allCases { #expect(archive.graphs?[kind].index.validate() == []) }
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test(
        "The same hits, and the same rows byte by byte, as where the places are looked for after the commit",
        arguments: [50, 2_000])
    func comesToTheSame(vectorsForCodes: Int) throws {
        let options = options(vectorsForCodes: vectorsForCodes)
        let scratch = try Scratch()
        // The first deletion makes a key at random, which marks deleted cases.
        let first = try scratch.makeArchive()
        try store(first, 0..<1)
        #expect(try first.delete(id: "case-0"))
        first.close()
        try FileManager.default.copyItem(atPath: scratch.archive, toPath: scratch.path + "/waited")
        func make(_ path: String, _ courtesy: Courtesy) throws -> (rows: [String: [[UInt8]]], hits: [String]) {
            func open() throws -> Archive {
                try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder(), options: options)
            }
            var archive = try open()
            // At most four vectors of a kind, which are linked at once in either case.
            for first in stride(from: 0, to: 100, by: 4) {
                try archive.put(makeInputs(first..<(first + 4)), courtesy: courtesy)
            }
            try archive.writeCheckpoint()
            for index in 100..<130 { try archive.put([makeInput(index)], courtesy: courtesy) }
            for index in stride(from: 3, to: 120, by: 9) {
                #expect(try archive.delete(id: "case-\(index)"))
                if index % 2 == 0 { try archive.put([makeInput(index)], courtesy: courtesy) }
            }
            archive.close()
            archive = try open()
            // New versions, one of them twice in a transaction, and vectors that are there already.
            for index in stride(from: 6, to: 60, by: 6) {
                let (first, second) = (try renewed(index, 500), try renewed(index, 600))
                try archive.put(index % 4 == 0 ? [first, second] : [first], courtesy: courtesy)
            }
            for index in 130..<140 { try archive.put([makeInput(index)], courtesy: courtesy) }
            try archive.writeCheckpoint()
            try expectSound(archive)
            defer { archive.close() }
            return try (rows(archive), hits(archive))
        }
        let ahead = try make(scratch.archive, .none)
        let after = try make(scratch.path + "/waited", Self.waited)
        #expect(!ahead.hits.isEmpty && ahead.hits == after.hits)
        let different = Store.Name.allCases.filter { ahead.rows[$0.rawValue] != after.rows[$0.rawValue] }
        #expect(different == [] && ahead.rows["graphs"]?.isEmpty == false)
    }

    private func renewed(_ index: Int, _ more: Int) throws -> CaseInput {
        var input = try makeInput(index)
        input.report = makeReport(index + more)
        return input
    }

    @Test("Places are looked for where graphs have nodes and nobody waits")
    func whenPlacesAreLookedFor() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        let entry = CaseEntry(CaseInput(id: "x", report: "x"), images: [], lacksReportVector: false)
        let vector = try FakeEmbedder().embed(reports: ["a report of its own"], threads: 1)
        let change = CommittedChange(newNumber: 900, newEntry: entry, reportVector: vector)
        func prepare(_ courtesy: Courtesy) throws -> [VectorKind] {
            let links = PreparedLinks(archive.graphs, courtesy)
            // Twice, as in a transaction that runs again because the map was full.
            for _ in 0..<2 { links.prepare([change]) }
            let insertions = links.take()
            for (kind, insertion) in insertions { archive.graphs?[kind].index.cancel(insertion) }
            #expect(links.take().isEmpty)
            return Array(insertions.keys)
        }
        #expect(try prepare(.none) == [])
        try store(archive, 0..<40)
        #expect(try prepare(.none) == [.report])
        #expect(try prepare(Self.waited) == [])
        #expect(archive.graphs?.report.index.contains(item: 900) == false)
        try expectSound(archive)
    }

    @Test("A commit that fails leaves the graphs as they were; the next one goes on")
    func fullVolume() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<60)
        try store(archive, 60..<70)
        let graph = try #require(archive.graphs?.report.index)
        let before = (nodes: graph.nodeCount, items: graph.count, bytes: graph.graphByteCount)
        let found = try hits(archive)
        let volume = try FullVolume(under: scratch.archive + "/data.mdb")
        for _ in 0..<3 {
            #expect(throws: ArchiveError.self) { try archive.put([makeInput(72)]) }
            #expect(graph.nodeCount == before.nodes && graph.count == before.items)
            // Its place was looked for: the record is there, to be used again.
            #expect(graph.graphByteCount > before.bytes)
            #expect(graph.validate() == [])
            #expect(try hits(archive) == found && archive.get(id: "case-72") == nil)
        }
        volume.empty()
        try store(archive, 70..<90)
        #expect(try archive.count() == 90 && first(archive, makeReport(72)) == "case-72")
        try expectSound(archive)
        archive.close()
        let again = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(), options: options())
        #expect(try again.count() == 90 && first(again, makeReport(72)) == "case-72")
        try expectSound(again)
    }

    @Test("A store that grows in the middle of a commit, which then runs again")
    func growth() throws {
        let scratch = try Scratch()
        var options = options()
        options.mapSizeInBytes = 256 << 10
        let archive = try scratch.makeArchive(FakeEmbedder(dimension: 300), options: options)
        for index in 0..<160 {
            try archive.put([CaseInput(id: "r\(index)", report: "report \(index) " + makeReport(index))])
        }
        try archive.put((160..<400).map { CaseInput(id: "r\($0)", report: "report \($0) " + makeReport($0)) })
        #expect(archive.store.environment.growthCount >= 2)
        #expect(archive.graphs?.report.index.count == 400)
        try expectSound(archive)
    }

    @Test("A reader finds what was acknowledged, beside two writers that add, delete and add again")
    func readersBeside() throws {
        let scratch = try Scratch()
        let archive = try scratch.makeArchive(options: options())
        try store(archive, 0..<120)
        try archive.writeCheckpoint()
        let last = 200
        let acknowledged = Atomic(120)
        let (searches, wrong, isDone) = (AtomicCounter(), AtomicCounter(), AtomicFlag())
        let failure = Mutex<String?>(nil)
        let ended = DispatchSemaphore(value: 0)
        func beside(_ body: @escaping @Sendable () throws -> Void) {
            Thread.detachNewThread {
                do { try body() } catch { failure.withLock { $0 = "\(error)" } }
                ended.signal()
            }
        }
        beside {
            var generator = SeededGenerator(seed: 17)
            while !isDone.isRaised {
                let known = acknowledged.load(ordering: .acquiring)
                // Those from 60 on stay; each third has no report, each tenth the report of others.
                let index = 60 + generator.integer(below: known - 60)
                guard index % 3 != 1, index % 10 != 0 else { continue }
                searches.increment()
                if try first(archive, makeReport(index)) != "case-\(index)" { wrong.increment() }
            }
        }
        beside {
            var generator = SeededGenerator(seed: 18)
            while !isDone.isRaised {
                let index = generator.integer(below: 60)
                _ = try archive.delete(id: "case-\(index)")
                try archive.put([makeInput(index)])
            }
        }
        for index in 120..<last {
            try archive.put([makeInput(index)])
            acknowledged.store(index + 1, ordering: .releasing)
        }
        isDone.raise()
        for _ in 0..<2 { ended.wait() }
        #expect(failure.withLock { $0 } == nil)
        #expect(searches.current > 0 && wrong.current == 0)
        #expect(try archive.count() == last)
        try expectSound(archive)
    }

    @Test("A kill between a commit and the change of the graphs loses nothing")
    func killBeforeTheGraphs() async throws {
        let scratch = try Scratch()
        try scratch.makeArchive(options: options()).close()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = scratch.archive as String] in
            var options = Archive.Options()
            options.vectorsForCodes = 50
            let archive = try Archive(path: path, mode: .readWrite, embedder: FakeEmbedder(), options: options)
            try archive.put(makeInputs(0..<100))
            try archive.writeCheckpoint()
            for index in 100..<110 { try archive.put([makeInput(index)]) }
            let start = try newestTransaction(of: path)
            let isHeld = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                // What follows a commit in memory waits until this ends.
                archive.attributes.read { _ in
                    isHeld.signal()
                    while ((try? newestTransaction(of: path)) ?? 0) <= start { usleep(100) }
                    usleep(10_000)
                    kill(getpid(), SIGKILL)
                }
            }
            isHeld.wait()
            try archive.put(makeInputs(110..<113))
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite, embedder: FakeEmbedder(), options: options())
        #expect(try archive.count() == 113)
        for index in 100..<113 where index % 3 != 1 && index % 10 != 0 {
            #expect(try first(archive, makeReport(index)) == "case-\(index)")
        }
        try expectSound(archive)
    }
}

/// A volume without room for one file of this process: what it writes goes to `/dev/full` until `empty`.
private final class FullVolume {
    private var descriptors: [(own: Int32, kept: Int32)] = []

    init(under path: String) throws {
        let full = open("/dev/full", O_RDWR | O_CLOEXEC)
        try #require(full >= 0)
        defer { close(full) }
        let path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let names = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        // Before any is made, which might get the number of one that was only open while these were listed.
        let own = names.compactMap { Int32($0) }.filter { descriptor in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == path
                && fcntl(descriptor, F_GETFL) & O_ACCMODE != O_RDONLY
        }
        for descriptor in own {
            let kept = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            try #require(kept >= 0 && dup2(full, descriptor) == descriptor)
            descriptors.append((descriptor, kept))
        }
        try #require(!descriptors.isEmpty)
    }

    func empty() {
        for (own, kept) in descriptors {
            dup2(kept, own)
            _ = fcntl(own, F_SETFD, FD_CLOEXEC)
            close(kept)
        }
        descriptors = []
    }
}
