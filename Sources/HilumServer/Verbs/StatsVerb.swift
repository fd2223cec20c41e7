import HilumArchive
import HilumCore

/// `STATS`: one object with the figures of the archive, and under `recall` what is known of each graph.
struct StatsVerb: ReadingVerb {
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) { try request.check() }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let archive = handler.archive
        let figures = try archive.stats().json.adding("recall", Self.recall(archive.recall))
        var builder = ReplyBuilder(tag: tag)
        builder.object(raw: Array(figures.sorted.text.utf8))
        return builder.ok()
    }

    /// What is known of each graph; shares to five decimals, more than the samples tell.
    private static func recall(_ recall: RecallEstimator) -> JSON {
        .object(
            VectorKind.allCases.map { kind in
                let estimate = recall.estimate(kind)
                var members: [(key: String, value: JSON)] = [
                    ("k", .integer(RecallEstimator.k)), ("samples", .integer(estimate.sampleCount)),
                    ("waiting", .integer(estimate.waitingCount)),
                ]
                for (ef, figure) in zip(RecallEstimator.measuredEfs, estimate.figures) {
                    members.append(("at_ef\(ef)", .number(figure.value, decimals: 5)))
                    let interval = [figure.low, figure.high].map { JSON.number($0, decimals: 5) }
                    members.append(("ci95_ef\(ef)", .array(interval)))
                }
                return (kind.rawValue, .object(members))
            })
    }
}
