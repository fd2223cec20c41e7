import HilumCore
import HilumIndex

/// The places of new vectors in the graphs, which are looked for while their transaction is on its way to the disk.
///
/// Thread rule: the one writer's own. Whoever makes one ends it by `take` or `cancel` before anything else changes the graphs.
final class PreparedLinks {
    private let graphs: Graphs?
    private let courtesy: Courtesy
    private var insertions: [VectorKind: PreparedInsertion] = [:]

    /// So many vectors are linked at once where others wait: each takes as long as a search.
    static let linkedAtOnce = 4

    init(_ graphs: Graphs?, _ courtesy: Courtesy) {
        self.graphs = graphs
        self.courtesy = courtesy
    }

    /// Begins with the vectors of `changes`; what was begun before is cancelled, as its transaction is.
    func prepare(_ changes: [CommittedChange]) {
        cancel()
        guard let graphs else { return }
        for kind in VectorKind.allCases {
            let (items, vectors) = CommittedChange.newVectors(of: changes, kind)
            guard !items.isEmpty, items.count <= Self.linkedAtOnce || !courtesy.isWanted else { continue }
            // What is wrong with a vector is told when it is linked.
            insertions[kind] = vectors.withUnsafeBufferPointer {
                try? graphs[kind].index.prepareInsertion($0, items: items)
            }
        }
    }

    /// What was begun; the caller finishes it.
    func take() -> [VectorKind: PreparedInsertion] {
        defer { insertions = [:] }
        return insertions
    }

    /// Leaves the graphs as they were.
    func cancel() {
        for (kind, insertion) in take() { graphs?[kind].index.cancel(insertion) }
    }
}
