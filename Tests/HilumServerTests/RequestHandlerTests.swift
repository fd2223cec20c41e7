import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import Testing

@testable import HilumServer

/// The lines that answer `text`, which may be several requests.
private func ask(_ text: String) -> [String] {
    var machine = Machine()
    machine.feed(text + "\n")
    return machine.lines
}

private func makeSearch(_ line: String, literal: [UInt8]? = nil) throws -> SearchRequest {
    guard case .request(var request) = items(line + "\n").first else { throw FakeArchive.FakeFailure() }
    request.literal = literal
    let handler = RequestHandler(archive: FakeArchive(), configuration: ServerConfiguration())
    return try SearchVerb(request, handler).search
}

@Suite struct RequestHandlerTests {
    @Test func searchAnswersHitsAndAStatus() {
        let lines = ask("SEARCH text=\"effusion\" k=2 view=PA")
        #expect(
            lines == [
                #"{"rank":1,"id":"case0","score":0.9000,"via":"report","view":"PA"}"#,
                #"{"rank":2,"id":"case2","score":0.8900,"via":"report","view":"PA"}"#,
                "OK hits=2 gen=1 ef=64 visited=5 us=7",
            ])
    }

    @Test func aSearchThatFindsTooFewForItsFilterSaysSo() {
        #expect(ask("SEARCH text=a view=AP").last == "OK hits=2 gen=1 ef=64 visited=5 us=7 short=filter")
    }

    @Test func withBringsReportAndVectors() {
        let lines = ask("SEARCH text=a k=1 with=report,vector,path")
        #expect(
            lines.first
                == #"{"rank":1,"id":"case0","score":0.9000,"via":"report","view":"PA","report":"effusion number 0","#
                + #""vectors":{"report":"f32:AACAPwAAAAAAAAAAAAAAAA=="}}"#)
    }

    @Test func searchReadsItsArguments() throws {
        let search = try makeSearch(
            "SEARCH text=a w.text=0.25 id=b vec=f32:AACAPwAAAAAAAAAAAAAAAA== k=7 ef=99 exact=1 target=image min_score=-0.5 self=0"
                + " view=PA,AP date=2019..2020 date!=2019-06..  site!=B")
        #expect(search.parts.count == 3)
        #expect(search.parts[0] == SearchRequest.Part(.text("a"), weight: 0.25))
        #expect(search.parts[1] == SearchRequest.Part(.id("b"), weight: 1))
        #expect(search.parts[2] == SearchRequest.Part(.vector([1, 0, 0, 0]), weight: 1))
        #expect(search.k == 7 && search.ef == 99 && search.isExact && search.target == .image)
        #expect(search.minScore == -0.5 && !search.includesSelf)
        #expect(
            search.filter.conditions == [
                Filter.Condition(key: "view", values: [.equal("PA"), .equal("AP")]),
                Filter.Condition(key: "date", values: [.range(lower: "2019", upper: "2020")]),
                Filter.Condition(key: "date", values: [.range(lower: "2019-06", upper: nil)], isNegated: true),
                Filter.Condition(key: "site", values: [.equal("B")], isNegated: true),
            ])
    }

    @Test func aRecallTakesThePlaceOfEf() throws {
        for (text, recall) in [("0.95", 0.95), ("1", 1), ("0.001", 0.001), ("9e-1", 0.9)] {
            let search = try makeSearch("SEARCH text=a recall=\(text)")
            #expect(search.recall == recall && search.ef == nil && search.filter.isEmpty)
        }
        #expect(try makeSearch("SEARCH text=a recall=0.9 exact=1").isExact)
        #expect(try makeSearch("SEARCH text=a").recall == nil)
        #expect(ask("SEARCH text=a recall=0.9 ef=64").first?.contains("give one of them") == true)
    }

    @Test func whoAsksForARecallIsToldWhatIsKnownOfIt() {
        #expect(ask("SEARCH text=a recall=0.95 k=1").last == "OK hits=1 gen=1 ef=64 visited=5 us=7 recall=0.9600")
        #expect(ask("SEARCH text=a recall=1 k=1").last == "OK hits=1 gen=1 ef=64 visited=5 us=7 recall=1.0000")
        #expect(ask("SEARCH text=a k=1").last == "OK hits=1 gen=1 ef=64 visited=5 us=7")
    }

    @Test func metricsAreFamiliesThatPrometheusReads() throws {
        let lines = ask("PING\nNOSUCH\nNONSENSE\nCOUNT\n@m METRICS")
        #expect(lines.last == "@m OK families=16")
        var text = ""
        for line in lines.dropFirst(4).dropLast() {
            #expect(line.hasPrefix("@m {"))
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(line.dropFirst(3).utf8)) as? [String: Any])
            #expect(Set(object.keys) == ["name", "type", "text"])
            text += try #require(object["text"] as? String)
        }
        for line in [
            "# HELP hilum_requests_total Requests by verb.", "# TYPE hilum_requests_total counter",
            "hilum_requests_total{verb=\"PING\"} 1", "hilum_requests_total{verb=\"METRICS\"} 1",
            "hilum_requests_total{verb=\"other\"} 2", "hilum_request_seconds_count{verb=\"COUNT\"} 1",
            "hilum_requests_running 1", "hilum_cases 5", "# TYPE hilum_deletions_total counter",
        ] {
            #expect(text.split(separator: "\n").contains { $0 == line }, "\(line) is missing")
        }
        #expect(text.hasSuffix("\n") && !text.contains("NOSUCH"))
    }

    @Test func labelsAndNumbersAreWrittenAsPrometheusWantsThem() {
        let family = MetricFamily(
            "x", .gauge, "Help.", [.init(0.5, [("a", "q\"b\\c\nd"), ("b", "")]), .init(1e15), .init(-2)])
        #expect(
            family.text == "# HELP x Help.\n# TYPE x gauge\nx{a=\"q\\\"b\\\\c\\nd\",b=\"\"} 0.5\n"
                + "x 1000000000000000\nx -2\n")
    }

    @Test func octetsAreAnImage() throws {
        let search = try makeSearch("SEARCH w.image=2 text=a", literal: [0x89, 1])
        #expect(search.parts.count == 2)
        #expect(search.parts[1] == SearchRequest.Part(.image([0x89, 1]), weight: 2))
    }

    @Test(
        "a search that makes no sense is refused with its code",
        arguments: [
            ("SEARCH", "BADREQ"), ("SEARCH k=3", "BADREQ"), ("SEARCH text=\" \"", "BADREQ"),
            ("SEARCH text=a k=0", "BADREQ"),
            ("SEARCH text=a k=x", "BADREQ"), ("SEARCH text=a k=10001", "BADREQ"), ("SEARCH text=a ef=0", "BADREQ"),
            ("SEARCH text=a exact=yes", "BADREQ"), ("SEARCH text=a target=cases", "BADREQ"),
            ("SEARCH text=a min_score=2", "BADREQ"), ("SEARCH text=a min_score=nan", "BADREQ"),
            ("SEARCH text=a recall=0", "BADREQ"), ("SEARCH text=a recall=1.01", "BADREQ"),
            ("SEARCH text=a recall=nan", "BADREQ"), ("SEARCH text=a recall=", "BADREQ"),
            ("SEARCH text=a recall=-0.5", "BADREQ"), ("SEARCH text=a recall!=0.9", "BADREQ"),
            ("SEARCH text=a recall=0.9 ef=64", "BADREQ"), ("SEARCH text=a self=2", "BADREQ"),
            ("SEARCH text=a with=all", "BADREQ"), ("SEARCH text=a bare", "BADREQ"),
            ("SEARCH text=a w.text=0", "BADREQ"), ("SEARCH text=a w.text=-1", "BADREQ"),
            ("SEARCH text=a w.image=1", "BADREQ"),
            ("SEARCH text=a k!=3", "BADREQ"), ("SEARCH text=a view=..", "BADREQ"),
            ("SEARCH text=a view=a,,b", "BADREQ"),
            ("SEARCH text=a date=1..2..3", "BADREQ"), ("SEARCH text=a unlike=b", "NOTFOUND"),
            ("SEARCH unlike=case1", "BADREQ"), ("SEARCH text=a unlike=\"\"", "BADREQ"),
            ("SEARCH text=a w.unlike=1", "BADREQ"), ("SEARCH text=a text=\" \"", "BADREQ"),
            ("SEARCH text=a mmr=1.5", "BADREQ"), ("SEARCH text=a mmr=x", "BADREQ"),
            ("SEARCH text=a dedup=-1", "BADREQ"), ("SEARCH text=a group=\"\"", "BADREQ"),
            ("SEARCH text=a cursor=\" \"", "BADREQ"), ("SEARCH text=a group!=patient", "BADREQ"),
            ("SEARCH text=a k=1 k=2", "BADREQ"), ("SEARCH text=a view=PA view=AP", "BADREQ"),
            ("SEARCH text=a id=\(String(repeating: "case1 id=", count: 32))case1", "LIMIT"),
            ("SEARCH id=nosuch", "NOTFOUND"), ("SEARCH id=\"\"", "BADREQ"),
            ("SEARCH image=/etc/passwd", "DENIED"), ("SEARCH vec=AAAA", "BADVEC"), ("SEARCH vec=f32:AAA", "BADVEC"),
            ("SEARCH vec=f32:AAAA", "BADVEC"), ("SEARCH vec=f32:", "BADVEC"), ("SEARCH vec=f32:AACAPw==", "BADVEC"),
            ("SEARCH vec=f32:AAAAAAAAAAAAAAAAAAAAAA==", "BADVEC"),
            ("SEARCH vec=f32:AADAfwAAAAAAAAAAAAAAAA==", "BADVEC"),
            ("SEARCH vec=f32:AACAfwAAAAAAAAAAAAAAAA==", "BADVEC"), ("SEARCH bytes=0\n", "BADIMAGE"),
            ("SEARCH bytes=3\nabc", "BADIMAGE"), ("SEARCH image=x bytes=1\n\u{1}", "BADREQ"),
            ("SEARCH text=crash", "INTERNAL"),
        ])
    func refusesSearches(_ line: String, _ code: String) {
        let lines = ask(line)
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("ERR \(code) ") == true, "\(lines)")
    }

    @Test func putGetCountAndDeleteGoTogether() {
        let lines = ask(
            """
            PUT id=n1 report="left effusion" patient=p1 view=PA date=2020-01-02 site=A findings=effusion,nodule ward=3
            PUT id=n1 report="left effusion" patient=p1 view=PA date=2020-01-02 site=A findings=effusion,nodule ward=3
            GET id=n1
            GET id=n1 with=report,vector
            COUNT ward=3
            COUNT
            DELETE id=n1
            DELETE id=n1
            GET id=n1
            """)
        #expect(
            lines == [
                "OK id=n1 vectors=1", "OK id=n1 vectors=1 unchanged=1",
                #"{"id":"n1","has_image":false,"has_report":true,"patient":"p1","view":"PA","date":"2020-01-02","site":"A","#
                    + #""findings":["effusion","nodule"],"metadata":{"ward":"3"}}"#,
                "OK id=n1",
                #"{"id":"n1","has_image":false,"has_report":true,"patient":"p1","view":"PA","date":"2020-01-02","site":"A","#
                    + #""findings":["effusion","nodule"],"metadata":{"ward":"3"},"report":"left effusion","#
                    + #""vectors":{"report":"f32:AACAPwAAAAAAAAAAAAAAAA=="}}"#,
                "OK id=n1", "OK count=1", "OK count=6", "OK id=n1", "ERR NOTFOUND no case has this id",
                "ERR NOTFOUND no case has this id",
            ])
    }

    @Test(
        "a change that makes no sense is refused with its code",
        arguments: [
            ("PUT report=x", "BADREQ"), ("PUT id=a", "BADREQ"), ("PUT id=\"\" report=x", "BADREQ"),
            ("PUT id=\"a\\nb\" report=x", "BADREQ"), ("PUT id=a report=\" \"", "BADREQ"),
            ("PUT id=a view!=PA report=x", "BADREQ"),
            ("PUT id=a report=x extra", "BADREQ"), ("PUT id=a image=/etc/passwd", "DENIED"),
            ("PUT id=a bytes=3\nabc", "BADIMAGE"),
            ("DELETE", "BADREQ"), ("DELETE id=a view=PA", "BADREQ"), ("DELETE id!=a", "BADREQ"), ("GET", "BADREQ"),
            ("GET id=case1 with=everything", "BADREQ"), ("COUNT bare", "BADREQ"), ("PING x", "BADREQ"),
            ("STATS x=1", "BADREQ"),
            ("PING bytes=1\nx", "BADREQ"), ("FACET", "BADREQ"), ("FACET view=PA", "BADREQ"),
            ("FACET by=nosuch", "BADREQ"),
            ("FACET by=view k=0", "BADREQ"), ("FACET by=view bytes=1\nx", "BADREQ"), ("FACET by!=view", "BADREQ"),
            ("FACET by=view by=site", "BADREQ"), ("EXPLAIN SEARCH", "BADREQ"), ("EXPLAIN SEARCH text=b k=0", "BADREQ"),
            ("EXPLAIN SEARCH id=nosuch", "NOTFOUND"), ("EXPLAIN id=case1 id=case2 text=b", "BADREQ"),
            ("HELP NOSUCH", "BADREQ"), ("HELP x=1", "BADREQ"), ("HELP SEARCH k=1", "BADREQ"),
            ("REEMBED", "BADREQ"), ("REEMBED strat", "BADREQ"),
            ("EXPLAIN id=a text=b", "NOTFOUND"), ("EXPLAIN id=case1", "BADREQ"), ("EXPLAIN text=b", "BADREQ"),
            ("EXPLAIN id=case1 text=\" \"", "BADREQ"), ("EXPLAIN id=case1 text=b bytes=3\nabc", "BADREQ"),
            ("EXPLAIN text=b bytes=3\nabc", "BADIMAGE"), ("EXPLAIN id=case1 text=b k=3", "BADREQ"),
            ("PICTURE", "BADREQ"), ("PICTURE id=case1 side=8", "BADREQ"), ("PICTURE id=case1 place=0", "BADREQ"),
            ("PICTURE id=case1 text=b", "BADREQ"), ("PICTURE id=nosuch", "NOTFOUND"),
            ("PICTURE id=case1 bytes=3\nabc", "BADREQ"), ("PICTURE bytes=3\nabc", "BADIMAGE"),
            ("PICTURE place=2 bytes=3\nabc", "BADREQ"), ("EXPLAIN id=case1 place=x text=b", "BADREQ"),
            ("METRICS x=1", "BADREQ"), ("SNAPSHOT", "BADREQ"),
            ("SNAPSHOT to=copy", "BADREQ"), ("SNAPSHOT to=/x force=1", "BADREQ"), ("SNAPSHOT to=/there", "EXISTS"),
        ])
    func refusesChanges(_ line: String, _ code: String) {
        let lines = ask(line)
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("ERR \(code) ") == true, "\(lines)")
    }

    @Test func facetsAreOneObjectAValue() {
        #expect(
            ask("@f FACET by=view") == [
                #"@f {"value":"PA","count":3}"#, #"@f {"value":"AP","count":2}"#, "@f OK values=2 distinct=2 cases=5",
            ])
        #expect(ask("FACET by=view k=1 view=PA,AP").last == "OK values=1 distinct=2 cases=5")
        #expect(ask("FACET by=view view=AP") == [#"{"value":"AP","count":2}"#, "OK values=1 distinct=1 cases=2"])
        #expect(ask("FACET by=limit").last?.hasSuffix("FACET has no option limit=, but k=") == true)
    }

    @Test func theKindsOfAQuestionMayRepeat() throws {
        let search = try makeSearch(
            "SEARCH text=a id=case1 text=b w.text=2 unlike=case2 unlike=case3 w.unlike=0.5 group=patient mmr=0.25 dedup=0.5"
                + " cursor=start")
        #expect(
            search.parts == [
                .init(.text("a"), weight: 2), .init(.text("b"), weight: 2), .init(.id("case1"), weight: 1),
                .init(.id("case2"), weight: -0.5), .init(.id("case3"), weight: -0.5),
            ])
        #expect(search.group == "patient" && search.mmr == 0.25 && search.dedup == 0.5 && search.cursor == "start")
        #expect(search.filter.isEmpty)
    }

    @Test func explainSearchNamesThePartsOfThePlan() {
        #expect(
            ask("EXPLAIN SEARCH text=a view=PA k=2") == [
                #"{"part":"plan","mode":"vector","target":"case","k":2,"pool":0,"ef":0,"exact":false,"cases":5,"#
                    + #""matching":3,"selectivity":0.6000}"#,
                #"{"part":"leg","leg":"vector","candidates":3,"visited":5,"rounds":1,"us":4}"#,
                #"{"part":"stage","stage":"question","us":2}"#, "OK hits=2 gen=1 ef=64 visited=5 us=7",
            ])
    }

    @Test func helpNamesEveryVerbAndEveryOption() throws {
        let all = ask("HELP")
        #expect(all.count == Verb.allCases.count + 1 && all.last == "OK verbs=\(Verb.allCases.count)")
        for verb in Verb.allCases {
            #expect(all.contains { $0.hasPrefix(#"{"verb":"\#(verb.rawValue)""#) }, "\(verb)")
            let lines = ask("@h help \(verb.rawValue.lowercased())")
            #expect(lines.last == "@h OK options=\(verb.options.count + 1)" && lines.count == verb.options.count + 3)
            for option in verb.options {
                #expect(lines.contains { $0.hasPrefix(#"@h {"option":"\#(option.name)","#) }, "\(option.name)")
            }
        }
        #expect(ask("HELP SERCH").first?.contains("did you mean SEARCH?") == true)
        #expect(ask("SERCH text=a").first?.hasPrefix("ERR UNKNOWN SERCH is no verb; did you mean SEARCH?") == true)
        #expect(ask("GET id=case1 wiht=meta").first?.contains("did you mean with=?") == true)
    }

    @Test("A verb takes the options of the table and no others", arguments: Verb.allCases)
    func theTableIsWhatIsParsed(_ verb: Verb) throws {
        for option in verb.options {
            for line in ask("\(verb.rawValue) \(option.name)=\"\"") {
                #expect(
                    !line.contains("does not take") && !line.contains("no case has"), "\(verb) \(option.name): \(line)")
            }
        }
        guard !verb.takesFilter, verb != .put else { return }
        let line = try #require(ask("\(verb.rawValue) id=case1 nosuch=1").last)
        #expect(line.hasPrefix("ERR BADREQ"), "\(line)")
    }

    @Test("The README's reference names every verb and every option")
    func theReferenceIsWhole() throws {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: package.appending(path: "README.md"), encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") && $0.contains("` |") }
        for verb in Verb.allCases {
            let row = rows.first { $0.split(separator: "|")[0].contains("`\(verb.rawValue)") }
            let text = try #require(row, "\(verb.rawValue) is missing")
            for option in verb.options { #expect(text.contains("\(option.name)="), "\(verb.rawValue) \(option.name)=") }
        }
    }

    @Test("EXPLAIN answers with one object for the text and one a word") func explains() {
        let place = #""hottest":{"row":0,"column":1,"x":8,"y":0,"width":8,"height":8}"#
        let lines = ask("@t EXPLAIN id=case1 text=\"left effusion\"")
        #expect(
            lines == [
                #"@t {"score":0.2500,"rows":2,"columns":2,"#
                    + #""image_width":16,"image_height":16,"region":{"x":0,"y":0,"width":16,"height":16},"#
                    + #""reference_images":3,"noise":0.0000,"evidence":1.0000,"#
                    + place
                    + #","heat":[0.0000,1.0000,0.0000,0.0000]}"#,
                #"@t {"word":"left","start":0,"end":1,"weight":0.5000,"evidence":0.5000,"# + place
                    + #","heat":[0.0000,0.5000,0.0000,0.0000]}"#,
                #"@t {"word":"effusion","start":1,"end":2,"weight":0.5000,"evidence":1.5000,"# + place
                    + #","heat":[0.0000,1.5000,0.0000,0.0000]}"#,
                "@t OK words=2 patches=4",
            ])
    }

    @Test("PICTURE answers with a PNG no larger than asked for") func picture() throws {
        for (line, side) in [("PICTURE id=case1", 16), ("PICTURE id=case1 place=1 side=16", 16)] {
            let lines = ask(line)
            let object = try JSON(parsing: try #require(lines.first))
            #expect(object["width"]?.integer == side && object["image_width"]?.integer == 16)
            let png = try #require(Data(base64Encoded: object["png"]?.string ?? ""))
            #expect(try ImageDecoder.decode(Array(png)).height == side)
            #expect(lines.last == "OK bytes=\(png.count)")
        }
    }

    @Test("A picture keeps its shape, and one of twelve bits in sixteen is made bright")
    func picturesAreShown() {
        let wide = GrayImage(width: 300, height: 100, samples: [UInt16](repeating: 4000, count: 30_000))
        let small = PictureVerb.reduced(wide, to: 60)
        #expect(small.width == 60 && small.height == 20)
        #expect(PictureVerb.reduced(wide, to: 300) == wide)
        #expect(PictureVerb.brightened(small).samples.allSatisfy { $0 == 65_535 })
        let bright = GrayImage(width: 2, height: 1, samples: [100, 40_000])
        #expect(PictureVerb.brightened(bright) == bright)
        let black = GrayImage(width: 1, height: 1, samples: [0])
        #expect(PictureVerb.brightened(black) == black)
    }

    @Test("GET and SEARCH bring what a report says, affirmed or denied, and the views of all images")
    func extras() throws {
        let put = "PUT id=said report=\"Left effusion. No pneumothorax.\"\n"
        for line in ["GET id=said with=said,images", "SEARCH text=b k=9 with=said,images"] {
            let objects = ask(put + line).filter { $0.hasPrefix("{") }
            let object = try #require(try objects.map { try JSON(parsing: $0) }.first { $0["id"]?.string == "said" })
            let said = try #require(object["said"]?.array)
            #expect(said.map { $0["name"]?.string } == ["effusion", "pneumothorax"])
            #expect(said.map { $0["assertion"]?.string } == ["present", "absent"])
            #expect(said[0]["side"]?.string == "left" && said[1]["side"] == nil)
            #expect(object["images"]?.array?.isEmpty == true)
            #expect(object["report"] == nil)
        }
    }

    @Test func anIDWithASpaceComesBackAsAJSONString() {
        #expect(ask("PUT id=\"a b\" report=x") == ["OK id=\"a b\" vectors=1"])
    }

    @Test func helloIsOneObject() throws {
        let lines = ask("HELLO")
        #expect(lines.count == 2 && lines.last == "OK")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
        #expect(
            Set(object.keys) == ["server", "version", "proto", "model", "dim", "generation", "cases", "keys", "limits"])
        #expect(object["cases"] as? Int == 5 && object["dim"] as? Int == 4)
    }

    @Test func whoMayNotWriteIsToldSo() {
        let handler = RequestHandler(archive: FakeArchive(), configuration: ServerConfiguration())
        guard case .reply(let reply) = handler.route(Request(verb: "PUT"), mayWrite: false) else {
            Issue.record("not refused")
            return
        }
        #expect(reply.code == .denied)
        guard case .read = handler.route(Request(verb: "SEARCH"), mayWrite: false) else {
            Issue.record("searching was refused")
            return
        }
        var configuration = ServerConfiguration()
        configuration.writerUsers = [1001]
        configuration.writerGroups = [200]
        func mayWrite(_ user: UInt32, _ group: UInt32) -> Bool {
            Peer(process: 1, user: user, group: group).mayWrite(daemonUser: 500, configuration)
        }
        #expect(mayWrite(500, 1) && mayWrite(0, 0) && mayWrite(1001, 1) && mayWrite(7, 200))
        #expect(!mayWrite(7, 1))
    }

    @Test func imagesAreReadBeneathTheRootsAndNowhereElse() throws {
        let folder = try TemporaryFolder()
        try folder.write("root/sub/a.png", "inside")
        try folder.write("secret.png", "outside")
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/root/link.png", withDestinationPath: "\(folder.path)/secret.png")
        let roots = try ImageRoots(["\(folder.path)/root/"])
        func code(_ path: String) -> ReplyCode? {
            do {
                _ = try roots.read(path, limitInBytes: 100)
                return nil
            } catch {
                if case .refused(let code) = error.code { return code }
                return .internal
            }
        }
        #expect(try roots.read("sub/a.png", limitInBytes: 100) == Array("inside".utf8))
        #expect(try roots.read("\(folder.path)/root/sub/a.png", limitInBytes: 100) == Array("inside".utf8))
        #expect(code("../secret.png") == .denied)
        #expect(code("sub/../../secret.png") == .denied)
        #expect(code("\(folder.path)/secret.png") == .denied)
        #expect(code("\(folder.path)/root/../secret.png") == .denied)
        #expect(code("link.png") == .denied)
        #expect(code("/etc/passwd") == .denied)
        #expect(code("sub") == .denied)
        #expect(code("sub/none.png") == .notFound)
        #expect(throws: ServerError.self) { try roots.read("sub/a.png", limitInBytes: 2) }
    }
}

