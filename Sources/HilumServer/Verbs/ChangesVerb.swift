import HilumArchive
import HilumCore

/// `CHANGES`: what was stored, changed and removed since a position; a copy asks it again and again (`Follower`).
struct ChangesVerb: ReadingVerb {
    /// About so many bytes of cases are sent at once; in base64 they are a third more.
    private static let byteCount = 4 << 20

    let position: ArchivePosition?

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: Verb.changes.keys)
        guard let text = request.value("since") else {
            position = nil
            return
        }
        guard let position = ArchivePosition(text) else {
            throw .refused(.badRequest, "since= takes the position that an earlier reply ended with")
        }
        self.position = position
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let changes = try handler.archive.changes(since: position, byteCount: Self.byteCount)
        var builder = ReplyBuilder(tag: tag)
        for item in changes.items { builder.object { Self.write(item, to: &$0) } }
        if !changes.left.isEmpty {
            builder.object {
                $0.member("left", changes.left.map(Int.init))
                if !changes.forgotten.isEmpty { $0.member("forgotten", changes.forgotten) }
            }
        }
        return builder.ok(
            "cases=\(changes.items.count) left=\(changes.left.count) more=\(changes.hasMore ? 1 : 0) "
                + "behind=\(changes.behind) position=\(changes.position.text)")
    }

    private static func write(_ item: ArchiveChanges.Item, to json: inout JSONWriter) {
        json.member("number", Int(item.number))
        json.member("entry", VectorText.encodeBase64(item.entry))
        if let report = item.report { json.member("report", report) }
        json.member("images", item.imageVectors.map(VectorText.encode))
        if let vector = item.reportVector { json.member("vector", VectorText.encode(vector)) }
        guard item.kept.contains(where: { $0 != nil }) else { return }
        json.member("kept", item.kept.map { $0.map(VectorText.encodeBase64) ?? "" })
    }

    /// Reads a reply of this verb.
    ///
    /// - Throws: `ServerError` for what is no such reply.
    static func read(_ answer: Client.Answer) throws -> ArchiveChanges {
        let malformed = ServerError.refused(.internal, "the leader's reply to CHANGES is malformed")
        guard let text = answer.status.fields["position"], let position = ArchivePosition(text) else { throw malformed }
        var changes = ArchiveChanges(position: position)
        changes.hasMore = answer.status.fields["more"] == "1"
        changes.behind = answer.status.fields["behind"].flatMap { Int($0) } ?? 0
        for line in answer.objects {
            let object = try JSON(parsing: line)
            if let left = object["left"]?.array {
                changes.left += left.compactMap { $0.integer.flatMap { UInt32(exactly: $0) } }
                changes.forgotten += (object["forgotten"]?.array ?? []).compactMap(\.string)
                continue
            }
            guard let number = object["number"]?.integer.flatMap({ UInt32(exactly: $0) }),
                let entry = object["entry"]?.string.flatMap({ VectorText.decodeBase64(Array($0.utf8)) })
            else { throw malformed }
            var item = ArchiveChanges.Item(number: number, entry: entry)
            item.report = object["report"]?.string
            item.imageVectors = try (object["images"]?.array ?? []).map { try VectorText.decode($0.string ?? "") }
            item.reportVector = try object["vector"]?.string.map { try VectorText.decode($0) }
            item.kept = (object["kept"]?.array ?? []).map { bytes in
                bytes.string.flatMap { $0.isEmpty ? nil : VectorText.decodeBase64(Array($0.utf8)) }
            }
            changes.items.append(item)
        }
        return changes
    }
}
