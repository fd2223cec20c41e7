import Foundation
import HilumCore
import Testing

@testable import LMDB

/// What `tools/faults` gives to libFuzzer for hours, for a second each: the inputs that were kept, and changed ones.
///
/// One after the other: a target has one file for what it reads.
@Suite("Readers of bytes from outside", .serialized) struct FuzzTests {
    @Test("Every input that was kept is read or refused, and no promise is broken", arguments: FuzzTarget.all)
    func corpus(target: FuzzTarget) throws {
        for (name, bytes) in try target.corpus() { #expect(target.finding(bytes) == nil, "\(target)/\(name)") }
    }

    @Test("So is every changed input", arguments: FuzzTarget.all)
    func changed(target: FuzzTarget) throws {
        if let found = try Self.firstFinding(target) {
            Issue.record("\(target): \(found.finding): \(Data(found.bytes).base64EncodedString())")
        }
    }

    /// A harness that finds nothing where something is proves nothing.
    @Test("A broken promise that was planted is found")
    func planted() throws {
        let target = FuzzTarget("planted", words: ["]]"], seeds: { [Array("[[1, 2], [3]]".utf8)] }) { bytes in
            bytes.split(separator: UInt8(ascii: "]"), omittingEmptySubsequences: false).count > 7 ? "too deep" : nil
        }
        #expect(target.finding(try target.seeds()[0]) == nil)
        #expect(try Self.firstFinding(target)?.finding == "too deep")
    }

    private static func firstFinding(_ target: FuzzTarget) throws -> (finding: String, bytes: [UInt8])? {
        let inputs = try target.corpus().map(\.bytes) + target.seeds()
        var generator = SeededGenerator(seed: 1, keys: UInt64(target.longestInput))
        let end = monotonicSeconds() + 1
        for turn in 0..<3_000 where turn % 16 != 0 || monotonicSeconds() < end {
            let bytes = changed(generator.pick(inputs), target, &generator)
            if let finding = target.finding(bytes) { return (finding, bytes) }
        }
        return nil
    }

    /// Each seed is something that its reader reads, so that a changed one is nearly so.
    @Test("Every seed is read without a finding", arguments: FuzzTarget.all)
    func seeds(target: FuzzTarget) throws {
        let seeds = try target.seeds()
        #expect(!seeds.isEmpty)
        for seed in seeds { #expect(target.finding(seed) == nil && seed.count <= target.longestInput, "\(target)") }
    }

    /// Where it were refused at its first page, changes of the others would reach nothing.
    @Test("The small store is sound, and all of it is read")
    func smallStore() throws {
        let folder = try FuzzTarget.scratch("small")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(FuzzTarget.write(SmallStore.bytes, to: folder + "/data.mdb"))
        let file = try PageFile(folder: folder)
        let meta = try #require(try file.metas().first)
        #expect(try file.metaFinding() == nil)
        var keys: [String] = []
        let report = try PageVerifier(
            file: file, meta: meta, depth: .values,
            visit: { _, key, _ in
                keys.append(String(decoding: key, as: UTF8.self))
                return nil
            }
        ).run()
        #expect(report.findings == [])
        #expect(keys == (1...8).map { "key \($0)" })
    }

    @Test("Every target has a corpus, of short inputs")
    func names() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Corpus").path
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: folder))
        #expect(names == Set(FuzzTarget.all.map(\.name)))
        for target in FuzzTarget.all {
            for (name, bytes) in try target.corpus() { #expect(bytes.count <= 4096, "\(target)/\(name)") }
        }
    }

    private static func changed(
        _ input: [UInt8], _ target: FuzzTarget, _ generator: inout SeededGenerator
    ) -> [UInt8] {
        var bytes = input
        for _ in 0..<(1 + generator.integer(below: 5)) {
            let place = generator.integer(below: bytes.count + 1)
            let end = min(bytes.count, place + 1 + generator.integer(below: 12))
            switch generator.integer(below: 6) {
            case 0 where place < bytes.count: bytes[place] = UInt8(generator.integer(below: 256))
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8(generator.integer(below: 8))
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
            case 4 where !target.words.isEmpty:
                bytes.insert(contentsOf: Array(generator.pick(target.words).utf8), at: place)
            default:
                bytes.replaceSubrange(
                    place..<end, with: generator.pick([[0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0x7F], [0x80]]))
            }
        }
        return Array(bytes.prefix(target.longestInput))
    }
}
