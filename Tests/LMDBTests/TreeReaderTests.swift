import Foundation
import Testing

@testable import LMDB

@Suite struct TreeReaderTests {
    private typealias Entries = [[UInt8]: [UInt8]]

    /// Keys of several lengths, values of up to three pages, with deletions; the trees have three levels.
    private func makeStore(_ path: String, seed: UInt64, count: Int = 4000) throws -> Entries {
        let environment = try open(path, .create)
        defer { environment.close() }
        var generator = Generator(state: seed)
        var entries: Entries = [:]
        for _ in 0..<20 {
            try environment.write { transaction in
                let table = environment.table("first")
                for _ in 0..<(count / 20) {
                    let key = (0..<Int(1 + generator.next() % 40)).map { _ in UInt8(generator.next() % 4) }
                    let byteCount = generator.next() % 20 == 0 ? generator.next() % 12_000 : generator.next() % 90
                    let value = [UInt8](repeating: UInt8(truncatingIfNeeded: generator.next()), count: Int(byteCount))
                    try transaction.put(table, key, value)
                    entries[key] = value
                }
                for key in entries.keys.sorted(by: { $0.lexicographicallyPrecedes($1) })
                where generator.next() % 11 == 0 {
                    try transaction.delete(table, key)
                    entries[key] = nil
                }
            }
        }
        return entries
    }

    private func readAll(_ environment: Environment) throws -> [(key: [UInt8], value: [UInt8])] {
        var found: [(key: [UInt8], value: [UInt8])] = []
        try environment.read { transaction in
            try transaction.forEach(environment.table("first")) { key, value in
                found.append(([UInt8](key), [UInt8](value)))
                return true
            }
        }
        return found
    }

    /// Asks for runs that begin at keys and beside them.
    private func checkRuns(
        _ transaction: borrowing some (Transaction & ~Copyable), _ table: Table, _ entries: [UInt64: [UInt8]]
    ) throws {
        var generator = Generator(state: 9)
        for _ in 0..<1500 {
            let first = (generator.next() % 1500) << 16 | generator.next() % 3
            let count = Int(generator.next() % 9)
            var values: [[UInt8]] = []
            let found = try transaction.run(table, from: first, count: count) { key, value in
                #expect([UInt8](key) == withUnsafeBytes(of: (first + UInt64(values.count)).bigEndian) { [UInt8]($0) })
                values.append([UInt8](value))
            }
            var expected: [[UInt8]] = []
            while expected.count < count, let value = entries[first + UInt64(expected.count)] { expected.append(value) }
            #expect(values == expected && found == expected.count)
        }
    }

