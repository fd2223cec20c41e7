/// Something that protects patients could not be done; the caller then refuses the report or the case, and passes nothing through.
public struct PrivacyError: Error, CustomStringConvertible, Sendable {
    /// What went wrong.
    public enum Code: Sendable, Equatable {
        /// The lists of words are not beside the program.
        case missingWords
        /// A line of a list breaks its grammar.
        case badWords(line: Int, String)
        /// A file could not be read or written; in words.
        case file(String)
        /// The file of the key does not hold 32 bytes.
        case badKey
        /// Others than the owner may read the file of the key.
        case openKey
        /// The command of the filter is no list of words, or cannot be started; why.
        case filterMissing(String)
        /// The filter gave no usable answer; why.
        case filterFailed(String)
        /// The filter refused the report.
        case filterRefused
    }

    /// What went wrong.
    public let code: Code
    /// The file or command.
    public let path: String

    package init(_ code: Code, path: String) {
        self.code = code
        self.path = path
    }

    /// A sentence for the user; it holds nothing of a report and no identifier.
    public var description: String {
        switch code {
        case .missingWords: "\(path): the word lists of de-identification are not there"
        case .badWords(let line, let reason): "\(path):\(line): \(reason)"
        case .file(let reason): reason
        case .badKey: "\(path): a key has 32 bytes"
        case .openKey: "\(path): others may read this key; chmod 600 it"
        case .filterMissing(let reason): "the report filter \(path) cannot be started: \(reason)"
        case .filterFailed(let reason): "the report filter \(path) \(reason); the report is refused"
        case .filterRefused: "the report filter \(path) refused the report"
        }
    }
}
