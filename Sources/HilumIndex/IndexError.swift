/// A vector, a request or a checkpoint that the index refuses.
public struct IndexError: Error, CustomStringConvertible, Sendable, Equatable {
    /// What is refused, with its data.
    public enum Code: Sendable, Equatable {
        /// A vector has `got` elements where the index holds vectors of `expected`.
        case wrongDimension(expected: Int, got: Int)
        /// A vector holds NaN or an infinity, or its squared length does not fit a `Float`.
        case notFinite
        /// A vector of length 0 has no direction, which the cosine needs.
        case zeroLength
        /// The cosine index stores unit vectors; this one has another length.
        case notUnitLength(length: Float)
        /// A vector differs in an element that codes do not hold, because it was equal in all vectors that the quantizer was fitted to.
        case outsideCodes
        /// Codes of 8 bits were asked for without saying how vectors become codes.
        case noQuantizer
        /// `HILUM_KERNELS` names a set of kernels that does not exist or that this CPU cannot run.
        case kernelsUnavailable(name: String)
        /// No more nodes or items fit.
        case full
        /// The time that a search was given is over.
        case overdue
        /// A checkpoint of links is cut off, altered or does not belong to this index.
        case damagedLinks(reason: String)
    }

    /// What is refused.
    public let code: Code

    /// The error of a code.
    public init(_ code: Code) { self.code = code }

    static func damaged(_ reason: String) -> IndexError { IndexError(.damagedLinks(reason: reason)) }

    /// Whether the fault lies in what was stored and not in what was asked.
    public var isDamage: Bool { if case .damagedLinks = code { true } else { false } }

    /// What is wrong and what to do about it, in a sentence.
    public var description: String {
        switch code {
        case .wrongDimension(let expected, let got):
            "the vector has \(got) elements, the index needs \(expected); use the model that the index was built with"
        case .notFinite: "the vector holds NaN, an infinity or values too large to square"
        case .zeroLength: "the vector has length 0 and so no direction; it cannot be compared by cosine"
        case .notUnitLength(let length): "the vector has length \(length); divide it by its length before storing it"
        case .outsideCodes:
            "the vector has elements that no vector had when the quantizer was fitted; fit another one to these vectors too"
        case .noQuantizer: "codes of precision i8 need a quantizer; fit one to a sample of the vectors"
        case .kernelsUnavailable(let name):
            "HILUM_KERNELS=\(name) is no set this CPU can run; use scalar, avx2, avx512 or avx512vnni, or leave it unset"
        case .full: "the index is full (2^31 - 2 nodes)"
        case .overdue: "the search took longer than it was given"
        case .damagedLinks(let reason):
            "the stored links cannot be used (\(reason)); build the index again from the vectors"
        }
    }
}
