import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// A file that cannot be opened now may be readable later: its rights, its disk, its share.
@Suite struct PassingFaultTests {
    /// A link that leads to itself cannot be opened, by root neither, and is there.
    private func block(_ path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
    }

    @Test("A case with an image that cannot be opened is refused, and not remembered", arguments: [1, 2])
    func anImageThatCannotBeOpened(count: Int) throws {
        let scratch = try Scratch()
        try scratch.write("in/b.png", makePNG(2))
        let images = count == 1 ? #""a.png""# : #"["b.png","a.png"]"#
        let table = try scratch.write("in/cases.jsonl", #"{"id":"x","image":\#(images),"report":"clear"}"#)
        try block(scratch.path + "/in/a.png")
        let archive = try scratch.makeArchive()
        func run() throws -> IndexSummary {
            try BulkIndexer(archive: archive).run(sources: [table], isQuiet: true)
        }
        for _ in 0..<2 {
            let summary = try run()
            #expect(summary.refused.count == 1 && summary.stored == 0)
            let items = try archive.settled(Manifest.read(table))
            guard case .found(let row)? = items.first else { return #expect(Bool(false)) }
            #expect(try archive.verdict(of: row.origin, id: "x") == .open)
        }
        try FileManager.default.removeItem(atPath: scratch.path + "/in/a.png")
        try scratch.write("in/a.png", makePNG(1))
        #expect(try run().stored == 1)
        #expect(try archive.get(id: "x")?.images.count == count)
    }
}
