import HilumArchive
import HilumCore

/// `WORDS`: what the words of a question come to here. Whoever searches several archives adds these up, and gives the sums as `corpus=`.
struct WordsVerb: ReadingVerb {
    let text: String

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: ["text"])
        guard let text = try request.words("text") else { throw .refused(.badRequest, "WORDS needs text=") }
        self.text = text
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let counts = try handler.archive.wordCounts(of: text)
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.member("reports", counts.corpus.documents)
            json.member("length", counts.corpus.length)
            json.member("matches", counts.corpus.matches)
            json.member("unknown", counts.unknown)
            json.key("known")
            json.boolean(counts.isKnown)
            json.key("demands")
            json.boolean(counts.demandsFindings)
        }
        return builder.ok()
    }
}
