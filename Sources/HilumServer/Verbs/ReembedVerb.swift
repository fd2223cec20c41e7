import HilumArchive
import HilumCore

/// `REEMBED`: a second generation of vectors, made beside the one that is searched.
///
/// One object about the generations as they are then, and its state in the status line.
struct ReembedVerb: ReadingVerb {
    let order: ReembedOrder

    /// The words after REEMBED, and the arguments that each takes.
    private static let words: [(word: String, keys: Set<String>)] = [
        ("status", []), ("start", ["model", "precision", "rate", "between"]), ("pause", []), ("resume", []),
        ("pace", ["rate", "between"]), ("switch", ["partial"]), ("rollback", ["partial"]), ("abort", []), ("drop", []),
    ]

    /// The words as HELP shows them.
    static let usage = words.map(\.word).joined(separator: "|")

    /// The word after REEMBED; nil where it is missing, or none of these.
    static func word(of request: Request) -> String? {
        guard request.verb == .reembed, let first = request.arguments.first, first.key.isEmpty else { return nil }
        return words.map(\.word).first { $0 == first.value.lowercased() }
    }

    /// Whether a request asks for the status, which readers may too.
    static func isStatus(_ request: Request) -> Bool {
        let first = request.arguments.first
        return first?.key.isEmpty == true && first?.value.lowercased() == "status"
    }

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        let known = Self.words.map(\.word).joined(separator: ", ")
        guard let first = request.arguments.first, first.key.isEmpty else {
            throw .refused(.badRequest, "REEMBED needs one of the words \(known)")
        }
        let word = first.value.lowercased()
        guard let entry = Self.words.first(where: { $0.word == word }) else {
            let near = nearest(to: word, among: Self.words.map(\.word)).map { "; did you mean \($0)?" } ?? ""
            throw .refused(.badRequest, "REEMBED has no such word\(near); there are \(known)")
        }
        var rest = request
        rest.arguments.removeFirst()
        rest.word = "REEMBED \(word)"
        try rest.check(allowed: entry.keys)
        switch word {
        case "start":
            guard let model = try rest.words("model") else {
                throw .refused(.badRequest, "REEMBED start needs model=, the folder of the new model")
            }
            order = .start(model: model, precision: try rest.words("precision"), pace: try Self.pace(rest))
        case "pause": order = .pause
        case "resume": order = .resume
        case "pace": order = .pace(try Self.pace(rest))
        case "switch": order = .switch(allowsPartial: try rest.flag("partial") ?? false)
        case "rollback": order = .rollback(allowsPartial: try rest.flag("partial") ?? false)
        case "abort": order = .abort
        case "drop": order = .drop
        default: order = .status
        }
    }

    private static func pace(_ request: Request) throws(ServerError) -> ReembedPace {
        var pace = ReembedPace()
        if let rate = try request.number("rate", in: 0.001...1_000_000) { pace.casesPerSecond = Double(rate) }
        if let text = request.value("between") {
            guard let hours = DailyHours(text) else {
                throw .refused(.badRequest, "between= takes a part of the day such as 01:00-05:00")
            }
            pace.hours = hours
        }
        return pace
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let status = try handler.archive.reembed(order)
        var builder = ReplyBuilder(tag: tag)
        builder.object(raw: Array(status.json.text.utf8))
        return builder.ok(
            "state=\(status.state.rawValue) gen=\(status.generation) done=\(status.done) total=\(status.total)")
    }
}