    @Test("Keys that follow one another are found with their values, from leaf to leaf and up to a gap")
    func runs() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create, mapSizeInBytes: 16 << 20)
        defer { environment.close() }
        let table = environment.table("first")
        var generator = Generator(state: 5)
        var entries: [UInt64: [UInt8]] = [:]
        try environment.read { try checkRuns($0, table, entries) }
        try environment.write { transaction in
            for item in 0..<UInt64(1500) {
                for part in 0..<(generator.next() % 7) where generator.next() % 9 > 0 {
                    // Some are so long that they have pages of their own.
                    let byteCount = generator.next() % 40 == 0 ? 5000 : generator.next() % 700
                    let value = [UInt8](repeating: UInt8(truncatingIfNeeded: generator.next()), count: Int(byteCount))
                    try transaction.put(table, item << 16 | part, value)
                    entries[item << 16 | part] = value
                }
            }
            try checkRuns(transaction, table, entries)
        }
        try environment.read { try checkRuns($0, table, entries) }
    }

    @Test("Every entry is found by its key and in order, and no other", arguments: [1, 2, 3] as [UInt64])
    func wholeStore(seed: UInt64) throws {
        let scratch = Scratch()
        let entries = try makeStore(scratch.path, seed: seed)
        let environment = try open(scratch.path, .readOnly)
        let table = environment.table("first")
        let sorted = entries.keys.sorted { $0.lexicographicallyPrecedes($1) }
        let found = try readAll(environment)
        #expect(found.map(\.key) == sorted)
        #expect(found.allSatisfy { entries[$0.key] == $0.value })
        var generator = Generator(state: seed + 100)
        try environment.read { transaction in
            let count = try transaction.count(table)
            #expect(count == entries.count)
            for (key, value) in entries {
                let found = try transaction.get(table, key)
                #expect(found == value)
            }
            for _ in 0..<2000 {
                let key = (0..<Int(1 + generator.next() % 12)).map { _ in UInt8(generator.next() % 4) }
                let found = try transaction.get(table, key)
                #expect(found == entries[key])
                var first: [UInt8]?
                try transaction.forEach(table, from: key) { key, _ in
                    first = [UInt8](key)
                    return false
                }
                #expect(first == sorted.first { !$0.lexicographicallyPrecedes(key) })
                var sides: [[UInt8]] = []
                try key.withUnsafeBytes { key in
                    try transaction.withNeighbours(table, of: key) { side, _ in sides.append([UInt8](side)) }
                }
                let before = sorted.last { $0.lexicographicallyPrecedes(key) }
                #expect(sides == [before, first].compactMap(\.self))
            }
        }
    }

    @Test("A damaged page gives an error in words or every key as it was, never a signal and never a missing key")
    func damagedPages() throws {
        let scratch = Scratch()
        let entries = try makeStore(scratch.path, seed: 5, count: 1500)
        let file = scratch.path + "/data.mdb"
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        let pageCount = bytes.count / 4096
        var generator = Generator(state: 6)
        var refused = 0
        for round in 0..<160 {
            var copy = bytes
            let page = 2 + Int(generator.next() % UInt64(pageCount - 2))
            let other = 2 + Int(generator.next() % UInt64(pageCount - 2))
            switch round % 4 {
            case 0: for byte in 0..<4096 { copy[page * 4096 + byte] = 0 }
            case 1: for byte in 0..<4096 { copy.swapAt(page * 4096 + byte, other * 4096 + byte) }
            case 2: copy[page * 4096 + Int(generator.next() % 64)] ^= UInt8(1 + generator.next() % 255)
            default: copy.removeLast(copy.count - page * 4096 - Int(generator.next() % 4096))
            }
            try Data(copy).write(to: URL(fileURLWithPath: file))
            let environment = try open(scratch.path, .readOnly)
            defer { environment.close() }
            let table = environment.table("first")
            var isRefused = false
            for key in entries.keys {
                do {
                    // Values have no checksum here, and a flipped byte may lie in a key.
                    let isFound = try environment.read { try $0.contains(table, key) }
                    if !isFound && round % 4 != 2 { Issue.record("a key is missing in round \(round)") }
                } catch let error as LMDBError {
                    guard case .damaged = error.code else { throw error }
                    isRefused = true
                }
            }
            do { _ = try readAll(environment) } catch is LMDBError { isRefused = true }
            if isRefused { refused += 1 }
        }
        #expect(refused >= 60, "\(refused) of 160")
    }

    @Test("A leaf whose keys its separators do not enclose is refused, and hides none", arguments: [true, false])
    func separators(isLowered: Bool) throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<3000)
        environment.close()
        let path = scratch.path + "/data.mdb"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let (place, separator) = try Self.secondSeparator(bytes, scratch.path)
        try #require((1...2998).contains(separator) && bytes.count < 1 << 20)
        // Two keys now stand on the other side of it than the leaves say.
        let moved = isLowered ? separator - 2 : separator + 2
        let unreached = isLowered ? moved..<separator : separator..<moved
        bytes.replaceSubrange(place..<(place + 8), with: withUnsafeBytes(of: moved.bigEndian, Array.init))
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect(try PageVerifierTests.walk(scratch.path, depth: .values) != [])

        let again = try open(scratch.path, .readOnly)
        defer { again.close() }
        let table = again.table("first")
        let error = #expect(throws: LMDBError.self) { _ = try readAll(again) }
        guard case .damaged(let what)? = error?.code else { throw LMDBError(.other(0), call: "test", path: path) }
        #expect(what.contains("its separator"))
        for key in 0..<3000 as Range<UInt64> {
            if unreached.contains(key) {
                #expect(throws: LMDBError.self) { try again.read { try $0.contains(table, key) } }
            } else {
                #expect(try again.read { try $0.contains(table, key) })
            }
        }
    }

    /// Where the second separator of the root of `first` lies in the file, and the number that it is.
    private static func secondSeparator(_ bytes: [UInt8], _ path: String) throws -> (place: Int, separator: UInt64) {
        let meta = try #require(try PageFile(folder: path).metas().first)
        return try bytes.withUnsafeBytes { raw in
            let reader = TreeReader(
                base: try #require(raw.baseAddress), pageSize: 4096, pageCount: UInt64(raw.count / 4096), meta: meta,
                path: path)
            let root = try #require(try reader.root(of: "first"))
            #expect(root.depth > 1)
            let key = try reader.key(reader.page(root.page, depth: root.depth), 2)
            let place = try #require(key.baseAddress) - reader.base
            return (place, try #require(UInt64(keyBytes: key)))
        }
    }

    @Test("The first write waits for the walk over all pages and throws what it finds; reading goes on")
    func writingWaits() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<3000)
        environment.close()
        let file = scratch.path + "/data.mdb"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        // A leaf in the middle of the table; page 20 is one (numbers are appended).
        for byte in 0..<4096 { bytes[20 * 4096 + byte] = 0 }
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let again = try open(scratch.path, .readWrite)
        again.startVerification()
        for _ in 0..<2 {
            let error = #expect(throws: LMDBError.self) { try fill(again, 3000..<3001) }
            guard case .damaged? = error?.code else { throw LMDBError(.other(0), call: "test", path: scratch.path) }
        }
        #expect(try again.read { try $0.contains(again.table("first"), 2999 as UInt64) })
        again.close()
        #expect(throws: LMDBError.self) { try again.awaitVerification() }
    }
}
