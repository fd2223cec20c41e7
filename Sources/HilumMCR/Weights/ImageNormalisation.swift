import HilumCore

/// What was taken off the red, green and blue values (0…1) before a published encoder saw them, and by what they were divided.
public struct ImageNormalisation: Sendable, Equatable {
    /// Of the three channels.
    public let mean: [Double]
    /// Of the three channels, above zero.
    public let deviation: [Double]

    /// Three means and three deviations.
    public init(mean: [Double], deviation: [Double]) {
        precondition(mean.count == 3 && deviation.count == 3 && deviation.allSatisfy { $0 > 0 }, "three channels")
        self.mean = mean
        self.deviation = deviation
    }

    /// MAE, DeiT and most of timm.
    public static let imageNet = ImageNormalisation(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
    /// The ViTs of Google (`google/vit-…`, timm's `augreg` weights).
    public static let half = ImageNormalisation(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])
    /// Values as they are.
    public static let none = ImageNormalisation(mean: [0, 0, 0], deviation: [1, 1, 1])

    /// The normalisations that have a name.
    public static let named: [(name: String, value: ImageNormalisation)] = [
        ("imagenet", .imageNet), ("half", .half), ("none", .none),
    ]

    /// Its name, or its numbers.
    public var description: String {
        Self.named.first { $0.value == self }?.name ?? "mean \(mean), deviation \(deviation)"
    }

    /// What the settings beside weights say; nil where they do not.
    init?(settings: JSON, _ meanKey: String, _ deviationKey: String) {
        if case .bool(false) = settings["do_normalize"] {
            self = .none
            return
        }
        guard let mean = Self.channels(settings[meanKey]), let deviation = Self.channels(settings[deviationKey]),
            deviation.allSatisfy({ $0 > 0 })
        else { return nil }
        self.init(mean: mean, deviation: deviation)
    }

    /// Three numbers, or one for all three channels.
    private static func channels(_ value: JSON?) -> [Double]? {
        if let list = value?.array?.compactMap(\.double), list.count == 3 { return list }
        return value?.double.map { [Double](repeating: $0, count: 3) }
    }
}
