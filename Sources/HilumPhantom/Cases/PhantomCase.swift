import HilumImaging

/// One of two imaginary hospitals, which differ in exposure, noise and the wording of reports.
public enum PhantomSite: String, Sendable, CaseIterable {
    /// Reports in whole sentences.
    case a = "A"
    /// Reports as notes.
    case b = "B"

    var key: UInt64 { self == .a ? 1 : 2 }
}

/// The patient's own side. The patient's right is on the left of the image, which is the radiological convention.
public enum Laterality: String, Sendable, CaseIterable {
    case right
    case left

    /// −1 for the patient's right (smaller x), +1 for the left.
    var sign: Float { self == .right ? -1 : 1 }
    var other: Laterality { self == .right ? .left : .right }
}

/// A third of a lung, from top to bottom.
public enum LungZone: Int, Sendable, CaseIterable {
    case upper
    case mid
    case lower

    /// The name as reports and manifests write it.
    public var name: String {
        switch self {
        case .upper: "upper"
        case .mid: "mid"
        case .lower: "lower"
        }
    }
}

/// One finding that was drawn, with its ground truth.
public struct PhantomFinding: Sendable, Equatable {
    /// "effusion", "consolidation", "nodule", "cardiomegaly", "pneumothorax", "pacemaker", "endotracheal tube",
    /// "nasogastric tube", "chest tube" or "central line".
    public var name: String
    /// The patient's side; nil for findings in the middle.
    public var laterality: Laterality?
    /// The third of the lung; nil for findings that have none.
    public var zone: LungZone?
    /// "small", "moderate", "large", or a diameter such as "21 mm".
    var size: String?
    /// "mild", "moderate", "severe", "patchy" or "dense".
    var degree: String?
    /// The kind of a device and where it ends, such as "jugular, tip in the right atrium".
    var detail: String?
    /// Its place in the image, in pixels; always inside the image.
    public var box: PixelRect?

    /// The name and, if there is one, the side: "effusion left".
    var label: String {
        guard let laterality else { return name }
        return "\(name) \(laterality.rawValue)"
    }
}

/// A synthetic study: an image, its report, and the ground truth.
public struct PhantomCase: Sendable {
    /// `phantom-SITE-SEED-NUMBER`.
    public let id: String
    /// The imaginary hospital that made it.
    public let site: PhantomSite
    /// `[side, side]`; every sample is a multiple of 257, so an 8-bit file holds the same image.
    public let image: GrayImage
    /// The report as dictated or noted.
    public let report: String
    /// What was drawn; empty for a normal case.
    public let findings: [PhantomFinding]
    /// Other visible facts that the report mentions: "volume low", "rotation left", "exposure over" …
    let facts: [String]
    /// The patient's id; one patient may have several cases.
    public let patient: String
    /// "PA" or "AP".
    public let view: String
    /// The day of the study, `YYYY-MM-DD`.
    public let date: String

    /// The labels of the findings in drawing order, or `["normal"]`.
    public var labels: [String] { findings.isEmpty ? ["normal"] : findings.map(\.label) }
}
