/// A library that the numeric code needs is not there.
public struct NumericError: Error, CustomStringConvertible, Sendable {
    public enum Code: Sendable, Equatable { case blasUnavailable(reason: String) }

    public let code: Code

    public var description: String {
        switch code {
        case .blasUnavailable(let reason): reason
        }
    }
}
