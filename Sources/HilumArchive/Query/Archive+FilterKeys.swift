import HilumCore

extension Archive {
    /// Keys that a filter may always have, whether or not a case has a value there.
    private static let fixedKeys = Set(
        CaseFields.Text.allCases.map(\.rawValue) + ["id", "finding", "findings", "affirmed", "denied", "uncertain"])
    /// So many keys are named where none is near.
    private static let namedKeyCount = 8

    /// The keys of free metadata that stored cases have, in order.
    public var metadataKeys: [String] {
        attributes.read { Array($0.keys.keys) }.filter { !Self.fixedKeys.contains($0) }.sorted()
    }

    /// Refuses a key that no case has: a mistyped filter would otherwise find nothing, or with `!=` everything.
    ///
    /// - Throws: `.unknownKey`, which names keys that are near, or else some that there are.
    func checkKeys(of filter: Filter) throws(ArchiveError) {
        for condition in filter.conditions where !Self.fixedKeys.contains(condition.key) {
            let key = condition.key
            let known = attributes.read { $0.keys[key] == nil ? Array($0.keys.keys) : nil }
            guard let known else { continue }
            let candidates = Self.fixedKeys.union(known).sorted()
            let near = HilumCore.nearest(to: key, among: candidates).map { "did you mean '\($0)'?" }
            let some = candidates.prefix(Self.namedKeyCount).joined(separator: ", ")
            let rest = candidates.count > Self.namedKeyCount ? " and \(candidates.count - Self.namedKeyCount) more" : ""
            throw ArchiveError(.unknownKey(key), "no case has the key '\(key)'; \(near ?? "there are \(some)\(rest)")")
        }
    }
}
