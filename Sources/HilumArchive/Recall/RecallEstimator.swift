import Foundation
import HilumCore
import HilumIndex
import Synchronization

/// What an archive knows about the recall of its own searches.
///
///     search ─► note: a few vectors of live queries ─► nextProbe ─► RecallProbe (exact scan in pieces, then each ef) ─► add
///     ef(for: recall) ◄─────────────────── recall@10 by ef, the newest queries counting most ◄────────────────────────┘
///
/// Recall@10 is measured at each of `measuredEfs`, for each graph by itself, without a filter. The mean forgets: each query
/// takes a share of 1/`window` away from what is known, so that an archive that grows or is asked differently is known anew.
/// Nothing of a query but its vector is kept, in memory only, and that only until it is measured.
///
/// Thread rule: any thread.
public final class RecallEstimator: Sendable {
    /// The hits that recall is measured on.
    public static let k = 10
    /// The values of ef at which recall is measured, ascending.
    public static let measuredEfs = [16, 32, 64, 128, 256, 512]
    /// Nothing is concluded from fewer queries of a graph.
    static let leastSampleCount = 32
    /// As many queries count as the mean holds at most.
    static let window = 512.0
    /// Vectors of each kind that wait to be measured.
    static let waitingLimit = 64

    /// What is known about one graph.
    public struct Estimate: Sendable, Equatable {
        /// Queries measured since the archive was opened.
        public var sampleCount = 0
        /// Queries that wait to be measured.
        public var waitingCount = 0
        /// Recall@10 at each of `measuredEfs`; empty as long as nothing was measured.
        public var figures: [Proportion] = []

        /// Recall@10 at one of `measuredEfs`; nil for another, and as long as nothing was measured.
        public func recall(atEf ef: Int) -> Proportion? {
            guard !figures.isEmpty, let place = RecallEstimator.measuredEfs.firstIndex(of: ef) else { return nil }
            return figures[place]
        }
    }

    /// How to search so that a recall is reached.
    public struct Choice: Sendable, Equatable {
        /// The breadth of the graph search; nil for an exact scan.
        public var ef: Int?
        /// The recall that is known of this choice, 1 for the exact scan; nil where too few queries were measured.
        public var expectedRecall: Double?
    }

    private struct State {
        var waiting: [[Float]] = []
        /// Queries since nothing waited.
        var seen = 0
        var sampleCount = 0
        /// What the queries still count for, and their recalls by ef, weighted so.
        var weight = 0.0
        var sums = [Double](repeating: 0, count: RecallEstimator.measuredEfs.count)

        var recalls: [Double] { sums.map { $0 / weight } }
    }

    private struct Shared {
        var states: [VectorKind: State] = [:]
        var generator: SeededGenerator
        var last = VectorKind.report
        /// Queries that are begun; more than one only if several threads measure.
        var underWay: [RecallProbe] = []
        /// The generation that the figures are of.
        var generation: UInt32 = 1

        /// Forgets what is known of another generation.
        mutating func turn(to generation: UInt32) {
            guard generation != self.generation else { return }
            self.generation = generation
            states = [:]
            underWay = []
        }
    }

    private let shared: Mutex<Shared>

    /// - Parameter seed: decides which of many queries wait to be measured.
    public init(seed: UInt64 = 1) { shared = Mutex(Shared(generator: SeededGenerator(seed: seed))) }

    // MARK: Queries

    /// Takes note of a live query, of length 1; when more come than can be measured, each is as likely to be kept.
    func note(_ vector: [Float], _ kind: VectorKind, generation: UInt32 = 1) {
        shared.withLock { shared in
            // A search that began before a switch says nothing about the generation that is searched now.
            guard generation == shared.generation else { return }
            var state = shared.states.removeValue(forKey: kind) ?? State()
            state.seen += 1
            if state.waiting.count < Self.waitingLimit {
                state.waiting.append(vector)
            } else {
                let place = shared.generator.integer(below: state.seen)
                if place < Self.waitingLimit { state.waiting[place] = vector }
            }
            shared.states[kind] = state
        }
    }

    /// The query to go on with: one that was put back, else one that waits, of the two graphs in turn; nil when none does.
    func nextProbe() -> RecallProbe? {
        shared.withLock { shared in
            if let probe = shared.underWay.popLast() { return probe }
            let kinds: [VectorKind] = shared.last == .image ? [.report, .image] : [.image, .report]
            for kind in kinds {
                guard let vector = shared.states[kind]?.waiting.popLast() else { continue }
                if shared.states[kind]?.waiting.isEmpty == true { shared.states[kind]?.seen = 0 }
                shared.last = kind
                return RecallProbe(vector, kind, generation: shared.generation)
            }
            return nil
        }
    }

    /// Keeps a query that is not done yet for the next `nextProbe`.
    func putBack(_ probe: RecallProbe) {
        shared.withLock { if probe.generation == $0.generation { $0.underWay.append(probe) } }
    }

    /// Another generation is searched from now on; what is known is forgotten.
    func turn(to generation: UInt32) { shared.withLock { $0.turn(to: generation) } }

