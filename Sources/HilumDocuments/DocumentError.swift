/// Why a file or a message is no report that can be taken; the text names no patient and holds no word of the report.
public struct DocumentError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What went wrong, for code.
    public enum Code: Sendable, Equatable {
        /// The file cannot be opened or read, which may pass.
        case unreadable
        /// Larger than what is taken.
        case tooLarge
        /// It ends too early, or contradicts its own form.
        case malformed
        /// Its character set is not known, or its bytes are not of it.
        case badText
    }

    /// What went wrong, for code.
    public let code: Code
    /// What went wrong and what to do about it, for people.
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
