import HilumArchive

/// What each verb takes: the one table of the protocol.
///
/// `Request.check` and the verbs' own types refuse what is not in it, `HELP` prints it, refusals name what is near in it, and a test holds the
/// README's reference against it.
extension Verb {
    /// What it does, in one sentence without a full stop.
    var summary: String {
        switch self {
        case .ping: "whether the daemon is there"
        case .hello: "version, model, generation, number of cases and limits"
        case .search: "the cases nearest to a question, one object a hit, best first"
        case .put: "stores or replaces a case; the reply comes when it is on disk"
        case .get: "one object about a case"
        case .delete: "removes a case"
        case .count: "how many cases match"
        case .facet: "the values of a key, each with the number of cases that have it, the most frequent first"
        case .explain:
            "which patches of an image answer to which words; EXPLAIN SEARCH … how a search is carried out"
        case .picture: "an image of a case, or one that is sent, as an 8-bit PNG that any program can show"
        case .stats: "the archive in figures, with the measured recall"
        case .metrics: "the figures for Prometheus"
        case .help: "the verbs, or what one of them takes"
        case .quit: "ends the connection"
        case .reembed: "a second generation of vectors, by another model"
        case .snapshot: "a consistent copy while the daemon serves"
        case .embed: "the vector of a text or an image, to be asked with by vec="
        case .words: "statistics of a question's words, for a search over several archives"
        case .changes: "what was stored, changed and removed since, for a copy that follows"
        }
    }

    /// Whether other keys than those of its options are conditions on cases.
    var takesFilter: Bool {
        switch self {
        case .search, .count, .facet: true
        default: false
        }
    }

    /// Whether octets may follow its line.
    var takesLiteral: Bool {
        switch self {
        case .search, .put, .explain, .picture, .embed: true
        default: false
        }
    }

    /// Its arguments, without those that every verb takes and without filters.
    var options: [RequestOption] {
        switch self {
        case .search: Self.questionOptions + Self.searchOptions
        case .put: Self.putOptions
        case .get:
            [.id, RequestOption("with", "meta,report,path,vector,images,said", "what the object brings besides")]
        case .delete:
            [
                .id,
                RequestOption(
                    "forget", "0|1",
                    "also what a deleted case leaves in the tables of the archive, but for marks that name nobody (0)"),
            ]
        case .facet:
            [
                RequestOption(
                    "by", "KEY", "any key of the metadata, or finding, affirmed, denied, uncertain",
                    otherNames: ["key", "field", "facet", "of", "on"]),
                RequestOption(
                    "k", "1..\(ArchiveLimits.hitCount)", "how many values at most (\(Facet.standardLimit))",
                    otherNames: ["limit", "top", "size", "n", "count"]),
            ]
        case .explain:
            [
                RequestOption("id", "ID", "a case with an image"), Self.place,
                RequestOption("image", "PATH", "an image below the daemon's roots"),
                RequestOption("text", "TEXT", "the words"),
            ]
        case .picture:
            [
                RequestOption("id", "ID", "a case with an image"), Self.place,
                RequestOption("image", "PATH", "an image below the daemon's roots; bytes=N sends one"),
                RequestOption(
                    "side", "16..1024", "at most so many pixels of the longer side (512)",
                    otherNames: ["size", "width", "height"]),
            ]
        case .reembed: Self.reembedOptions
        case .snapshot: [RequestOption("to", "PATH", "a new folder, absolute")]
        case .embed:
            [
                RequestOption("text", "TEXT", "a phrase or a report"),
                RequestOption("image", "PATH", "an image below the daemon's roots; bytes=N sends one"),
            ]
        case .words: [RequestOption("text", "TEXT", "the words, as SEARCH takes them")]
        case .changes:
            [RequestOption("since", "POSITION", "what the last reply ended with; without, only where it stands")]
        case .ping, .hello, .count, .stats, .metrics, .help, .quit: []
        }
    }

    /// The keys of `options`.
    var keys: Set<String> { Set(options.map(\.name)) }

    /// How it is written, in one line.
    var usage: String {
        var parts = [rawValue]
        if self == .help { parts.append("[VERB]") }
        if self == .reembed { parts.append(ReembedVerb.usage) }
        parts += options.map { "\($0.name)=" }
        if takesLiteral { parts.append("bytes=N") }
        if takesFilter { parts.append("KEY=VALUE…") }
        return parts.joined(separator: " ")
    }

