/// Stored bytes or a question that this module refuses.
public struct WordsError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What is refused, with its data.
    public enum Code: Sendable, Equatable {
        /// A block is cut off, altered or stands in the wrong place.
        case damagedBlock(reason: String)
        /// The list of segments is cut off or altered.
        case damagedHead(reason: String)
        /// A phrase of the question has no closing quote.
        case unclosedPhrase
    }

    /// What is refused.
    public let code: Code

    /// The error of a code.
    public init(_ code: Code) { self.code = code }

    static func damaged(_ reason: String) -> WordsError { WordsError(.damagedBlock(reason: reason)) }

    /// What is wrong and what to do about it, in a sentence; holds no words of a report or a question.
    public var description: String {
        switch code {
        case .damagedBlock(let reason):
            "a block of the word index cannot be used (\(reason)); build the word index again from the reports"
        case .damagedHead(let reason):
            "the list of the word index's segments cannot be used (\(reason)); build it again from the reports"
        case .unclosedPhrase: "a phrase begins with a quote and has no closing one"
        }
    }
}
