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
    /// Signalled once for each place that was found. Waiting for the thread itself could take long: it may not have begun.
    private let found = DispatchSemaphore(value: 0)

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
        DispatchQueue.global().async { self.look() }
    }

    /// The places of the new nodes; `threads`, this one among them, look for those that are left.
    func finished(threads: Int) -> [NodePlan] {
        let left = max(0, group.fresh.count - next.current)
        parallelRanges(min(threads, left), threads: threads) { _, _ in self.look() }
        for _ in group.fresh { found.wait() }
        return plans.withLock { $0 }
    }

    /// Looks no further; returns when nothing of the graph is read any more.
    func stop() {
        let begun = min(next.increment(by: group.fresh.count), group.fresh.count)
        for _ in 0..<begun { found.wait() }
    }

    private func look() {
        while true {
            let index = next.increment()
            guard index < group.fresh.count else { return }
            let plan = graph.plan(group.fresh, index, pool: pool, entry: entry)
            plans.withLock { $0[index] = plan }
            found.signal()
        }
    }
}
