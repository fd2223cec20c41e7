import HilumCore

/// A share of things to hide, as a fraction of integers so that counts are exact.
public struct MaskRatio: Sendable, Equatable {
    /// Below the denominator; 0 hides nothing.
    public let numerator: Int
    /// Above zero.
    public let denominator: Int

    /// The share `numerator / denominator`, in 0..<1.
    public init(_ numerator: Int, _ denominator: Int) {
        precondition(denominator > 0 && numerator >= 0 && numerator < denominator, "a mask ratio lies in 0..<1")
        self.numerator = numerator
        self.denominator = denominator
    }

    /// The nearest whole percentage.
    public init(percent: Int) { self.init(percent, 100) }

    /// Nothing is hidden.
    public static let none = MaskRatio(0, 1)

    /// How many of `count` are hidden: `count · numerator / denominator` in integers.
    public func hidden(of count: Int) -> Int { count * numerator / denominator }
}

extension MaskRatio: JSONReadable, JSONWritable {
    /// - Throws: `JSON.Mismatch` also for a share outside of 0..<1.
    public init(json: JSON) throws(JSON.Mismatch) {
        let (numerator, denominator): (Int, Int) = (try json.member("numerator"), try json.member("denominator"))
        guard denominator > 0, 0..<denominator ~= numerator else { throw JSON.Mismatch("is not a share in 0..<1") }
        self.init(numerator, denominator)
    }

    /// An object with the numerator and the denominator.
    public var json: JSON { JSON(members: ["numerator": numerator, "denominator": denominator]) }
}
