import Foundation
import Testing

@testable import LMDB

/// The two pages that say which commit is the newest, and copies of an environment.
@Suite struct MetaPageTests {
    /// One flipped bit either does no harm or is refused: never the commit before, never a signal.
    @Test("No bit of a meta page brings back an older commit or ends the process", arguments: [0, 1])
    func everyBit(_ page: Int) async throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        for number in 0..<8 as Range<UInt64> { try fill(environment, number..<(number + 1)) }
        environment.close()
        await #expect(processExitsWith: .success) { [path = scratch.path as String, page = page as Int] in
            let file = URL(fileURLWithPath: path + "/data.mdb")
            let sound = [UInt8](try Data(contentsOf: file))
            var refused = 0
            // The head of the page, and what LMDB keeps in it.
            for bit in 0..<(152 * 8) {
                var bytes = sound
                bytes[page * 4096 + bit / 8] ^= 1 << UInt8(bit % 8)
                try Data(bytes).write(to: file)
                let numbers = (0..<2).map { bytes[$0 * 4096 + 144] }
                // The older page has become that of the next commit, which no page can tell.
                if bit / 8 == 144, numbers[page] == numbers[1 - page] + 1, sound[page * 4096 + 144] < numbers[1 - page]
                {
                    continue
                }
                do {
                    let environment = try open(path, .readWrite)
                    defer { environment.close() }
                    // The walk over all pages, which a daemon begins when it opens, knows a root that was freed.
                    try environment.awaitVerification()
                    let count = try entryCount(environment)
                    #expect(count == 8, "bit \(bit): \(count) entries")
                    try fill(environment, 8..<9)
                    #expect(try entryCount(environment) == 9, "bit \(bit)")
                } catch is LMDBError {
                    refused += 1
                }
            }
            #expect(refused > 100, "\(refused)")
        }
    }

    @Test func aPipeInThePlaceOfTheFileIsNoWait() throws {
        let scratch = Scratch()
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
        #expect(mkfifo(scratch.path + "/data.mdb", 0o600) == 0)
        let error = #expect(throws: LMDBError.self) { try open(scratch.path, .readOnly) }
        #expect(error?.code == .damaged("data.mdb is no regular file"))
    }

    @Test func aCompactedCopyHoldsTheSameInLess() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<2000)
        try environment.write { transaction in
            for number in 0..<1500 as Range<UInt64> { try transaction.delete(environment.table("first"), number) }
        }
        let file = scratch.path + "/copy"
        let descriptor = Foundation.open(file, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        #expect(descriptor >= 0)
        try environment.copy(compactedTo: descriptor)
        close(descriptor)
        let before = try environment.size().usedInBytes
        #expect(throws: LMDBError.self) { try Environment.replaceData(of: scratch.path, by: file, tableCount: 2) }
        environment.close()
        try Environment.replaceData(of: scratch.path, by: file, tableCount: 2)
        let again = try open(scratch.path, .readWrite)
        #expect(try entryCount(again) == 500 && again.verifyPages().findings == [])
        #expect(try again.size().usedInBytes * 2 < before)
        try fill(again, 3000..<3100)
        again.close()
        #expect(try entryCount(open(scratch.path, .readOnly)) == 600)
    }

    @Test("A copy that is slow to write holds up neither reads nor writes, though the map had to grow")
    func slowCopy() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<4000)
        // Nobody reads the pipe yet, so the copy stands still once it is full.
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let (source, target) = (ends[0], ends[1])
        let copied = DispatchGroup()
        DispatchQueue.global().async(group: copied) {
            do { try environment.copy(compactedTo: target) } catch { Issue.record("\(error)") }
            close(target)
        }
        var waiting = pollfd(fd: source, events: Int16(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 60_000) == 1, "the copy has begun")
        let before = try environment.size().usedInBytes
        let done = DispatchGroup()
        DispatchQueue.global().async(group: done) {
            do {
                // Far more than the map held before.
                for batch in 10..<110 as Range<UInt64> {
                    try fill(environment, (batch * 1000)..<(batch * 1000 + 1000))
                    #expect(try entryCount(environment) == 4000 + Int(batch - 9) * 1000)
                }
            } catch { Issue.record("\(error)") }
        }
        #expect(done.wait(timeout: .now() + 60) == .success, "writes waited for the copy")
        #expect(try environment.size().usedInBytes > 4 * before)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var byteCount = 0
        while true {
            let count = read(source, &buffer, buffer.count)
            if count <= 0 { break }
            byteCount += count
        }
        close(source)
        copied.wait()
        #expect(byteCount > 0 && byteCount <= before)
        environment.close()
    }

    @Test("A file that was cut while it is open refuses reads and writes in words")
    func cutWhileOpen() throws {
        let scratch = Scratch()
        let environment = try open(scratch.path, .create)
        try fill(environment, 0..<4000)
        let before = try environment.size().usedInBytes
        #expect(truncate(scratch.path + "/data.mdb", off_t(before / 8 / 4096 * 4096)) == 0)
        for _ in 0..<3 {
            let error = #expect(throws: LMDBError.self) { try fill(environment, 5000..<5001) }
            #expect(error?.code == .damaged("the file is truncated"))
        }
        environment.close()
    }
}
