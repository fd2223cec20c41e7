import HilumPrivacy

/// What an archive does with identifiers of patients; kept in the archive, so that every process that writes to it does the same.
public struct PrivacySettings: Sendable, Equatable {
    /// How much is taken out of cases before they are stored.
    public enum Deidentification: String, Sendable, CaseIterable {
        /// As `mask`; and ids, patients, sites and UIDs become pseudonyms, names of files are sealed, and what cannot be done safely is refused.
        case require
        /// Identifiers in reports and free metadata are masked; ids, patients, UIDs and names of files stay as they are given.
        case mask
        /// Everything is stored as it is given.
        case off
    }

    /// How much is taken out.
    public var deidentification: Deidentification
    /// What becomes of the dates of cases.
    public var dates: DateShift.Mode

    /// Settings; by default those of a new archive.
    public init(deidentification: Deidentification = .mask, dates: DateShift.Mode = .keep) {
        self.deidentification = deidentification
        self.dates = dates
    }

    /// What an archive of an earlier release does until somebody says otherwise.
    static let ofEarlierReleases = PrivacySettings(deidentification: .off)
}
