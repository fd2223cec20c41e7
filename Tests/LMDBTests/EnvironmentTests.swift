import Foundation
import Testing

@testable import LMDB

/// A folder of its own for each test, removed with it.
final class Scratch {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "hilum-lmdb-" + UUID().uuidString
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

func open(
    _ path: String, _ mode: Environment.Mode, mapSizeInBytes: Int = 1 << 20, tables: [String] = ["first", "second"]
) throws -> Environment {
    var options = Environment.Options(mode: mode)
    options.mapSizeInBytes = mapSizeInBytes
    return try Environment(path: path, tables: tables, options: options)
}

func entryCount(_ environment: Environment) throws -> Int {
    try environment.read { try $0.count(environment.table("first")) }
}

func fill(_ environment: Environment, _ range: Range<UInt64>, valueByteCount: Int = 100) throws {
    let table = environment.table("first")
    try environment.write { transaction in
        for number in range {
            try transaction.put(
                table, number, [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: valueByteCount),
                rule: .appending)
        }
    }
}

/// Where values lie in the map; good as long as the transaction.
func addresses(
    _ transaction: borrowing ReadTransaction, _ table: Table, _ keys: Range<UInt64>
) throws -> [UnsafeRawBufferPointer] {
    var values: [UnsafeRawBufferPointer] = []
    for key in keys { _ = try transaction.get(table, key) { values.append($0) } }
    return values
}

@Suite struct EnvironmentTests {
    @Test func whatWasWrittenIsReadAgainAfterReopening() throws {
        let scratch = Scratch()
        var environment = try open(scratch.path, .create)
        try fill(environment, 0..<1000)
        environment.close()
        environment = try open(scratch.path, .readWrite)
        let table = environment.table("first")
        try environment.read { transaction in
            let count = try transaction.count(table)
            let seventh = try transaction.get(table, 7 as UInt64)
            let beyond = try transaction.get(table, 1000 as UInt64)
            #expect(count == 1000)
            #expect(seventh == [UInt8](repeating: 7, count: 100))
            #expect(beyond == nil)
            var numbers: [UInt64] = []
            try transaction.forEach(table, from: 995 as UInt64) { key, _ in
                numbers.append(UInt64(keyBytes: key) ?? 0)
                return true
            }
            #expect(numbers == [995, 996, 997, 998, 999])
        }
    }

    @Test func aThrowInsideAWriteUndoesAllOfIt() throws {
        struct Refusal: Error {}
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        let table = environment.table("first")
        #expect(throws: Refusal.self) {
            try environment.write { transaction in
                try transaction.put(table, "key", [1, 2, 3])
                throw Refusal()
            }
        }
        #expect(try entryCount(environment) == 0)
        try environment.write { transaction in
            try transaction.put(table, "key", [1])
            let first = try transaction.delete(table, "key")
            let second = try transaction.delete(table, "key")
            #expect(first && !second)
        }
    }

