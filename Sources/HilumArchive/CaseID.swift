import Foundation

/// The rule for the names of cases; the daemon, the inbox and bulk runs all ask it.
public enum CaseID {
    /// The rule as a sentence.
    static let rule = "an id has 1 to \(ArchiveLimits.idByteCount) bytes and no control characters"

    /// Passes an id that names a case.
    ///
    /// - Throws: `.badRequest` with the rule.
    public static func check(_ id: String) throws(ArchiveError) {
        guard !id.isEmpty, id.utf8.count <= ArchiveLimits.idByteCount,
            !id.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
        else { throw ArchiveError(.badRequest, rule) }
    }

    /// The one spelling of an id that the store knows: Unicode can write an accent in two ways, and file systems use both.
    static func canonical(_ id: String) -> String {
        id.utf8.allSatisfy { $0 < 128 } ? id : id.precomposedStringWithCanonicalMapping
    }
}
