/// Which nodes link to a node on layer 0. Deleting needs it; building alone does not, so it is made at the first deletion.
///
/// Thread rule: the one writer's own.
struct InLinks {
    private var sources: [[UInt32]]

    init(slotCount: Int) { sources = [[UInt32]](repeating: [], count: slotCount) }

    func of(_ node: UInt32) -> [UInt32] { Int(node) < sources.count ? sources[Int(node)] : [] }

    mutating func add(from source: UInt32, to target: UInt32) {
        if Int(target) >= sources.count {
            sources.append(contentsOf: repeatElement([], count: Int(target) + 1 - sources.count))
        }
        sources[Int(target)].append(source)
    }

    mutating func remove(from source: UInt32, to target: UInt32) {
        guard Int(target) < sources.count, let index = sources[Int(target)].firstIndex(of: source) else { return }
        sources[Int(target)].swapAt(index, sources[Int(target)].count - 1)
        sources[Int(target)].removeLast()
    }

    mutating func clear(_ node: UInt32) {
        if Int(node) < sources.count { sources[Int(node)] = [] }
    }
}
