import Foundation
import Testing

@testable import LMDB

/// Environments whose transactions copy the pages that they touch.
@Suite struct PageCopiesTests {
    private func openCopying(_ path: String) throws -> Environment {
        var options = Environment.Options(mode: .readOnly)
        options.copiesPages = true
        options.readsAround = false
        return try Environment(path: path, tables: ["first", "second"], options: options)
    }

    /// Bytes of this process that a map of `data.mdb` in a folder holds.
    private func mappedByteCount(_ folder: String) throws -> Int {
        // Whose size the system gives as 0.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        var isOurs = false
        var total = 0
        for line in text.split(separator: "\n") {
            if line.contains("/data.mdb") || line.first?.isHexDigit == true && line.contains("-") {
                isOurs = line.hasSuffix(folder + "/data.mdb")
            } else if isOurs, line.hasPrefix("Rss:"), let number = line.split(separator: " ").dropFirst().first {
                total += 1024 * (Int(number) ?? 0)
            }
        }
        return total
    }

    @Test("A transaction reads the same, from more pages than it copies")
    func everything() throws {
        let scratch = Scratch()
        let writer = try open(scratch.path, .create, mapSizeInBytes: 64 << 20)
        // Some 2,000 leaves, and values of several pages among them.
        try fill(writer, 0..<40_000, valueByteCount: 180)
        try fill(writer, 40_000..<40_020, valueByteCount: 10_000)
        writer.close()
        let environment = try openCopying(scratch.path)
        defer { environment.close() }
        let table = environment.table("first")
        try environment.read { transaction in
            var next: UInt64 = 0
            try transaction.forEach(table) { key, value in
                guard key.elementsEqual(withUnsafeBytes(of: next.bigEndian, Array.init)) else { return false }
                guard value.allSatisfy({ $0 == UInt8(truncatingIfNeeded: next) }) else { return false }
                next += 1
                return true
            }
            #expect(next == 40_020)
            for key in stride(from: UInt64(0), to: 40_020, by: 97).reversed() {
                let value = try transaction.get(table, key)
                #expect(value?.first == UInt8(truncatingIfNeeded: key) && value?.count == (key < 40_000 ? 180 : 10_000))
            }
            let beyond = try transaction.get(table, 40_020 as UInt64)
            #expect(beyond == nil)
        }
    }

    @Test("Some reads all over the file leave it out of this process")
    func memory() throws {
        let scratch = Scratch()
        let writer = try open(scratch.path, .create, mapSizeInBytes: 64 << 20)
        try fill(writer, 0..<40_000, valueByteCount: 180)
        writer.close()
        func readSome(_ environment: Environment) throws -> Int {
            defer { environment.close() }
            let table = environment.table("first")
            try environment.read { transaction in
                for key in stride(from: UInt64(0), to: 40_000, by: 400) {
                    let isThere = try transaction.contains(table, key)
                    #expect(isThere)
                }
            }
            return try mappedByteCount(scratch.path)
        }
        let copied = try readSome(openCopying(scratch.path))
        let mapped = try readSome(open(scratch.path, .readOnly))
        // The meta pages are read through a map in either way.
        #expect(copied < mapped / 2, "\(copied) and \(mapped) bytes")
    }

    @Test("A page that is missing or another is damage")
    func damage() throws {
        let scratch = Scratch()
        let writer = try open(scratch.path, .create)
        try fill(writer, 0..<2_000)
        writer.close()
        let path = scratch.path + "/data.mdb"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // All pages but the two that say where the trees are.
        for page in 2..<(bytes.count / 4096) { bytes[4096 * page] ^= 1 }
        try bytes.write(to: URL(fileURLWithPath: path))
        let environment = try openCopying(scratch.path)
        defer { environment.close() }
        let error = #expect(throws: LMDBError.self) { try entryCount(environment) }
        if case .damaged = error?.code {} else { Issue.record("\(String(describing: error))") }
    }
}
