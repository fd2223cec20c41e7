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

    /// The option that was meant by a key that is none; nil where none is near.
    static func near(_ key: String) -> String? { Verb.search.near(key) }
}

extension Verb {
    /// The option that was meant by a key that is none; nil where none is near.
    func near(_ key: String) -> String? {
        options.first { $0.otherNames.contains(key) }?.name ?? nearest(to: key, among: keys.sorted())
    }
}
