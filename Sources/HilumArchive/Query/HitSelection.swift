import HilumIndex

/// Which candidates become hits, from the best on: one of a group, and none that is nearly the same as a better one.
///
/// It bounds the work of one question: where many cases look alike, a hit may stand behind thousands of candidates, and each costs the reading
/// of its vector. After `limit` of them the search ends with what it has.
///
/// Thread rule: a value; one search owns it.
struct HitSelection {
    /// Vectors are floats, so that equal ones may be this far from 1.
    private static let tolerance: Float = 1e-6
    /// So many candidates are looked at for few hits; for many, some for each.
    private static let leastLimit = 4_096
    private static let candidatesPerHit = 4

    let groupKey: String?
    private let threshold: Float?
    /// Whether vectors of candidates are wanted.
    let keepsVectors: Bool
    /// Which cases count as others of a group; nil for all.
    private let matching: ItemSet?
    private let limit: Int
    /// The cases by their groups as they were when the search began: a switch may change the tables while it runs.
    private var groups: Attributes.Groups?
    /// Cases that were looked at, and all cases of groups that have a hit.
    private(set) var seen = ItemSet()
    private var lookedCount = 0
    /// The vectors by which the hits were found, in their order; empty for a hit without one.
    private(set) var vectors: [[Float]] = []
    /// Candidates that were nearly the same as a better one.
    private(set) var droppedCount = 0
    /// Whether the candidates went below the least score, so that no further one can be a hit.
    var isAtEnd = false

    init(_ request: SearchRequest, _ matching: ItemSet?) {
        groupKey = request.group
        threshold = request.dedup
        keepsVectors = request.dedup != nil || request.mmr != nil
        self.matching = matching
        limit = max(Self.leastLimit, Self.candidatesPerHit * request.poolCount)
    }

    /// Whether candidates may be passed over, so that more of them are needed than hits are wanted.
    var isActive: Bool { groupKey != nil || threshold != nil }

    /// How many candidates may still be looked at.
    var leftCount: Int { max(0, limit - lookedCount) }

    /// Reads what tells which case belongs to which group. Not within a transaction.
    mutating func prepare(in archive: Archive) throws {
        guard let groupKey, groups == nil else { return }
        groups = try archive.withPostings([groupKey]) { $0.groups(by: groupKey) }
    }

    /// Notes that a candidate is looked at; false if it was before, or if a better case of its group is a hit.
    mutating func looks(at number: UInt32) -> Bool {
        lookedCount += 1
        return seen.insert(number)
    }

    /// Whether a vector is nearly the same as that of a hit.
    mutating func isNear(_ vector: [Float]?) -> Bool {
        guard let threshold, let vector, !vector.isEmpty else { return false }
        let isNear = vectors.contains { !$0.isEmpty && dot($0, vector) >= threshold - Self.tolerance }
        if isNear { droppedCount += 1 }
        return isNear
    }

    /// Notes the vector of a hit.
    mutating func note(_ vector: [Float]?) { if keepsVectors { vectors.append(vector ?? []) } }

    /// Notes that a case is a hit for its group; nil without one.
    ///
    /// - Parameter value: of the key of groups.
    mutating func group(of number: UInt32, _ value: String?) -> Hit.Group? {
        guard let groups, let value else { return nil }
        let allowed = matching ?? groups.live
        let own = allowed.contains(number) ? 1 : 0
        switch groups.cases(with: value) {
        case .list(let cases):
            var count = 0
            for other in cases {
                seen.insert(other)
                if allowed.contains(other) { count += 1 }
            }
            // A case that came while the search runs is in no list yet.
            let others = cases.containsSorted(number) ? count - own : count
            return Hit.Group(key: groups.key, value: value, others: others)
        case .bits(let cases):
            seen = seen.union(cases)
            let count = cases.intersectionCount(allowed)
            return Hit.Group(key: groups.key, value: value, others: cases.contains(number) ? count - own : count)
        }
    }
}

/// The cosine of two unit vectors of one length, to float precision.
func dot(_ left: [Float], _ right: [Float]) -> Float {
    left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            var sums = SIMD16<Float>.zero
            let byteCount = min(left.count, right.count)
            var offset = 0
            while offset + 64 <= byteCount {
                // Safety: 64 bytes from `offset` on lie within both arrays, which live through the closure.
                let (a, b) = (
                    left.loadUnaligned(fromByteOffset: offset, as: SIMD16<Float>.self),
                    right.loadUnaligned(fromByteOffset: offset, as: SIMD16<Float>.self)
                )
                // Not `addProduct`: without the processor's instruction it is a call for each element.
                sums += a * b
                offset += 64
            }
            var sum = sums.sum()
            while offset < byteCount {
                let (a, b) = (
                    left.loadUnaligned(fromByteOffset: offset, as: Float.self),
                    right.loadUnaligned(fromByteOffset: offset, as: Float.self)
                )
                sum += a * b
                offset += 4
            }
            return sum
        }
    }
}
