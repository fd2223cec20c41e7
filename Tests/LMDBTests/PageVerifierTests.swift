import Foundation
import Testing

@testable import LMDB

/// The same generator as HilumCore's; this floor does not import it.
struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct PageVerifierTests {
    /// What the walk over the newest commit finds, LMDB apart.
    static func walk(_ path: String, depth: PageVerifier.Depth) throws -> [String] {
        let file = try PageFile(folder: path)
        guard let meta = try file.metas().first else { return ["no meta page"] }
        return try PageVerifier(file: file, meta: meta, depth: depth, visit: nil).run().findings
    }

    /// A store of several hundred pages with deletions, long values and freed pages; returns the bytes of its file.
    private func makeStore(_ path: String) throws -> [UInt8] {
        let environment = try open(path, .create)
        var generator = Generator(state: 4)
        for round in 0..<20 as Range<UInt64> {
            try fill(environment, (round * 200)..<(round * 200 + 200), valueByteCount: Int(generator.next() % 300))
            try environment.write { transaction in
                let second = environment.table("second")
                try transaction.put(second, "long \(round)", [UInt8](repeating: 9, count: 10_000 + Int(round) * 997))
                if round > 4 { try transaction.delete(second, "long \(round - 3)") }
                for _ in 0..<60 {
                    try transaction.delete(environment.table("first"), generator.next() % (round * 200 + 1))
                }
            }
        }
        #expect(try environment.verifyPages().findings == [])
        environment.close()
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/data.mdb")))
    }

    /// Opens the bytes as a store and reads everything; a damage that is not refused must leave every entry readable.
    private func openAndRead(_ bytes: [UInt8], _ path: String, _ mode: Environment.Mode = .readOnly) throws -> Bool {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/data.mdb"))
        do {
            let environment = try open(path, mode)
            defer { environment.close() }
            if mode == .readWrite { try environment.awaitVerification() }
            for name in ["first", "second"] {
                try environment.read { transaction in
                    try transaction.forEach(environment.table(name)) { key, value in
                        _ = value.reduce(0 as UInt64) { $0 &+ UInt64($1) }
                        return true
                    }
                }
            }
            return true
        } catch let error as LMDBError {
            guard case .damaged = error.code else { throw error }
            return false
        }
    }

    @Test func aTruncatedFileIsRefusedAndNeverASignal() throws {
        let scratch = Scratch()
        let bytes = try makeStore(scratch.path)
        var generator = Generator(state: 1)
        var refused = 0
        for _ in 0..<60 {
            let length = Int(generator.next() % UInt64(bytes.count))
            if try !openAndRead(Array(bytes[0..<length]), scratch.path) { refused += 1 }
        }
        // A file may lose free pages at its end and still hold everything; nearly all lengths lose more than that.
        #expect(refused >= 55)
        #expect(try openAndRead(bytes, scratch.path))
        #expect(try !openAndRead([], scratch.path))
    }

    @Test(arguments: ["zeroed", "random", "swapped", "header"])
    func aDamagedPageIsRefusedOrHarmlessAndNeverASignal(kind: String) throws {
        let scratch = Scratch()
        let bytes = try makeStore(scratch.path)
        let pageCount = bytes.count / 4096
        var generator = Generator(state: 2)
        var refused = 0
        for _ in 0..<60 {
            var copy = bytes
            let page = 2 + Int(generator.next() % UInt64(pageCount - 2))
            switch kind {
            case "zeroed": for byte in 0..<4096 { copy[page * 4096 + byte] = 0 }
            case "random":
                for byte in 0..<4096 { copy[page * 4096 + byte] = UInt8(truncatingIfNeeded: generator.next()) }
            case "swapped":
                let other = 2 + Int(generator.next() % UInt64(pageCount - 2))
                for byte in 0..<4096 { copy.swapAt(page * 4096 + byte, other * 4096 + byte) }
            default: copy[page * 4096 + Int(generator.next() % 64)] ^= UInt8(1 + generator.next() % 255)
            }
            let isRefused = try !openAndRead(copy, scratch.path)
            if isRefused { refused += 1 }
            // A writer looks at more pages, never at fewer.
            let isRefusedForWriting = try !openAndRead(copy, scratch.path, .readWrite)
            #expect(isRefusedForWriting || !isRefused)
        }
        // The rest fell into free pages, into the inside of long values or into the bytes of a value.
        #expect(refused >= (kind == "header" ? 5 : 15))
    }

    @Test("The head of a long value that is not what it should be is refused to a writer, who frees pages by it")
    func headsOfLongValues() throws {
        let scratch = Scratch()
        let bytes = try makeStore(scratch.path)
        // LMDB's layout: number (8), 2 bytes, kind (2; 4 is a long value), count of pages (4).
        let heads = (2..<(bytes.count / 4096)).filter { page in
            let start = page * 4096
            let number = bytes[start..<(start + 8)].enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            return number == page && bytes[start + 10] == 4 && bytes[start + 11] == 0
        }
        var refused = 0
        for page in heads {
            var copy = bytes
            copy[page * 4096 + 12] ^= 0xFF
            if try !openAndRead(copy, scratch.path, .readWrite) { refused += 1 }
            #expect(try openAndRead(copy, scratch.path, .readOnly))
        }
        // Five values are left of twenty; pages that were freed may still look like heads.
        #expect(refused >= 5 && refused <= heads.count, "\(refused) of \(heads.count)")
    }

    @Test(
        "A table that became a plain value is found by the walk, as it is refused to readers",
        arguments: [0, 1, 3] as [UInt8])
    func aTableThatIsAValue(flags: UInt8) throws {
        let scratch = Scratch()
        var bytes = try makeStore(scratch.path)
        // A node is sizes (4), flags (2), length of the key (2), key; every page that was ever the root of the tables has one.
        let node = [6, 0] + Array("second".utf8)
        var count = 0
        for place in 8..<bytes.count - node.count where bytes[place..<place + node.count].elementsEqual(node) {
            bytes[place - 2] = flags
            count += 1
        }
        #expect(count > 0)
        try Data(bytes).write(to: URL(fileURLWithPath: scratch.path + "/data.mdb"))
        #expect(try Self.walk(scratch.path, depth: .values).contains { $0.hasPrefix("tables: ") })
        #expect(try !openAndRead(bytes, scratch.path))
        #expect(try !openAndRead(bytes, scratch.path, .readWrite))
    }

    @Test func aBrokenMetaPageIsRefused() throws {
        let scratch = Scratch()
        let bytes = try makeStore(scratch.path)
        for page in 0..<2 {
            var copy = bytes
            for byte in 0..<512 { copy[page * 4096 + byte] ^= 0x5A }
            #expect(try !openAndRead(copy, scratch.path))
        }
    }

    /// A daemon without a free descriptor at its start refused changes until it was started again.
    @Test("A walk that could not read is made again with the next write")
    func repeatedWalk() throws {
        let scratch = Scratch()
        let first = try open(scratch.path, .create)
        try fill(first, 0..<10)
        first.close()
        let environment = try open(scratch.path, .readWrite)
        defer { environment.close() }
        let (file, away) = (scratch.path + "/data.mdb", scratch.path + "/away")
        #expect(rename(file, away) == 0)
        #expect(throws: LMDBError.self) { try environment.awaitVerification() }
        #expect(throws: LMDBError.self) { try fill(environment, 10..<11) }
        #expect(rename(away, file) == 0)
        try fill(environment, 10..<11)
        #expect(try entryCount(environment) == 11)
    }

    @Test func theVisitorSeesEveryEntryAndItsFindingsAreReported() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<500)
        var seen = 0
        let report = try environment.verifyPages { table, key, value in
            seen += 1
            return UInt64(keyBytes: key) == 17 ? "seventeen" : nil
        }
        #expect(seen == 500)
        #expect(report.findings == ["first: seventeen"])
    }
}
