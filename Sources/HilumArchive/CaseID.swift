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
}