    /// Counts the recalls of one query, one for each of `measuredEfs`.
    func add(_ recalls: [Double], _ kind: VectorKind, generation: UInt32 = 1) {
        precondition(recalls.count == Self.measuredEfs.count, "one recall for each ef")
        shared.withLock { shared in
            guard generation == shared.generation else { return }
            var state = shared.states.removeValue(forKey: kind) ?? State()
            let kept = 1 - 1 / Self.window
            state.sampleCount += 1
            state.weight = state.weight * kept + 1
            for place in recalls.indices { state.sums[place] = state.sums[place] * kept + recalls[place] }
            shared.states[kind] = state
        }
    }

    // MARK: What is known

    /// What is known about the graph of `kind`.
    public func estimate(_ kind: VectorKind) -> Estimate {
        shared.withLock { shared in
            guard let state = shared.states[kind] else { return Estimate() }
            let begun = shared.underWay.count { $0.kind == kind }
            return Estimate(
                sampleCount: state.sampleCount, waitingCount: state.waiting.count + begun,
                figures: state.sampleCount == 0 ? [] : state.recalls.map { Proportion($0, of: state.weight) })
        }
    }

    /// The smallest ef that is known to reach `recall` with `k` hits from one graph.
    ///
    /// Between measured values, recall is taken as linear in log ef, which lies below the true curve. Searches for more than 10
    /// hits get their ef in proportion. Until `leastSampleCount` queries are measured, ef is 128 for a recall up to 0.95 and 256
    /// above. A recall that no measured ef reaches, or that is finer than the queries can tell, gets the exact scan, and so
    /// does 1.
    ///
    /// - Precondition: `recall` in 0...1, above 0; `k` above 0.
    public func ef(for recall: Double, k: Int = RecallEstimator.k, _ kind: VectorKind) -> Choice {
        precondition(recall > 0 && recall <= 1, "recall must be above 0, up to 1")
        precondition(k > 0, "k must be above 0")
        if recall == 1 { return Choice(ef: nil, expectedRecall: 1) }
        let scale = max(1, Double(k) / Double(Self.k))
        guard let recalls = curve(kind) else {
            return Choice(ef: Int((scale * (recall <= 0.95 ? 128 : 256)).rounded(.up)), expectedRecall: nil)
        }
        guard let place = recalls.firstIndex(where: { $0 >= recall }) else {
            return Choice(ef: nil, expectedRecall: 1)
        }
        var ef = Double(Self.measuredEfs[place])
        if place > 0 {
            let share = (recall - recalls[place - 1]) / (recalls[place] - recalls[place - 1])
            // A factor of two lies between neighbours.
            ef = Double(Self.measuredEfs[place - 1]) * exp2(share)
        }
        let whole = ef.rounded(.up)
        return Choice(ef: Int((scale * whole).rounded(.up)), expectedRecall: Self.recall(atEf: whole, recalls))
    }

    /// The recall that is known of a search for `k` hits with `ef` in one graph; nil where too few queries were measured.
    public func expectedRecall(ef: Int, k: Int = RecallEstimator.k, _ kind: VectorKind) -> Double? {
        curve(kind).map { Self.recall(atEf: Double(ef) / max(1, Double(k) / Double(Self.k)), $0) }
    }

    /// Recall by ef, never above what the queries can tell from 1; nil where too few were measured.
    private func curve(_ kind: VectorKind) -> [Double]? {
        shared.withLock { shared in
            guard let state = shared.states[kind], state.sampleCount >= Self.leastSampleCount else { return nil }
            let finest = 1 - 1 / (state.weight * Double(Self.k))
            return state.recalls.map { min($0, finest) }
        }
    }

    /// What lies at `ef` between the measured values; beyond them that of the nearest.
    private static func recall(atEf ef: Double, _ recalls: [Double]) -> Double {
        guard let upper = measuredEfs.firstIndex(where: { Double($0) >= ef }) else { return recalls[recalls.count - 1] }
        guard upper > 0 else { return recalls[0] }
        let share = log2(ef / Double(measuredEfs[upper - 1]))
        return recalls[upper - 1] + share * (recalls[upper] - recalls[upper - 1])
    }
}

/// A mean of numbers from 0 to 1 with its interval of 95 %.
public struct Proportion: Sendable, Equatable {
    /// The mean.
    public var value: Double
    /// The lower end of the interval.
    public var low: Double
    /// The upper end of the interval.
    public var high: Double

    /// Wilson's interval over `count` numbers. It is meant for yes and no, which vary most, so for shares it is on the wide side.
    ///
    /// - Precondition: `count` above 0.
    public init(_ value: Double, of count: Double) {
        precondition(count > 0, "an interval needs at least one number")
        let square = 1.959964 * 1.959964 / count
        let middle = (value + square / 2) / (1 + square)
        let half = (square * value * (1 - value) + square * square / 4).squareRoot() / (1 + square)
        self.value = value
        // At the ends the bound is the end itself, which rounding may miss.
        low = value <= 0 ? 0 : max(0, middle - half)
        high = value >= 1 ? 1 : min(1, middle + half)
    }
}
