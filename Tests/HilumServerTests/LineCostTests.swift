import Foundation
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumArchive
@testable import HilumServer

/// One vector for all.
private struct ConstantEmbedder: Embedder {
    let modelID = String(repeating: "c", count: 64)
    let dimension = 4

    func embed(images: [GrayImage], threads: Int) throws -> [Float] { images.flatMap { _ in [1, 0, 0, 0] as [Float] } }
    func embed(reports: [String], threads: Int) throws -> [Float] { reports.flatMap { _ in [0, 1, 0, 0] as [Float] } }
}

/// The longest lines, with long lists of each option and of filters, in both forms.
@Suite("No line of 64 KiB takes a thread for more than a moment")
struct LineCostTests {
    /// What a line may cost, in seconds of processor time. One that is longer by the square takes a hundred times as much.
    private static let most = 0.05
    private static let valueByteCount = 60_000

    /// Values of that length.
    private static let values: [String] = [
        "0,", "&", "a=,", ", ", "1..2,", "2019-01-02..2019-02-03,", "2019-03,", "..", "a", "effusion,", "x;y=&",
        "left effusion ", "\\\"",
    ].map { String(repeating: $0, count: valueByteCount / $0.utf8.count) }

    private static let archive = Result {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: ConstantEmbedder())
        for start in stride(from: 0, to: 3000, by: 500) {
            _ = try archive.put(
                (start..<start + 500).map { number in
                    let date = String(
                        format: "20%02d-%02d-%02d", 10 + number / 336, number / 28 % 12 + 1, number % 28 + 1)
                    return CaseInput(
                        id: "case\(number)", report: number % 50 == 0 ? "Left effusion." : "Clear lungs \(number).",
                        fields: CaseFields(
                            patient: "p\(number)", view: "PA", date: date, findings: ["effusion"],
                            metadata: ["age": "\(number % 90)", "note": "\(number)"]))
                })
        }
        return (folder, archive)
    }

    /// Parses a line and carries out what it asks for, but for the change of the archive itself.
    private func carryOut(_ line: [UInt8], _ handler: RequestHandler) throws {
        for item in items(line + [10]) {
            guard case .request(let request) = item else { continue }
            switch handler.route(request, mayWrite: true) {
            case .reply: break
            case .read: _ = handler.read(request).written(as: request.form)
            case .write:
                guard case .put(let make) = handler.change(request, Errand(request)) else { continue }
                _ = try? make()
            }
        }
    }

    /// An option with a long value, as a line and as JSON-RPC.
    private func lines(_ verb: Verb, _ key: String, _ value: String) -> [String] {
        let word = verb.rawValue
        let rest = key == "text" ? "" : verb == .search ? " text=effusion" : verb == .facet ? " by=view" : ""
        let more = verb == .search && key != "text" ? #","text":"effusion""# : verb == .facet ? #","by":"view""# : ""
        func rpc(_ value: String) -> String {
            #"{"jsonrpc":"2.0","id":1,"method":"\#(word.lowercased())","params":{"\#(key)":\#(value)\#(more)}}"#
        }
        return ["\(word) \(key)=\"\(value)\"\(rest)", rpc("\"\(value)\"")]
            // The same as a list, whose values have no comma.
            + [rpc("[" + value.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",") + "]")]
    }

    @Test("Each option of each verb, and conditions on each kind of key", arguments: Verb.allCases)
    func options(_ verb: Verb) throws {
        guard verb != .snapshot else { return }
        let archive = try Self.archive.get().1
        let handler = RequestHandler(archive: archive, configuration: ServerConfiguration())
        var keys = verb.options.map(\.name)
        if verb.takesFilter { keys += ["view", "date", "finding", "affirmed", "age", "note", "patient", "viewed"] }
        if verb == .count || verb == .facet { keys.append("id") }
        for key in keys + [String(repeating: "k", count: Self.valueByteCount)] {
            for value in key.utf8.count > 64 ? ["x"] : Self.values {
                for line in lines(verb, key, value) where line.utf8.count <= 64 << 10 {
                    let seconds = try threadSeconds { try carryOut(Array(line.utf8), handler) }
                    #expect(seconds < Self.most, "\(line.prefix(100)) …: \(seconds) s")
                }
            }
        }
    }

    @Test("Many arguments, many members, many pictures in the place of one")
    func manyArguments() throws {
        let archive = try Self.archive.get().1
        let handler = RequestHandler(archive: archive, configuration: ServerConfiguration())
        func repeated(_ make: (Int) -> String, _ separator: String) -> String {
            var text = ""
            var number = 0
            while text.utf8.count < Self.valueByteCount {
                text += (number == 0 ? "" : separator) + make(number)
                number += 1
            }
            return text
        }
        var lines: [String] = []
        for verb in Verb.allCases where verb != .snapshot {
            for make in [
                { "k\($0)=1" }, { "id=\($0)" }, { "text=\($0)" }, { _ in "x" }, { "k\($0)!=a,b" }, { _ in "view=PA" },
            ] as [(Int) -> String] { lines.append("\(verb.rawValue) " + repeated(make, " ")) }
            let method = verb.rawValue.lowercased()
            for make in [{ #""k\#($0)":1"# }, { #""k\#($0)!":["a","b"]"# }, { #""\#($0)":null"# }] as [(Int) -> String]
            {
                lines.append(
                    #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(repeated(make, ","))}}"#)
            }
            lines.append(
                #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{"id":[\#(repeated({ "\"\($0)\"" }, ","))]}}"#)
        }
        lines.append("{" + repeated({ #""bytes\#($0)":"""# }, ",") + "}")
        lines.append("{" + repeated({ _ in #""bytes":"""# }, ",") + "}")
        for line in lines {
            let seconds = try threadSeconds { try carryOut(Array(line.utf8), handler) }
            #expect(seconds < Self.most, "\(line.prefix(100)) …: \(seconds) s")
        }
    }

    @Test("A request of more arguments than a case can have fields is refused, in both forms")
    func bound() throws {
        var machine = Machine()
        let names = (0...Request.mostArguments).map { "k\($0)" }
        machine.feed("COUNT " + names.map { "\($0)=1" }.joined(separator: " ") + "\n")
        let members = names.map { "\"\($0)\":1" }.joined(separator: ",")
        machine.feed(#"{"jsonrpc":"2.0","id":1,"method":"count","params":{\#(members)}}"# + "\n")
        let values = (0...ArchiveLimits.filterValueCount).map(String.init).joined(separator: ",")
        machine.feed("COUNT view=\(values)\n")
        machine.feed(#"{"jsonrpc":"2.0","id":1,"method":"count","params":{"view":[\#(values)]}}"# + "\n")
        machine.feed("COUNT view=PA,AP\n")
        try #require(machine.lines.count == 5)
        #expect(machine.lines[0].hasPrefix("ERR LIMIT a request has at most"))
        #expect(machine.lines[1].contains("at most \(Request.mostArguments) members"))
        #expect(machine.lines[2].hasPrefix("ERR LIMIT view=: a filter has at most"))
        #expect(machine.lines[3].contains(#""code":"LIMIT""#))
        #expect(machine.lines[4] == "OK count=5")
    }
}
