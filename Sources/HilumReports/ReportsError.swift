/// A lexicon could not be used.
public struct ReportsError: Error, CustomStringConvertible, Sendable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// No lexicon lies beside the program, or none for the language, which is named.
        case missingLexicon(String)
        /// A line of a lexicon breaks its grammar: which line, and how.
        case badLexicon(line: Int, String)
        /// A file could not be read.
        case file(String)
    }

    /// What went wrong.
    public let code: Code
    /// The file or folder.
    public let path: String

    init(_ code: Code, path: String) {
        self.code = code
        self.path = path
    }

    /// A sentence for the user; it holds nothing of a report.
    public var description: String {
        switch code {
        case .missingLexicon(let what): "\(path): no lexicon of report words is there (\(what))"
        case .badLexicon(let line, let reason): "\(path):\(line): \(reason)"
        case .file(let reason): reason
        }
    }
}
