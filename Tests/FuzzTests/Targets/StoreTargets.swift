import Foundation
import HilumCore

@testable import HilumArchive
@testable import HilumIndex
@testable import HilumWords
@testable import LMDB

extension FuzzTarget {
    private static let storeFolder = Result { try scratch("pages") }

    /// The file of a store: what `PageVerifier` says of it, and what `TreeReader` reads of its tables, each for itself.
    static let pages = FuzzTarget(
        "pages", longestInput: 64 << 10,
        seeds: { try storeSeeds() },
        finding: { bytes in
            guard let folder = try? storeFolder.get(), write(bytes, to: folder + "/data.mdb") else { return nil }
            guard let file = try? PageFile(folder: folder), let metas = try? file.metas() else { return nil }
            _ = try? file.metaFinding()
            for meta in metas {
                var visited = 0
                let verifier = try? PageVerifier(
                    file: file, meta: meta, depth: .values,
                    visit: { _, key, value in
                        visited += Int(key.first ?? 0) + Int(value.first ?? 0) + Int(value.last ?? 0)
                        return nil
                    })
                guard let report = try? verifier?.run() else { continue }
                if let finding = finding(reading: bytes, meta, isSound: report.findings.isEmpty) { return finding }
            }
            return nil
        })

    private static func finding(reading bytes: [UInt8], _ meta: PageMeta, isSound: Bool) -> String? {
        bytes.withUnsafeBytes { raw -> String? in
            // As in the map of a file, every page begins at a multiple of 8.
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, raw.count), alignment: 4096)
            defer { room.deallocate() }
            room.copyMemory(from: raw)
            guard let base = room.baseAddress else { return nil }
            let reader = TreeReader(
                base: UnsafeRawPointer(base), pageSize: meta.pageSizeInBytes,
                pageCount: UInt64(raw.count / meta.pageSizeInBytes), meta: meta, path: "")
            do {
                for table in ["first", "second", "none"] {
                    guard let root = try reader.root(of: table) else { continue }
                    var cursor = try TreeCursor(reader, root, from: nil)
                    var count: UInt64 = 0
                    while let entry = try cursor.entry, count < 10_000 {
                        count += 1
                        guard let found = try reader.find(entry.key, in: root) else {
                            return "a key of a walk is not found"
                        }
                        // Not as long: the same bytes of the file.
                        guard found.bytes.count == entry.value.count,
                            found.bytes.baseAddress == entry.value.baseAddress
                        else { return "a key is found with another value" }
                        try cursor.goOn()
                    }
                    try Array("key 5".utf8).withUnsafeBytes {
                        _ = try reader.find($0, in: root)
                        _ = try reader.neighbours(of: $0, in: root)
                    }
                }
                return nil
            } catch { return isSound ? "a reader refuses what the verifier lets pass: \(error)" : nil }
        }
    }

    private static func storeSeeds() throws -> [[UInt8]] {
        let folder = try scratch("seeds")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let environment = try Environment(path: folder, tables: ["first", "second"], options: .init(mode: .create))
        for round in 0..<3 {
            try environment.write { transaction in
                for number in 0..<12 {
                    try transaction.put(
                        environment.table("first"), "key \(round * 12 + number)", [UInt8](repeating: 7, count: 150))
                }
                if round == 1 {
                    try transaction.put(environment.table("second"), "long", [UInt8](repeating: 9, count: 5000))
                }
                if round == 2 { try transaction.delete(environment.table("first"), "key 3") }
            }
        }
        environment.close()
        return [[UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/data.mdb"))), SmallStore.bytes]
    }

    /// A value of a table of an archive, without its checksum; the first byte says of which kind.
    static let records = FuzzTarget(
        "records", longestInput: 1024,
        seeds: { try recordSeeds() },
        finding: { bytes in
            guard let kind = bytes.first else { return nil }
            let content = Array(bytes.dropFirst())
            return content.withUnsafeBytes { finding(in: $0, content, kind: kind % 12) }
        })

    private static func finding(in raw: UnsafeRawBufferPointer, _ content: [UInt8], kind: UInt8) -> String? {
        switch kind {
        case 0:
            guard let entry = try? CaseEntry(decoding: raw) else { return nil }
            let written = entry.encoded()
            let again = written.withUnsafeBytes { try? CaseEntry(decoding: $0) }
            return again == entry ? nil : "an entry is not the same when it is read again"
        case 1: _ = try? CaseChange(decoding: raw)
        case 2: _ = try? CheckpointHead(decoding: raw)
        case 3: _ = try? GenerationTable(decoding: raw)
        case 4: _ = try? JournalEntry(key: [UInt8](repeating: 0, count: 16), decoding: raw)
        case 5:
            guard let head = try? WordHead(raw) else { return nil }
            return head.bytes == content ? nil : "a head of words is not the same when it is written again"
        case 6:
            guard let blob = try? PostingBlob(content) else { return nil }
            for index in 0..<blob.count { _ = blob.value(index) }
        case 7: _ = try? Attributes(sets: content, directory: [0])
        case 8: _ = try? Attributes(sets: [UInt8](repeating: 0, count: 16), directory: content)
        case 9: _ = try? ScalarQuantizer(decoding: content)
        case 10: _ = try? SnapshotManifest(parsing: content)
        default: _ = try? SearchCursor(String(decoding: content, as: UTF8.self))
        }
        return nil
    }

    private static func recordSeeds() throws -> [[UInt8]] {
        var entry = CaseEntry()
        entry.id = "case-1"
        entry.hasReport = true
        entry.images = [CaseEntry.StoredImage(digest: [UInt8](repeating: 3, count: 32), path: "/a.png", view: "PA")]
        entry.fields = CaseFields(
            patient: "p", view: "PA", date: "2020-01-02", findings: ["mass"], metadata: ["age": "40"])
        entry.source = "s"
        let head = WordHead()
        let blob = PostingBlob(["PA": [1, 2], "AP": [3]])
        let quantizer = ScalarQuantizer(offset: [0, 1], step: 0.5, isExact: false)
        let manifest =
            "{\"snapshot\":1,\"format\":2,\"created\":\"x\",\"cases\":1,\"files\":[{\"path\":\"data.mdb\",\"bytes\":1,"
            + "\"sha256\":\"00\"}],\"images\":0,\"image_bytes\":0,\"lost_images\":0}"
        return [
            [0] + entry.encoded(), [2] + CheckpointHead().encoded(), [3] + GenerationTable().encoded(),
            [4] + JournalEntry(name: "n", fingerprint: [UInt8](repeating: 1, count: 32)).encoded(), [5] + head.bytes,
            [6] + blob.bytes, [7] + Attributes().encodedSets, [8] + Attributes().encodedDirectory,
            [9] + quantizer.encoded,
            [10] + Array(manifest.utf8), [11] + [UInt8](repeating: 48, count: 64),
        ]
    }
}
