/// Which studies have an identical normalised report.
struct PositiveGroups: Sendable {
    private let groups: [[Int]]
    private let groupOf: [Int]

    init(hashes: [UInt64]) {
        var groups: [[Int]] = []
        var byHash: [UInt64: Int] = [:]
        var groupOf: [Int] = []
        for (study, hash) in hashes.enumerated() {
            if let group = byHash[hash] {
                groups[group].append(study)
                groupOf.append(group)
            } else {
                byHash[hash] = groups.count
                groupOf.append(groups.count)
                groups.append([study])
            }
        }
        self.groups = groups
        self.groupOf = groupOf
    }

    var count: Int { groupOf.count }

    /// The positives of a study, itself among them.
    func of(_ study: Int) -> [Int] { groups[groupOf[study]] }

    var rule: String {
        let shared = groups.reduce(0) { $0 + ($1.count > 1 ? $1.count : 0) }
        return "no study removed; a positive is the same study or one with an identical normalised report (lower case, "
            + "white space collapsed, punctuation trimmed): \(shared) of \(count) studies share theirs"
    }
}
