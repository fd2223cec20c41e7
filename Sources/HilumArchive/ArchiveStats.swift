import HilumPrivacy

/// Figures of an archive.
public struct ArchiveStats: Sendable, Equatable {
    /// Cases stored.
    public var cases: Int
    /// Images stored; a case may have several.
    public var images: Int
    /// Reports stored.
    public var reports: Int
    /// Distinct vectors of images: equal ones share a node.
    public var imageNodes: Int
    /// Distinct vectors of reports.
    public var reportNodes: Int
    /// Floats a vector; 0 as long as there is no model.
    public var dimension: Int
    /// The model of the vectors; empty as long as none was chosen.
    public var model: String
    /// The generation of the vectors that are searched.
    public var generation: Int
    /// Address space of the store's memory map.
    public var mapBytes: Int
    /// What the store takes on disk, without images.
    public var fileBytes: Int
    /// Memory of the vectors or codes, and of the links.
    public var graphBytes: Int
    /// Memory of what makes filters, facets and pages quick.
    public var filterBytes = 0
    /// Cases below this number are in the checkpoint; the others are linked again when the archive opens.
    public var checkpoint: Int
    /// Cases stored, removed or changed since the checkpoint.
    public var changesSinceCheckpoint: Int
    /// Cases replaced or deleted since the archive was made.
    public var deletions: Int
    /// The format of the store.
    public var formatVersion: Int
    /// What is taken out of cases: `PrivacySettings.Deidentification`.
    public var deidentification = PrivacySettings.Deidentification.off.rawValue
    /// What becomes of dates: `DateShift.Mode`.
    public var dates = DateShift.Mode.keep.rawValue
    /// Images that were set aside and wait for a decision.
    public var quarantined = 0
    /// What was masked since the archive was opened.
    public var masked = MaskCounts()
}
