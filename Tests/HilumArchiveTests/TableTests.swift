import Foundation
import Testing

@testable import HilumArchive

@Suite struct TableTests {
    private func rows(_ scratch: Scratch, _ bytes: [UInt8], _ name: String = "m.csv") throws -> [SourceCase] {
        try Manifest.read(scratch.write(name, bytes)).compactMap {
            if case .found(let found) = $0 { found } else { nil }
        }
    }

    /// The same two cases as other programs write them.
    private static let spellings: [(String, [UInt8])] = {
        let plain = "id,report,age\na,\"one, two\",7\nb,zwei,8\n"
        let utf16 = "id\treport\tage\r\na\tone, two\t7\r\nb\tzwei\t8\r\n".utf16
        return [
            ("commas", Array(plain.utf8)),
            ("semicolons", Array("id;report;age\na;one, two;7\nb;zwei;8\n".utf8)),
            ("tabs", Array("id\treport\tage\na\tone, two\t7\nb\tzwei\t8\n".utf8)),
            ("bars", Array("id|report|age\na|one, two|7\nb|zwei|8".utf8)),
            ("a mark", [0xEF, 0xBB, 0xBF] + Array(plain.utf8)),
            ("CR alone", Array(plain.replacingOccurrences(of: "\n", with: "\r").utf8)),
            ("CR LF", Array(plain.replacingOccurrences(of: "\n", with: "\r\n").utf8)),
            ("headers in any case", Array("ID, Report ,age\na,\"one, two\",7\nb,zwei,8\n".utf8)),
            ("Excel's sep line", Array("sep=;\r\nid;report;age\r\na;one, two;7\r\nb;zwei;8\r\n".utf8)),
            ("Excel's formulas", Array("id,report,age\n=\"a\",\"one, two\",=\"7\"\nb,zwei,8\n".utf8)),
            (
                "quoted formulas",
                Array("id,report,age\n\"=\"\"a\"\"\",\"one, two\",\"=\"\"7\"\"\"\nb,zwei,8\n".utf8)
            ),
            ("Excel's empty cells", Array("id,report,age,,\na,\"one, two\",7,,\n,,,,\nb,zwei,8\n,,,,\n".utf8)),
            ("Excel's Unicode text", [0xFF, 0xFE] + utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }),
            (
                "empty lines and quoted headers",
                Array("\n\"id\",\"report\",\"age\"\n\na,\"one, two\" ,7\n\nb,zwei,8".utf8)
            ),
        ]
    }()

    @Test("A table is read as it comes", arguments: spellings.map(\.0))
    func spelling(_ name: String) throws {
        let scratch = try Scratch()
        let bytes = try #require(Self.spellings.first { $0.0 == name }?.1)
        let found = try rows(scratch, bytes)
        #expect(found.map(\.id) == ["a", "b"] && found.map(\.report) == ["one, two", "zwei"])
        #expect(found.map(\.fields.metadata) == [["age": "7"], ["age": "8"]])
    }

    @Test("Latin-1 is read, and so is what Windows adds to it")
    func latin1() throws {
        let scratch = try Scratch()
        let found = try rows(
            scratch, Array("id;report\n".utf8) + [0x61, 0x3B, 0xD6, 0x64, 0x65, 0x6D, 0x20, 0x96, 0x20, 0xE9, 0x0A])
        #expect(found.map(\.report) == ["Ödem – é"])
    }

    @Test("Blanks at the ends of fields are not part of them")
    func blanks() throws {
        let scratch = try Scratch()
        let table = Array("id,patient,image,finding,age\nk1,P1,a.png,x,7\n k2 ,P1\t,\" b.png \",  , 8 \n".utf8)
        let json = Array(#"{"id":" k2 ","patient":"P1 ","image":" b.png","finding":" ","age":" 8"}"#.utf8)
        for found in try [rows(scratch, table).last, rows(scratch, json, "m.jsonl").last] {
            let row = try #require(found)
            #expect(row.id == "k2" && row.fields.patient == "P1" && row.imagePaths == [scratch.path + "/b.png"])
            #expect(row.fields.metadata == ["age": "8"])
        }
    }

    @Test("Two columns of one name are refused by name", arguments: ["patient", "Patient", " patient ", "age"])
    func twoColumns(name: String) throws {
        let scratch = try Scratch()
        for (ending, separator) in [("csv", ","), ("tsv", "\t")] {
            let header = ["id", "report", name == "age" ? "age" : "patient", name].joined(separator: separator)
            let row = ["a", "clear", "P1", "P2"].joined(separator: separator)
            let table = try scratch.write("m.\(ending)", "\(header)\n\(row)\n")
            let error = #expect(throws: ArchiveError.self) { try Manifest.read(table) }
            let said = "two columns are named \(name.trimmingCharacters(in: .whitespaces))"
            #expect(error?.code == .badRequest && error?.reason.contains(said) == true)
        }
        // Columns without a name say nothing.
        #expect(try rows(scratch, Array("id,report,,\na,clear,,\n".utf8)).count == 1)
    }

    @Test(
        "Two columns of one name are one where no row says two things",
        arguments: [
            ("id,report,Patient,patient", ["a,clear,P1,P1", "b,clear, P2,P2 ", "c,clear,,P3", "d,clear,P4,"], true),
            ("id,report,patient,Notes,Notes", ["a,clear,P1,x,x", "b,clear,P2,,y"], true),
            ("id,report,patient,Notes,Notes", ["a,clear,P1,x,x", "b,clear,P2,x,y"], false),
            ("id,report,patient,Patient,PATIENT", ["a,clear,P1,,P1", "b,clear,P2,,P3"], false),
            ("id,report,report,patient", ["a,clear,effusion,P1"], false),
        ])
    func equalColumns(header: String, lines: [String], areOne: Bool) throws {
        let scratch = try Scratch()
        let table = Array(([header] + lines).joined(separator: "\n").utf8)
        guard areOne else {
            let error = #expect(throws: ArchiveError.self) { try rows(scratch, table) }
            #expect(error?.reason.contains("differ in line \(lines.count + 1)") == true, "\(String(describing: error))")
            return
        }
        let found = try rows(scratch, table)
        #expect(found.map(\.fields.patient) == lines.indices.map { "P\($0 + 1)" })
        if header.contains("Notes") { #expect(found.map(\.fields.metadata) == [["Notes": "x"], ["Notes": "y"]]) }
    }

    @Test("Quoted zeros stay, and a semicolon in a path is a character where a file has that name")
    func cells() throws {
        let scratch = try Scratch()
        try scratch.write("a;b.png", makePNG(1))
        let found = try rows(
            scratch,
            Array("id,image,view,findings,note\n=\"001\",a;b.png,PA,x; y|z,\"p;q\"\n2,c.png;d.png,PA;LL,,\n".utf8))
        #expect(found.map(\.id) == ["001", "2"])
        #expect(found[0].imagePaths == [scratch.path + "/a;b.png"] && found[0].fields.findings == ["x", "y", "z"])
        #expect(found[0].fields.metadata == ["note": "p;q"])
        #expect(found[1].imagePaths == [scratch.path + "/c.png", scratch.path + "/d.png"])
        #expect(found[1].imageViews == ["PA", "LL"])
        // In JSON a list is a list.
        let json = try rows(
            scratch, Array(#"{"id":"a","image":"c;d.png","note":"p;q","scores":[1,2.50,true],"size":3e2}"#.utf8),
            "m.jsonl")
        #expect(json[0].imagePaths == [scratch.path + "/c;d.png"])
        #expect(json[0].fields.metadata == ["note": "p;q", "scores": "1; 2.50; true", "size": "3e2"])
    }

    @Test("NaN and Infinity cost the field, not the row")
    func notANumber() throws {
        let scratch = try Scratch()
        let found = try rows(
            scratch,
            Array(
                (#"{"id":"a","age":NaN,"x":[1,NaN],"y":-Infinity,"report":"a \"NaN\" stays, NaN too","view":"PA"}"#
                    + "\n"
                    + #"{"id":"b","report":NaN,"image":"b.png"}"#).utf8), "m.jsonl")
        #expect(found.map(\.id) == ["a", "b"])
        #expect(found[0].report == #"a "NaN" stays, NaN too"# && found[0].fields.view == "PA")
        #expect(found[0].fields.metadata == ["x": "1"] && found[1].report == nil)
    }

    @Test("A table without a usable header says which columns and which separator were seen")
    func headers() throws {
        let scratch = try Scratch()
        let error = #expect(throws: ArchiveError.self) {
            try Manifest.read(scratch.write("m.csv", "Patient;Bild;Befund\n1;2;3\n"))
        }
        #expect(error?.reason.contains("a semicolon separates the columns Patient, Bild, Befund") == true)
        for (name, text) in [
            ("e.csv", ""), ("h.csv", "id,report\n"), ("b.jsonl", "\n\n"), ("z.csv", "id,report\r\n,\r\n"),
        ] {
            #expect(throws: ArchiveError.self, "\(name)") { try Manifest.read(scratch.write(name, text)) }
        }
    }
}
