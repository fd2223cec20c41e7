import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumPhantom

/// A folder of its own for one test, removed at the end.
private func withFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "hilum-phantom-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}

private func contents(_ folder: String) throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder)
        if !isFolder.boolValue { found[name] = try FileIO.read("\(folder)/\(name)") }
    }
    return found
}

@Suite("Phantom folders")
struct PhantomDatasetTests {
    @Test("A folder holds pictures, reports and a manifest, the same bytes at 1 and 3 threads")
    func sameBytes() throws {
        try withFolder { one in
            try withFolder { three in
                try PhantomDataset.write(to: one, count: 7, seed: 7, site: nil, side: 64, threads: 1)
                try PhantomDataset.write(to: three, count: 7, seed: 7, site: nil, side: 64, threads: 3)
                let first = try contents(one)
                #expect(try contents(three) == first)
                #expect(first.count == 7 * 2 + 2)
                #expect(first["images/phantom-A-7-000000.png"] != nil && first["reports/phantom-B-7-000001.txt"] != nil)
            }
        }
    }

    @Test("A manifest row names what the case holds, and its picture decodes to the picture drawn")
    func manifest() throws {
        try withFolder { folder in
            try PhantomDataset.write(to: folder, count: 12, seed: 8, site: .b, side: 64, threads: 2)
            let text = String(decoding: try FileIO.read("\(folder)/cases.jsonl"), as: UTF8.self)
            let lines = text.split(separator: "\n")
            #expect(lines.count == 12)
            let generator = PhantomGenerator(seed: 8, site: .b, side: 64)
            for (index, line) in lines.enumerated() {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                let row = try #require(object)
                let phantom = generator.makeCase(index)
                #expect(row["id"] as? String == phantom.id)
                #expect(row["findings"] as? [String] == phantom.labels)
                #expect(row["view"] as? String == phantom.view && row["site"] as? String == "B")
                #expect(row["patient"] as? String == phantom.patient && row["date"] as? String == phantom.date)
                let lesions = try #require(row["lesions"] as? [[String: Any]])
                #expect(lesions.compactMap { $0["name"] as? String } == phantom.findings.map(\.name))
                for (lesion, finding) in zip(lesions, phantom.findings) {
                    #expect(lesion["laterality"] as? String == finding.laterality?.rawValue)
                    #expect((lesion["box"] as? [Int])?.count == 4)
                }
                let image = try #require(row["image"] as? String)
                #expect(try ImageDecoder.decode(path: "\(folder)/\(image)") == phantom.image)
                let report = try #require(row["report_file"] as? String)
                #expect(try FileIO.read("\(folder)/\(report)") == Array((phantom.report + "\n").utf8))
            }
        }
    }

    @Test("A run that was cut short is completed by the same call, and a second one writes nothing")
    func resume() throws {
        try withFolder { folder in
            try PhantomDataset.write(to: folder, count: 6, seed: 9, site: .a, side: 64, threads: 2)
            let whole = try contents(folder)
            let manager = FileManager.default
            try manager.removeItem(atPath: "\(folder)/cases.jsonl")
            try manager.removeItem(atPath: "\(folder)/images/phantom-A-9-000004.png")
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(folder)/reports/phantom-A-9-000002.txt"))
            let again = try PhantomDataset.write(to: folder, count: 6, seed: 9, site: .a, side: 64, threads: 2)
            #expect(again.filesWritten == 2)
            #expect(try contents(folder) == whole)
            let third = try PhantomDataset.write(to: folder, count: 6, seed: 9, site: .a, side: 64, threads: 2)
            #expect(third.filesWritten == 0)
        }
    }

    @Test("A folder with other content and a run with other parameters are refused and left as they are")
    func refusals() throws {
        try withFolder { folder in
            try FileIO.makeFolder(folder)
            try FileIO.writeAtomically("\(folder)/notes.txt", [65])
            #expect { try PhantomDataset.write(to: folder, count: 2, seed: 1, site: .a, side: 64) } throws: { error in
                (error as? PhantomError)?.code == .folderNotEmpty
            }
            #expect(try contents(folder).count == 1)
        }
        try withFolder { folder in
            try PhantomDataset.write(to: folder, count: 2, seed: 1, site: .a, side: 64)
            #expect { try PhantomDataset.write(to: folder, count: 2, seed: 2, site: .a, side: 64) } throws: { error in
                guard case .otherParameters = (error as? PhantomError)?.code else { return false }
                return true
            }
        }
    }

    @Test("A count below one and a side out of range are refused", arguments: [(0, 256), (5, 16), (5, 10_000)])
    func badParameters(count: Int, side: Int) throws {
        try withFolder { folder in
            #expect(throws: PhantomError.self) {
                try PhantomDataset.write(to: folder, count: count, seed: 1, site: .a, side: side)
            }
            #expect(!FileManager.default.fileExists(atPath: folder))
        }
    }
}
