import Foundation
import Testing

@testable import LMDB

/// Meta pages that promise pages far beyond the end of the file. The walk over pages takes memory by such numbers, and LMDB maps by them.
@Suite("Page numbers far away") struct FarPageTests {
    /// Where a meta page has it: 8 bytes.
    private static let lastPage = 136
    private static let mainRoot = 88 + 40

    /// A store of some pages with a long value; its bytes, and how many pages its file has.
    private func makeStore(_ path: String) throws -> (bytes: [UInt8], pageCount: UInt64) {
        let environment = try open(path, .create)
        try fill(environment, 0..<200)
        try environment.write { transaction in
            try transaction.put(environment.table("second"), "long", [UInt8](repeating: 9, count: 20_000))
        }
        environment.close()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/data.mdb")))
        return (bytes, UInt64(bytes.count / 4096))
    }

    private static func changed(_ bytes: [UInt8], _ offset: Int, in pages: [Int], to number: UInt64) -> [UInt8] {
        var copy = bytes
        for page in pages {
            for byte in 0..<8 {
                copy[page * 4096 + offset + byte] = UInt8(truncatingIfNeeded: number >> (8 * byte))
            }
        }
        return copy
    }

    /// Whether the store in `path` opens; what opens must hold everything.
    private static func opens(_ path: String, _ mode: Environment.Mode) throws -> Bool {
        do {
            let environment = try open(path, mode)
            defer { environment.close() }
            if mode == .readWrite { try environment.awaitVerification() }
            #expect(try entryCount(environment) == 200)
            #expect(try environment.verifyPages().findings == [])
            return true
        } catch let error as LMDBError {
            guard case .damaged = error.code else { throw error }
            return false
        }
    }

    @Test("A last page far away is refused in words at once, in either meta page and in both")
    func lastPages() async throws {
        let scratch = Scratch()
        let (bytes, pageCount) = try makeStore(scratch.path)
        // A signal would end the tests, so this is done beside them; a walk over all that is promised would never end.
        await #expect(processExitsWith: .success) {
            [path = scratch.path as String, bytes = bytes as [UInt8], pageCount = pageCount as UInt64] in
            alarm(600)
            let far: [UInt64] = [
                .max, .max - 1, 1 << 63, (1 << 63) - 1, 1 << 62, 1 << 52, 1 << 48, 1 << 36, (1 << 36) - 1, 1 << 32,
                pageCount + (1 << 16), 0xDEAD_BEEF_DEAD_BEEF,
            ]
            for number in far {
                for pages in [[0], [1], [0, 1]] {
                    let damaged = Self.changed(bytes, Self.lastPage, in: pages, to: number)
                    try Data(damaged).write(to: URL(fileURLWithPath: path + "/data.mdb"))
                    for mode in [.readOnly, .readWrite] as [Environment.Mode] {
                        #expect(try !Self.opens(path, mode), "\(number) in \(pages)")
                    }
                    let report = try PageVerifierTests.walk(path, depth: .values)
                    #expect(report.contains { $0.contains("impossible") } || pages.count == 1, "\(number): \(report)")
                }
            }
            // Pages that a commit took and gave back are never written: a file may end some pages early.
            for pages in [[0], [1], [0, 1]] {
                let ahead = Self.changed(bytes, Self.lastPage, in: pages, to: pageCount + 100)
                try Data(ahead).write(to: URL(fileURLWithPath: path + "/data.mdb"))
                #expect(try Self.opens(path, .readOnly))
            }
        }
    }

    @Test("A root far away is refused in words")
    func roots() async throws {
        let scratch = Scratch()
        let (bytes, pageCount) = try makeStore(scratch.path)
        await #expect(processExitsWith: .success) {
            [path = scratch.path as String, bytes = bytes as [UInt8], pageCount = pageCount as UInt64] in
            alarm(600)
            for number in [.max - 1, 1 << 63, 1 << 52, pageCount, pageCount + 50, 0, 1] as [UInt64] {
                let damaged = Self.changed(bytes, Self.mainRoot, in: [0, 1], to: number)
                try Data(damaged).write(to: URL(fileURLWithPath: path + "/data.mdb"))
                #expect(try !Self.opens(path, .readOnly), "\(number)")
                #expect(try !Self.opens(path, .readWrite), "\(number)")
            }
        }
    }

    @Test("A file with a hole of an exbibyte costs no memory")
    func holes() async throws {
        // Only a file system in memory has room for such a hole.
        guard FileManager.default.fileExists(atPath: "/dev/shm") else { return }
        let path = "/dev/shm/hilum-lmdb-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (bytes, _) = try makeStore(path)
        await #expect(processExitsWith: .success) { [path = path as String, bytes = bytes as [UInt8]] in
            alarm(600)
            let file = path + "/data.mdb"
            for (byteCount, lastPage) in [(1 << 60, nil), (1 << 60, 1 << 47), (1 << 50, 1 << 37)] as [(Int, UInt64?)] {
                let changed = lastPage.map { Self.changed(bytes, Self.lastPage, in: [0, 1], to: $0) } ?? bytes
                try Data(changed).write(to: URL(fileURLWithPath: file))
                guard truncate(file, off_t(byteCount)) == 0 else { continue }
                let findings = try PageVerifierTests.walk(path, depth: .values)
                #expect(findings == [], "\(findings)")
            }
        }
    }
}
