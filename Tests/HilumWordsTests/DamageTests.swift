import HilumCore
import Testing

@testable import HilumWords

/// The checksum of the store catches damage first. Where it does not, an error or a wrong number may come, but no crash and no endless loop.
@Suite("Damaged blocks")
struct DamageTests {
    private static func index(seed: UInt64) -> ModelIndex {
        var maker = ModelMaker(seed: seed, termCount: 200)
        var index = ModelIndex(byteLimit: 600)
        index.commit((0..<60).map { ($0, maker.report()) })
        index.commit((60..<90).map { ($0, maker.report()) })
        return index
    }

    private static func useAll(_ index: ModelIndex, _ maker: inout ModelMaker) {
        let searcher = WordSearcher()
        for _ in 0..<6 {
            _ = try? searcher.search(
                maker.query(), index.head, store: index.store, lengths: index.lengths, limit: 5)
        }
        _ = try? LengthTable(index.head, store: index.store)
        var copy = index
        try? copy.apply(MergePolicy.Merge(segments: index.head.segments, level: 1))
        copy.remove(3)
        try? copy.apply(MergePolicy.Merge(segments: copy.head.segments, level: 1))
    }

    @Test("A changed byte in a block never crashes", arguments: 0..<8 as Range<UInt64>)
    func survivesChangedBytes(seed: UInt64) throws {
        var maker = ModelMaker(seed: seed, termCount: 200)
        let index = Self.index(seed: seed)
        for _ in 0..<300 {
            var damaged = index
            let key = maker.generator.pick(index.store.allKeys)
            var value = index.store[key] ?? []
            for _ in 0...maker.generator.integer(below: 3) {
                // Headers and directories are short and rarely hit by chance.
                let bound = maker.generator.chance(0.5) ? value.count : 80
                value[maker.generator.integer(below: min(bound, value.count))] = UInt8(
                    truncatingIfNeeded: maker.generator.next())
            }
            damaged.store[key] = value
            Self.useAll(damaged, &maker)
        }
    }

    @Test("A block that is cut off or stands under another key never crashes")
    func survivesCutsAndSwaps() throws {
        var maker = ModelMaker(seed: 1, termCount: 200)
        let index = Self.index(seed: 1)
        for round in 0..<200 {
            var damaged = index
            let key = maker.generator.pick(index.store.allKeys)
            let value = index.store[key] ?? []
            switch round % 4 {
            case 0: damaged.store[key] = Array(value.prefix(maker.generator.integer(below: value.count)))
            case 1: damaged.store[key] = index.store[maker.generator.pick(index.store.allKeys)]
            case 2: damaged.store[key] = nil
            default: damaged.store[key] = value + [1, 2, 3]
            }
            Self.useAll(damaged, &maker)
        }
    }

    @Test("A list that is cut off is an error")
    func refusesCutLists() throws {
        let index = Self.index(seed: 2)
        for key in index.store.allKeys {
            let value = try #require(index.store[key])
            for count in 0..<min(value.count, 60) {
                #expect(throws: WordsError.self) {
                    try value[..<count].withUnsafeBytes { _ = try BlockReader($0) }
                }
            }
        }
    }

    @Test("A question that fails leaves nothing behind for the next")
    func leavesNothingBehind() throws {
        var maker = ModelMaker(seed: 3, termCount: 200)
        let index = Self.index(seed: 3)
        var damaged = index
        for key in index.store.allKeys.dropFirst(3) { damaged.store[key]?.removeLast(9) }
        let searcher = WordSearcher()
        var failures = 0
        for _ in 0..<300 {
            let query = maker.query()
            do {
                _ = try searcher.search(query, damaged.head, store: damaged.store, lengths: damaged.lengths, limit: 5)
            } catch {
                failures += 1
            }
            let found = try searcher.search(query, index.head, store: index.store, lengths: index.lengths, limit: 5)
            #expect(found.hits == index.expected(query, limit: 5, scoring: searcher.scoring))
        }
        #expect(failures > 10)
    }
}