    @Test func aReaderKeepsItsSnapshotWhileAWriterCommits() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        let table = environment.table("first")
        try fill(environment, 0..<10)
        try environment.read { transaction in
            let done = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                try? fill(environment, 10..<20)
                done.signal()
            }
            done.wait()
            let seen = try transaction.count(table)
            #expect(seen == 10)
        }
        #expect(try entryCount(environment) == 20)
    }

    @Test(arguments: [false, true])
    func theMapGrowsUnderReadersAndNothingIsLost(inOneTransaction: Bool) throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create, mapSizeInBytes: 128 << 10)
        let table = environment.table("first")
        let stop = DispatchSemaphore(value: 0)
        let stopped = DispatchGroup()
        for _ in 0..<3 {
            DispatchQueue.global().async(group: stopped) {
                while stop.wait(timeout: .now()) == .timedOut {
                    _ = try? environment.read { try $0.count(table) }
                }
                stop.signal()
            }
        }
        if inOneTransaction {
            try fill(environment, 0..<20_000)
        } else {
            for batch in 0..<200 { try fill(environment, UInt64(batch * 100)..<UInt64(batch * 100 + 100)) }
        }
        stop.signal()
        stopped.wait()
        #expect(environment.growthCount >= 4)
        #expect(try entryCount(environment) == 20_000)
        #expect(try environment.verifyPages().findings == [])
        #expect(try environment.verifyPages().entryCounts["first"] == 20_000)
    }

    @Test("What a fetcher reads are the values, wherever the map lies")
    func fetchedValues() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create, mapSizeInBytes: 128 << 10)
        let table = environment.table("first")
        var copyCount = 0
        let fetcher = try environment.read { PageFetcher(environment, in: $0) }
        for round in 0..<4 as Range<UInt64> {
            // The map has grown since the round before, and lies elsewhere perhaps.
            try fill(environment, (round * 30)..<(round * 30 + 30), valueByteCount: 9_000 + Int(round))
            try environment.read { transaction in
                for first in [round * 30, round * 30 + 4, round * 30 + 26, 0] {
                    let values = try addresses(transaction, table, first..<(first + 4))
                    fetcher.fetch(values)
                    for value in values {
                        guard let copy = fetcher.copy(of: value) else { continue }
                        copyCount += 1
                        #expect(copy.baseAddress != value.baseAddress && copy.elementsEqual(value))
                    }
                    let other = (first + 15) % (round * 30 + 30)
                    let others = try addresses(transaction, table, other..<(other + 1))
                    #expect(others.count == 1 && fetcher.copy(of: others[0]) == nil)
                }
                fetcher.fetch([])
                #expect(fetcher.copy(of: UnsafeRawBufferPointer(start: nil, count: 0)) == nil)
            }
        }
        #expect(environment.growthCount > 0 && copyCount == 64, "\(copyCount) of 64")
    }

    @Test("A fetcher is made in a transaction while another thread waits for its end to move the map")
    func fetcherInsideTheGate() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create, mapSizeInBytes: 128 << 10)
        try fill(environment, 0..<30, valueByteCount: 9_000)
        let closed = DispatchSemaphore(value: 0)
        try environment.read { transaction in
            Thread.detachNewThread {
                environment.close()
                closed.signal()
            }
            // Until it has closed the gate.
            usleep(100_000)
            let values = try addresses(transaction, environment.table("first"), 3..<7)
            let fetcher = PageFetcher(environment, in: transaction)
            fetcher.fetch(values)
            #expect(values.allSatisfy { fetcher.copy(of: $0)?.elementsEqual($0) == true })
        }
        closed.wait()
    }

    @Test func theSameEnvironmentIsNotOpenedTwiceByOneProcess() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        let error = #expect(throws: LMDBError.self) { try open(scratch.path + "/.", .readOnly) }
        #expect(error?.code == .alreadyOpen)
        environment.close()
        let again = try open(scratch.path, .readOnly)
        #expect(throws: LMDBError.self) { try again.write { _ in } }
        #expect(throws: LMDBError.self) { try environment.read { _ in } }
    }

    @Test func openingRefusesWhatIsMissingOrThereAlready() throws {
        let scratch = Scratch()
        let missing = #expect(throws: LMDBError.self) { try open(scratch.path, .readWrite) }
        #expect(missing?.code == .notFound)
        try open(scratch.path, .create).close()
        let there = #expect(throws: LMDBError.self) { try open(scratch.path, .create) }
        #expect(there?.code == .exists)
        let other = try open(scratch.path, .readOnly, tables: ["third"])
        #expect(try !other.read { try $0.has(other.table("third")) })
        #expect(try other.read { try $0.get(other.table("third"), "key") } == nil)
    }

    @Test func keysThatAreEmptyOrTooLongAreRefused() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        let table = environment.table("first")
        for key in [[], [UInt8](repeating: 1, count: 512)] as [[UInt8]] {
            let error = #expect(throws: LMDBError.self) { try environment.write { try $0.put(table, key, [1]) } }
            #expect(error?.code == .badSize)
        }
    }

    /// No volume can be filled here; a limit on the file's size fails the same write. It binds the whole process, so this
    /// runs in one of its own.
    @Test func aWriteThatFailsLosesNothingThatWasCommitted() async {
        await #expect(processExitsWith: .success) {
            let scratch = Scratch()
            let environment = try open(scratch.path, .create)
            try fill(environment, 0..<100)
            var status = stat()
            stat(scratch.path + "/data.mdb", &status)
            signal(SIGXFSZ, SIG_IGN)
            var old = rlimit()
            getrlimit(__rlimit_resource_t(1), &old)
            var tight = rlimit(rlim_cur: rlim_t(status.st_size), rlim_max: old.rlim_max)
            setrlimit(__rlimit_resource_t(1), &tight)
            let error = #expect(throws: LMDBError.self) { try fill(environment, 100..<3000) }
            setrlimit(__rlimit_resource_t(1), &old)
            #expect(error?.call == "mdb_txn_commit")
            #expect(try entryCount(environment) == 100)
            // Nobody knows what the disk holds now, so the environment takes no more.
            let poisoned = #expect(throws: LMDBError.self) { try fill(environment, 100..<101) }
            #expect(poisoned?.code == .poisoned)
            environment.close()
            let again = try open(scratch.path, .readWrite)
            #expect(try entryCount(again) == 100)
            try fill(again, 100..<3000)
        }
    }
}
