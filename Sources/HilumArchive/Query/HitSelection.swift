import HilumIndex
import LMDB

/// Which candidates become hits, from the best on: one of a group, and none that is nearly the same as a better one.
///
/// Thread rule: a value; one search owns it.
struct HitSelection {
    /// Vectors are floats, so that equal ones may be this far from 1.
    private static let tolerance: Float = 1e-6

    private let groupKey: String?
    private let threshold: Float?
    /// Whether `takes` wants the vectors of candidates.
    let keepsVectors: Bool
    /// Which cases count as others of a group; nil for all.
    private let matching: ItemSet?
    /// The cases by their groups as they were when the search began: a switch may change the tables while it runs.
    private var groups: Attributes.Groups?
    /// Cases of groups that have a hit.
    private var taken = ItemSet()
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
    }

    /// Whether candidates may be passed over, so that more of them are needed than hits are wanted.
    var isActive: Bool { groupKey != nil || threshold != nil }

    /// Reads what tells which case belongs to which group. Not within a transaction.
    mutating func prepare(in archive: Archive) throws {
        guard let groupKey else { return }
        groups = try archive.withPostings([groupKey]) { $0.groups(by: groupKey) }
    }

    /// Forgets all candidates.
    mutating func restart() {
        taken = ItemSet()
        vectors = []
        droppedCount = 0
        isAtEnd = false
    }

    /// Whether a better case of the same group is a hit.
    func isTaken(_ number: UInt32) -> Bool { taken.contains(number) }

    /// Whether a candidate becomes a hit; notes its group in it.
    ///
    /// - Parameter vector: the one that was near; nil for a report that has none, and where `keepsVectors` is false.
    mutating func takes(_ hit: inout Hit, vector: [Float]?) -> Bool {
        if keepsVectors {
            let vector = vector ?? []
            if let threshold, !vector.isEmpty {
                let isNear = vectors.contains { !$0.isEmpty && dot($0, vector) >= threshold - Self.tolerance }
                if isNear {
                    droppedCount += 1
                    return false
                }
            }
            vectors.append(vector)
        }
        if let groups, let value = hit.record.fields.text(groups.key) {
            let all = groups.cases(with: value)
            let others = all.intersectionCount(matching ?? groups.live) - (all.contains(hit.record.number) ? 1 : 0)
            hit.group = Hit.Group(key: groups.key, value: value, others: max(0, others))
            taken = taken.union(all)
            // A case that came while the search runs.
            taken.insert(hit.record.number)
        }
        return true
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
                sums.addProduct(a, b)
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
