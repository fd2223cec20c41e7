import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import Testing

@testable import HilumServer

/// `REEMBED`: what it takes, what it refuses, and who may ask for it.
@Suite struct ReembedVerbTests {
    private static func reply(_ line: String, _ archive: FakeArchive = FakeArchive(caseCount: 3)) -> String {
        let parsed = RequestLine(ArraySlice(line.utf8))
        let request = Request(verb: parsed.verb, arguments: parsed.arguments)
        let handler = RequestHandler(archive: archive, configuration: ServerConfiguration())
        return String(decoding: handler.read(request).bytes, as: UTF8.self)
    }

    @Test(
        "each word becomes its order",
        arguments: [
            ("REEMBED status", ReembedOrder.status),
            ("REEMBED start model=/m", .start(model: "/m", precision: nil, pace: ReembedPace())),
            (
                "reembed START model=/m precision=bf16 rate=2.5 between=22:00-05:30",
                .start(
                    model: "/m", precision: "bf16",
                    pace: ReembedPace(casesPerSecond: 2.5, hours: DailyHours("22:00-05:30")))
            ),
            ("REEMBED pause", .pause), ("REEMBED resume", .resume),
            ("REEMBED pace rate=1", .pace(ReembedPace(casesPerSecond: 1))), ("REEMBED pace", .pace(ReembedPace())),
            ("REEMBED switch", .switch(allowsPartial: false)),
            ("REEMBED switch partial=1", .switch(allowsPartial: true)),
            ("REEMBED switch partial=0", .switch(allowsPartial: false)), ("REEMBED abort", .abort),
            ("REEMBED drop", .drop),
        ])
    func orders(_ line: String, _ order: ReembedOrder) {
        let archive = FakeArchive(caseCount: 3)
        let reply = Self.reply(line, archive)
        #expect(archive.state.withLock { $0.orders } == [order])
        let state = order == .status ? "none" : "building"
        #expect(reply.hasSuffix("OK state=\(state) gen=1 done=0 total=3\n"), "\(reply)")
        #expect(reply.hasPrefix("{\"state\":\"\(state)\",\"generation\":1,\"model\":\"fake-model\""), "\(reply)")
    }

    @Test(
        "what makes no sense is refused in words",
        arguments: [
            ("REEMBED", "REEMBED needs one of the words status, start"),
            ("REEMBED model=/m", "REEMBED needs one of the words"),
            ("REEMBED swich", "REEMBED has no such word; did you mean switch?"),
            ("REEMBED 7", "REEMBED has no such word; there are status"),
            ("REEMBED start", "REEMBED start needs model="), ("REEMBED start model=\"\"", "model= is empty"),
            ("REEMBED start model=/m rate=0", "rate= takes a number from"),
            ("REEMBED start model=/m rate=fast", "rate= takes a number from"),
            ("REEMBED start model=/m between=25:00-26:00", "between= takes a part of the day"),
            ("REEMBED start model=/m between=01:00", "between= takes a part of the day"),
            ("REEMBED start model=/m between=01:00-01:00", "between= takes a part of the day"),
            ("REEMBED start model!=/m", "REEMBED start does not take model!="),
            ("REEMBED start model=/m partial=1", "REEMBED start does not take partial="),
            ("REEMBED start now model=/m", "takes no bare word"),
            ("REEMBED status x=1", "REEMBED status does not take x="),
            ("REEMBED pause rate=1", "REEMBED pause does not take rate="),
            ("REEMBED switch partial=yes", "partial= takes 0 or 1"), ("REEMBED abort all", "takes no bare word"),
        ])
    func refusals(_ line: String, _ text: String) {
        let archive = FakeArchive()
        let reply = Self.reply(line, archive)
        #expect(reply.hasPrefix("ERR BADREQ ") && reply.contains(text), "\(reply)")
        #expect(archive.state.withLock { $0.orders } == [], "a refused order reached the archive")
    }

    @Test func whatTheArchiveRefusesIsAnswered() {
        #expect(Self.reply("REEMBED rollback") == "ERR NOTFOUND no former generation is kept\n")
    }

    @Test func readersMayAskForTheStatusAndNothingElse() {
        let handler = RequestHandler(archive: FakeArchive(), configuration: ServerConfiguration())
        func route(_ word: String, mayWrite: Bool) -> RequestHandler.Route {
            handler.route(
                Request(verb: "REEMBED", arguments: [Argument(key: "", value: word)]), mayWrite: mayWrite)
        }
        guard case .read = route("status", mayWrite: false), case .read = route("switch", mayWrite: true) else {
            Issue.record("not read")
            return
        }
        for word in ["start", "switch", "rollback", "abort", "drop", "pause", "resume", "pace"] {
            guard case .reply(let reply) = route(word, mayWrite: false) else {
                Issue.record("\(word) was let through")
                continue
            }
            #expect(reply.code == .denied)
        }
    }

    @Test func octetsAreRefused() {
        let handler = RequestHandler(archive: FakeArchive(), configuration: ServerConfiguration())
        let request = Request(verb: "REEMBED", arguments: [Argument(key: "", value: "status")], literal: [1])
        #expect(handler.read(request).code == .badRequest)
    }
}