    private static let place = RequestOption("place", "N", "which image of the case, from 1 (1)")

    private static let questionOptions = [
        RequestOption(
            "text", "TEXT", "a phrase or a report", otherNames: ["q", "query", "phrase"], isRepeatable: true),
        RequestOption("id", "ID", "a stored case", isRepeatable: true),
        RequestOption(
            "image", "PATH", "an image below the daemon's roots; bytes=N sends one", otherNames: ["file", "path"],
            isRepeatable: true),
        RequestOption(
            "vec", "f32:BASE64", "a vector of the archive's dimension", otherNames: ["vector", "embedding"],
            isRepeatable: true),
        RequestOption(
            "unlike", "ID", "a stored case, subtracted from the question; no hit where it has words",
            otherNames: ["not", "negative", "against"],
            isRepeatable: true),
        RequestOption("w.text", "0..1000", "how much a text counts (1)", otherNames: ["weight"]),
        RequestOption("w.id", "0..1000", "how much a case counts (1)"),
        RequestOption("w.image", "0..1000", "how much an image counts (1)"),
        RequestOption("w.vec", "0..1000", "how much a vector counts (1)"),
        RequestOption("w.unlike", "0..1000", "how much of a case is subtracted (1)"),
    ]

    private static let searchOptions = [
        RequestOption(
            "k", "1..\(ArchiveLimits.hitCount)", "how many hits (10)",
            otherNames: ["limit", "top", "topk", "top_k", "n", "count", "size", "max", "num", "hits"]),
        RequestOption(
            "ef", "1..\(ArchiveLimits.ef)", "the breadth of the search in the graph (the larger of 128 and 2k)",
            otherNames: ["ef_search", "nprobe"]),
        RequestOption("recall", "0..1", "in place of ef: the share of the exact answer that must be reached"),
        RequestOption("exact", "0|1", "compares with every vector (0)"),
        RequestOption("target", "case|image|report", "what is compared (case)", otherNames: ["type", "kind"]),
        RequestOption("mode", "hybrid|vector|words", "what answers a text (hybrid)"),
        RequestOption("w.vector", "0..1000", "how much ranks among vectors count"),
        RequestOption("w.words", "0..1000", "how much ranks among words count (1)"),
        RequestOption(
            "min_score", "-1..1", "no hits with a smaller score", otherNames: ["score", "threshold", "min"]),
        RequestOption("self", "0|1", "whether cases that the question names may be hits (1)"),
        RequestOption(
            "group", "KEY", "one hit for each value of the key, such as patient",
            otherNames: ["group_by", "groupby", "collapse", "by"]),
        RequestOption(
            "mmr", "0..1", "hits that differ from one another, the more the smaller it is; 1 changes nothing",
            otherNames: ["diversity", "lambda"]),
        RequestOption(
            "dedup", "0..1", "no hits whose vector has at least this cosine with that of a better hit",
            otherNames: ["duplicates", "distinct", "unique"]),
        RequestOption(
            "cursor", "start|CURSOR", "hits by pages: start, then the cursor of the last page's status",
            otherNames: ["page", "offset", "after", "from", "scroll"]),
        RequestOption(
            "corpus", "REPORTS,LENGTH,COUNT…",
            "sums of WORDS over several archives: k candidates of vectors and k of words, to be merged; text= asks words alone"
        ),
        RequestOption(
            "with", "report,path,vector,highlights,images,said", "what a hit brings besides",
            otherNames: ["include", "fields", "return"]),
    ]

    private static let reembedOptions = [
        RequestOption("model", "PATH", "start: the new model's folder"),
        RequestOption("precision", "f32|bf16", "start: what it multiplies in"),
        RequestOption("rate", "CASES", "start, pace: at most so many cases a second"),
        RequestOption("between", "HH:MM-HH:MM", "start, pace: only in this part of the day"),
        RequestOption("partial", "0|1", "switch: although images could not be read (0)"),
    ]

    private static let putOptions: [RequestOption] = [
        .id, RequestOption("image", "PATH", "an image below the daemon's roots; bytes=N sends one"),
        RequestOption("report", "TEXT", "the report"), RequestOption("findings", "A,B", "what was found"),
        RequestOption("patient", "TEXT", "whose case it is"), RequestOption("modality", "TEXT", "such as CR"),
        RequestOption("view", "TEXT", "such as PA"), RequestOption("date", "DATE", "ISO 8601, of any precision"),
        RequestOption("site", "TEXT", "where"),
    ]
}
