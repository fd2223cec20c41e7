import HilumCore

/// Cases cut into folds for cross-validation, so that no patient stands on both sides.
///
/// Cases that share a tie (a patient, a group of the manifest, the very same picture) form one group, also over several steps,
/// and a group goes into one fold as a whole.
public struct PatientFolds: Sendable, Equatable {
    /// Folds.
    public let count: Int
    /// For each case its fold, from 0.
    public let foldOf: [Int]
    /// For each case its group, from 0, numbered by first appearance.
    let groupOf: [Int]
    let groupCount: Int

    /// - Parameters:
    ///   - ties: for each case the names it shares with others; a case without one is its own group.
    ///   - count: folds, at least 2.
    ///   - seed: decides which groups go together.
    /// - Throws: `EvaluationError` when there are fewer groups than folds.
    public init(ties: [[String]], count: Int, seed: UInt64) throws(EvaluationError) {
        precondition(count > 1, "cross-validation has at least two folds")
        var parent = Array(ties.indices)
        func root(_ start: Int) -> Int {
            var node = start
            while parent[node] != node {
                parent[node] = parent[parent[node]]
                node = parent[node]
            }
            return node
        }
        var firstWith: [String: Int] = [:]
        for (number, names) in ties.enumerated() {
            for name in names {
                if let other = firstWith[name] {
                    let (a, b) = (root(other), root(number))
                    parent[max(a, b)] = min(a, b)
                } else {
                    firstWith[name] = number
                }
            }
        }
        var groupOfRoot: [Int: Int] = [:]
        var groups: [[Int]] = []
        var groupOf: [Int] = []
        for number in ties.indices {
            let top = root(number)
            let group = groupOfRoot[top] ?? groups.count
            if group == groups.count {
                groupOfRoot[top] = group
                groups.append([])
            }
            groups[group].append(number)
            groupOf.append(group)
        }
        guard groups.count >= count else {
            throw EvaluationError(
                .badInput(
                    reason: "\(ties.count) pairs of \(groups.count) patients cannot be cut into \(count) folds"))
        }
        // Large groups first, each to the fold that has the fewest cases, so that the folds come out even.
        var order = Array(groups.indices)
        var generator = SeededGenerator(seed: seed, keys: 0xF0_1D5)
        generator.shuffle(&order)
        let place = order.enumerated().reduce(into: [Int](repeating: 0, count: order.count)) {
            $0[$1.element] = $1.offset
        }
        order.sort { (-groups[$0].count, place[$0]) < (-groups[$1].count, place[$1]) }
        var sizes = [Int](repeating: 0, count: count)
        var foldOf = [Int](repeating: 0, count: ties.count)
        for group in order {
            let fold = sizes.indices.min { (sizes[$0], $0) < (sizes[$1], $1) } ?? 0
            sizes[fold] += groups[group].count
            for number in groups[group] { foldOf[number] = fold }
        }
        self.count = count
        self.foldOf = foldOf
        self.groupOf = groupOf
        groupCount = groups.count
    }

    /// The cases of a fold, in order.
    public func cases(of fold: Int) -> [Int] { foldOf.indices.filter { foldOf[$0] == fold } }

    /// The cases of all other folds, in order.
    public func cases(outside fold: Int) -> [Int] { foldOf.indices.filter { foldOf[$0] != fold } }
}
