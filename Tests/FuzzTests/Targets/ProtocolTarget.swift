import HilumCore

@testable import HilumArchive
@testable import HilumServer

extension FuzzTarget {
    /// A stream of requests in two chunks; each request is carried out, and every reply must have the form that its client reads.
    static let requests = FuzzTarget(
        "protocol", longestInput: 1024,
        words: [
            "=", "!=", "..", ",", "\\u0000", "\\ud800", "bytes=", "bytes=3\n", "@", "k=", "-1", "99999999999999999999",
            "1e999", "nan", "id=", "text=", "vec=f32:", "AAAA", "*", "cursor=", "2019-13-45", "w.text=", "with=report",
            "exact=1", "target=", "deadline_ms=", "{\"jsonrpc\":\"2.0\",", "\"method\":", "\"params\":", "unlike=",
            "mmr=", "group=", "dedup=", "image=", "recall=", "EXPLAIN SEARCH ", "PICTURE ", "FACET by=",
        ],
        seeds: { bytes(streams) },
        finding: { bytes in
            let handler = RequestHandler(archive: EmptyArchive(), configuration: ServerConfiguration())
            var limits = RequestParser.Limits()
            (limits.lineByteCount, limits.rpcByteCount, limits.literalByteCount) = (512, 768, 256)
            var parser = RequestParser(limits: limits)
            let cut = bytes.isEmpty ? 0 : Int(bytes[0]) % (bytes.count + 1)
            for part in [bytes[..<cut], bytes[cut...]] {
                parser.append(Array(part))
                while let item = parser.next() {
                    if let finding = finding(item, handler) { return finding }
                }
                if parser.bufferedByteCount > 1024 { return "\(parser.bufferedByteCount) bytes are held" }
            }
            if let item = parser.finish(), let finding = finding(item, handler) { return finding }
            return parser.bufferedByteCount == 0 ? nil : "bytes are held after the end"
        })

    private static let streams = [
        "PING\nHELLO\nCOUNT view=PA n=1..5\n",
        "SEARCH text=\"left \\\"effusion\\\" -mass nod*\" k=5 with=report,highlights\n",
        "SEARCH id=c1 unlike=c2 w.id=2 w.unlike=0.5 target=report mmr=0.3\n",
        "SEARCH text=\"no effusion\" date=2019-01..2020 finding!=mass group=patient\n",
        "@7 SEARCH vec=f32:AACAPwAAgD8AAIA/AACAPw== exact=1\n", "GET id=c1 with=meta,report,vector\n",
        "PUT id=f1 report=\"left effusion\" view=PA patient=p1 date=2020-02-03\nDELETE id=f1\n",
        "FACET by=view k=3 n=1..\nEXPLAIN SEARCH text=\"mass\" k=3\nSTATS\nMETRICS\nHELP SEARCH\nREEMBED status\n",
        "SEARCH text=\"\\u00e4\\ud83d\\ude00\" cursor=start deadline_ms=1000 dedup=0.5 min_score=-1\n",
        "SEARCH text=\"x\" mode=words w.words=3 recall=0.9\nQUIT\n",
        "PUT id=f2 bytes=10 report=\"x\"\n0123456789\nPING\n",
        "REEMBED start model=a rate=3 between=01:00-05:00\nREEMBED switch\nSNAPSHOT to=/tmp/x\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"search\",\"params\":{\"text\":\"left\",\"k\":5,\"view\":[\"PA\",\"AP\"]}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"reembed.status\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"stats\"}\n",
        "EXPLAIN bytes=4 text=\"mass\"\nabcd\nPICTURE id=c1 image=1\n# a comment\n\nNONSENSE\n",
    ]

    private static func finding(_ item: ParsedItem, _ handler: RequestHandler) -> String? {
        guard case .request(let request) = item else { return nil }
        let reply: Reply
        switch handler.route(request, mayWrite: true) {
        case .reply(let made): reply = made
        case .read: reply = handler.read(request)
        case .write:
            do {
                if request.verb == .delete {
                    let id = try DeleteVerb(request).id
                    reply = RequestHandler.reply(to: request, outcome: .success(.deleted(id.isEmpty)))
                } else {
                    let input = try PutVerb(request, handler).input
                    let outcome = PutOutcome.stored(vectors: input.vectorCount, notes: [])
                    reply = RequestHandler.reply(to: request, outcome: .success(.put(id: input.id, outcome)))
                }
            } catch {
                reply = RequestHandler.reply(to: request, outcome: .failure(error))
            }
        }
        if reply.code == .internal { return "\(request.word) fails inside" }
        return finding(in: reply, to: request)
    }

    /// What is wrong with the form of a reply.
    private static func finding(in reply: Reply, to request: Request) -> String? {
        let bytes = reply.bytes(as: request.form)
        if bytes.isEmpty, case .rpc(nil, _) = request.form { return nil }
        guard bytes.last == 10 else { return "the reply to \(request.word) ends without a line feed" }
        var lines = bytes.dropLast().split(separator: 10, omittingEmptySubsequences: false)
        if case .rpc = request.form {
            let isOne = lines.count == 1 && (try? JSON(parsing: lines[0])) != nil
            return isOne ? nil : "the reply to \(request.word) is not one line of JSON"
        }
        let prefix = request.tag.map { Array("@\($0) ".utf8) } ?? []
        guard lines.allSatisfy({ $0.starts(with: prefix) }) else { return "a line of a reply lacks the tag" }
        lines = lines.map { $0.dropFirst(prefix.count) }
        guard let status = lines.popLast(), status.starts(with: "OK".utf8) || status.starts(with: "ERR ".utf8) else {
            return "the reply to \(request.word) has no status"
        }
        guard String(validating: status, as: UTF8.self) != nil else { return "a status is not UTF-8" }
        let isJSON = lines.allSatisfy { $0.first == UInt8(ascii: "{") && (try? JSON(parsing: $0)) != nil }
        return isJSON ? nil : "a line of the reply to \(request.word) is no JSON object"
    }
}