@Suite struct ReplyTests {
    @Test func scoresHaveFourToSixDecimals() {
        func text(_ value: Float) -> String {
            var json = JSONWriter()
            json.score(value)
            return String(decoding: json.bytes, as: UTF8.self)
        }
        #expect(text(0.8123) == "0.8123")
        #expect(text(1) == "1.0000")
        #expect(text(-0.5) == "-0.5000")
        #expect(text(0.123456) == "0.123456")
        #expect(text(0.00001) == "0.00001")
        #expect(text(-0.0000001) == "0.0000")
        #expect(text(.nan) == "null")
    }

    @Test func everyStringSurvivesTheWriterAndAJSONParser() throws {
        var generator = SeededGenerator(seed: 3)
        let pieces = ["a", "é", "胸", "😀", "\"", "\\", "\n", "\u{1}", "\u{7f}", "/", "\u{2028}", " "]
        for _ in 0..<200 {
            let text = (0..<generator.integer(below: 12)).map { _ in generator.pick(pieces) }.joined()
            var json = JSONWriter()
            json.beginArray()
            json.string(text)
            json.endArray()
            let parsed = try JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String]
            #expect(parsed == [text])
            #expect(!json.bytes.contains(10))
            #expect(items("SEARCH text=\(Argument.quoted(text))\n").count == 1)
            if case .request(let request) = items("SEARCH text=\(Argument.quoted(text))\n").first {
                #expect(request.value("text") == text)
            } else {
                Issue.record("\(Argument.quoted(text)) was refused")
            }
        }
    }

    @Test func vectorsSurviveTheirText() throws {
        var generator = SeededGenerator(seed: 4)
        for count in 1...40 {
            let vector = (0..<count).map { _ in Float(generator.normal()) }
            let text = VectorText.encode(vector)
            #expect(try VectorText.decode(text) == vector)
            let foundation = vector.withUnsafeBytes { Data($0).base64EncodedString() }
            #expect(text == "f32:" + foundation)
        }
        for bad in ["A", "A===", "====", "AA=A", "AB==", "AAB=", "AAA\u{1}", "AAA*", "AAAA=AA=", "AAA=AAAA"] {
            #expect(VectorText.decodeBase64(Array(bad.utf8)) == nil, "\(bad)")
        }
    }

    @Test func octetsSurviveTheirText() {
        var generator = SeededGenerator(seed: 6)
        for count in 0...70 {
            let octets = (0..<count).map { _ in UInt8(generator.integer(below: 256)) }
            let text = Array(VectorText.encodeBase64(octets).utf8)
            #expect(text == Array(Data(octets).base64EncodedString().utf8))
            #expect(VectorText.decodeBase64(text) == octets)
            // Whatever stands in place of a character of the alphabet is refused, wherever it stands.
            for place in text.indices where text[place] != UInt8(ascii: "=") {
                var other = text
                other[place] = [0, 32, 42, 44, 46, 58, 64, 91, 96, 123, 128, 255][generator.integer(below: 12)]
                #expect(VectorText.decodeBase64(other) == nil)
            }
            #expect(text.isEmpty || VectorText.decodeBase64(Array(text.dropLast())) == nil)
        }
    }

    @Test func anErrorIsOneLineWhateverItsText() {
        let reply = Reply.error(.io, "a\nb\r\u{1}c\u{85}d", tag: "t")
        #expect(String(decoding: reply.bytes, as: UTF8.self) == "@t ERR IO a b  c d\n")
    }
}
