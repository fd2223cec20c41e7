import HilumCore
import Testing

@testable import HilumArchive

@Suite struct FilterTests {
    /// Also what the daemon makes of the same text (`FilterDoorTests` of HilumServerTests).
    @Test(
        "a filter reads its conditions",
        arguments: [
            ("view=PA", [Filter.Condition(key: "view", values: [.equal("PA")])]),
            ("view!=PA,AP", [.init(key: "view", values: [.equal("PA"), .equal("AP")], isNegated: true)]),
            (#"note="a,b""#, [.init(key: "note", values: [.equal("a"), .equal("b")])]),
            (#"note="two words""#, [.init(key: "note", values: [.equal("two words")])]),
            (#"note="a \"b\"\u00e9""#, [.init(key: "note", values: [.equal("a \"b\"é")])]),
            ("date=2019..2020", [.init(key: "date", values: [.range(lower: "2019", upper: "2020")])]),
            (
                "age=..7,9..",
                [.init(key: "age", values: [.range(lower: nil, upper: "7"), .range(lower: "9", upper: nil)])]
            ),
            (
                "date=2019.. date!=2019-05-05",
                [
                    .init(key: "date", values: [.range(lower: "2019", upper: nil)]),
                    .init(key: "date", values: [.equal("2019-05-05")], isNegated: true),
                ]
            ), ("", []), ("   ", []),
        ])
    func reads(_ text: String, _ conditions: [Filter.Condition]) throws {
        #expect(try Filter(parsing: text).conditions == conditions)
    }

    @Test(
        "a filter that breaks the grammar is refused in words that hold no value",
        arguments: [
            ("view=", "no value"), (#"view="""#, "empty value"), ("view=a,,b", "empty value"),
            ("view=a,", "empty value"),
            ("View=PA", "a key is"), ("1view=PA", "a key is"), ("view-2=PA", "a key is"), ("=PA", "a key is"),
            ("view=..", "a range is"), ("age=1..2..3", "a range is"), ("view=PA view=AP", "stands twice"),
            (#"view="PA"#, "closing quote"), (#"view=P"A"#, "JSON string"), (#"view="PA"x"#, "space is expected"),
            ("secret", "key=value"), ("view=PA\tsite=A", "control characters"), (#"view="\u0000""#, "NUL"),
        ])
    func refuses(_ text: String, _ part: String) {
        let error = #expect(throws: ArchiveError.self, "\(text)") { try Filter(parsing: text) }
        #expect(
            error?.code == .badRequest && error?.reason.contains(part) == true, "\(text): \(String(describing: error))")
        #expect(error?.reason.contains("secret") == false)
    }
}

@Suite("A filter of many values")
struct ManyValuesTests {
    @Test("it has a bound over all its conditions together")
    func bound() throws {
        let most = ArchiveLimits.filterValueCount
        let list = Array(repeating: "x", count: most).joined(separator: ",")
        #expect(try Filter(parsing: "view=\(list)").conditions[0].values.count == most)
        for text in ["view=\(list),x", "view=\(list) site=A", "a=x b!=\(list)"] {
            let error = #expect(throws: ArchiveError.self) { try Filter(parsing: text) }
            #expect(error?.code == .limit && error?.reason.contains("ask in parts") == true)
        }
    }

    @Test(
        "it selects what its values select one by one, also once sets of some are kept",
        arguments: [
            ("age", ["21..23", "25", "..20", "70..", "24..24", "nan", "x..z", "26", "22..29", "30..40"]),
            (
                "date",
                ["2020-01", "2020-02-03..2020-03", "2019", "..2020-01-05", "2020-05..", "2020-04-01", "x", "2021"]
            ),
            ("patient", ["p1", "p2..p3", "p5", "p9..", "..p0", "p3", "p4", "p6", "p7", "p8", "p77"]),
            (
                "id",
                ["case-1", "case-2..case-3", "nobody", "case-4", "..case-0", "case-9..", "case-5", "case-6", "case-7"]
            ),
        ])
    func union(_ key: String, _ values: [String]) throws {
        let folder = try Scratch()
        let archive = try folder.makeArchive()
        _ = try archive.put(try (0..<60).map(makeInput))
        for count in [values.count, 3, values.count] {
            var all = Set<UInt32>()
            for value in values.prefix(count) {
                all.formUnion(try archive.matching(Filter(parsing: "\(key)=\(value)")).items)
            }
            let list = values.prefix(count).joined(separator: ",")
            let together = try archive.matching(Filter(parsing: "\(key)=\(list)"))
            #expect(Set(together.items) == all && !all.isEmpty && together.count == all.count)
            let others = try archive.matching(Filter(parsing: "\(key)!=\(list)"))
            #expect(others.count == 60 - all.count)
        }
        archive.close()
    }
}

@Suite struct CaseIDTests {
    @Test func anIDHasOneRule() {
        for id in ["a", "a b", "胸/1", String(repeating: "x", count: 255)] {
            #expect(throws: Never.self) { try CaseID.check(id) }
        }
        for id in [
            "", "a\nb", "a\u{7f}", "a\u{85}", String(repeating: "x", count: 256), String(repeating: "é", count: 128),
        ] {
            let error = #expect(throws: ArchiveError.self) { try CaseID.check(id) }
            #expect(error == ArchiveError(.badRequest, "an id has 1 to 255 bytes and no control characters"))
        }
    }
}

@Suite struct CaseFieldsTests {
    private static let all = CaseFields(
        patient: "p1", modality: "CR", view: "PA", date: "2020-01-02", site: "A", findings: ["x", "y left"],
        metadata: ["b": "2", "a": "1"])

    @Test func fieldsSurviveTheirBytes() throws {
        for fields in [CaseFields(), Self.all, CaseFields(view: "", findings: [""], metadata: ["": ""])] {
            var writer = ByteWriter()
            fields.encode(to: &writer)
            try writer.bytes.withUnsafeBytes { raw in
                var reader = ByteReader(raw)
                let back = try CaseFields(decoding: &reader)
                #expect(back == fields)
                #expect(reader.isAtEnd)
            }
        }
    }

    @Test func fieldsSurviveTheirJSON() throws {
        var json = JSONWriter()
        json.beginObject()
        Self.all.write(to: &json, withMetadata: true)
        json.endObject()
        let text = String(decoding: json.bytes, as: UTF8.self)
        #expect(
            text
                == #"{"patient":"p1","view":"PA","date":"2020-01-02","site":"A","modality":"CR","findings":["x","y left"],"#
                + #""metadata":{"a":"1","b":"2"}}"#)
        var back = CaseFields(try JSON(parsing: text))
        back.metadata = Self.all.metadata
        #expect(back == Self.all)
    }

    @Test func emptyTextsAreNoneAndLongOnesAreRefused() throws {
        var fields = CaseFields(patient: "", view: "PA", findings: ["", "x"])
        try fields.settle(for: "a")
        #expect(fields == CaseFields(view: "PA", findings: ["x"]))
        let long = String(repeating: "x", count: ArchiveLimits.fieldByteCount + 1)
        for bad in [
            CaseFields(site: long), CaseFields(findings: [long]), CaseFields(metadata: [long: ""]),
            CaseFields(metadata: ["k": long]),
        ] {
            var fields = bad
            let error = #expect(throws: ArchiveError.self) { try fields.settle(for: "a") }
            #expect(error?.code == .limit)
        }
        var many = CaseFields(findings: (0...ArchiveLimits.fieldCount).map { "f\($0)" })
        #expect(throws: ArchiveError.self) { try many.settle(for: "a") }
    }

    @Test func aKeyNamesAFieldOrFreeMetadata() {
        var fields = CaseFields()
        for (key, value) in [("view", "PA"), ("ward", "3"), ("patient", "p")] { fields.set(key, to: value) }
        #expect(fields == CaseFields(patient: "p", view: "PA", metadata: ["ward": "3"]))
    }
}
