/// An image that was set aside, because words that name somebody may be written into it, until a person has looked at it.
public struct QuarantinedImage: Sendable, Equatable {
    /// Why an image is set aside.
    public enum Reason: String, Sendable, CaseIterable {
        /// Its DICOM tags say that the device wrote into the picture (`BurnedInAnnotation` `YES`).
        case tag
        /// Text was found near its border (`BorderText`).
        case text

        var code: UInt8 { self == .tag ? 1 : 2 }

        init?(code: UInt8) {
            guard let reason = Self.allCases.first(where: { $0.code == code }) else { return nil }
            self = reason
        }
    }

    /// Of its case.
    public var id: String
    /// Names the image among all of them: the first 12 digits of its SHA-256.
    public var name: String
    /// Why it was set aside.
    public var reason: Reason
    /// What the case was read from; nil for one that was put by itself, and in an archive that hides names.
    public var source: String?
    /// From where it was made, if that is known.
    public var view: String?
    /// Whether the rest of the case is stored: its report, or other images.
    public var isCaseStored: Bool
    /// When it was set aside, in seconds since 1970.
    public var seconds: Int
    let entry: QuarantineEntry
}
