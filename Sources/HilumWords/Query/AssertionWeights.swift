/// How much an occurrence of each assertion counts for a clause of a question; 0 for those that it does not take.
public struct AssertionWeights: Sendable, Equatable {
    private var weights: SIMD4<Float>

    /// Weights of at least 0.
    public init(present: Float = 0, uncertain: Float = 0, absent: Float = 0, other: Float = 0) {
        weights = SIMD4(present, uncertain, absent, other)
        precondition(weights.min() >= 0, "a weight is at least 0")
    }

    /// Whatever the report says about it.
    public static let any = AssertionWeights(present: 1, uncertain: 1, absent: 1, other: 1)
    /// The report affirms it, or, for half, suspects it.
    public static let affirmed = AssertionWeights(present: 1, uncertain: 0.5)
    /// The report denies it.
    public static let denied = AssertionWeights(absent: 1)
    /// The report suspects it or does not rule it out.
    public static let suspected = AssertionWeights(uncertain: 1)

    /// The weight of an assertion.
    public subscript(assertion: WordAssertion) -> Float { weights[Int(assertion.rawValue)] }

    subscript(raw: Int) -> Float { weights[raw] }

    /// The first assertion that counts; nil when none does.
    var first: Int? { (0..<WordAssertion.count).first { weights[$0] > 0 } }
}
