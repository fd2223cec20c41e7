/// The verbs of the protocol.
enum Verb: String, Sendable, CaseIterable {
    /// Whether the daemon is there.
    case ping = "PING"
    /// What the daemon is and what it takes.
    case hello = "HELLO"
    /// Cases like a text, an image, a case or a vector.
    case search = "SEARCH"
    /// Stores or replaces a case.
    case put = "PUT"
    /// A stored case.
    case get = "GET"
    /// Removes a case.
    case delete = "DELETE"
    /// How many cases match a filter.
    case count = "COUNT"
    /// The values of a key and how many cases have each.
    case facet = "FACET"
    /// Which patches of an image answer to which words, or how a search is carried out.
    case explain = "EXPLAIN"
    /// An image as a PNG that any program can show.
    case picture = "PICTURE"
    /// The archive in figures.
    case stats = "STATS"
    /// The figures for Prometheus.
    case metrics = "METRICS"
    /// What the verbs are and take.
    case help = "HELP"
    /// Ends the connection.
    case quit = "QUIT"
    /// A second generation of vectors, by another model.
    case reembed = "REEMBED"
    /// A copy of the archive while it is served.
    case snapshot = "SNAPSHOT"

    /// A text or an image as a vector.
    case embed = "EMBED"
    /// What the words of a question come to here.
    case words = "WORDS"
    /// What was stored, changed and removed since.
    case changes = "CHANGES"

    /// Whether it changes the archive.
    var isWrite: Bool { self == .put || self == .delete }
}
