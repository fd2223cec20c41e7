import HilumCore

/// Which floats of a vector all kinds share, and which a picture or a report has for itself.
///
///     [ common | own of pictures | own of reports ]
///
/// A picture has zeros in the part of reports, and the other way round. So the cosine of a picture and a report stays below 1 however well they
/// agree, and pictures would come behind reports that agree less.
public struct VectorParts: Sendable, Equatable {
    /// Floats of each part, in their order.
    public let common, ownOfImages, ownOfReports: Int
    /// How long the common part of a picture's vector is, and of a report's; above 0, at most 1, as a whole vector is 1 long.
    public let commonLengthOfImages, commonLengthOfReports: Float

    /// Nil for parts that no vector can have.
    public init?(
        common: Int, ownOfImages: Int, ownOfReports: Int, commonLengthOfImages: Float, commonLengthOfReports: Float
    ) {
        let counts = [common, ownOfImages, ownOfReports]
        guard counts.allSatisfy({ (0...Self.longest).contains($0) }),
            [commonLengthOfImages, commonLengthOfReports].allSatisfy({ $0 > 0 && $0 <= 1 })
        else { return nil }
        (self.common, self.ownOfImages, self.ownOfReports) = (common, ownOfImages, ownOfReports)
        self.commonLengthOfImages = commonLengthOfImages
        self.commonLengthOfReports = commonLengthOfReports
    }

    private static let longest = 1 << 20

    /// Floats of a vector.
    public var dimension: Int { common + ownOfImages + ownOfReports }

    /// The largest cosine that any picture, or any report, can have with a question; 1 for a vector of the same kind, and for a vector of another
    /// dimension.
    ///
    /// - Parameter question: `dimension` floats, of length 1.
    public func largestCosine(_ question: [Float], ofImages: Bool) -> Float {
        guard question.count == dimension else { return 1 }
        let own = ofImages ? common..<common + ownOfImages : common + ownOfImages..<dimension
        let shared = ofImages ? commonLengthOfImages : commonLengthOfReports
        let rest = max(0, 1 - shared * shared).squareRoot()
        let largest = shared * length(question[..<common]) + rest * length(question[own])
        // Rounded lengths are no reason to change a score.
        return largest > 0.999 ? 1 : largest
    }

    private func length(_ values: ArraySlice<Float>) -> Float {
        values.reduce(into: Float(0)) { $0 += $1 * $1 }.squareRoot()
    }
}

extension VectorParts: JSONReadable, JSONWritable {
    /// Parts that `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        let parts = VectorParts(
            common: try json.member("common"), ownOfImages: try json.member("ownOfImages"),
            ownOfReports: try json.member("ownOfReports"),
            commonLengthOfImages: Float(try json.member("commonLengthOfImages") as Double),
            commonLengthOfReports: Float(try json.member("commonLengthOfReports") as Double))
        guard let parts else { throw JSON.Mismatch("these are no parts of a vector") }
        self = parts
    }

    /// An object with a member for each part and length.
    public var json: JSON {
        JSON(members: [
            "common": common, "ownOfImages": ownOfImages, "ownOfReports": ownOfReports,
            "commonLengthOfImages": Double(commonLengthOfImages),
            "commonLengthOfReports": Double(commonLengthOfReports),
        ])
    }
}
