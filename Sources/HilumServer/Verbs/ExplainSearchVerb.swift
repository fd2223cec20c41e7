import HilumArchive
import HilumCore

/// `EXPLAIN SEARCH …`: how the search is carried out, one object a part; the hits themselves are left out.
struct ExplainSearchVerb: ReadingVerb {
    let search: SearchVerb

    /// Whether an EXPLAIN asks about a search.
    static func isAsked(by request: Request) -> Bool {
        guard let first = request.arguments.first else { return false }
        return first.key.isEmpty && first.value.uppercased() == Verb.search.rawValue
    }

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        var inner = request
        inner.arguments.removeFirst()
        inner.word = Verb.search.rawValue
        search = try SearchVerb(inner, handler)
    }

    func takesLong(_ handler: RequestHandler) throws -> Bool { try search.takesLong(handler) }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let (response, plan): (SearchResponse, SearchPlan)
        do { (response, plan) = try handler.archive.explain(search.search) } catch let error as ArchiveError {
            throw Verb.search.explaining(error)
        }
        var builder = ReplyBuilder(tag: tag)
        builder.object { json in
            json.member("part", "plan")
            json.member("mode", plan.mode.rawValue)
            json.member("target", plan.target.rawValue)
            json.member("k", plan.k)
            json.member("pool", plan.pool)
            json.member("ef", plan.ef)
            json.key("exact")
            json.boolean(plan.isExact)
            json.member("cases", plan.caseCount)
            Self.write(matching: plan.matchingCount, of: plan, to: &json)
        }
        for condition in plan.conditions {
            builder.object { json in
                json.member("part", "filter")
                json.member("key", condition.key)
                json.key("negated")
                json.boolean(condition.isNegated)
                Self.write(matching: condition.matching, of: plan, to: &json)
                json.member("us", condition.microseconds)
            }
        }
        for leg in plan.legs {
            builder.object { json in
                json.member("part", "leg")
                json.member("leg", leg.name)
                json.member("candidates", leg.candidates)
                json.member("visited", leg.visited)
                json.member("rounds", leg.rounds)
                json.member("us", leg.microseconds)
            }
        }
        for stage in plan.stages {
            builder.object { json in
                json.member("part", "stage")
                json.member("stage", stage.name)
                json.member("us", stage.microseconds)
            }
        }
        return builder.ok(search.status(of: response))
    }

    private static func write(matching count: Int, of plan: SearchPlan, to json: inout JSONWriter) {
        json.member("matching", count)
        json.key("selectivity")
        json.score(plan.caseCount == 0 ? 0 : Float(count) / Float(plan.caseCount))
    }
}
