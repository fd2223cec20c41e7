import HilumCore

/// The arguments of SEARCH that are no filters, by the table of the protocol (`Verb.options`).
public enum SearchOptions {
    /// The kinds of question, which `w.…=` may weigh.
    static let questions = ["text", "id", "image", "vec", "unlike"]

    /// All of them.
    static let keys = Verb.search.keys

    /// Those that may stand more than once.
    static let repeatable = Set(Verb.search.options.filter(\.isRepeatable).map(\.name))

    /// Whether a key of a filter would be taken for an option.
    ///
    /// `id` is both: a question in SEARCH, and a filter for those who do not ask by it.
    public static func takes(_ key: String) -> Bool { keys.contains(key) }

    /// Whether a request may have a condition on `key`, and nothing else is meant by it in SEARCH, COUNT or FACET.
    ///
    /// For those who make requests of what others give them: an option among conditions would change what is asked, or name a file.
    public static func isFilterKey(_ key: String) -> Bool {
        key.utf8.count <= longestFilterKeyInBytes && LineScanner.isKey(Array(key.utf8)[...]) && !takes(key)
            && !Verb.facet.keys.contains(key) && key != RPCLiteral.name && key != Request.deadlineKey
    }

    private static let longestFilterKeyInBytes = 64

    /// The option that was meant by a key that is none; nil where none is near.
    static func near(_ key: String) -> String? { Verb.search.near(key) }
}

extension Verb {
    /// The option that was meant by a key that is none; nil where none is near.
    func near(_ key: String) -> String? {
        options.first { $0.otherNames.contains(key) }?.name ?? nearest(to: key, among: keys.sorted())
    }
}
