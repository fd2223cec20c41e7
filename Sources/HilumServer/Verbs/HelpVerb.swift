import HilumCore

/// `HELP`: one object a verb; `HELP VERB`: one about it, and one an argument that it takes.
struct HelpVerb {
    /// Nil for all.
    let verb: Verb?

    init(_ request: Request) throws(ServerError) {
        var rest = request
        var word: String?
        if let first = request.arguments.first, first.key.isEmpty {
            word = first.value.uppercased()
            rest.arguments.removeFirst()
        }
        try rest.check()
        guard let word else {
            verb = nil
            return
        }
        guard let verb = Verb(rawValue: word) else {
            throw .refused(.badRequest, "there is no such verb\(Verb.suggestion(for: word)); \(Verb.all)")
        }
        self.verb = verb
    }

    func reply(tag: String?) -> Reply {
        var builder = ReplyBuilder(tag: tag)
        for verb in verb.map({ [$0] }) ?? Verb.allCases {
            builder.object { json in
                json.member("verb", verb.rawValue)
                json.member("usage", verb.usage)
                json.member("does", verb.summary)
            }
        }
        guard let verb else { return builder.ok("verbs=\(Verb.allCases.count)") }
        let options = verb.options + [.deadline]
        for option in options {
            builder.object { json in
                json.member("option", option.name)
                json.member("value", option.value)
                json.member("does", option.meaning)
                if option.isRepeatable {
                    json.key("repeatable")
                    json.boolean(true)
                }
            }
        }
        return builder.ok("options=\(options.count)")
    }
}

extension Verb {
    /// The sentence part that names the verb that was meant by a word; empty where none is near.
    static func suggestion(for word: String) -> String {
        let near = nearest(to: word, among: allCases.map { $0.rawValue.lowercased() })
        return near.map { "; did you mean \($0.uppercased())?" } ?? ""
    }

    /// All verbs, as a refusal names them.
    static var all: String { "there are " + allCases.map(\.rawValue).joined(separator: " ") }
}
