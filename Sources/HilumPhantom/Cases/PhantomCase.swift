import HilumImaging

/// The two imaginary hospitals: they word their reports and expose their films differently.
public enum PhantomSite: String, Sendable, CaseIterable, Codable {
    case a = "A"
    case b = "B"

    var key: UInt64 { self == .a ? 1 : 2 }
}

/// The patient's own side. In the picture the patient's right is on the left (the radiological convention).
public enum Laterality: String, Sendable, CaseIterable, Codable {
    case right
    case left

    /// −1 for the patient's right (smaller x), +1 for the left.
    var sign: Float { self == .right ? -1 : 1 }
    var other: Laterality { self == .right ? .left : .right }
}

/// The vertical third of a lung.
public enum LungZone: Int, Sendable, CaseIterable {
    case upper
    case mid
    case lower

    public var name: String {
        switch self {
        case .upper: "upper"
        case .mid: "mid"
        case .lower: "lower"
        }
    }
}

/// A rectangle of whole pixels, `x` and `y` its upper left corner.
public struct PixelBox: Sendable, Equatable {
    public var x: Int
    public var y: Int
    public var width: Int
    public var height: Int

    public init(x: Int, y: Int, width: Int, height: Int) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }
}

/// One finding that was drawn, with its ground truth.
public struct PhantomFinding: Sendable, Equatable {
    /// "effusion", "consolidation", "nodule", "cardiomegaly", "pneumothorax", "pacemaker", "endotracheal tube",
    /// "nasogastric tube", "chest tube" or "central line".
    public var name: String
    public var laterality: Laterality?
    public var zone: LungZone?
    /// "small", "moderate", "large", or a diameter such as "21 mm".
    public var size: String?
    /// "mild", "moderate", "severe", "patchy" or "dense".
    public var degree: String?
    /// What a device is and where it ends, such as "jugular, tip in the right atrium".
    public var detail: String?
    /// Where it stands in the picture, in pixels; always inside the picture.
    public var box: PixelBox?

    /// The name and, where there is one, the side: "effusion left".
    public var label: String {
        guard let laterality else { return name }
        return "\(name) \(laterality.rawValue)"
    }
}

/// A synthetic study: the picture, its report, and what is true of both.
public struct PhantomCase: Sendable {
    public let id: String
    public let site: PhantomSite
    /// `[side, side]`; every sample is a multiple of 257, so that an 8-bit file holds the same picture.
    public let image: GrayImage
    public let report: String
    public let findings: [PhantomFinding]
    /// What else can be seen and is said in the report: "volume low", "rotation left", "exposure over" …
    public let facts: [String]
    public let patient: String
    /// "PA" or "AP".
    public let view: String
    /// The day of the study, `YYYY-MM-DD`.
    public let date: String

    /// The labels of the findings in drawing order, or `["normal"]`.
    public var labels: [String] { findings.isEmpty ? ["normal"] : findings.map(\.label) }
}
