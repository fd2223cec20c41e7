import HilumCore
import HilumIndex

/// The places of new vectors in the graphs, which are looked for while their transaction is on its way to the disk.
///
/// Thread rule: the one writer's own. Whoever makes one ends it by `take` or `cancel` before anything else changes the graphs.
final class PreparedLinks {
    private let graphs: Graphs?
    private let courtesy: Courtesy
    private var insertions: [VectorKind: PreparedInsertion] = [:]

    init(_ graphs: Graphs?, _ courtesy: Courtesy) {
        self.graphs = graphs
        self.courtesy = courtesy
    }

    /// Begins with the vectors of `changes`; what was begun before is cancelled, as its transaction is. Does nothing where others wait: they
    /// shall have the other cores, and the rest that `Courtesy` takes is measured on one thread.
    func prepare(_ changes: [CommittedChange]) {
        cancel()
        guard let graphs, !courtesy.isWanted else { return }
        for kind in VectorKind.allCases {
            let (items, vectors) = CommittedChange.newVectors(of: changes, kind)
            guard !items.isEmpty else { continue }
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
