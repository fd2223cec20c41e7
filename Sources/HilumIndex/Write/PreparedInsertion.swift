import Dispatch
import HilumCore
import Synchronization

/// Vectors whose places in the graph are being looked for before they may be found; see `HNSWIndex.prepareInsertion`.
public final class PreparedInsertion: Sendable {
    let items: [UInt32]
    /// The rows whose places are looked for; those behind them wait for `finish`.
    let group: InsertGroup
    /// The vectors of the rows behind the group.
    let rest: [Float]
    /// Candidates that are kept.
    let pool: Int
    private let graph: Graph
    private let entry: (node: UInt32, level: Int)
    private let next = AtomicCounter()
    private let plans: Mutex<[NodePlan]>
    private let done = DispatchGroup()

    init(
        _ group: InsertGroup, items: [UInt32], rest: [Float], pool: Int, in graph: Graph,
        from entry: (node: UInt32, level: Int)
    ) {
        self.group = group
        self.items = items
        self.rest = rest
        self.pool = pool
        self.graph = graph
        self.entry = entry
        plans = Mutex([NodePlan](repeating: NodePlan(), count: group.fresh.count))
    }

    /// Begins to look, on a thread of its own.
    func start() {
        guard !group.fresh.isEmpty else { return }
        DispatchQueue.global().async(group: done) { self.look() }
    }

    /// The places of the new nodes; looks for those that are left on this thread too.
    func finished() -> [NodePlan] {
        look()
        done.wait()
        return plans.withLock { $0 }
    }

    /// Looks no further; returns when nothing of the graph is read any more.
    func stop() {
        next.increment(by: group.fresh.count)
        done.wait()
    }

    private func look() {
        while true {
            let index = next.increment()
            guard index < group.fresh.count else { return }
            let plan = graph.plan(group.fresh, index, pool: pool, entry: entry)
            plans.withLock { $0[index] = plan }
        }
    }
}
