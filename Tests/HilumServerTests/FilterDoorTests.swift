import HilumArchive
import HilumCore
import Testing

@testable import HilumServer

/// The daemon reads a filter as `hilum search --where` does: the same conditions, or a refusal with the same words.
@Suite struct FilterDoorTests {
    @Test(
        "the socket and the command line read a filter alike",
        arguments: [
            "view=PA", "view!=PA,AP", #"note="a,b""#, #"note="two words""#, "date=2019..2020", "age=..7,9..",
            "date=2019.. date!=2019-05-05", #"note="a \"b\"\u00e9""#, "w_1.x=1",
            "view=", #"view="""#, "view=a,,b", "View=PA", "view-2=PA", "=PA", "view=..", "age=1..2..3",
            "view=PA view=AP",
            "view=PA,site=B", "date>=2019", "date=>2019", "view==PA", "date=spring..", "date=..2019-06", "note=a,b;c=d",
            #"view="PA"#, #"view=P"A"#, #"view="PA"x"#, "view=PA\tsite=A", #"view="\u0000""#,
        ])
    func bothDoorsAgree(_ text: String) throws {
        var wanted: Filter?
        var refusal: ArchiveError?
        do { wanted = try Filter(parsing: text) } catch { refusal = error }
        switch items("COUNT \(text)\n").first {
        case .malformed(_, let code, let reason, _):
            #expect(code == .badRequest && reason == refusal?.reason)
        case .request(let request):
            do {
                let filter = try request.filter()
                #expect(filter == wanted)
            } catch {
                #expect(error.code == .refused(.badRequest) && error.text == refusal?.reason)
            }
        case .rpcFault, nil: Issue.record("no item")
        }
    }

    @Test("a bare word that was meant as a condition is refused with the right form")
    func bareWords() throws {
        for (text, advice) in [
            ("date>2019", "date=A.. from A on"), ("view:PA", "write view=…"), ("PA", "write key=value"),
        ] {
            guard case .request(let request)? = items("COUNT \(text)\n").first else {
                Issue.record("\(text) is no request")
                continue
            }
            let error = #expect(throws: ServerError.self) { try request.filter() }
            #expect(error?.text.contains(advice) == true, "\(text): \(String(describing: error))")
        }
    }

    @Test(
        "an option of other engines is answered with the one of SEARCH",
        arguments: [
            ("limit", "k"), ("top_k", "k"), ("query", "text"), ("min_scroe", "min_score"), ("tagret", "target"),
        ])
    func nearOptions(_ key: String, _ option: String) { #expect(SearchOptions.near(key) == option) }

    @Test func anIDIsRefusedWithTheRuleOfTheArchive() {
        for id in ["", "a\u{85}b", String(repeating: "x", count: 256)] {
            let request = Request(verb: "GET", arguments: [Argument(key: "id", value: id)])
            let error = #expect(throws: ServerError.self) { try request.id() }
            #expect(error?.text == "an id has 1 to 255 bytes and no control characters")
        }
    }
}
