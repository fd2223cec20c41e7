import HilumCore
import HilumPrivacy
import LMDB

extension Archive {
    /// What the archive does with identifiers of patients.
    public var privacySettings: PrivacySettings { privacy.settings }

    /// What people are shown in place of an id: a pseudonym in an archive that hides names, and otherwise the id itself.
    public func shownID(_ id: String) -> String { store.shownID(id) }

    /// Changes what the archive at `path` does from now on. What is stored already stays as it is until its source is read again, which the
    /// next bulk run does.
    ///
    /// - Throws: `.badRequest` to or from `require`, which an archive has from its beginning; `.busy`, `.notFound`, `.io`.
    public static func set(_ settings: PrivacySettings, at path: String) throws {
        try withArchiveErrors {
            let archive = try Archive(path: path, mode: .readWrite)
            defer { archive.close() }
            let now = archive.privacySettings
            guard (now.deidentification == .require) == (settings.deidentification == .require) else {
                throw ArchiveError(
                    .badRequest,
                    "\(path): require is chosen when an archive is made, as all names in it are hidden or none; make a new one"
                )
            }
            try archive.store.environment.write { try archive.store.put($0, settings) }
        }
    }

    /// What was masked since the archive was opened, in cases that were stored.
    public var maskCounts: MaskCounts { masked.withLock { $0 } }

    /// Counts what was masked in cases that were stored.
    func countMasks(_ prepared: [PreparedCase], _ outcomes: [PutOutcome]) {
        var counts = MaskCounts()
        for (item, outcome) in zip(prepared, outcomes) {
            switch outcome {
            case .stored, .replaced: counts += item.maskCounts
            case .unchanged, .deleted, .refused: break
            }
        }
        guard counts.total > 0 else { return }
        masked.withLock { $0 += counts }
    }
}

extension MaskCounts {
    /// The counts of each kind, by the words that METRICS and summaries use.
    public var byKind: [(kind: String, count: Int)] {
        ReportMask.allCases.map { mask in
            (mask.rawValue.filter { $0.isLetter }.lowercased(), self[mask])
        }
    }
}
