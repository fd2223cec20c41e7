import HilumCore

/// The arguments of SEARCH that are no filters.
public enum SearchOptions {
    /// The kinds of question, which `w.…=` may weigh.
    static let questions = ["text", "id", "image", "vec"]

    /// All of this release.
    static let keys = Set(
        questions + questions.map { "w.\($0)" } + [
            "k", "ef", "recall", "exact", "target", "min_score", "self", "with", "mode", "w.vector", "w.words",
        ])

    /// Of the protocol, and not in this release: never to be taken for filters.
    static let later: Set<String> = ["unlike", "group", "mmr", "dedup", "cursor"]

    /// What other search engines call the options.
    private static let otherNames = [
        "limit": "k", "top": "k", "topk": "k", "top_k": "k", "n": "k", "count": "k", "size": "k", "max": "k",
        "num": "k", "hits": "k",
        "q": "text", "query": "text", "phrase": "text", "file": "image", "path": "image", "vector": "vec",
        "embedding": "vec",
        "score": "min_score", "threshold": "min_score", "min": "min_score", "ef_search": "ef", "nprobe": "ef",
        "include": "with",
        "fields": "with", "return": "with", "type": "target", "kind": "target", "weight": "w.text",
    ]

    /// Whether a key of a filter would be taken for an option.
    ///
    /// `id` is both: a question in SEARCH, and a filter for those who do not ask by it.
    public static func takes(_ key: String) -> Bool { keys.contains(key) || later.contains(key) }

    /// The option that was meant by a key that is none; nil where none is near.
    static func near(_ key: String) -> String? { otherNames[key] ?? nearest(to: key, among: keys.sorted()) }
}
