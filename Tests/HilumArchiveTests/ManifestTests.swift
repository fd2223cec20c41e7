import Foundation
import Testing

@testable import HilumArchive

@Suite struct ManifestTests {
    private func cases(_ items: [SourceItem]) -> [SourceCase] {
        items.compactMap { if case .found(let found) = $0 { found } else { nil } }
    }

    private func scan(_ source: String) throws -> [SourceItem] { try SourceScanner.scan(source).items }

    private func refusals(_ items: [SourceItem]) -> [String] {
        items.compactMap { if case .refused(_, let reason) = $0 { reason } else { nil } }
    }

    @Test func rowsOfJSONLinesAreRead() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "m.jsonl",
            """
            \u{FEFF}{"id":"a","image":"images/a.png","report_file":"r/a.txt","patient":"p1","view":"PA","findings":["x","y"]}\r

            {"id": 7, "report": "caf\\u00e9 \\ud83d\\ude00\\n\\"q\\"", "age": 50, "ratio": 1.50, "ok": true, "none": null, "deep": {"a":[1]}}
            {"id":"b","image":["/abs/1.png","2.png"],"labels":["l1","l2"],"findings":[],"credit":["is","kept"],"report":null}
            {"image":"sub/c.png","date":"2020-01-01","modality":"CR","site":"B","report_file":""}
            """)
        let items = try Manifest.read(path)
        #expect(refusals(items) == [])
        let found = cases(items)
        #expect(found.map(\.id) == ["a", "7", "b", "sub/c"])
        #expect(found[0].imagePaths == [scratch.path + "/images/a.png"])
        #expect(found[0].reportPath == scratch.path + "/r/a.txt")
        #expect(
            found[0].fields.patient == "p1" && found[0].fields.view == "PA" && found[0].fields.findings == ["x", "y"])
        #expect(found[1].report == "café 😀\n\"q\"")
        #expect(found[1].fields.metadata == ["age": "50", "ratio": "1.50", "ok": "true"])
        #expect(found[2].imagePaths == ["/abs/1.png", scratch.path + "/2.png"])
        #expect(found[2].fields.findings == ["l1", "l2"] && found[2].report == nil)
        #expect(found[2].fields.metadata == ["credit": "is; kept"])
        #expect(found[3].fields.date == "2020-01-01" && found[3].fields.modality == "CR" && found[3].fields.site == "B")
        #expect(found[3].reportPath == nil)
        #expect(found[1].place == path + ":3")
    }

    @Test func rowsThatCannotBeReadAreRefusedByThemselves() throws {
        let scratch = try Scratch()
        let bad: [[UInt8]] = [
            Array(#"{"id":"a","report":"cut"#.utf8), Array("not json".utf8), Array("[1,2]".utf8),
            Array(#"{"id":"a"}"#.utf8),
            Array(#"{"report":"no id"}"#.utf8), [0x7B, 0x22, 0xFF, 0xFE, 0x22, 0x3A, 0x31, 0x7D],
            Array(#"{"id":"a","report":"x"} trailing"#.utf8), Array(#"{"id":"a","report":"\x"}"#.utf8),
            Array(#"{"id":"a","report":"\ud800"}"#.utf8), Array("{\"id\":\"a\",\"report\":\"\u{1}\"}".utf8),
            Array(#"{"id":"a","age":NaNa,"report":"x"}"#.utf8), Array(#"{"id":"a","report":01}"#.utf8),
            Array(#"{"id":"a","report":-}"#.utf8),
            Array((String(repeating: "[", count: 100_000)).utf8),
            Array((#"{"id":"a","x":"# + String(repeating: "[", count: 1000)).utf8),
            Array(#"{"id":"a","report":"\#(String(repeating: "x", count: Manifest.rowByteCount))"}"#.utf8),
            Array(#"{"id":"a","report":"x","id":"b"}"#.utf8), Array(#"{"id":"a","report":"\u0000"}"#.utf8),
            Array(#"{"id":"a",}"#.utf8), Array(#"{"id" "a"}"#.utf8), Array(#"{"id":tru}"#.utf8),
        ]
        var bytes = Array(#"{"id":"first","report":"ok"}"#.utf8)
        for row in bad { bytes += [0x0A] + row }
        bytes += Array("\n{\"id\":\"last\",\"report\":\"ok\"}".utf8)
        let items = try Manifest.read(scratch.write("m.jsonl", bytes))
        #expect(cases(items).map(\.id) == ["first", "last"])
        #expect(refusals(items).count == bad.count)
        guard case .refused(let place, _) = items[1] else { return #expect(Bool(false)) }
        #expect(place.hasSuffix("m.jsonl:2"))
    }

    @Test func commaSeparatedValuesAreRead() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "m.csv",
            "\u{FEFF}id,image,report,findings,age\r\na,a.png,\"two\r\nlines, \"\"quoted\"\"\",x; y,50\r\n\r\nb,,plain,,\n"
                + "c,c.png,,,7")
        let items = try Manifest.read(path)
        #expect(refusals(items) == [])
        let found = cases(items)
        #expect(found.map(\.id) == ["a", "b", "c"])
        #expect(found[0].report == "two\r\nlines, \"quoted\"")
        #expect(found[0].fields.findings == ["x", "y"] && found[0].fields.metadata == ["age": "50"])
        #expect(found[1].imagePaths == [] && found[1].report == "plain" && found[1].fields.metadata == [:])
        #expect(found[2].report == nil && found[2].imagePaths == [scratch.path + "/c.png"])
    }

    @Test func rowsOfCommaSeparatedValuesAreRefusedByThemselves() throws {
        let scratch = try Scratch()
        var bytes = Array("id,report\na,one\nb,two,three\nc\n\"d\"x,y\ne,\"open\nf,six\n".utf8)
        // Windows-1252, as older spreadsheets write it.
        bytes += [0x67, 0x2C, 0xFF, 0x0A] + Array("h,\"\"\ni,nine\n".utf8)
        let items = try Manifest.read(scratch.write("m.csv", bytes))
        #expect(cases(items).map(\.id) == ["a", "f", "g", "i"])
        #expect(cases(items)[2].report == "ÿ")
        #expect(refusals(items).count == 5)
        let places = items.compactMap {
            if case .refused(let place, _) = $0 { place.split(separator: ":").last } else { nil }
        }
        #expect(places == ["3", "4", "5", "6", "9"])
        let header = #expect(throws: ArchiveError.self) { try Manifest.read(scratch.write("h.csv", "one,two\n1,2\n")) }
        #expect(header?.code == .badRequest)
        #expect(throws: ArchiveError.self) { try Manifest.read(scratch.write("e.csv", "")) }
    }

    @Test func aFolderIsReadByItsManifestOrByItsFiles() throws {
        let scratch = try Scratch()
        try scratch.write("with/cases.jsonl", #"{"id":"only","report":"x"}"#)
        try scratch.write("with/ignored.png", makePNG(1))
        #expect(cases(try scan(scratch.path + "/with/")).map(\.id) == ["only"])
        for name in [
            "a.png", "a.txt", "b.PNG", "c.txt", "sub/a.jpg", "sub/a.txt", "images/d.png", "reports/d.txt",
            ".hidden.png",
        ] {
            try scratch.write("files/" + name, "x")
        }
        try scratch.write("files/notes.md", "x")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/files/loop", withDestinationPath: scratch.path + "/files")
        let found = cases(try scan(scratch.path + "/files"))
        #expect(Set(found.map(\.id)) == ["a", "b", "c", "sub/a", "images/d"])
        #expect(found.first { $0.id == "images/d" }?.reportPath == scratch.path + "/files/reports/d.txt")
        #expect(found.first { $0.id == "sub/a" }?.reportPath == scratch.path + "/files/sub/a.txt")
        #expect(found.first { $0.id == "b" }?.reportPath == nil)
        let one = cases(try scan(scratch.path + "/files/a.png"))
        #expect(one.map(\.id) == ["a"] && one[0].imagePaths.count == 1)
    }

    @Test func sourcesThatAreNotThereOrHoldNothingAreRefused() throws {
        let scratch = try Scratch()
        let missing = #expect(throws: ArchiveError.self) { try SourceScanner.scan(scratch.path + "/none") }
        #expect(missing?.code == .notFound)
        try FileManager.default.createDirectory(atPath: scratch.path + "/empty", withIntermediateDirectories: true)
        #expect(throws: ArchiveError.self) { try SourceScanner.scan(scratch.path + "/empty") }
        let kind = #expect(throws: ArchiveError.self) { try SourceScanner.scan(scratch.write("a.pdf", "x")) }
        #expect(kind?.code == .badRequest)
    }
}
