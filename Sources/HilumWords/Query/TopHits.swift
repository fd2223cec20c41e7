/// The best of many hits: a heap of bounded size with the worst one on top.
///
/// Thread rule: a value type; one owner at a time.
struct TopHits {
    private let limit: Int
    private var heap: [WordHit] = []

    init(limit: Int) { self.limit = limit }

    /// Whether a hit would be kept.
    @inline(__always)
    func takes(_ hit: WordHit) -> Bool { heap.count < limit || (limit > 0 && hit.isBefore(heap[0])) }

    /// Keeps a hit that `takes` said yes to. Complexity: O(log limit).
    mutating func add(_ hit: WordHit) {
        if heap.count < limit {
            heap.append(hit)
            var child = heap.count - 1
            while child > 0, heap[(child - 1) / 2].isBefore(heap[child]) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
            return
        }
        heap[0] = hit
        var parent = 0
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < limit && heap[worst].isBefore(heap[child]) {
                worst = child
            }
            if worst == parent { return }
            heap.swapAt(parent, worst)
            parent = worst
        }
    }

    /// The hits that were kept, the best one first.
    func sorted() -> [WordHit] { heap.sorted { $0.isBefore($1) } }
}
