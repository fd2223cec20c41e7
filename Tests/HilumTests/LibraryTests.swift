import Foundation
import HilumCore
import Testing

@Suite("The libraries")
struct LibraryTests {
    private static let names = ["index-example", "archive-example"]

    private static func source(_ name: String) throws -> String {
        String(decoding: try FileIO.read("\(SourceTree.root)/Tests/Examples/\(name)/main.swift"), as: UTF8.self)
    }

    private static func run(_ name: String, _ words: [String] = []) throws -> Program.Result {
        let folder = URL(fileURLWithPath: Program.path).deletingLastPathComponent()
        return try Program.run(words, program: folder.appendingPathComponent(name).path)
    }

    @Test("Each example has under thirty lines and stands in the README word for word", arguments: names)
    func exampleIsShown(_ name: String) throws {
        let source = try Self.source(name)
        #expect(source.split(separator: "\n", omittingEmptySubsequences: false).count <= 30)
        let page = String(decoding: try FileIO.read(SourceTree.root + "/README.md"), as: UTF8.self)
        #expect(
            page.contains("\n```swift\n\(source)```\n"), "README.md does not show Tests/Examples/\(name)/main.swift")
    }

    @Test("The example of the index finds the nearest vectors")
    func indexExampleRuns() throws {
        let result = try Self.run("index-example")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.lines.map { $0.split(separator: " ").first } == ["red", "orange"])
    }

    @Test("The example of the archive stores cases and finds one of them, and `hilum` reads its archive")
    func archiveExampleRuns() throws {
        let scratch = try Scratch()
        let result = try Self.run("archive-example", [scratch.path("archive")])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.lines.count == 1 && result.text.hasPrefix("case 1, cosine 0."), "\(result.text)")
        let check = try Program.run(["check", scratch.path("archive"), "--deep"])
        #expect(check.status == 0, "\(check.errors)")
    }
}
