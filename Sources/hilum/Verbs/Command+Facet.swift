import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let facet = Command(
        name: "facet",
        summary: "which values a key has, and how many cases each",
        usage: ["(ARCHIVE | --socket S) --by KEY [-k K] [--where 'KEY=VALUE …'] [--json]"],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("by", "KEY", "any key of the metadata, or finding, affirmed, denied or uncertain", letter: "b"),
            .value(
                "count", "K", "how many values, the most frequent first (default \(Facet.standardLimit))", letter: "k"),
            .value("where", "FILTERS", "count only cases that match all of these, as in 'hilum search'"),
            .value("socket", "PATH", "ask the daemon at this socket instead of opening ARCHIVE"),
            .json,
        ],
        details: """
            A case with several values counts once for each. 'affirmed', 'denied' and 'uncertain' count what reports say of findings;
            'finding' counts what cases were given or, where they were given none, what their reports affirm. The count of a value is
            what a filter with it finds. With --json, one object a line: {"value":"PA","count":120}.
            """,
        examples: [
            ("hilum facet archive --by view", "how many cases each view has"),
            (
                "hilum facet archive --by affirmed --where view=PA -k 5",
                "the five findings that reports of PA views affirm most"
            ),
        ],
        run: runFacet)
}

private func runFacet(_ arguments: Arguments) throws -> ExitStatus {
    let socket = arguments.text("socket")
    if socket == nil && arguments.operands.isEmpty { throw CommandError.usage("ARCHIVE is missing") }
    if let extra = arguments.operands.first, socket != nil {
        throw CommandError.usage("'\(extra)' and --socket exclude each other")
    }
    let key = try arguments.required("by")
    let limit = try arguments.integer("count", in: 1...ArchiveLimits.hitCount) ?? Facet.standardLimit
    let filterText = arguments.texts("where").joined(separator: " ")
    let filter: Filter
    do { filter = try Filter(parsing: filterText) } catch { throw CommandError.usage("--where: \(error)") }
    let found =
        try socket.map { try ask(socket: $0, key, filterText, limit) }
        ?? ask(archive: arguments.operands[0], key, filter, limit)
    if arguments.has("json") {
        for value in found.values {
            var json = JSONWriter()
            json.beginObject()
            json.member("value", value.value)
            json.member("count", value.count)
            json.endObject()
            standardOutputLine(String(decoding: json.bytes, as: UTF8.self))
        }
    } else if !found.values.isEmpty {
        var table = TextTable([("value", .left), ("cases", .right)])
        for value in found.values { table.append([shown(value.value), String(value.count)]) }
        standardOutput(table.text)
    }
    standardError("\(found.values.count) of \(found.distinctCount) values, \(found.caseCount) cases\n")
    return .done
}

private typealias Found = (values: [(value: String, count: Int)], distinctCount: Int, caseCount: Int)

private func ask(archive path: String, _ key: String, _ filter: Filter, _ limit: Int) throws -> Found {
    let archive = try openArchive(path, .readOnly)
    defer { archive.close() }
    let facet = try archive.facet(by: key, filter, limit: limit)
    return (facet.values.map { ($0.value, $0.count) }, facet.distinctCount, facet.caseCount)
}

private func ask(socket path: String, _ key: String, _ filter: String, _ limit: Int) throws -> Found {
    let client = try Client(socketPath: path)
    let reply = try client.request("FACET by=\(Argument.quoted(key)) k=\(limit) \(filter)")
    if let code = reply.status.code {
        throw CommandError(code == .notFound ? .notFound : .failed, "\(code.rawValue): \(reply.status.text)")
    }
    let values = reply.objects.compactMap { line -> (value: String, count: Int)? in
        guard let object = try? JSON(parsing: line), let value = object["value"]?.string,
            let count = object["count"]?.integer
        else { return nil }
        return (value, count)
    }
    return (
        values, reply.status.fields["distinct"].flatMap { Int($0) } ?? values.count,
        reply.status.fields["cases"].flatMap { Int($0) } ?? 0
    )
}
