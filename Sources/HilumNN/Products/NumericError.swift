/// A library that the numeric code needs is not there.
public struct NumericError: Error, CustomStringConvertible, Sendable {
    /// What went wrong.
    public enum Code: Sendable, Equatable { case blasUnavailable(reason: String) }

    /// What went wrong.
    public let code: Code

    /// A sentence for people.
    public var description: String {
        switch code {
        case .blasUnavailable(let reason): reason
        }
    }
}
