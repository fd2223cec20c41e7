import HilumCore

/// How a search was carried out.
public struct SearchPlan: Sendable {
    /// One condition of the filter by itself.
    public struct Condition: Sendable, Equatable {
        /// Of the metadata, or what reports say.
        public let key: String
        /// Whether it takes the cases that do not have the value.
        public let isNegated: Bool
        /// Cases that meet it.
        public let matching: Int
        /// To find them.
        public let microseconds: Int
    }

    /// What answers: vectors or words.
    public struct Leg: Sendable, Equatable {
        /// `vector` or `words`.
        public let name: String
        /// Cases that it brought.
        public var candidates: Int
        /// Nodes that it looked at; 0 for words.
        public var visited: Int
        /// How often it was asked: again with more candidates where too many were passed over.
        public var rounds: Int
        /// All rounds together.
        public var microseconds: Int
    }

    /// A part of the time.
    public struct Stage: Sendable, Equatable {
        /// `question` (encoding or reading it), `filter`, `vectors`, `words`, `hits` (their stored vectors and records), `diversity`.
        public let name: String
        /// What it took.
        public var microseconds: Int
    }

    /// What answered.
    public internal(set) var mode = SearchMode.vector
    /// What was searched.
    public internal(set) var target = SearchTarget.case
    /// The number of hits that was asked for.
    public internal(set) var k = 0
    /// Hits that were looked for, to pick from them or to cut a page from.
    public internal(set) var pool = 0
    /// The breadth of the graph search.
    public internal(set) var ef = 0
    /// Whether every vector was compared.
    public internal(set) var isExact = false
    /// Cases of the archive.
    public internal(set) var caseCount = 0
    /// Cases that the filter lets through.
    public internal(set) var matchingCount = 0
    /// The filter, in its order.
    public internal(set) var conditions: [Condition] = []
    /// Vectors first.
    public internal(set) var legs: [Leg] = []
    /// In the order of time.
    public internal(set) var stages: [Stage] = []
}

/// Measures the stages of one search.
///
/// Thread rule: used by one thread at a time, the one that searches.
final class SearchTrace {
    private(set) var plan = SearchPlan()
    private var last = monotonicSeconds()

    /// The time since the last call belongs to `stage`.
    func end(_ stage: String) {
        let now = monotonicSeconds()
        let microseconds = Int((now - last) * 1e6)
        last = now
        if let place = plan.stages.firstIndex(where: { $0.name == stage }) {
            plan.stages[place].microseconds += microseconds
        } else {
            plan.stages.append(.init(name: stage, microseconds: microseconds))
        }
    }

    /// A round of a leg has ended, and its stage with it.
    func end(leg name: String, _ stage: String, candidates: Int, visited: Int) {
        let before = plan.stages.first { $0.name == stage }?.microseconds ?? 0
        end(stage)
        let after = plan.stages.first { $0.name == stage }?.microseconds ?? 0
        if let place = plan.legs.firstIndex(where: { $0.name == name }) {
            plan.legs[place].candidates = candidates
            plan.legs[place].visited += visited
            plan.legs[place].rounds += 1
            plan.legs[place].microseconds += after - before
        } else {
            plan.legs.append(
                .init(
                    name: name, candidates: candidates, visited: visited, rounds: 1, microseconds: after - before))
        }
    }

    func note(_ body: (inout SearchPlan) -> Void) { body(&plan) }
}

extension Archive {
    /// Searches, and says how: what the filter left, what each leg brought, and where the time went.
    ///
    /// The conditions of the filter are also evaluated one by one, after the search.
    /// - Throws: as `search`.
    public func explain(_ request: SearchRequest) throws -> (response: SearchResponse, plan: SearchPlan) {
        let trace = SearchTrace()
        let response = try search(request, trace)
        var plan = trace.plan
        for condition in request.filter.conditions {
            let started = monotonicSeconds()
            let count = try count(Filter([condition]))
            plan.conditions.append(
                .init(
                    key: condition.key, isNegated: condition.isNegated, matching: count,
                    microseconds: Int((monotonicSeconds() - started) * 1e6)))
        }
        return (response, plan)
    }
}
