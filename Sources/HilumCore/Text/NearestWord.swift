/// The candidate with the smallest edit distance from `word`, whose capitals do not count; nil if none is close.
///
/// - Complexity: O(n·m) of words that are about as long as a candidate; O(n) of longer ones.
public func nearest(to word: String, among candidates: [String]) -> String? {
    let farthest = 3
    let bytes = Array(word.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for candidate in candidates {
        let other = Array(candidate.utf8)
        // Each byte more is at least one step.
        guard abs(bytes.count - other.count) <= farthest else { continue }
        let distance = editDistance(bytes, other)
        if distance < best?.distance ?? Int.max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, min(farthest, best.name.utf8.count / 2)) else { return nil }
    return best.name
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
///
/// - Complexity: O(n·m).
public func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var rows = [[Int]](repeating: [Int](repeating: 0, count: right.count + 1), count: left.count + 1)
    for i in 0...left.count { rows[i][0] = i }
    for j in 0...right.count { rows[0][j] = j }
    guard !left.isEmpty && !right.isEmpty else { return max(left.count, right.count) }
    for i in 1...left.count {
        for j in 1...right.count {
            let cost = left[i - 1] == right[j - 1] ? 0 : 1
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
            }
        }
    }
    return rows[left.count][right.count]
}
